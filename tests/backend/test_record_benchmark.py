"""The benchmarks of record and drift, in miniature: they run to their end, and every case counts."""

import json

from benchmarks.record import main


def test_every_part_runs_and_every_case_counts(capsys, tmp_path):
    main(["--miniature", "--out", str(tmp_path / "record.json"), "--plot", str(tmp_path / "record.svg")])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert (figures["cases"], figures["record_cases"], figures["drift_alarms"]) == (300, 300, 0)
    assert json.loads((tmp_path / "record.json").read_text())["figures"] == figures
    assert (tmp_path / "record.svg").read_text().startswith("<svg")
