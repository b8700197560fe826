"""One round after the other: which run goes on, which is given up, when nothing is begun; and what a bad order says."""

import json
import shutil
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from safetensors.torch import save_file

from pallor.release.repository.keys import new_key
from pallor.snapshot import snapshot_key
from pallor.store.folder import FolderStore
from tests.trainer.whole_round import Kill, Killed, shortest_recipe, write_dataset
from trainer.__main__ import main
from trainer.data.groups import GROUPS_FILE
from trainer.model import random_base
from trainer.runs import Run, runs_in

FEW = 2


def test_a_run_that_was_begun_too_early_is_given_up_and_the_next_one_waits_for_more(place, said, tmp_path, monkeypatch):
    place.data = tmp_path / "data"
    write_dataset(place.data, FEW)
    assert main(place.cycle()) == 2
    assert "run-0001 is given up" in said().err
    given_up = json.loads((place.runs / "run-0001" / "given-up.json").read_bytes())
    assert given_up["reason"] in ("nothing-to-learn", "nothing-to-judge")

    assert main(place.cycle("--if-due", "--new-cases", "3")) == 0
    assert json.loads(said().out)["figures"] == {"due": False}
    write_dataset(place.data, 48)
    Kill(monkeypatch).when("3-fine-tune", "begun")
    with pytest.raises(Killed):
        main(place.cycle("--if-due", "--new-cases", "3"))
    assert [run.number for run in runs_in(place.runs)] == [1, 2]


def test_the_first_run_waits_for_as_many_cases_as_every_other(place, said):
    assert main(place.cycle("--if-due")) == 0
    told = said()
    assert json.loads(told.out)["figures"] == {"due": False}
    assert "48 cases, and nothing was made here before; 100 are enough" in told.err
    assert runs_in(place.runs) == []


def test_what_finding_the_groups_drew_from_photos_is_deleted_when_they_are_found(place, tmp_path, monkeypatch):
    place.data = tmp_path / "data"
    write_dataset(place.data, 9)
    (place.data / GROUPS_FILE).unlink()
    Kill(monkeypatch).when("3-fine-tune", "begun")
    with pytest.raises(Killed):
        main(place.cycle())
    there = {path.name for path in (place.runs / "run-0001" / "2-groups").iterdir()}
    assert there == {"groups.json", GROUPS_FILE, "groups.md", "contact_sheet.png"}


def test_an_erasure_ends_the_run_that_it_reaches_and_the_next_one_begins(begun, said, monkeypatch):
    run = begun.runs / "run-0001"
    (run / "2-groups" / "contact_sheet.png").touch()
    begun.erase(run)
    assert main(begun.cycle()) == 2
    assert "snapshot-missing" in said().err
    assert json.loads((run / "given-up.json").read_bytes())["reason"] == "snapshot-missing"
    assert not (run / "2-groups" / "contact_sheet.png").exists()
    Kill(monkeypatch).when("3-fine-tune", "begun")
    with pytest.raises(Killed):
        main(begun.cycle("--if-due", "--new-cases", "48"))  # none of these cases was tried to the end
    assert (begun.runs / "run-0002" / "2-groups").is_dir()


def test_what_a_finished_run_shows_of_people_is_deleted_once_somebody_of_it_is_erased(begun, said):
    run = Run(begun.runs / "run-0001", 1)
    run.finish("a-release")
    pictures = [run.folder / "2-groups" / "contact_sheet.png", run.folder / "9-mistakes" / "mistakes.html"]
    for picture in pictures:
        picture.parent.mkdir(exist_ok=True)
        picture.touch()
    (run.folder / "3-fine-tune").mkdir()
    (run.folder / "3-fine-tune" / "sides.json").write_text("{}")
    assert main(begun.cycle("--if-due")) == 0  # the import puts the snapshot there anew
    assert all(picture.exists() for picture in pictures)
    begun.erase(run.folder)
    assert main(begun.cycle("--if-due")) == 0
    assert "run-0001: somebody of it was erased" in said().err
    assert not any(picture.exists() for picture in pictures)
    assert (run.folder / "2-groups" / "groups.json").is_file()


@pytest.mark.parametrize("other", ["--data", "--groups", "--store", "--recipe"])
def test_an_unfinished_run_is_not_finished_with_something_else(begun, said, tmp_path, other):
    recipe = tmp_path / "other.toml"
    recipe.write_text(shortest_recipe().replace("dropout = 0.2", "dropout = 0.3"))
    another = {
        "--data": str(tmp_path),
        "--groups": str(begun.data / "same_photo_groups.csv"),
        "--store": f"file://{tmp_path}/store",
        "--recipe": str(recipe),
    }[other]
    assert main(begun.cycle(other, another)) == 2
    told = said().err
    assert "run-differs" in told
    assert f"got {other.removeprefix('--')}" in told


@pytest.mark.parametrize(
    "options",
    [
        ["--data", "d", "--snapshot", "sha256:" + "0" * 64], ["--snapshot", "yesterday's"], ["--new-cases", "0"],
        ["--new-cases", "-5"], ["--days", "-1"], ["--processes", "0"], ["--processes", "-1"],
        ["--processes", "100000"], ["--api", "not an address"], ["--api", "http://["], ["--api", "ftp://127.0.0.1"],
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_before_anything_is_done(tmp_path, capsys, options):
    with pytest.raises(SystemExit, match="2"):
        main(["cycle", "--runs", str(tmp_path / "runs"), *options])
    assert options[-2] in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_without_anything_to_learn_from_it_says_what_to_give(tmp_path, said, monkeypatch):
    monkeypatch.delenv("PALLOR_STORE_URL", raising=False)
    assert main(["cycle", "--runs", str(tmp_path), "--every-photo-its-own-group"]) == 2
    told = said().err
    assert "source-missing" in told
    assert "--data DIR" in told


def test_a_key_that_does_not_open_is_refused_before_anything_is_done(place, said, tmp_path, monkeypatch):
    new_key(tmp_path, "trainer", "long enough for a key")
    monkeypatch.setenv("PALLOR_KEY_PASSPHRASE", "another one, and long enough")
    assert main(place.cycle("--key", str(tmp_path / "trainer.key"))) == 2
    assert "passphrase-wrong" in said().err
    assert not place.runs.exists()


def test_without_a_token_it_says_which_command_makes_one(place, said, monkeypatch):
    monkeypatch.delenv("PALLOR_TRAINER_TOKEN", raising=False)
    assert main(place.cycle("--api", "http://127.0.0.1:1")) == 2
    assert "pallor-backend enrol-code trainer NAME" in said().err


def test_a_number_that_was_taken_away_is_given_to_no_other_run_and_a_copy_is_nobodys(tmp_path):
    for name in ("run-0002", "run-old", "run-1", "store"):
        (tmp_path / name).mkdir()
    assert [run.number for run in runs_in(tmp_path)] == [2]
    assert Run.after(runs_in(tmp_path), tmp_path).folder == tmp_path / "run-0003"


@pytest.mark.parametrize("file", ["3-fine-tune/sides.json", "1-snapshot/cases.json", "order.json"])
@pytest.mark.parametrize("damage", [None, "[", "3"])
def test_a_finished_run_that_lacks_what_later_ones_ask_it_is_named(begun, said, file, damage):
    run = Run(begun.runs / "run-0001", 1)
    run.finish("a-release")
    (run.folder / "3-fine-tune").mkdir()
    (run.folder / "3-fine-tune" / "sides.json").write_text("{}")
    (run.folder / file).unlink()
    if damage is not None:
        (run.folder / file).write_text(damage)
    assert main(begun.cycle("--if-due")) == 2
    told = said().err
    assert "run-broken" in told
    assert file.split("/")[-1] in told


ELSEWHERE = [("--runs", "a-file")] + [
    (option, what)
    for option in ("--recipe", "--groups", "--init", "--champion", "--data")
    for what in ("a-file", "a-folder", "nothing")
]


@pytest.mark.parametrize(("option", "what"), ELSEWHERE)
def test_a_path_that_leads_to_something_else_is_refused_in_a_line(place, said, tmp_path, option, what):
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").write_text("not what is wanted")
    assert main(place.cycle(option, str(tmp_path / what))) == 2
    told = said().err
    assert what in "".join(told.split())  # a long path is broken over two lines
    assert "Traceback" not in told


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Photos, weights and the recipe, which no test here changes."""
    folder = tmp_path_factory.mktemp("rounds")
    save_file({name: one.contiguous() for name, one in random_base(0).weights.items()}, folder / "init.safetensors")
    (folder / "recipe.toml").write_text(shortest_recipe())
    write_dataset(folder / "data")
    return folder


class Place(SimpleNamespace):
    def cycle(self, *options) -> list[str]:
        places = ["--runs", str(self.runs), "--data", str(self.data), "--init", str(self.shared / "init.safetensors")]
        return ["cycle", *places, "--processes", "1", "--recipe", str(self.shared / "recipe.toml"), *options]

    def erase(self, run) -> None:
        """As the server does when somebody of the run's snapshot is erased."""
        digest = json.loads((run / "1-snapshot" / "snapshot.json").read_bytes())
        FolderStore(self.runs / "store").delete(snapshot_key(digest))


@pytest.fixture
def place(shared, tmp_path):
    return Place(shared=shared, runs=tmp_path / "runs", data=shared / "data")


@pytest.fixture(scope="module")
def killed(shared):
    """Where a run was killed when it had its groups."""
    place = Place(shared=shared, runs=shared / "runs", data=shared / "data")
    with pytest.MonkeyPatch.context() as patch:
        Kill(patch).when("3-fine-tune", "begun")
        with pytest.raises(Killed):
            main(place.cycle())
    return place.runs


@pytest.fixture
def begun(place, killed):
    """A copy of it."""
    shutil.copytree(killed, place.runs)
    return place


@pytest.fixture
def said(capsys):
    """What was printed, each in one line."""

    def read():
        told = capsys.readouterr()
        return SimpleNamespace(out=told.out, err=" ".join(told.err.split()))

    return read
