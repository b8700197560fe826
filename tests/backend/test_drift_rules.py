"""What alarms and what does not: drawn cases of sites whose photos, scores and people are known."""

from datetime import timedelta

import numpy as np

from backend.record.drift.cases import Place, Watched, What, Where
from backend.record.drift.watch import moves_in
from tests.support.builders import NOON

EVERYWHERE = Place(Where.EVERYWHERE)


def test_where_nothing_moves_nothing_alarms():
    """A guard, not the rate: sixteen years of a site, at 30 cases a month."""
    for seed in range(8):
        assert list(moves_in(drawn(sites=2, each=360, seed=seed))) == []


def test_a_single_sites_camera_that_changes_is_named_with_its_day():
    (move,) = moves_in(drawn(sites=6, each=100, moved={"a": 60}, by=0.6))
    assert (move.what, move.place) == (What.EMBEDDING, Place(Where.SITE, "a"))
    assert abs((move.since - day_of(60, sites=6)) / timedelta(days=1)) < 5
    assert move.cases + move.before == 100
    assert 1.5 < move.new < 5  # 20 directions by 0.6 each: 2.7
    assert "photos look unlike those before" in move.said


def test_an_embedding_that_is_none_hides_no_other():
    watched = drawn(sites=6, each=100, moved={"a": 60}, by=0.6)
    broken = watched.embedding.copy()
    broken[10] = np.nan
    assert [move.place.name for move in moves_in(changed(watched, embedding=broken))] == ["a"]
    assert list(moves_in(changed(watched, embedding=np.empty((600, 0))))) == []


def test_a_phone_model_that_changes_at_every_site_is_named():
    found = moves_in(drawn(sites=4, each=120, phones=2, moved_phone=("phone-1", 60), by=1.2))
    assert Place(Where.PHONE, "phone-1") in {move.place for move in found if move.what is What.EMBEDDING}


def test_a_site_that_joins_late_and_differs_is_no_move():
    late = drawn(sites=1, each=200, seed=9, first=400, offset=2.0, shift=0.2)
    assert list(moves_in(together(drawn(sites=3, each=200), renamed(late, "z")))) == []


def test_scores_that_rise_are_told_from_and_to():
    watched = drawn(sites=1, each=160)
    probability = np.where(np.arange(160) < 90, watched.probability * 0.6, 0.4 + watched.probability * 0.6)
    moves = {move.what: move for move in moves_in(changed(watched, probability=probability))}
    score = moves[What.SCORE]
    assert score.old < 0.4 < 0.6 < score.new
    assert score.said == f"the mean score went from {score.old:.2f} to {score.new:.2f}"
    assert abs(score.before - 90) <= 5


def test_what_was_said_and_what_is_found_part():
    rng = np.random.default_rng(4)
    watched = drawn(sites=1, each=300)
    probability = np.full(300, 0.3) + rng.normal(0, 0.01, 300)
    anaemic = (rng.random(300) < np.where(np.arange(300) < 150, 0.3, 0.65)).astype(float)
    (move,) = moves_in(changed(watched, probability=probability, anaemic=anaemic))
    assert move.what is What.CALIBRATION
    assert move.said.startswith("said 0.30, observed 0.")
    assert move.new > 0.55
    assert abs(move.before - 150) < 25


def test_an_open_alarm_is_not_raised_again_and_a_settled_one_begins_anew():
    watched = drawn(sites=6, each=140, moved={"a": 60}, by=0.6)
    (move,) = moves_in(watched)
    line = (move.what, move.place)
    assert list(moves_in(watched, alarming={line})) == []
    assert list(moves_in(watched, settled={line: move.until})) == []


def test_too_few_cases_say_nothing():
    assert list(moves_in(drawn(sites=1, each=3))) == []
    assert list(moves_in(drawn(sites=1, each=0))) == []


def drawn(*, sites, each, seed=0, phones=1, moved=None, moved_phone=None, by=0.0, first=0, offset=0.0, shift=0.0):
    """``each`` calibrated cases a site, taken in turns, one every two hours; a moved site's photos move by ``by`` in 20
    of 40 directions from that case on."""
    rng = np.random.default_rng(seed)
    n = sites * each
    turn, site = np.arange(n) // max(1, sites), np.arange(n) % max(1, sites)
    embedding = rng.normal(size=(n, 40)) @ rng.normal(size=(40, 40)) * 0.3 + rng.normal(size=(sites, 40))[site] + offset
    spread = np.std(embedding - embedding.mean(axis=0), axis=0) if n else 1.0
    phone = np.array([f"phone-{number}" for number in rng.integers(phones, size=n)], object)
    name = np.array([chr(ord("a") + number) for number in site], object)
    for which, start in (moved or {}).items():
        embedding[(name == which) & (turn >= start), :20] += by * np.broadcast_to(spread, (40,))[:20]
    if moved_phone:
        embedding[(phone == moved_phone[0]) & (turn >= moved_phone[1]), :20] += by * spread[:20]
    probability = np.clip(rng.beta(2, 3, n) + shift, 0.01, 0.99)
    captured = np.array([NOON + timedelta(hours=2 * (first + at)) for at in range(n)], object)
    return Watched(
        captured, name, phone, probability, embedding, (rng.random(n) < probability).astype(float),
        np.array([moment.timestamp() for moment in captured]) + rng.integers(3 * 86_400, size=n),
    )  # fmt: skip


def day_of(turn, *, sites):
    return NOON + timedelta(hours=2 * turn * sites)


def changed(watched, **columns):
    return Watched(**(vars(watched) | columns))


def renamed(watched, site):
    return changed(watched, site=np.array([site] * len(watched), object))


def together(*parts):
    columns = {name: np.concatenate([getattr(one, name) for one in parts]) for name in vars(parts[0])}
    both = Watched(**columns)
    return both.where(np.argsort(both.captured_at, kind="stable"))
