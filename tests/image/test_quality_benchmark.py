"""The command that prints the figures ends with them, and writes down where they come from."""

import json

from benchmarks.quality import main


def test_the_last_line_is_the_figures_and_the_file_says_where_they_come_from(tmp_path, capsys):
    out = tmp_path / "results" / "quality.json"
    main(["--synthetic", "4", "--out", str(out)])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    kept = json.loads(out.read_text())
    assert kept["figures"] == figures
    assert kept.keys() == {"benchmark", "date", "machine", "commit", "figures"}
    assert kept["machine"].keys() == {"cpu", "cores", "system", "python"}
    assert figures["synthetic"]["as_drawn"]["photos_per_level"] == 4
    assert "real" not in figures
