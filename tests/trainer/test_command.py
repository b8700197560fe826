"""The command, from a folder in CP-AnemiC's layout to a release on a shelf."""

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from safetensors.torch import save_file

from pallor.cp_anemic import SHEET
from pallor.image.synthetic import draw, render_bytes
from pallor.release.shelf import Release, Shelf
from trainer.__main__ import main
from trainer.data.groups import GROUPS_FILE
from trainer.model import random_base
from trainer.recipe import read_recipe
from worker.engines.plan import load_engine
from worker.selftest import largest_difference

HEADER = "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL,CITY/TOWN,MUNICIPALITY/DISTRICT,REGION,COUNTRY"

# Of each five photographs, the fifth was handed in by both hospitals.
SITES = [("North", "North"), ("North", "North"), ("South", "South"), ("South", "South"), ("North", "South")]


def test_a_release_comes_out_that_a_node_would_admit(made, tmp_path):
    release = Shelf(tmp_path / "shelf").put(made.out)
    assert release.manifest.status == "investigational"
    assert release.manifest.world == "real"
    assert release.manifest.release_id == "tiny-1"
    assert largest_difference(load_engine(release), release) < 1e-3


def test_card_and_manifest_say_what_the_evidence_says(made):
    evidence = json.loads((made.run / "evaluation.json").read_bytes())
    manifest = Release.open(made.out).manifest
    assert manifest.threshold == evidence["cutoffs"]["threshold"]
    assert {(f.protocol, f.name): f.value for f in manifest.figures} == {
        (f["protocol"], f["name"]): f["value"] for f in evidence["figures"]
    }
    card = (made.out / "card.md").read_text()
    assert "Fit to clear no one" in card
    assert "doi:10.17632/m53vz6b7fx.1" in card
    for figure in evidence["figures"]:
        assert f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" in card


def test_the_twin_look_up_stands_beside_the_model_in_every_protocol(made):
    figures = Release.open(made.out).manifest.figures
    for protocol in ("grouped_by_photo", "leave_one_site_out", "published_protocol"):
        names = {figure.name for figure in figures if figure.protocol == protocol}
        assert {"model.auroc", "twin_look_up.auroc", "constant.auroc"} <= names
    twin = {f.protocol: f.value for f in figures if f.name == "twin_look_up.auroc"}
    assert twin["grouped_by_photo"] == twin["leave_one_site_out"] == 0.5
    assert twin["published_protocol"] > 0.7


def test_a_killed_evaluation_goes_on_where_it_was(made):
    folds = sorted((made.run / "folds").iterdir())
    before = {fold.name: fold.stat().st_mtime_ns for fold in folds}
    evidence = (made.run / "evaluation.json").read_bytes()
    folds[0].unlink()
    (made.run / "evaluation.json").unlink()
    assert main(["evaluate", *made.options, "--processes", "1"]) == 0
    after = {fold.name: fold.stat().st_mtime_ns for fold in (made.run / "folds").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {folds[0].name}
    assert (made.run / "evaluation.json").read_bytes() == evidence


def test_without_groups_they_are_found_in_the_photos(made, tmp_path, capsys):
    groups = made.data / GROUPS_FILE
    hidden = groups.rename(tmp_path / "groups.csv")
    try:
        assert main(["evaluate", *made.options, "--run", str(tmp_path / "run")]) == 0
    finally:
        hidden.rename(groups)
    assert "finding them in the photos" in capsys.readouterr().err
    evidence = json.loads((tmp_path / "run" / "evaluation.json").read_bytes())
    assert evidence["data"]["photographs"] == 20
    assert (tmp_path / "run" / "same_photo" / "contact_sheet.png").is_file()


def test_groups_that_were_named_and_are_not_there_are_refused(made, tmp_path, capsys):
    assert main(["evaluate", *made.options, "--groups", str(tmp_path / "none.csv")]) == 2
    assert "groups-missing" in capsys.readouterr().err


def test_a_release_is_never_made_around_anothers_evaluation(made, tmp_path, capsys):
    recipe = tmp_path / "other.toml"
    recipe.write_text(made.recipe.read_text().replace("dropout = 0.2", "dropout = 0.3"))
    command = ["release", *made.options, "--out", str(tmp_path / "out"), "--recipe", str(recipe)]
    assert main(command) == 2
    assert "evidence-missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A release made by the command from forty drawn photos, each standing twice, in the shortest possible training."""
    return Made(tmp_path_factory.mktemp("trainer"))


class Made:
    def __init__(self, folder):
        self.data, self.run, self.out = folder / "data", folder / "run", folder / "release"
        self.recipe = folder / "recipe.toml"
        self.recipe.write_text(shortest_recipe())
        write_dataset(self.data)
        weights = {name: tensor.contiguous() for name, tensor in random_base(0).weights.items()}
        save_file(weights, folder / "init.safetensors")
        places = ["--data", str(self.data), "--run", str(self.run), "--init", str(folder / "init.safetensors")]
        self.options = [*places, "--recipe", str(self.recipe)]
        assert main(["bootstrap", *self.options, "--out", str(self.out), "--release-id", "tiny-1"]) == 0


def shortest_recipe() -> str:
    text = (files("trainer.recipes") / "bootstrap.toml").read_text("utf-8")
    evaluation = read_recipe().evaluation
    for old, new in {
        "epochs = 4": "epochs = 0.1",
        "batch = 16": "batch = 4",
        "golden_photos = 8": "golden_photos = 2",
        f"bootstrap_draws = {evaluation.bootstrap_draws}": "bootstrap_draws = 20",
        f"grouped_by_photo = {list(evaluation.grouped_by_photo)}": "grouped_by_photo = [1]",
        f"leave_one_site_out = {list(evaluation.leave_one_site_out)}": "leave_one_site_out = [1]",
    }.items():
        assert old in text
        text = text.replace(old, new)
    return text


def write_dataset(folder) -> None:
    """Twenty drawn photos, each in two rows of one label, in the published layout."""
    rng = np.random.default_rng(0)
    lines, groups = [HEADER], ["IMAGE_ID,same_photo_group"]
    for number in range(20):
        remark, hb = ("Anemic", 70.0) if number % 2 else ("Non-anemic", 140.0)
        photo = render_bytes(replace(draw(rng, hb, signal=50.0), blur_px=0.4))
        for copy, site in enumerate(SITES[number % 5]):
            name = f"Image_{number:03}{copy}"
            (folder / remark).mkdir(parents=True, exist_ok=True)
            (folder / remark / f"{name}.png").write_bytes(photo)
            lines.append(f"{name},{hb / 10},x,24,Male,{remark},{site},,,,Ghana")
            groups.append(f"{name},{number}")
    (folder / SHEET).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    (folder / GROUPS_FILE).write_text("\n".join(groups) + "\n")
