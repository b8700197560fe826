"""The long commands run from end to end, on a few drawn photos, and end with one JSON object; run again, they go on."""

import json

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from safetensors.torch import save_file

from benchmarks import engines, learning_curve, paper_tables, quantization
from trainer.model import random_base

pytestmark = pytest.mark.slow


def test_the_learning_curve(init, tmp_path, capsys):
    command = ["--miniature", "--run", str(tmp_path / "run"), "--init", init, "--processes", "1"]
    figures = told(learning_curve, [*command, "--plot", str(tmp_path / "curve.svg")], capsys)
    assert figures["shuffled.gate_passed"] is False
    assert 0 <= figures["cases_40.auroc.low"] <= figures["cases_40.auroc"] <= figures["cases_40.auroc.high"] <= 1
    assert "</svg>" in (tmp_path / "curve.svg").read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "folds").iterdir()}
    assert told(learning_curve, command, capsys) == figures
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "folds").iterdir()} == before


def test_quantization(init, tmp_path, capsys):
    figures = told(quantization, ["--miniature", "--run", str(tmp_path / "run"), "--init", init], capsys)
    assert figures["synthetic.fp16.size_ratio"] < 0.51
    assert figures["synthetic.int8.size_ratio"] < 0.29
    assert figures["synthetic.int4.size_ratio"] < 0.20
    assert figures["synthetic.fp32.time_ratio"] == 1
    assert figures["synthetic.nodes_by_bits"]["int8"]["weights 8, activations 8"] == 52


def test_the_papers_tables(init, tmp_path, capsys):
    command = ["--miniature", "--run", str(tmp_path / "run"), "--init", init, "--processes", "1"]
    figures = told(paper_tables, command, capsys)
    assert figures["few-cases.grouped_by_photo.twin_look_up.auroc"] == 0.5
    assert "few-cases.grouped_by_photo.roi_area.auroc" in figures
    assert 0 <= figures["test_side.int8.accuracy"] <= 1
    assert figures["amax.int8.features.0.0"][0] <= figures["amax.int8.features.0.0"][1]


def test_engines(tmp_path, capsys):
    pytest.importorskip("tensorrt_rtx", reason="the extra engines is not installed")
    figures = told(engines, ["--miniature", "--run", str(tmp_path / "run")], capsys)
    for plan in ("fp16.sm86", "int8.sm86"):  # docs/adr/0012 says why two builds may differ
        assert figures[f"{plan}.identical"] or 0 < figures[f"{plan}.lines_apart"] < figures[f"{plan}.lines"] / 10
    for kind in ("flipped_byte", "cut_off", "of_another_gpu"):
        assert figures[f"{kind}.tried"] >= 5
        assert figures[f"{kind}.taken"] == 0


def told(benchmark, command, capsys):
    """The figures of the last line."""
    benchmark.main(command)
    return json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]


@pytest.fixture(scope="module")
def init(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("init") / "base.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in random_base(0).weights.items()}, path)
    return str(path)
