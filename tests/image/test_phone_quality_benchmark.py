"""The phone's gate against the server's, in miniature: the phone's own code runs under Node."""

import json

import pytest

from benchmarks.phone_quality import WEB, main


@pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="needs `npm ci` in backend/web")
def test_the_phone_passes_nothing_that_the_server_refuses(tmp_path, capsys):
    out = tmp_path / "phone_quality.json"
    main(["--photos", "16", "--out", str(out)])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert json.loads(out.read_text())["figures"] == figures
    for comparison in ("same_pixels", "before_sending", "live_hints"):
        assert figures[comparison]["server_refuses"] > 0, "nothing was put to the test"
        assert figures[comparison]["of_these_the_phone_passes"] == 0
    assert figures["same_pixels"]["of_these_the_phone_refuses"] == 0
    assert figures["same_pixels"]["other_reasons"] == 0
    assert figures["lid_seen"] >= 0.5
