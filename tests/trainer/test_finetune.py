"""The loop learns what can be learned, says the same twice, and a killed run ends with the very same weights."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch

from tests.trainer.labelled import a_recipe, drawn
from trainer.checkpoint import Checkpoint, State
from trainer.curriculum import row_chances, warm_cosine
from trainer.data.split import Fold
from trainer.finetune import (
    LearningDiverged,
    Lesson,
    NothingToLearn,
    count_steps,
    finetune,
    hardest_negatives,
    logits_of,
)
from trainer.metrics import auroc
from trainer.model import Screen, random_base

pytestmark = pytest.mark.slow

# Most of the network is frozen, which saves most of the time.
TWO_TURNS: dict[str, Any] = {
    "epochs": 2,
    "batch": 8,
    "frozen_blocks": 15,
    "hard_negative_epochs": 1,
    "hard_negative_share": 0.5,
    "probe_strength": 0.0,
}


BASE = random_base(0)


class Interrupted(Exception): ...


def test_it_learns_pallor_from_sixty_drawn_photos():
    learned, unseen = drawn(60, size=32, seed=0), drawn(60, size=32, seed=1)
    recipe = a_recipe(size=32, epochs=10, learning_rate=3e-3, frozen_blocks=0)
    screen = finetune(learned, a_fold(train=60), BASE, recipe, seed=0)
    assert auroc(unseen.anaemic, logits_of(screen, unseen.inputs)) > 0.85


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    photos, recipe, base = drawn(16, size=32), a_recipe(size=32, **TWO_TURNS), BASE
    first, again, other = (finetune(photos, a_fold(train=16), base, recipe, seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_rows_that_are_held_back_are_never_read():
    photos, recipe, base = drawn(24, size=32), a_recipe(size=32, epochs=2, batch=8), BASE
    fold = a_fold(train=8, calibration=8)
    learned = finetune(photos, fold, base, recipe, seed=1)
    spoil(photos, slice(16, None))
    assert same(learned, finetune(photos, fold, base, recipe, seed=1))


def test_calibration_rows_choose_an_epoch_but_nothing_is_learned_from_them():
    photos, base = drawn(16, size=32), BASE
    recipe = a_recipe(size=32, epochs=1, batch=8, hard_negative_epochs=0, probe_strength=0.0)
    learned = finetune(photos, a_fold(train=8, calibration=8), base, recipe, seed=1)
    spoil(photos, slice(8, 16))
    assert same(learned, finetune(photos, a_fold(train=8, calibration=8), base, recipe, seed=1))


def test_photos_of_one_class_teach_nothing():
    photos = drawn(8, size=32)
    fold = Fold("one class", np.flatnonzero(photos.anaemic), np.arange(0), np.arange(0))
    with pytest.raises(NothingToLearn):
        finetune(photos, fold, BASE, a_recipe(size=32), seed=1)


def test_a_learning_rate_that_breaks_the_network_is_refused():
    recipe = a_recipe(size=32, epochs=2, batch=8, learning_rate=1e30)
    with pytest.raises(LearningDiverged):
        finetune(drawn(32, size=32), a_fold(train=32), BASE, recipe, seed=1)


def test_frozen_blocks_keep_their_base_weights_and_statistics():
    photos, base = drawn(8, size=32), BASE
    screen = finetune(photos, a_fold(train=8), base, a_recipe(size=32, epochs=1, batch=4, frozen_blocks=3), seed=1)
    before, after = Screen(base, 0.0).state_dict(), screen.state_dict()
    frozen = [name for name in before if name.startswith(("features.0.", "features.1.", "features.2."))]
    assert all(torch.equal(after[name], before[name]) for name in frozen)
    assert not torch.equal(after["features.3.conv.0.0.weight"], before["features.3.conv.0.0.weight"])


@pytest.mark.parametrize("batch", [8, 32])
def test_the_learning_rate_grows_with_the_batch(batch):
    # Adam's first step is as long as the learning rate, whatever the gradient.
    numbers = {"epochs": 1, "hard_negative_epochs": 0, "probe_strength": 0.0, "weight_decay": 0.0}
    recipe = a_recipe(size=32, batch=batch, learning_rate=1e-3, warm_up_share=0.0, **numbers)
    screen = finetune(drawn(8, size=32), a_fold(train=8), BASE, recipe, seed=1)
    assert abs(screen.linear.bias.item()) == pytest.approx(1e-3 * batch / 16, rel=1e-3)


def test_the_learning_rate_warms_up_and_falls():
    rates = warm_cosine(20, 0.25)
    assert list(np.diff(rates) > 0) == [True] * 5 + [False] * 14
    assert rates.max() == 1
    assert 0 < rates[-1] < 0.02
    assert len(warm_cosine(1, 0.9)) == 1
    assert len(warm_cosine(0, 0.1)) == 0


def test_the_epoch_that_did_best_on_the_calibration_rows_is_kept_and_patience_ends_the_rest():
    photos, base = drawn(48, size=32), BASE
    photos.anaemic[24:] = ~photos.anaemic[24:]  # the more is learned, the worse it does here
    numbers = TWO_TURNS | {"epochs": 5, "learning_rate": 3e-3, "hard_negative_epochs": 0}
    patient, hasty = (a_recipe(size=32, patience_epochs=epochs, **numbers) for epochs in (5, 1))
    best = finetune(photos, a_fold(train=24, calibration=24), base, patient, seed=1)
    steps = Count()
    early = finetune(photos, a_fold(train=24, calibration=24), base, hasty, seed=1, stepped=steps)
    last = finetune(photos, a_fold(train=24), base, patient, seed=1)
    assert log_loss(best, photos, 24) <= log_loss(early, photos, 24) < log_loss(last, photos, 24)
    assert steps.made == count_steps(24, hasty)


def test_the_best_state_is_that_of_the_least_loss_and_without_calibration_rows_the_last():
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(network.parameters())
    state = State.at_first(network, None)
    waited = [(state := state.after_epoch(network, optimizer, loss)).waited for loss in (0.7, 0.6, 0.8, 0.61, 0.5)]
    assert waited == [0, 0, 1, 2, 0]
    assert state.best_loss == 0.5
    unjudged = state.after_turn([]).after_epoch(network, optimizer, None)
    assert unjudged.best is unjudged.weights
    assert State.at_first(network, 0.1).after_epoch(network, optimizer, 0.5).waited == 1


def test_a_fitted_head_is_kept_when_no_epoch_does_better():
    photos, base = drawn(48, size=32), BASE
    fold = a_fold(train=24, calibration=24)
    fitted = finetune(photos, fold, base, a_recipe(size=32, epochs=0, hard_negative_epochs=0), seed=1)
    assert fitted.linear.weight.any()
    # So fast a network forgets more than it learns.
    hurried = a_recipe(size=32, epochs=1, batch=8, learning_rate=0.5, hard_negative_epochs=0)
    assert same(fitted, finetune(photos, fold, base, hurried, seed=1))


def test_the_hardest_negatives_are_the_non_anaemic_rows_that_look_most_anaemic():
    photos = drawn(20, size=32)
    fold, recipe = Fold("", np.arange(4, 20), np.arange(0), np.arange(0)), a_recipe(size=32, hard_negative_share=0.5)
    screen = Screen(BASE, 0.0).eval()
    torch.nn.init.normal_(screen.linear.weight, generator=torch.Generator().manual_seed(1))
    hardest = hardest_negatives(screen, Lesson(photos, fold, recipe, 0))
    logits = logits_of(screen, photos.inputs[fold.train])
    negatives = np.flatnonzero(~photos.anaemic[fold.train])
    assert len(hardest) == 4
    assert set(hardest) < set(negatives.tolist())
    assert logits[hardest].min() >= np.delete(logits, [*hardest, *np.flatnonzero(photos.anaemic[fold.train])]).max()


def test_the_second_turn_learns_and_draws_the_hardest_negatives_more_often():
    photos, changes = drawn(16, size=32), ({"hard_negative_epochs": 0}, {"hard_negative_share": 0.0}, {})
    once, evenly, hardest = (
        finetune(photos, a_fold(train=16), BASE, a_recipe(size=32, **TWO_TURNS | change), 1) for change in changes
    )
    assert not same(once, evenly)
    assert not same(evenly, hardest)


@pytest.mark.parametrize("steps", [1, 3, 5])  # of 6: two epochs of two each, then one of the second turn
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(tmp_path, steps):
    photos, base, recipe = drawn(24, size=32), BASE, a_recipe(size=32, **TWO_TURNS)
    fold, whole = a_fold(train=16, calibration=8), Count()
    undisturbed = finetune(photos, fold, base, recipe, 1, stepped=whole)
    with pytest.raises(Interrupted):
        finetune(photos, fold, base, recipe, 1, keep=tmp_path / "fold", stepped=Count(at_most=steps))
    again = Count()
    assert same(undisturbed, finetune(photos, fold, base, recipe, 1, keep=tmp_path / "fold", stepped=again))
    assert whole.made == again.made == count_steps(16, recipe) == 6


def test_a_killed_process_is_continued_to_the_same_weights(tmp_path):
    undisturbed = finetune(*ARGUMENTS())
    script = "from tests.trainer.test_finetune import be_killed; be_killed()"
    environment = {**os.environ, "KEEP": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[2]
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]  # in the second epoch
        process.send_signal(signal.SIGKILL)
    assert lines == [b"step\n"] * 3
    assert process.returncode == -signal.SIGKILL
    assert same(undisturbed, finetune(*ARGUMENTS(), keep=tmp_path))


def test_a_finished_run_is_given_back_at_once(tmp_path):
    photos, base, recipe = drawn(24, size=32), BASE, a_recipe(size=32, **TWO_TURNS)
    fold, steps = a_fold(train=16, calibration=8), Count()
    finished = finetune(photos, fold, base, recipe, 1, keep=tmp_path)
    mark(tmp_path / "screen.pt")
    # Another limit of the gate shapes no weight.
    other_gate = replace(recipe, name="other", gate=replace(recipe.gate, margin_auroc=0.5))
    again = finetune(photos, fold, base, other_gate, 1, keep=tmp_path, stepped=steps)
    assert again.linear.bias.item() == MARK
    assert again.linear.weight.equal(finished.linear.weight)
    assert steps.made == count_steps(16, recipe)


@pytest.mark.parametrize("changed", ["seed", "recipe", "base", "pixel", "label"])
def test_what_was_kept_of_another_run_is_never_continued(tmp_path, changed):
    photos, base, recipe, fold, seed = drawn(24, size=32), BASE, a_recipe(size=32, **TWO_TURNS), a_fold(16), 1
    finetune(photos, fold, base, recipe, seed, keep=tmp_path)
    mark(tmp_path / "screen.pt")
    if changed == "seed":
        seed = 2
    if changed == "recipe":
        recipe = a_recipe(size=32, **TWO_TURNS, dropout=0.3)
    if changed == "base":
        base = random_base(1)
    if changed == "pixel":
        photos.inputs[3, 16, 16, 1] ^= 1
    if changed == "label":
        photos.hb[3] += 1
    again = finetune(photos, fold, base, recipe, seed, keep=tmp_path)
    assert again.linear.bias.item() != MARK


def test_two_devices_learn_what_one_does_and_each_sees_its_share():
    # With every block frozen, no batch norm looks at what the other photos of a batch are.
    numbers = TWO_TURNS | {"frozen_blocks": 19, "dropout": 0.0}
    photos, base, recipe = drawn(24, size=32), BASE, a_recipe(size=32, **numbers)
    steps, fold = Count(), a_fold(train=16, calibration=8)
    one = finetune(photos, fold, base, recipe, 1)
    two = finetune(photos, fold, base, recipe, 1, devices=2, stepped=steps)
    assert one.linear.weight.any()
    assert torch.allclose(one.linear.weight, two.linear.weight, rtol=1e-3, atol=1e-6)
    assert steps.made == count_steps(16, recipe)


def test_half_precision_learns_too_and_is_judged_in_whole():
    photos, recipe = drawn(16, size=32), a_recipe(size=32, epochs=1, batch=8, precision="bf16-mixed")
    screen = finetune(photos, a_fold(train=8, calibration=8), BASE, recipe, seed=1)
    assert {weights.dtype for weights in screen.parameters()} == {torch.float32}
    assert np.isfinite(logits_of(screen, photos.inputs)).all()


def test_nothing_is_said_and_nothing_written_that_nobody_asked_for(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    recipe = a_recipe(size=32, epochs=1, batch=8, precision="bf16-mixed")
    finetune(drawn(8, size=32), a_fold(train=8), BASE, recipe, seed=1)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_photograph_that_stands_in_many_rows_does_not_drown_the_others():
    groups, anaemic = np.array([0] * 9 + [1]), np.array([True] * 5 + [False] * 5)
    alike, shared = (a_recipe(group_power=power, class_balance=0.0).training for power in (0.0, 1.0))
    assert row_chances(anaemic, groups, alike) == pytest.approx(0.1)
    assert row_chances(anaemic, groups, shared)[:9].sum() == pytest.approx(0.5)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (0.5, 0.3), (1.0, 0.5)])
def test_classes_are_balanced_as_far_as_the_recipe_says(balance, share):
    anaemic = np.arange(20) < 2
    chances = row_chances(anaemic, np.arange(20), a_recipe(group_power=0.5, class_balance=balance).training)
    assert chances.sum() == pytest.approx(1)
    assert chances[anaemic].sum() == pytest.approx(share)


def a_fold(train: int, calibration: int = 0) -> Fold:
    rows = np.arange(train + calibration)
    return Fold("", rows[:train], rows[train:], np.arange(0))


def spoil(photos, rows):
    photos.inputs[rows] = 0
    photos.hb[rows] = 40.0
    photos.groups[rows] = 3


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log_loss(screen, photos, first):
    logits, anaemic = logits_of(screen, photos.inputs[first:]), photos.anaemic[first:]
    return float(np.logaddexp(0, np.where(anaemic, -logits, logits)).mean())


class Count:
    """Counts steps, and gives up after some."""

    def __init__(self, at_most: int = 10**9) -> None:
        self.made, self.at_most = 0, at_most

    def __call__(self) -> None:
        self.made += 1
        if self.made > self.at_most:
            raise Interrupted


MARK = 12345.0


def mark(path):
    kept = torch.load(path, weights_only=True)
    kept["state"]["best"]["linear.bias"][:] = MARK
    torch.save(kept, path)


def ARGUMENTS():  # noqa: N802
    return drawn(24, size=32), a_fold(16, 8), BASE, a_recipe(size=32, **TWO_TURNS), 1


def test_a_state_that_was_spoilt_is_done_again(tmp_path):
    for data in (b"", b"not a state\n", b"PK\x03\x04"):
        (tmp_path / "screen.pt").write_bytes(data)
        assert Checkpoint(tmp_path, "screen", "a key").read() is None


def be_killed():
    """What the process does that is killed."""
    torch.set_num_threads(1)
    finetune(*ARGUMENTS(), keep=Path(os.environ["KEEP"]), stepped=lambda: print("step", flush=True))
