"""No twin ever crosses a line, but under the one name that says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.labelled import rows
from trainer.data.split import FOLDS, PROTOCOLS, grouped, leave_one_site_out, published

row = st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from(["north", "south", "east"]))
tables = st.lists(row, min_size=30, max_size=80)
seeds = st.integers(0, 2**16)


@pytest.mark.filterwarnings("ignore:The least populated class")  # hypothesis draws hard cases
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS.keys() - {"published_protocol"}))
@settings(deadline=None, max_examples=60)
@given(table=tables, seed=seeds)
def test_a_twin_photo_never_crosses_the_split(protocol, table, seed):
    photos = photos_of(table)
    for fold in PROTOCOLS[protocol](photos, seed):
        assert not set(photos.groups[fold.train]) & set(photos.groups[fold.test])
        assert not set(fold.train) & set(fold.test)


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(deadline=None, max_examples=30)
@given(table=tables, seed=seeds)
def test_every_row_is_judged_exactly_once(protocol, table, seed):
    photos = photos_of(table)
    judged = np.concatenate([fold.test for fold in PROTOCOLS[protocol](photos, seed)])
    assert sorted(judged) == list(range(len(photos)))


def test_a_site_is_judged_by_a_model_that_never_saw_it():
    photos = rows(groups=list(range(40)), sites=["north", "south"] * 20)
    folds = list(leave_one_site_out(photos, 0))
    assert [fold.name for fold in folds] == ["north", "south"]
    for fold in folds:
        assert set(photos.sites[fold.test]) == {fold.name}
        assert fold.name not in photos.sites[fold.train]


def test_only_the_published_protocol_lets_twins_cross():
    photos = rows(groups=[i // 4 for i in range(80)])
    crossing = [set(photos.groups[fold.train]) & set(photos.groups[fold.test]) for fold in published(photos, 0)]
    assert any(crossing)


def test_a_seed_gives_the_same_folds_again_and_another_gives_others():
    photos = rows(groups=[i // 2 for i in range(80)])
    first, again, other = (np.concatenate([f.test for f in grouped(photos, seed)]).tolist() for seed in (1, 1, 2))
    assert first == again != other


def photos_of(table):
    # Stratified folds need some of each class: the first rows are set, the rest is drawn.
    groups = [*range(100, 100 + 4 * FOLDS), *(group for group, _, _ in table)]
    anaemic = [*(i % 2 == 0 for i in range(4 * FOLDS)), *(label for _, label, _ in table)]
    sites = [*(["north", "south"] * 2 * FOLDS), *(site for _, _, site in table)]
    return rows(groups=groups, anaemic=anaemic, sites=sites)
