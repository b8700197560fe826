"""The same photograph is found however it was changed, and two photographs are never taken for one."""

import csv
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the trainer's extra is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.same_photo import main as benchmark
from benchmarks.same_photo import taken_again
from pallor.cp_anemic import read
from pallor.image.decode import Photo, encode
from pallor.image.synthetic import Draw, draw, render
from tests.support.photos import cp_anemic
from trainer.__main__ import main
from trainer.data.alignment import Alignment
from trainer.data.group_report import group_photos, photos_in
from trainer.data.groups import GROUPS_FILE, read_groups
from trainer.data.local_features import describe, load, mirrored, save
from trainer.data.same_photo import LEVELS, Rule, closure, find_same_photos

PEOPLE = 10
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=12, deadline=None, derandomize=True)


def test_each_copy_is_found_at_its_level_and_by_its_evidence(found):
    of = {(link.one, link.two): link for link in found.links}
    for person in range(PEOPLE):
        original = f"{person}/original.png"
        assert of[original, f"{person}/sent-twice.png"].level == "exact"
        assert of[original, f"{person}/turned.png"].level == "pixel"
        evidence = next(link.alignment for pair, link in of.items() if set(pair) == {original, f"{person}/anew.png"})
        assert evidence.points >= Rule().points
        assert evidence.likeness >= Rule().likeness
        assert evidence.residual_px < 3


def test_two_people_are_never_one(found):
    for level in LEVELS:
        groups = found.groups(level)
        by_person = [{groups[i] for i in found.image_ids if i.startswith(f"{person}/")} for person in range(PEOPLE)]
        assert sum(map(len, by_person)) == len(set().union(*by_person))


def test_a_looser_level_holds_the_groups_of_the_stricter_ones(found):
    for strict, loose in pairwise(LEVELS):
        inner, outer = found.groups(strict), found.groups(loose)
        assert len({(inner[i], outer[i]) for i in found.image_ids}) == len(set(inner.values()))


@FEW
@given(seed=SEEDS, turns=st.integers(0, 3), mirror=st.booleans(), border=st.integers(0, 40))
def test_mirrored_turned_by_quarters_and_cropped_is_always_the_same_photo(
    tmp_path_factory, seed, turns, mirror, border
):
    photo = render(a_draw(seed))
    rgb, mask = np.rot90(photo.rgb, turns), np.rot90(photo.mask, turns)
    if mirror:
        rgb, mask = rgb[:, ::-1], mask[:, ::-1]
    wide = Photo(
        np.pad(rgb, ((border, 0), (0, border), (0, 0)), constant_values=9), np.pad(mask, ((border, 0), (0, border)))
    )
    found = find_in(tmp_path_factory.mktemp("pair"), {"one": photo, "two": wide})
    assert len(set(found.groups("pixel").values())) == 1


@FEW
@given(seeds=st.lists(SEEDS, min_size=4, max_size=4, unique=True))
def test_different_photos_are_never_the_same_photo(tmp_path_factory, seeds):
    photos = {str(seed): render(a_draw(seed)) for seed in seeds}
    found = find_in(tmp_path_factory.mktemp("strangers"), photos)
    assert len(set(found.groups("suspected").values())) == len(seeds)


@FEW
@given(seed=SEEDS)
def test_what_a_point_looks_like_mirrored_is_known_without_mirroring_the_photo(seed):
    photo = render(a_draw(seed))
    plain, seen = describe(photo), describe(Photo(photo.rgb[:, ::-1].copy(), photo.mask[:, ::-1].copy()))
    looks, known = seen.looks.astype(float), mirrored(plain.looks).astype(float)
    nearest = np.sort(np.linalg.norm(looks[:, None] - known[None], axis=2).min(axis=1))
    assert nearest[len(nearest) // 2] < 30  # of lengths of 512


@pytest.mark.parametrize(
    ("evidence", "level"),
    [
        ({}, "same_photo"),
        ({"points": 4}, None),
        ({"likeness": 0.4}, None),
        ({"overlap": 0.1}, None),
        ({"colour_difference": 9.0}, None),
        ({"colour_difference": 9.0, "points": 30}, "suspected"),
    ],
)
def test_one_rule_says_which_evidence_is_enough(evidence, level):
    enough = Alignment(6, 1.0, False, 0.0, 1.0, overlap=0.8, likeness=0.8, colour_difference=1.0)
    assert Rule().level(replace(enough, **evidence)) == level


def test_groups_are_the_closure_of_pairs():
    groups = closure("abcdef", [("e", "b"), ("b", "f"), ("c", "d")])
    assert groups == {"a": 1, "b": 2, "c": 3, "d": 3, "e": 2, "f": 2}


def test_a_photo_in_which_nothing_can_be_told_apart_is_nobodys_twin(tmp_path):
    flat = Photo(np.full((40, 90, 3), 120, np.uint8), np.ones((40, 90), bool))
    dot = Photo(np.full((9, 9, 3), 99, np.uint8), np.eye(9, dtype=bool))
    paler = Photo(flat.rgb + np.uint8(2), flat.mask)
    found = find_in(tmp_path, {"flat": flat, "dot": dot, "paler": paler})
    assert len(set(found.groups("suspected").values())) == 3


def test_features_come_back_from_their_file(tmp_path):
    features = describe(render(a_draw(3)))
    save(features, tmp_path / "one.npz")
    again = load(tmp_path / "one.npz")
    for name in ("places", "sizes", "angles", "looks"):
        assert np.array_equal(getattr(again, name), getattr(features, name))
    assert np.array_equal(again.detail, features.detail)


def test_a_photo_that_cannot_be_read_is_named_and_costs_the_others_nothing(folder, tmp_path, capsys):
    for name in ("0/broken.png", "1/broken.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    try:
        assert main(["groups", "--photos", str(folder), "--out", str(tmp_path), "--processes", "1"]) == 0
    finally:
        [path.unlink() for path in folder.glob("*/broken.png")]
    said = capsys.readouterr()
    assert "0/broken.png" in said.err
    assert json.loads(said.out.splitlines()[-1])["figures"]["same_photo"]["groups"] == PEOPLE + 1
    report = json.loads((tmp_path / "groups.json").read_bytes())
    assert set(report["unreadable"]) == {"0/broken.png", "1/broken.png"}
    assert "0/broken.png" in (tmp_path / "groups.md").read_text()
    assert (tmp_path / "contact_sheet.png").stat().st_size > 10_000
    groups = read_groups(tmp_path / GROUPS_FILE, list(csv_ids(tmp_path / GROUPS_FILE)))
    assert groups["0/broken.png"] == groups["1/broken.png"] != groups["0/original.png"]


def test_a_killed_run_describes_no_photo_twice(folder, tmp_path):
    group_photos(*photos_in(folder), tmp_path)
    kept = sorted((tmp_path / "features").iterdir())
    kept[0].unlink()
    before = {path: path.stat().st_mtime_ns for path in kept[1:]}
    csv_before = (tmp_path / GROUPS_FILE).read_bytes()
    group_photos(*photos_in(folder), tmp_path, processes=2)
    assert sorted((tmp_path / "features").iterdir()) == kept
    assert {path: path.stat().st_mtime_ns for path in kept[1:]} == before
    assert (tmp_path / GROUPS_FILE).read_bytes() == csv_before


def test_what_an_earlier_report_left_there_is_no_photo_and_no_features(tmp_path, capsys):
    for seed in (1, 2):
        (tmp_path / f"{seed} | <b>.png").write_bytes(encode(render(a_draw(seed))))
    (tmp_path / "broken_<i>_`.png").write_bytes(b"")
    command = ["groups", "--photos", str(tmp_path), "--out", str(tmp_path), "--processes", "1"]
    assert main(command) == 0
    before = capsys.readouterr().out
    for kept in (tmp_path / "features").iterdir():
        kept.write_bytes(b"PK\x03\x04 and no more")
    assert main(command) == 0
    assert capsys.readouterr().out == before
    assert "broken_&lt;i&gt;_\\`.png" in (tmp_path / "groups.md").read_text()


def test_a_folder_without_photos_is_refused(tmp_path, capsys):
    assert main(["groups", "--photos", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "no-photos" in capsys.readouterr().err


def test_real_photos_are_found_again_as_eyes_found_them(tmp_path):
    data = cp_anemic()
    with (data / "same_photo_groups.csv").open(encoding="utf-8-sig", newline="") as file:
        truth = {line["IMAGE_ID"]: line for line in csv.DictReader(file)}
    rows = [row for row in read(data) if int(truth[row.image_id]["suspected_group"]) <= 12][:40]
    found = find_same_photos({row.image_id: row.photo for row in rows}, tmp_path)
    groups = found.groups("same_photo")
    pairs = [(a.image_id, b.image_id) for a in rows for b in rows if a.image_id < b.image_id]
    same = {p for p in pairs if truth[p[0]]["same_photo_group"] == truth[p[1]]["same_photo_group"]}
    joined = {p for p in pairs if groups[p[0]] == groups[p[1]]}
    doubtful = {p for p in pairs if truth[p[0]]["suspected_group"] == truth[p[1]]["suspected_group"]} - same
    assert len(same) > 50
    assert len(joined & same) >= 0.9 * len(same)
    assert not joined - same - doubtful


def test_the_benchmark_ends_with_its_figures(tmp_path, capsys):
    benchmark(["--synthetic", "3", "--processes", "1", "--out", str(tmp_path / "same_photo.json")])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert json.loads((tmp_path / "same_photo.json").read_bytes())["figures"] == figures
    assert figures["synthetic"]["same_photo"]["different_people_joined"] == 0


def a_draw(seed: int) -> Draw:
    """A photo in good light with a steady hand, of anybody."""
    rng = np.random.default_rng(seed)
    return replace(draw(rng, float(rng.uniform(60, 140)), signal=1.0), blur_px=0.5, exposure_stops=0.0)


def find_in(folder, photos):
    for name, photo in photos.items():
        (folder / f"{name}.png").write_bytes(encode(photo))
    return find_same_photos({name: folder / f"{name}.png" for name in photos}, folder / "features")


def csv_ids(path):
    with path.open(newline="") as file:
        return [line["IMAGE_ID"] for line in csv.DictReader(file)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten drawn people, each with a byte-identical copy, a turned one, and one marked, cut, turned and saved anew."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    for person in range(PEOPLE):
        chance = replace(a_draw(person), length_px=240.0, thickness_px=50.0)
        photo = render(chance)
        (folder / str(person)).mkdir()
        for name, shown in {
            "original": photo,
            "sent-twice": photo,
            "turned": Photo(np.rot90(photo.rgb).copy(), np.rot90(photo.mask).copy()),
            "anew": taken_again(rng, chance),
        }.items():
            (folder / str(person) / f"{name}.png").write_bytes(encode(shown))
    return folder


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory):
    photos = {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob("*/*.png"))}
    originals_first = dict(sorted(photos.items(), key=lambda item: not item[0].endswith("original.png")))
    return find_same_photos(originals_first, tmp_path_factory.mktemp("features"))
