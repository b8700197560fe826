"""One round after the other, for a person or a timer: an unfinished run goes on, a finished one decides what is due."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from securesystemslib.signer import Signer

from pallor.clock import Clock
from pallor.due import Due, is_due
from pallor.errors import Refused
from pallor.release.repository.contents import offer
from pallor.release.repository.keys import name_of, open_key
from pallor.release.repository.ledger import Repository
from pallor.snapshot import SnapshotBroken, SnapshotMissing, read_snapshot, snapshot_key
from pallor.store import open_store
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectStore
from trainer.champion import ChampionUnfit, open_champion
from trainer.cycle import NothingToJudge, Outcome, run_cycle
from trainer.data.photos import PhotoUnfit, SnapshotMixed
from trainer.finetune import LearningDiverged, NothingToLearn
from trainer.inputs import SourceMissing, groups_of, import_folder, read_base
from trainer.made import ExportDisagrees
from trainer.order import ORDER, Order, begun_at
from trainer.pack import FileDisagrees
from trainer.post import Api
from trainer.progress import Bars
from trainer.recipe import read_recipe
from trainer.runs import CASES, SIDES, SNAPSHOT, Run, runs_in
from trainer.steps import RunBroken, only_run_in, read_json

_TOKEN, _PASSPHRASE = "PALLOR_TRAINER_TOKEN", "PALLOR_KEY_PASSPHRASE"
# What follows from what a run was begun with: the same run would end so every time, and would stand in the way of all.
_HOPELESS = (
    SnapshotMissing, SnapshotBroken, SnapshotMixed, PhotoUnfit, NothingToLearn, NothingToJudge, LearningDiverged,
    ChampionUnfit, ExportDisagrees, FileDisagrees,
)  # fmt: skip


class TokenMissing(Refused):
    """The server knows the trainer by its token."""


@dataclass(frozen=True)
class Ended:
    """What came of a round; ``outcome`` is None when nothing was due. ``forgotten``: runs whose pictures were deleted,
    because somebody of theirs was erased. ``signed_by``: whose key let the candidate into the challenger's slot."""

    outcome: Outcome | None
    said: str
    forgotten: tuple[str, ...] = ()
    signed_by: str | None = None


def go_round(args: argparse.Namespace, clock: Clock, bars: Bars) -> Ended:
    """Go on with the unfinished run in ``--runs``, else begin one, with ``--if-due`` only when enough is new.

    Raises:
        RunBusy: another process is at it.
        NothingToLearn, SnapshotMissing, ...: the run cannot come to an end and is given up; the next call begins anew.
    """
    signer = _signer(args)
    with only_run_in(args.runs):
        runs = runs_in(args.runs)
        store = _store(args)
        forgotten = _forget_the_erased(runs, store, _named(args))
        finished = [run for run in runs if run.is_finished]
        order = _order(args, store, read_json(finished[-1].folder / SIDES, dict) if finished else {}, bars)
        unfinished = [run for run in runs if not run.is_finished and not run.is_given_up]
        if unfinished:
            run = unfinished[-1]
        else:
            tried = [run for run in runs if run.tried_its_cases]
            if args.if_due and not (due := _due(args, order, tried[-1] if tried else None, clock)).due:
                return Ended(None, due.said, forgotten)
            order.snapshot()  # what cannot be had begins no run
            run = Run.after(runs, args.runs)
        outcome = _work(order, run, clock, bars)
        signed_by = None
        if signer is not None and not outcome.refusals:
            offer(Repository(store, clock), outcome.candidate, signer)
            signed_by = name_of(signer.public_key)
        run.finish(outcome.manifest.release_id)
        return Ended(outcome, f"{outcome.manifest.release_id} was made", forgotten, signed_by)


def _signer(args: argparse.Namespace) -> Signer | None:
    """The trainer's own key; opened before hours of work, so that a slip shows at once."""
    if args.key is None:
        return None
    return open_key(args.key, lambda: os.environ.get(_PASSPHRASE, ""))


def _work(order: Order, run: Run, clock: Clock, bars: Bars) -> Outcome:
    try:
        return run_cycle(order, run.folder, clock, bars)
    except _HOPELESS as error:
        run.give_up(error, clock)
        if isinstance(error, SnapshotMissing):
            run.forget_pictures()
        error.add_note(f"{run.folder.name} is given up for this, and stays; called again, a new run begins.")
        raise


def _forget_the_erased(runs: list[Run], store: ObjectStore, named: Mapping[str, str | None]) -> tuple[str, ...]:
    """An erasure takes every snapshot that its person is in out of the store: what such a run shows goes as well."""
    gone = []
    for run in runs:
        if (run.is_finished or run.is_given_up) and (run.folder / SNAPSHOT).is_file():
            own = read_json(run.folder / ORDER, dict).get("store", named["store"])
            if own == named["store"] and not store.has(_key_of(run)):
                gone.append(run)
    return tuple(run.folder.name for run in gone if run.forget_pictures())


def _key_of(run: Run) -> str:
    try:
        return snapshot_key(read_json(run.folder / SNAPSHOT, str))
    except ValueError as error:
        raise RunBroken.of(run.folder / SNAPSHOT, "it names no snapshot") from error


def _order(args: argparse.Namespace, store: ObjectStore, formerly: Mapping[str, int], bars: Bars) -> Order:
    api, recipe = _api(args), read_recipe(args.recipe)
    return Order(
        store=store,
        snapshot=cache(lambda: _snapshot(args, store, api, bars)),
        groups=lambda source, at: groups_of(args, source, at, bars),
        named=_named(args),
        base=read_base(args, recipe, store),
        recipe=recipe,
        formerly=formerly,
        champion=open_champion(args.champion) if args.champion else None,
        api=api,
        exported=args.data is None,
        processes=args.processes,
    )


def _named(args: argparse.Namespace) -> dict[str, str | None]:
    """Where the cases come from, and who says which of them show the same photograph."""
    groups = "every photo its own" if args.every_photo_its_own_group else args.groups and str(args.groups.resolve())
    return {
        "data": args.data and str(args.data.resolve()),
        "snapshot": args.snapshot,
        "store": args.store or (None if args.data else os.environ.get("PALLOR_STORE_URL")),
        "groups": groups,
    }


def _store(args: argparse.Namespace) -> ObjectStore:
    url = args.store or os.environ.get("PALLOR_STORE_URL")
    if args.data is not None and not args.store:
        return FolderStore(args.runs / "store")
    if not url:
        raise SourceMissing(
            "nothing says where the photos lie", field="store", value=None,
            remedy="Give --store URL with --snapshot DIGEST or --api URL, or --data DIR in CP-AnemiC's layout.",
        )  # fmt: skip
    return open_store(url, make=args.data is not None)


def _snapshot(args: argparse.Namespace, store: ObjectStore, api: Api | None, bars: Bars) -> str:
    """The one that is named, imported or exported now."""
    if args.data is not None:
        return import_folder(args.data, store, bars)
    if args.snapshot:
        return str(args.snapshot)
    if api is not None:
        return api.export_snapshot()
    raise SourceMissing(
        "nothing says what to learn from", field="snapshot", value=None,
        remedy="Give --snapshot DIGEST, --api URL, or --data DIR in CP-AnemiC's layout.",
    )  # fmt: skip


def _api(args: argparse.Namespace) -> Api | None:
    if args.api is None:
        return None
    token = os.environ.get(_TOKEN)
    if not token:
        raise TokenMissing(
            "the server wants the trainer's token", field=_TOKEN, value=None,
            remedy="`pallor-backend enrol-code trainer NAME` prints a code; POST /api/v1/enrolments gives a token "
            f"for it: set ${_TOKEN} to that.",
        )  # fmt: skip
    return Api(args.api, token)


def _due(args: argparse.Namespace, order: Order, last: Run | None, clock: Clock) -> Due:
    """By the server, where it is the one that exports; else by what lies in the snapshot."""
    made_at = None if last is None else begun_at(last.folder)
    if order.api is not None and args.data is None and args.snapshot is None:
        before = None if last is None or made_at is None else (read_json(last.folder / SNAPSHOT, str), made_at)
        return order.api.ask_due(before, new_cases=args.new_cases, days=args.days)
    cases = {line.case_id for line in read_snapshot(order.store, order.snapshot())}
    learned_from = None if last is None else set(read_json(last.folder / CASES, list))
    return is_due(cases, learned_from, made_at, clock.now(), new_cases=args.new_cases, days=args.days)
