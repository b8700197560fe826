"""A run goes on with what it was begun with."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.store.folder import FolderStore
from tests.support.clock import HandClock
from trainer.model import random_base
from trainer.order import Order, begin
from trainer.recipe import read_recipe
from trainer.steps import RunDiffers

BEGUN = datetime(2026, 11, 27, tzinfo=UTC)


def test_a_run_that_goes_on_is_the_same_and_another_one_is_not(order, clock, runs):
    first = begin(order, runs[0], clock)
    assert first.at == BEGUN
    clock.move(hours=1)
    assert begin(order, runs[0], clock) == first
    assert begin(order, runs[1], clock).digest != first.digest  # or both candidates would have one name


def test_what_differs_is_named(order, clock, runs):
    begin(order, runs[0], clock)
    other = replace(order, named=order.named | {"data": "/elsewhere"}, base=random_base(1))
    with pytest.raises(RunDiffers) as refused:
        begin(other, runs[0], clock)
    assert refused.value.value == "base, data"
    begin(replace(order, formerly={"a photo": 1}, processes=7), runs[0], clock)


@pytest.fixture
def clock():
    return HandClock(BEGUN)


@pytest.fixture
def runs(tmp_path):
    folders = [tmp_path / "run-0001", tmp_path / "run-0002"]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture
def order(tmp_path):
    return Order(
        store=FolderStore(tmp_path / "store"),
        snapshot=lambda: "sha256:" + "0" * 64,
        groups=lambda source, at: {},
        named={"data": "/photos", "snapshot": None, "store": None, "groups": None},
        base=random_base(0),
        recipe=read_recipe(),
        champion=None,
        formerly={},
        api=None,
        exported=False,
        processes=1,
    )
