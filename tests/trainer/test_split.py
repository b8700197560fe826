"""No twin and no person ever crosses a line, but under the one name that says so; and a side is for ever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.labelled import labelled
from trainer.data.split import (
    PROTOCOLS,
    SET_ASIDE,
    SIDES,
    clusters,
    fixed_sides,
    grouped,
    lasting_sides,
    leave_one_site_out,
    published,
)

# A row: photograph, subject, site, label, day. Few of each, so that rows are joined along chains.
row = st.tuples(
    st.integers(0, 12),
    st.integers(0, 20),
    st.sampled_from(["north", "south", "east"]),
    st.booleans(),
    st.integers(0, 5),
)
tables = st.lists(row, max_size=60)
seeds = st.integers(1, 2**16)
LEAK_FREE = ["fixed_sides", *sorted(PROTOCOLS.keys() - {"published_protocol"})]


@pytest.mark.parametrize("protocol", LEAK_FREE)
@settings(deadline=None, max_examples=100)
@given(table=tables, seed=seeds)
def test_no_cluster_ever_crosses_a_line(protocol, table, seed):
    photos = photos_of(table)
    for fold in folds_of(protocol, photos, seed):
        sides = (fold.train, fold.calibration, fold.test)
        assert len(np.concatenate(sides)) == len(set(np.concatenate(sides).tolist()))
        for side in sides:
            outside = np.concatenate([other for other in sides if other is not side])
            assert not set(photos.groups[side].tolist()) & set(photos.groups[outside].tolist())
            assert not set(photos.subjects[side].tolist()) & set(photos.subjects[outside].tolist())
            assert not set(clusters(photos)[side].tolist()) & set(clusters(photos)[outside].tolist())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(deadline=None, max_examples=30)
@given(table=tables, seed=seeds)
def test_every_row_is_judged_exactly_once(protocol, table, seed):
    photos = photos_of(table)
    judged = [row for fold in PROTOCOLS[protocol](photos, seed) for row in fold.test.tolist()]
    assert sorted(judged) == list(range(len(photos)))


@settings(deadline=None, max_examples=200)
@given(table=tables, newer=tables)
def test_newer_photos_never_move_an_older_one_to_another_side(table, newer):
    photos = photos_of([*table, *((group, subject, site, label, 6 + at) for group, subject, site, label, at in newer)])
    then = photos.take(np.arange(len(table)))
    before, after = lasting_sides(then), lasting_sides(photos)[: len(table)]
    moved = before != after
    assert (after[moved] == SET_ASIDE).all()
    # It is set aside only where newer photos join what lay on two sides.
    old, new = np.split(clusters(photos), [len(table)])
    assert set(old[moved].tolist()) <= set(new.tolist())


@settings(deadline=None, max_examples=200)
@given(tables=st.lists(tables, min_size=2, max_size=4), order=st.randoms(use_true_random=False))
def test_with_the_former_sides_at_hand_no_order_of_arrival_moves_a_photo(tables, order):
    # Labels come late, old photos are withdrawn: what is labelled at a time is any part of all.
    everything = photos_of([row for table in tables for row in table])
    formerly: dict[str, int] = {}
    for _ in range(4):
        some = everything.take(np.array([at for at in range(len(everything)) if order.random() < 0.6], np.int64))
        now = dict(zip(some.ids.tolist(), lasting_sides(some, formerly).tolist(), strict=True))
        for photo, side in now.items():
            assert side in (formerly.get(photo, side), SET_ASIDE)
        formerly |= now


def test_a_photo_that_joins_two_sides_sets_all_of_them_aside():
    alone = labelled(groups=[0, 1], subjects=["a", "b"], taken=days(2))
    joined = labelled(groups=[0, 1, 0], subjects=["a", "b", "b"], taken=days(3))
    one, other = lasting_sides(alone)
    assert SET_ASIDE != one != other != SET_ASIDE
    assert lasting_sides(joined).tolist() == [SET_ASIDE] * 3
    fold = fixed_sides(joined)
    assert [len(rows) for rows in (fold.train, fold.calibration, fold.test)] == [0, 0, 0]


def test_a_photo_joins_the_side_that_its_person_has_already():
    photos = labelled(groups=range(40), subjects=[f"s{i % 10}" for i in range(40)], taken=days(40))
    first = labelled(groups=range(10), taken=days(10))
    assert lasting_sides(photos).tolist() == lasting_sides(first).tolist() * 4


def test_a_fifth_is_for_judging_a_fifth_for_cut_offs_and_the_rest_to_learn_from():
    fold = fixed_sides(labelled(groups=range(2000)))
    assert len(fold.test) == pytest.approx(400, abs=60)
    assert len(fold.calibration) == pytest.approx(400, abs=60)
    assert len(fold.train) == pytest.approx(1200, abs=80)


def test_the_wheel_of_the_first_seed_is_that_of_the_fixed_sides_and_every_row_has_each_part_in_turn():
    photos = labelled(groups=[i // 2 for i in range(100)])
    folds, fixed = list(grouped(photos, 1)), fixed_sides(photos)
    assert folds[0].test.tolist() == fixed.test.tolist()
    assert folds[0].calibration.tolist() == fixed.calibration.tolist() == folds[1].test.tolist()
    assert len(folds) == SIDES


def test_a_site_is_judged_by_a_model_that_never_saw_it_nor_its_twins():
    twins_across = [0, 0, *range(2, 40)]
    photos = labelled(groups=twins_across, sites=["north", "south"] * 20)
    folds = list(leave_one_site_out(photos, 1))
    assert [fold.name for fold in folds] == ["north", "south"]
    for fold in folds:
        assert set(photos.sites[fold.test]) == {fold.name}
        learned = np.concatenate([fold.train, fold.calibration])
        assert fold.name not in photos.sites[learned]
        assert 0 not in photos.groups[learned]
        assert len(learned) == 19


def test_only_the_published_protocol_lets_twins_cross():
    photos = labelled(groups=[i // 4 for i in range(80)])
    crossing = [set(photos.groups[fold.train]) & set(photos.groups[fold.test]) for fold in published(photos, 0)]
    assert all(crossing)


def test_the_published_protocol_keeps_the_classes_apart():
    photos = labelled(groups=range(50), anaemic=[i < 10 for i in range(50)])
    assert [photos.anaemic[fold.test].sum() for fold in published(photos, 0)] == [2] * 5


@pytest.mark.parametrize("protocol", ["fixed_sides", *PROTOCOLS])
@pytest.mark.parametrize("table", [[], [(0, 0, "north", True, 0)], [(i, i, "north", True, i) for i in range(3)]])
def test_few_photos_of_one_site_and_one_class_are_dealt_out_like_any(protocol, table):
    photos = photos_of(table)
    for fold in folds_of(protocol, photos, 1):
        rows = np.concatenate([fold.train, fold.calibration, fold.test])
        assert len(rows) == len(set(rows.tolist()))
        assert not (protocol == "leave_one_site_out" and len(fold.train))


def test_a_seed_gives_the_same_folds_again_and_another_gives_others():
    photos = labelled(groups=[i // 2 for i in range(80)])
    for protocol in (grouped, published):
        first, again, other = (np.concatenate([f.test for f in protocol(photos, seed)]).tolist() for seed in (1, 1, 2))
        assert first == again != other


def folds_of(protocol, photos, seed):
    return [fixed_sides(photos)] if protocol == "fixed_sides" else list(PROTOCOLS[protocol](photos, seed))


def photos_of(table):
    columns = list(zip(*table, strict=True)) or [[]] * 5
    groups, subjects, sites, anaemic, taken = columns
    return labelled(
        groups=groups,
        subjects=[f"s{subject}" for subject in subjects],
        sites=sites,
        anaemic=anaemic,
        taken=[f"2026-01-{day + 1:02}" for day in taken],
    )


def days(n):
    return [f"2026-01-01T00:{minute:02}" for minute in range(n)]
