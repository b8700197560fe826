"""A year of 12 clinics in a synthetic world, through the real API: is anything lost, and does the loop learn?

    python -m benchmarks.district --run DIR [--init FILE] [--out FILE] [--plot FILE] [--miniature]

6 000 children come to 12 clinics. Phones send case and photo, some of them twice or days late; laboratories answer
late, twice, in three units, now and then with a unit that cannot be, correct 2 % of what they said, and 1 % of the
tubes carry another child's number. In August one clinic's phone begins to take all light for bluer than it is. The
server is the product's own, over HTTP, on the year's own time; one node follows what is signed, its engine answers
every photo, and beside it the challenger's. Each quarter the trainer's timer asks whether a release is due; what
passes the gate is signed, tried beside the release in use, and taken on. The photos allow an AUROC of 0.95; the first
release knows nothing.

``--run`` keeps what is done: a killed year goes on. ``--miniature``: 300 children, once a week, one cycle. The last
line is one JSON object; ``benchmarks.district.books`` and ``record`` say where each figure is from.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.district.books import Books
from benchmarks.district.box import set_up
from benchmarks.district.knows_nothing import KNOWS_NOTHING
from benchmarks.district.laboratory import letters_of
from benchmarks.district.oracle import judge_releases, parts_of_oracle
from benchmarks.district.plan import BEST_AUROC, DRIFT_DAY, LAST_DAY, MINIATURE, WHOLE, Plan, month_of
from benchmarks.district.record import (
    Line,
    Served,
    auroc_of,
    by_month,
    drift_found,
    of_last_quarter,
    record_of,
    served_in,
)
from benchmarks.district.server import parts_of, running
from benchmarks.district.training import made_in
from benchmarks.district.world import DRIFTING_SITE, people_of, site_name
from benchmarks.district.year import District
from benchmarks.report import finish, progress
from pallor.clock import utc_text
from pallor.onebox.client import Client
from pallor.onebox.folder import DataFolder
from trainer.options import add_processes
from trainer.report.plots import Curve, record_plot


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.district", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder for the district's machine, and what is done")
    parser.add_argument("--init", type=Path, help="base weights, .safetensors or .pth (default: torchvision's)")
    parser.add_argument("--miniature", action="store_true", help="300 children, to see that everything runs")
    parser.add_argument("--plot", type=Path, help="where to draw the record over the year, SVG")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    add_processes(parser)
    asked = parser.parse_args(arguments)
    plan = MINIATURE if asked.miniature else WHOLE
    folder = DataFolder(asked.run.resolve())
    folder.logs.mkdir(parents=True, exist_ok=True)
    with logged_to(folder.logs / "year.log"):
        figures = live(plan, folder, asked.init, 1 if asked.miniature else asked.processes)
    finish("district", figures, asked.out)  # first: a plot that is new makes the commit one that was changed
    if asked.plot:
        asked.plot.write_text(drawn(figures), encoding="utf-8")


@contextmanager
def logged_to(file: Path) -> Iterator[None]:
    """What the parts that live in this process say goes there, and not between the bars."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def live(plan: Plan, folder: DataFolder, init: Path | None, processes: int) -> dict[str, Any]:
    """Live the year, or go on living it, then read the books."""
    tokens, people = set_up(folder, plan), people_of(plan)
    letters, parts = letters_of(plan, people), parts_of(folder)
    with running(folder) as url, progress() as bars:
        district = District(plan, folder, url, parts, tokens, init, people, letters)
        task = bars.add_task("living a year", total=LAST_DAY, completed=district.diary.day + 1)
        district.live(lambda day: bars.update(task, completed=min(day + 1, LAST_DAY)))
        diary = district.diary
        with Client(url, tokens.admin) as admin:
            figures = Books(admin, parts.database, people, letters, diary.answers).figures()
            figures |= {"trainings": diary.decided} | drift_found(admin)
            served = served_in(admin)
        figures |= _records(
            served, {one.release_id: record_of(url, tokens.admin, one.release_id, people) for one in served}
        )
        task = bars.add_task("judging every release", total=parts_of_oracle(plan.oracle))
        made = [one["release"] for one in diary.decided if one.get("release")]
        folders = {name: made_in(folder, name) for name in (KNOWS_NOTHING, *made)}
        oracle = judge_releases(
            folders, plan.oracle, folder.root / "oracle", processes, lambda: bars.advance(task)
        )  # fmt: skip
    parts.database.close()
    return figures | _oracle(plan, oracle, served) | {"minutes": round(diary.seconds / 60, 1)}


def drawn(figures: dict[str, Any]) -> str:
    """The record over the year as SVG."""
    curves = [
        Curve(name, list(known), list(known.values()))
        for name, one in figures["releases"].items()
        if (known := {int(month): value for month, value in one["auroc_by_month"].items() if value is not None})
    ]
    return record_plot(
        curves, best=BEST_AUROC, marks={f"phone of {site_name(DRIFTING_SITE)} drifts": month_of(DRIFT_DAY)}
    )


def _records(served: Sequence[Served], records: dict[str, list[Line]]) -> dict[str, Any]:
    last = served[-1].release_id
    final = of_last_quarter(records[last])
    return {
        "releases": {
            one.release_id: {
                "since": utc_text(one.since),
                "counted": len(records[one.release_id]),
                "auroc": auroc_of(records[one.release_id]),
                "auroc_by_month": by_month(records[one.release_id]),
            }
            for one in served
        },
        "last_quarter_release": last,
        "last_quarter_counted": len(final),
        "last_quarter_auroc": auroc_of(final),
        "ceiling": BEST_AUROC,
    }


def _oracle(plan: Plan, oracle: dict[str, float], served: Sequence[Served]) -> dict[str, Any]:
    """``oracle_worst_step``: how far an admitted release lies below the one whose place it took, at the most."""
    steps = [oracle[before.release_id] - oracle[after.release_id] for before, after in pairwise(served)]
    return {"oracle_cases": plan.oracle, "oracle": oracle, "oracle_worst_step": round(max(steps, default=0.0), 4)}


if __name__ == "__main__":
    main()
