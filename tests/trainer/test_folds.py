"""Finished folds are kept and taken up again, and never for another question."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.errors import Refused
from tests.trainer.labelled import a_recipe, drawn
from trainer.data.split import Fold
from trainer.folds import Job, Task, fold_key, jobs_of, judge, judge_all
from trainer.model import random_base

pytestmark = pytest.mark.slow

SIZE = 32


def test_jobs_are_those_that_the_recipe_names_the_leak_free_first(task):
    recipe = evaluated(task.recipe, grouped_by_photo=(1, 2), leave_one_site_out=(1,), published_protocol=(3,))
    jobs = jobs_of(task.photos, recipe)
    assert [(job.protocol, job.seed) for job in jobs] == [
        *[("grouped_by_photo", 1)] * 5, *[("grouped_by_photo", 2)] * 5,
        *[("leave_one_site_out", 1)] * 2, *[("published_protocol", 3)] * 5,
    ]  # fmt: skip
    assert [job.fold.name for job in jobs if job.protocol == "leave_one_site_out"] == ["north", "south"]


def test_a_fold_gives_logits_of_its_calibration_and_its_test_rows(task):
    job = a_job()
    outcome = judge(job, task)
    assert outcome.calibration.shape == job.fold.calibration.shape
    assert outcome.test.shape == job.fold.test.shape
    swapped = judge(Job("p", 1, Fold("0", job.fold.train, job.fold.calibration, job.fold.test[::-1])), task)
    assert swapped.test == pytest.approx(outcome.test[::-1], abs=1e-5)


def test_a_finished_fold_is_not_done_again_and_a_lost_one_is_the_same_when_done_again(task):
    jobs = [a_job(), a_job(seed=2)]
    finished = []
    first = judge_all(jobs, task, done=finished.append)
    assert finished == jobs
    files = sorted((task.run / "folds").iterdir())
    assert [file.suffix for file in files] == [".json", ".json"]  # no weights are left behind
    files[0].unlink()
    kept = files[1].stat().st_mtime_ns
    again = judge_all(jobs, task)
    assert files[1].stat().st_mtime_ns == kept
    assert files[0].is_file()
    for one, other in zip(first, again, strict=True):
        assert one.test.tolist() == other.test.tolist()
        assert one.calibration.tolist() == other.calibration.tolist()


def test_kept_logits_are_taken_as_they_are(task):
    judge(a_job(), task)
    (kept,) = (task.run / "folds").iterdir()
    known = json.loads(kept.read_bytes())
    kept.write_text(json.dumps({**known, "test": [7.0] * len(known["test"])}))
    assert set(judge(a_job(), task).test.tolist()) == {7.0}
    kept.write_text(json.dumps({**known, "key": "another", "test": [7.0]}))
    assert judge(a_job(), task).test.tolist() == known["test"]


def test_two_processes_keep_what_one_says_and_stop_at_a_fold_that_cannot_be_learned(task, tmp_path):
    good = [a_job(), a_job(seed=2)]
    alone = judge_all(good, task)
    one_class = Job("p", 1, Fold("0", np.array([0, 2, 4]), np.array([1]), np.array([3])))
    never_wanted = [a_job(seed=seed) for seed in range(3, 13)]
    elsewhere = replace(task, run=tmp_path / "elsewhere")
    with pytest.raises(Refused, match="both anaemic"):
        judge_all([*good, one_class, *never_wanted], elsewhere, processes=2)
    kept = {file.name: file.read_bytes() for file in (elsewhere.run / "folds").glob("*.json")}
    assert kept.items() >= {file.name: file.read_bytes() for file in (task.run / "folds").iterdir()}.items()
    assert len(kept) < len(good) + len(never_wanted)
    for one, other in zip(alone, judge_all(good, elsewhere), strict=True):
        assert one.test.tolist() == other.test.tolist()


def test_whatever_shapes_the_logits_is_in_the_key_and_nothing_else(task):
    job, photos = a_job(), task.photos
    key = fold_key(job, task)
    shuffled = photos.anaemic[::-1]
    for other in (
        (a_job(seed=2), task),
        (a_job(test=(0,)), task),
        (job, replace(task, base=random_base(1))),
        (job, replace(task, photos=replace(photos, snapshot="sha256:" + "0" * 64))),
        (job, replace(task, photos=replace(photos, anaemic=shuffled))),
        (job, replace(task, photos=replace(photos, hb=photos.hb + 1))),
        (job, replace(task, photos=replace(photos, groups=photos.groups[::-1]))),
        (job, replace(task, recipe=a_recipe(size=SIZE, dropout=0.9))),
        (
            job,
            replace(task, recipe=replace(task.recipe, augmentation=replace(task.recipe.augmentation, jpeg_share=1.0))),
        ),
    ):
        assert fold_key(*other) != key
    recipe = task.recipe
    aims = replace(
        recipe,
        name="other",
        calibration=replace(recipe.calibration, target_sensitivity=0.5),
        gate=replace(recipe.gate, min_positives=1),
    )
    for same in (
        replace(task, recipe=evaluated(aims, grouped_by_photo=(1, 2, 3))),
        replace(task, run=task.run / "elsewhere"),
        replace(task, photos=replace(photos, sites=photos.sites[::-1])),
    ):
        assert fold_key(job, same) == key


def test_sites_whose_names_look_alike_in_a_file_name_are_kept_apart(task):
    for at, name in enumerate(("St. Mary's", "St, Mary's", "../St Mary")):
        judge(Job("leave_one_site_out", 1, replace(a_job().fold, name=name, test=np.array([at]))), task)
    assert len(list((task.run / "folds").glob("*.json"))) == 3


@pytest.fixture
def task(tmp_path):
    """Sixteen drawn photos and the shortest training."""
    recipe = a_recipe(size=SIZE, epochs=1, batch=8, hard_negative_epochs=0, frozen_blocks=12)
    return Task(drawn(16, size=SIZE), random_base(0), recipe, tmp_path / "run")


def a_job(seed=1, test=(12, 13, 14, 15)):
    return Job("grouped_by_photo", seed, Fold("0", np.arange(2, 8), np.arange(8, 12), np.array(test)))


def evaluated(recipe, **protocols):
    return replace(recipe, evaluation=replace(recipe.evaluation, **protocols))
