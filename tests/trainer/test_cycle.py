"""The whole round on drawn photos: what comes out, what a kill costs, what a timer does."""

import json

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.release.shelf import Release, Shelf
from tests.support.cycle import Made
from trainer import steps
from trainer.__main__ import main
from worker.engines.plan import load_engine, on_cpu
from worker.selftest import largest_difference

STEPS = (
    "1-snapshot", "2-groups", "3-fine-tune", "4-calibrate", "5-quantize", "6-evaluate", "7-gate", "8-candidate",
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
    assert (made.run / "8-candidate" / "mistakes.html").is_file()


def test_nobodys_photo_leaves_with_the_candidate(made):
    photos = {file.name for file in made.candidate.rglob("*") if file.suffix in (".png", ".jpg", ".npy")}
    assert photos == {"00.png", "01.png"}  # the golden ones, drawn
    assert "mistakes.html" not in {file.name for file in made.candidate.rglob("*")}


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


def test_an_unfinished_run_is_not_finished_with_another_recipe(made, tmp_path, capsys, monkeypatch):
    runs = tmp_path / "runs"
    Kill(monkeypatch).when("2-groups", "begun")
    with pytest.raises(Killed):
        main(made.command(runs))
    recipe = tmp_path / "other.toml"
    recipe.write_text(made.recipe.read_text().replace("dropout = 0.2", "dropout = 0.3"))
    assert main([*made.command(runs)[:-2], "--recipe", str(recipe)]) == 2
    assert "run-differs" in capsys.readouterr().err


def test_without_anything_to_learn_from_it_says_what_to_give(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("PALLOR_STORE_URL", raising=False)
    assert main(["cycle", "--runs", str(tmp_path), "--every-photo-its-own-group"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "source-missing" in said
    assert "--data DIR" in said


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A candidate made by the command from drawn photos, in the shortest possible training."""
    return Made(tmp_path_factory.mktemp("cycle"))


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class Kill:
    def __init__(self, monkeypatch):
        self._step = self._at = None
        note, sync = steps.Steps._note, steps.sync_folder

        def noting(own, name, word):
            note(own, name, word)
            if (self._step, self._at, word) == (name, "begun", "begun"):
                raise Killed

        def syncing(folder):
            sync(folder)
            if self._at == "renamed" and (folder / self._step).is_dir():
                raise Killed

        monkeypatch.setattr(steps.Steps, "_note", noting)
        monkeypatch.setattr(steps, "sync_folder", syncing)

    def when(self, step, at):
        self._step, self._at = step, at

    def never(self):
        self._step = self._at = None
