"""The whole round on drawn photos: what comes out, what a kill costs, what a timer does."""

import json

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.release.shelf import Release, Shelf
from tests.support.cycle import made_once
from tests.trainer.whole_round import Kill, Killed
from trainer.__main__ import main
from worker.engines.plan import load_engine, on_cpu
from worker.selftest import largest_difference

pytestmark = pytest.mark.slow

STEPS = (
    "1-snapshot", "2-groups", "3-fine-tune", "4-calibrate", "5-quantize", "6-evaluate", "7-gate", "8-candidate",
    "9-mistakes",
)  # fmt: skip


def test_a_candidate_comes_out_that_a_node_would_admit(made, tmp_path):
    release = Shelf(tmp_path / "shelf").put(made.candidate)
    assert release.manifest.status == "investigational"
    models = [(file.path, *file.needs) for file in release.manifest.files if file.role == "model"]
    assert models == [
        ("int8.onnx", "cpu"), ("fp16.onnx", "cpu"), ("int8-trt.onnx", "gpu"), ("fp16-trt.onnx", "gpu"),
    ]  # fmt: skip
    assert load_engine(release).describe().precision == "int8"
    assert largest_difference(on_cpu(release, precision="fp16"), release) < 1e-3


def test_a_candidate_that_learned_from_too_few_is_refused_and_stays_with_its_report(made):
    assert made.said["gate_passed"] is False
    assert "too-few-positives" in made.said["gate_refusals"]
    page = (made.run / "8-candidate" / "report.html").read_text()
    assert "too-few-positives" in page or "too few" in page.lower()


def test_nobodys_photo_lies_where_the_candidate_does(made):
    there = [file for file in (made.run / "8-candidate").rglob("*") if file.is_file()]
    assert {file.name for file in there if file.suffix in (".png", ".jpg", ".npy")} == {"00.png", "01.png"}  # drawn
    assert {file.parent for file in there if file.suffix == ".html"} == {made.run / "8-candidate"}


def test_pictures_of_people_are_for_the_trainers_eyes_alone(made):
    mistakes = made.run / "9-mistakes" / "mistakes.html"
    assert "data:image/png" in mistakes.read_text()
    for path, mode in ((mistakes, 0o600), (mistakes.parent, 0o700), (made.run, 0o700), (made.runs, 0o700)):
        assert path.stat().st_mode & 0o777 == mode
    assert f'href="../{mistakes.relative_to(made.run)}"' in (made.run / "8-candidate" / "report.html").read_text()


def test_card_and_manifest_say_what_the_evidence_says(made):
    evidence = json.loads((made.run / "6-evaluate" / "evidence.json").read_bytes())
    manifest = Release.open(made.candidate).manifest
    assert manifest.threshold == evidence["cutoffs"]["threshold"]
    told = {
        (f["protocol"], f["name"]): f["value"]
        for f in evidence["figures"]
        if f["value"] is not None and "@" not in f["name"]
    }
    assert {(f.protocol, f.name): f.value for f in manifest.figures} == told
    assert {f.protocol for f in manifest.figures} == {"test_side"}
    assert "doi:10.17632/m53vz6b7fx.1" in (made.candidate / "card.md").read_text()


def test_killed_in_every_step_it_ends_with_the_same_candidate_and_no_step_is_done_twice(made, tmp_path, monkeypatch):
    """Killed when the step was begun, and once more when its folder stood there but nobody had said so."""
    runs, kill = tmp_path / "runs", Kill(monkeypatch)
    made.begin_like_the_first(runs)
    for step in STEPS:
        for at in ("begun", "renamed"):
            kill.when(step, at)
            with pytest.raises(Killed):
                main(made.command(runs))
    kill.never()
    assert main(made.command(runs)) == 3
    candidate = runs / "run-0001" / "8-candidate" / made.candidate.name
    assert Release.open(candidate).manifest.digest() == Release.open(made.candidate).manifest.digest()
    journal = [json.loads(line) for line in (runs / "run-0001" / "journal.jsonl").read_text().splitlines()]
    begun = [line["step"] for line in journal if line["is"] == "begun"]
    assert begun == [step for step in STEPS for _ in range(2)]  # once killed before its work, once for its work


def test_a_timer_does_nothing_until_enough_is_new(made, capsys):
    assert main([*made.command(made.runs), "--if-due"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["figures"] == {"due": False}
    assert "0 cases came or went" in " ".join(said.err.split())
    assert not (made.runs / "run-0002").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A candidate made by the command from drawn photos, in the shortest possible training."""
    return made_once(tmp_path_factory)
