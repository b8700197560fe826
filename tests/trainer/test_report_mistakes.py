"""Mistakes beside what was learned from: the right ones, the worst first, and only for whoever trained the model."""

import io

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from PIL import Image

from tests.trainer.labelled import drawn, labelled
from trainer.report.mistakes import FALSE_ALARM, MISSED, find_mistakes, mistakes_page, mistakes_sheet

TRAIN = np.arange(6, 12)


def test_the_missed_and_the_false_alarms_are_found_the_worst_first():
    photos = labelled(groups=range(12), anaemic=[True, True, True, False, False, False] * 2)
    scores = np.array([0.4, 0.1, 0.5, 0.49, 0.6, 0.9])
    found = find_mistakes(photos, np.arange(6), TRAIN, scores, 0.5, spread(12))
    assert [(one.kind, one.row, one.score) for one in found] == [
        (MISSED, 1, 0.1),
        (MISSED, 0, 0.4),
        (FALSE_ALARM, 5, 0.9),
        (FALSE_ALARM, 4, 0.6),
    ]


def test_rows_of_one_photograph_are_one_mistake_and_a_limit_keeps_the_worst():
    photos = labelled(groups=[0, 0, 1, 2, 3, 4, *range(5, 11)], anaemic=[True] * 12)
    scores = np.array([0.3, 0.2, 0.1, 0.4, 0.45, 0.49])
    found = find_mistakes(photos, np.arange(6), TRAIN, scores, 0.5, spread(12), limit=3)
    assert [one.row for one in found] == [2, 1, 3]


def test_the_nearest_are_training_photos_by_the_angle_of_their_embeddings_one_of_each_photograph():
    photos = labelled(groups=[0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10], anaemic=[True] * 12)
    embeddings = spread(12)
    embeddings[0] = embeddings[1] = [1.0, 0.0]  # row 1 is nearest of all, but nobody learned from it
    embeddings[6:] = [[9.0, 1.0], [8.0, 1.0], [1.0, 1.0], [0.5, 0.1], [0.0, 1.0], [-1.0, 0.0]]
    found = find_mistakes(photos, np.arange(6), TRAIN, np.array([0.1, *[0.9] * 5]), 0.5, embeddings)
    assert [(near.row, round(near.likeness, 3)) for near in found[0].nearest] == [(6, 0.994), (9, 0.981), (8, 0.707)]


def test_a_photograph_that_stands_on_both_sides_is_called_a_leak():
    apart, leaking = (
        labelled(inputs=np.full((12, 16, 16, 3), 90, np.uint8), groups=groups, anaemic=[True] * 12)
        for groups in (range(12), [*range(6), 0, *range(7, 12)])
    )
    sheets = [
        Image.open(io.BytesIO(mistakes_sheet(photos, mistakes_of(photos)))).convert("RGB")
        for photos in (apart, leaking)
    ]
    assert red_pixels(sheets[1]) > red_pixels(sheets[0])


def test_the_sheet_is_a_png_with_a_line_for_each_mistake_the_same_for_the_same():
    photos = drawn(12, size=64)
    mistakes = find_mistakes(photos, np.arange(6), TRAIN, np.array([0.1, 0.9] * 3), 0.5, spread(12))
    assert [one.kind for one in mistakes] == [MISSED] * 3 + [FALSE_ALARM] * 3
    sheet = mistakes_sheet(photos, mistakes)
    assert sheet == mistakes_sheet(photos, mistakes)
    picture = Image.open(io.BytesIO(sheet))
    assert (picture.format, picture.width) == ("PNG", 2 * 4 * 152 + 24)
    assert picture.height == 32 + 3 * (152 + 68)


def test_the_page_warns_whoever_opens_it_and_shows_the_same_in_a_table():
    photos = drawn(12, size=64)
    mistakes = find_mistakes(photos, np.arange(6), TRAIN, np.array([0.1, 0.9] * 3), 0.5, spread(12))
    page = mistakes_page(photos, mistakes, "candidate-1", 0.5)
    assert "Patients' photos and results. This file stays in the folder of the run" in page
    assert page.count("data:image/png;base64,") == 1
    assert page.count("<tr>") == 1 + len(mistakes)
    assert str(photos.ids[0]).removeprefix("sha256:")[:12] in page
    assert "://" not in page


def test_without_a_mistake_the_page_says_so():
    photos = labelled(groups=range(12), anaemic=[True] * 12)
    mistakes = find_mistakes(photos, np.arange(6), TRAIN, np.full(6, 0.9), 0.5, spread(12))
    assert mistakes == ()
    assert "nobody on the test side was called wrongly" in mistakes_page(photos, mistakes, "candidate-1", 0.5)


def mistakes_of(photos):
    return find_mistakes(photos, np.arange(6), TRAIN, np.array([0.1, *[0.9] * 5]), 0.5, spread(12))


def spread(n):
    """Directions all round, none like another."""
    angles = np.linspace(0, 3, n)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def red_pixels(picture):
    rgb = np.asarray(picture).astype(int)
    return int(((rgb[..., 0] > 120) & (rgb[..., 1] < 90) & (rgb[..., 2] < 90)).sum())
