"""How soon is a camera's colour noticed that drifts at one of twelve sites, and how often is drift cried for nothing?

    python -m benchmarks.drift [--people N] [--quarters N] [--districts N] [--out FILE] [--miniature]

A quarter of a district: twelve sites, three phone models, 40 cases a site a month, one release (the bundled one, on
drawn photos). In the second month the white balance of one site's phone drifts by 1, 2 or 3 standard deviations of the
lamps that photos are taken under (red up by 10 %, blue down by 18 % each). ``caught_in_month``: the share of districts
in which an alarm names that site by the end of that month; ``caught_by_next``: of the next. ``false_alarms``: in
``quarters`` quarters in which nothing moves. Who is anaemic follows from the score of the photo without drift, so a
release that is calibrated is what drifts. The last line is one JSON object.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from backend.record.drift.cases import Place, Watched, Where
from backend.record.drift.watch import moves_in
from benchmarks.report import finish, progress
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import Draw, draw, render
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release
from worker.engines.onnx import OnnxEngine

_SEED, _BEST_AUROC = 20_261_128, 0.95
_SITES, _PHONES, _A_MONTH, _MONTHS = 12, 3, 40, 3
_BEGAN = datetime(2026, 7, 1, tzinfo=UTC)
SHIFTS = (1.0, 2.0, 3.0)
_SITE = Place(Where.SITE, "site-0")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class People:
    """What the release says of each person's photo: by the drift of the camera, 0 for none. (n,) and (n, 64)."""

    probability: dict[float, Floats]
    embedding: dict[float, Floats]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=500, help="drawn and photographed once for each drift (500)")
    parser.add_argument("--quarters", type=int, default=200, help="in which nothing moves (200)")
    parser.add_argument("--districts", type=int, default=40, help="for each drift (40)")
    parser.add_argument("--miniature", action="store_true", help="a few of each, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    people, quarters, districts = (60, 1, 1) if asked.miniature else (asked.people, asked.quarters, asked.districts)
    with progress() as bars:
        figures = measure(photograph(people, bars), quarters, districts, bars)
    finish("drift", {"people": people, "quarters": quarters, "districts": districts, **figures}, asked.out)


def photograph(n: int, bars: Progress) -> People:
    """``n`` drawn people, each under the same lamp with every drift of the camera."""
    rng, signal, engine = np.random.default_rng(_SEED), signal_for_auroc(_BEST_AUROC), the_engine()
    people = [draw(rng, draw_person(rng).hb_g_per_l, signal=signal) for _ in range(n)]
    said: dict[float, Floats] = {}
    seen: dict[float, Floats] = {}
    for shift in (0.0, *SHIFTS):
        answers = [_ask(engine, one, shift) for one in bars.track(people, description=f"photos, drift {shift:g}")]
        said[shift] = np.array([probability for probability, _ in answers])
        seen[shift] = np.array([embedding for _, embedding in answers])
    return People(said, seen)


def _ask(engine: OnnxEngine, one: Draw, shift: float) -> tuple[float, Floats]:
    photo = render(replace(one, warmth=one.warmth + shift))
    found = engine.infer(to_input(PreprocessSpec(), photo)[None])
    return float(found.probability[0]), found.embedding[0].astype(float)


def the_engine() -> OnnxEngine:
    release = Release.open(bootstrap_folder())
    file = next(file for file in release.manifest.files if file.precision == "int8" and "cpu" in file.needs)
    path = bootstrap_folder() / file.path
    return OnnxEngine(path, digest=file.digest, precision="int8", size=PreprocessSpec().size)


def measure(people: People, quarters: int, districts: int, bars: Progress) -> dict[str, Any]:
    """False alarms where nothing moves, and how often each drift is caught."""
    rng = np.random.default_rng(_SEED)
    alarms = 0
    for _ in bars.track(range(quarters), description="quarters without drift"):
        alarms += sum(1 for _ in moves_in(a_quarter(rng, people)))
    lines = 3 * (_SITES + _PHONES + 1)  # what is watched, by place
    figures: dict[str, Any] = {"false_alarms": alarms, "lines_watched": quarters * lines}
    for shift in SHIFTS:
        found = [caught(rng, people, shift) for _ in bars.track(range(districts), description=f"drift {shift:g}")]
        figures[f"drift_{shift:g}"] = {
            "caught_in_month": round(float(np.mean([now for now, _ in found])), 3),
            "caught_by_next": round(float(np.mean([later for _, later in found])), 3),
        }
    return figures


def caught(rng: np.random.Generator, people: People, shift: float) -> tuple[bool, bool]:
    """Whether the site is named by the end of the month in which its camera drifts, and of the next."""
    quarter = a_quarter(rng, people, shift)
    months = (_BEGAN + timedelta(days=30 * months) for months in (2, 3))
    now, later = (
        any(move.place == _SITE for move in moves_in(quarter.where(quarter.captured_at < until))) for until in months
    )
    return now, now or later


def a_quarter(rng: np.random.Generator, people: People, shift: float = 0.0) -> Watched:
    """A district's cases of three months, people drawn with replacement; values come within two weeks."""
    n = _SITES * _A_MONTH * _MONTHS
    minutes = np.sort(rng.integers(30 * _MONTHS * 24 * 60, size=n))
    site = rng.permutation(np.arange(n) % _SITES)
    who = rng.integers(len(people.probability[0.0]), size=n)
    moved = (site == 0) & (minutes >= 30 * 24 * 60)
    truth = people.probability[0.0][who]
    captured = np.array([_BEGAN + timedelta(minutes=int(at)) for at in minutes], object)
    return Watched(
        captured_at=captured,
        site=np.array([f"site-{number}" for number in site], object),
        phone=np.array([f"phone-{number % _PHONES}" for number in site], object),
        probability=np.where(moved, people.probability[shift][who], truth),
        embedding=np.where(moved[:, None], people.embedding[shift][who], people.embedding[0.0][who]),
        anaemic=(rng.random(n) < truth).astype(float),
        known_at=np.array(minutes * 60 + rng.integers(14 * 86_400, size=n), float),
    )


if __name__ == "__main__":
    main()
