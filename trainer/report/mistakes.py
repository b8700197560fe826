"""Where the model was wrong, each beside the nearest photos that it learned from.

The sheet and its page show patients' photos: they stay in the run's folder, belong to no release and are posted
nowhere. To see one's mistakes beside their models is how mislabelled rows, other lights and missed twins are found.
"""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pallor.errors import shortened
from trainer.data.photos import Photos
from trainer.report.page import render

Rows = NDArray[np.int64]
Embeddings = NDArray[np.float32]

MISSED, FALSE_ALARM = "missed", "false alarm"
_NEIGHBOURS = 3
_TILE, _CAPTION = 152, 68
_INK, _ALARM, _PAPER = "#1d2125", "#a1160a", "white"


@dataclass(frozen=True)
class Neighbour:
    """A training photo. ``likeness``: cosine of the embeddings; ``row``: in the photos."""

    row: int
    likeness: float


@dataclass(frozen=True)
class Mistake:
    """A photo that was called wrongly, the worst of its photograph. ``nearest``: each of another photograph."""

    kind: str
    row: int
    score: float
    nearest: tuple[Neighbour, ...]


def find_mistakes(
    photos: Photos,
    test_rows: Rows,
    train_rows: Rows,
    scores: NDArray[np.float64],
    threshold: float,
    embeddings: Embeddings,
    *,
    limit: int = 20,
) -> tuple[Mistake, ...]:
    """The worst mistakes of each kind, the missed first, at most ``limit`` of a kind.

    Args:
        scores: (len(test_rows),) probabilities.
        embeddings: (n, 64), of all photos, by the release that is judged.
    """
    directions = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    positive, anaemic = scores >= threshold, photos.anaemic[test_rows]
    found = []
    for kind, wrong in ((MISSED, anaemic & ~positive), (FALSE_ALARM, ~anaemic & positive)):
        at = np.flatnonzero(wrong)
        worst_first = at[np.argsort(-np.abs(scores[at] - threshold), kind="stable")]
        for place in _one_of_each_group(worst_first, photos.groups[test_rows])[:limit]:
            row = int(test_rows[place])
            found.append(Mistake(kind, row, float(scores[place]), _nearest(photos, row, train_rows, directions)))
    return tuple(found)


def mistake_from(data: Mapping[str, Any]) -> Mistake:
    """Read back what ``asdict`` makes of a mistake."""
    return Mistake(**{**data, "nearest": tuple(Neighbour(**one) for one in data["nearest"])})


def mistakes_sheet(photos: Photos, mistakes: Sequence[Mistake]) -> bytes:
    """PNG: the missed in the left half, false alarms in the right one, one mistake a line, its nearest behind it."""
    columns = [[one for one in mistakes if one.kind == kind] for kind in (MISSED, FALSE_ALARM)]
    half, line = (1 + _NEIGHBOURS) * _TILE, _TILE + _CAPTION
    sheet = Image.new("RGB", (2 * half + 24, 32 + max(1, *map(len, columns)) * line), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.font = ImageFont.load_default(12)
    for left, title, column in ((0, "Missed: anaemic, scored below the threshold", columns[0]),
                                (half + 24, "False alarms: not anaemic, scored above it", columns[1])):  # fmt: skip
        pen.text((left + 4, 6), title, fill=_INK, font=ImageFont.load_default(15))
        for at, mistake in enumerate(column):
            top = 32 + at * line
            score = f"score {mistake.score:.3f}"
            _draw(sheet, pen, photos, mistake.row, (left, top), score, _ALARM)
            for place, other in enumerate(mistake.nearest, start=1):
                twin = photos.groups[other.row] == photos.groups[mistake.row]
                words = "THE SAME PHOTOGRAPH" if twin else f"likeness {other.likeness:.3f}"
                _draw(sheet, pen, photos, other.row, (left + place * _TILE, top), words, _ALARM if twin else _INK)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def mistakes_page(photos: Photos, mistakes: Sequence[Mistake], release_id: str, threshold: float) -> str:
    """HTML for whoever trained the model: the sheet inside of it, and the same in a table."""
    picture = b64encode(mistakes_sheet(photos, mistakes)).decode()
    told = [(one, _about(photos, one.row), [_about(photos, other.row) for other in one.nearest]) for one in mistakes]
    return render("mistakes.html", release_id=release_id, threshold=threshold, picture=picture, mistakes=told)


def _about(photos: Photos, row: int) -> dict[str, str]:
    return {
        "photo": str(photos.ids[row]).removeprefix("sha256:")[:12],
        "hb": f"{photos.hb[row]:.0f}",
        "label": "anaemic" if photos.anaemic[row] else "not anaemic",
        "site": str(photos.sites[row]),
        "group": str(photos.groups[row]),
    }


def _one_of_each_group(places: Rows, groups: NDArray[np.int64]) -> Rows:
    _, first = np.unique(groups[places], return_index=True)
    return places[np.sort(first)]


def _nearest(photos: Photos, row: int, train_rows: Rows, directions: Embeddings) -> tuple[Neighbour, ...]:
    likeness = directions[train_rows] @ directions[row]
    nearest_first = np.argsort(-likeness, kind="stable")
    chosen = _one_of_each_group(nearest_first, photos.groups[train_rows])[:_NEIGHBOURS]
    return tuple(Neighbour(int(train_rows[at]), float(likeness[at])) for at in chosen)


def _draw(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, photos: Photos, row: int, at: tuple[int, int], words: str, ink: str
) -> None:
    left, top = at
    photo = Image.fromarray(photos.inputs[row]).resize((_TILE - 8, _TILE - 8))
    sheet.paste(photo, (left + 4, top))
    about = _about(photos, row)
    lines = (words, f"Hb {about['hb']}, {about['label']}", f"group {about['group']}", shortened(about["site"], 20))
    pen.multiline_text((left + 4, top + _TILE - 6), "\n".join(lines), fill=ink, spacing=2)
