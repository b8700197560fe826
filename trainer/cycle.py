"""From labelled cases to a judged candidate: the trainer's whole round, each step done once.

``run_cycle`` reads as its own summary. What a step made lies in a folder of its own inside the run; a run that was
killed goes on with the step it was in and ends with the very candidate that an undisturbed run gives. The run folder
holds scores and pictures of real people: it is the trainer's alone, and of it only the candidate's folder goes out.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pallor.candidate import GateRefusal
from pallor.clock import Clock
from pallor.digest import digest_of, hex_of
from pallor.errors import Refused
from pallor.release.manifest import Manifest
from pallor.release.shelf import Release as OpenRelease
from pallor.snapshot import read_snapshot
from trainer.calibrate import Cutoffs
from trainer.data.photos import Photos
from trainer.data.split import Fold, fixed_sides
from trainer.inputs import Source, load_photos
from trainer.made import Made
from trainer.order import Begun, Order, begin
from trainer.progress import Bars
from trainer.runs import CASES, SNAPSHOT
from trainer.steps import RunBroken, Steps, read_json, write_json


class NothingToJudge(Refused):
    """A side that cut-offs or figures are to come from is empty."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``candidate``: its release folder; ``report``, ``mistakes``: the pages to read."""

    manifest: Manifest
    candidate: Path
    report: Path
    mistakes: Path
    refusals: tuple[GateRefusal, ...]


def run_cycle(order: Order, run: Path, clock: Clock, bars: Bars) -> Outcome:
    """Make a candidate in ``run``, or go on making it.

    Raises:
        RunDiffers: the folder holds a run of another recipe, base or champion, or of other cases.
        NothingToLearn, ...: what the steps raise; the run goes on where it was when called again.
    """
    steps = Steps(run, clock)
    begun = begin(order, run, clock)

    snapshot = read_json(steps.step("1-snapshot", lambda at: _freeze(order, at)) / SNAPSHOT.name)
    source = Source(order.store, snapshot, read_snapshot(order.store, snapshot))
    groups = read_json(steps.step("2-groups", lambda at: _group(order, source, at)) / "groups.json")
    photos = load_photos(source, groups, order.recipe, bars)
    fold = fixed_sides(photos, order.formerly)
    _refuse_empty_sides(fold)
    made = Made(order, photos, fold, _release_id(order, begun, photos), begun.at, bars)

    weights = steps.step("3-fine-tune", made.fine_tune) / "screen.safetensors"
    screen = made.screen(weights)
    cutoffs = _read_cutoffs(steps.step("4-calibrate", lambda at: made.calibrate(screen, at)) / "cutoffs.json")
    release = made.release(screen, cutoffs)
    files = steps.step("5-quantize", lambda at: made.quantize(release, at))
    evidence = steps.step("6-evaluate", lambda at: made.evaluate(files, cutoffs, at))
    verdict = steps.step("7-gate", lambda at: made.judge(evidence, at))
    packed = steps.step("8-candidate", lambda at: made.pack(files, evidence, verdict, at))
    mistakes = steps.step("9-mistakes", lambda at: made.show_mistakes(evidence, at))
    candidate = packed / made.release_id
    manifest = OpenRelease.open(candidate).manifest
    refusals = tuple(GateRefusal(**one) for one in read_json(verdict / "refusals.json"))
    if (api := order.api) is not None:
        steps.step("10-post", lambda at: made.post(api, manifest, refusals, at))
    return Outcome(manifest, candidate, packed / "report.html", mistakes / "mistakes.html", refusals)


def _freeze(order: Order, at: Path) -> None:
    digest = order.snapshot()
    write_json(at / SNAPSHOT.name, digest)
    # For the next round, which asks what is new; the snapshot itself may have been taken away by then.
    write_json(at / CASES.name, sorted({line.case_id for line in read_snapshot(order.store, digest)}))


def _group(order: Order, source: Source, at: Path) -> None:
    groups = dict(order.groups(source, at))
    if order.api is not None and order.exported:
        order.api.hand_back_groups(source.snapshot, groups, method="points-and-pixels-1")
    write_json(at / "groups.json", groups)
    shutil.rmtree(at / "features", ignore_errors=True)  # drawn from people's photos, and needed no more


def _refuse_empty_sides(fold: Fold) -> None:
    for side, rows in (("calibration", fold.calibration), ("test", fold.test)):
        if not len(rows):
            raise NothingToJudge(
                f"nobody has come to lie on the {side} side yet", field="data", value=f"{len(fold.train)} photos",
                remedy="Wait for more cases: of five, about one lies on each of these sides.",
            )  # fmt: skip


def _release_id(order: Order, begun: Begun, photos: Photos) -> str:
    """Another run of the same recipe, day and snapshot may have begun with other weights, or other sides."""
    run = hex_of(digest_of([begun.digest, photos.snapshot, photos.groups_digest]))
    return f"{order.recipe.name}-{begun.at:%Y%m%d}-{run[:8]}"


def _read_cutoffs(path: Path) -> Cutoffs:
    try:
        return Cutoffs(**read_json(path))
    except TypeError as error:
        raise RunBroken.of(path, "it does not hold the cut-offs") from error
