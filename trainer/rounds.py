"""One round after the other, for a person or a timer: an unfinished run goes on, a finished one decides what is due."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pallor.clock import Clock, parse_utc
from pallor.errors import Refused
from pallor.snapshot import read_snapshot
from pallor.store import open_store
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectStore
from trainer.champion import open_champion
from trainer.cycle import SIDES, Order, Outcome, run_cycle
from trainer.due import Due, is_due
from trainer.inputs import SourceMissing, groups_of, import_folder, read_base
from trainer.post import Api
from trainer.progress import Bars
from trainer.recipe import read_recipe
from trainer.steps import only_run_in, read_json, write_json

_TOKEN = "PALLOR_TRAINER_TOKEN"  # noqa: S105 (a variable's name)
_FINISHED = "finished.json"


class TokenMissing(Refused):
    """The server knows the trainer by its token."""


@dataclass(frozen=True)
class Ended:
    """What came of a round; ``outcome`` is None when nothing was due."""

    outcome: Outcome | None
    said: str


def go_round(args: argparse.Namespace, clock: Clock, bars: Bars) -> Ended:
    """Go on with the unfinished run in ``--runs``, else begin one, with ``--if-due`` only when enough is new.

    Raises:
        RunBusy: another process is at it.
    """
    with only_run_in(args.runs):
        runs = sorted(folder for folder in args.runs.iterdir() if folder.is_dir() and folder.name.startswith("run-"))
        finished = [run for run in runs if (run / _FINISHED).is_file()]
        store = _store(args)
        order = _order(args, store, read_json(finished[-1] / SIDES) if finished else {}, bars)
        unfinished = [run for run in runs if run not in finished]
        if unfinished:
            run = unfinished[-1]
        else:
            snapshot = order.snapshot()
            due = _due(args, store, snapshot, finished[-1] if finished else None, clock)
            if args.if_due and not due.due:
                return Ended(None, due.said)
            order = replace(order, snapshot=lambda: snapshot)
            run = args.runs / f"run-{len(runs) + 1:04}"
            run.mkdir()
        outcome = run_cycle(order, run, clock, bars)
        write_json(run / _FINISHED, {"release_id": outcome.manifest.release_id})
        return Ended(outcome, f"{outcome.manifest.release_id} was made")


def _order(args: argparse.Namespace, store: ObjectStore, formerly: Mapping[str, int], bars: Bars) -> Order:
    api, recipe = _api(args), read_recipe(args.recipe)
    return Order(
        store=store,
        snapshot=lambda: _snapshot(args, store, api, bars),
        groups=lambda source, at: groups_of(args, source, at, bars),
        base=read_base(args, recipe, store),
        recipe=recipe,
        formerly=formerly,
        champion=open_champion(args.champion) if args.champion else None,
        api=api,
        exported=args.data is None,
        processes=args.processes,
    )


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
            remedy=f"Set ${_TOKEN} to what `pallor-backend devices add --kind trainer` printed.",
        )  # fmt: skip
    return Api(args.api, token)


def _due(args: argparse.Namespace, store: ObjectStore, snapshot: str, last: Path | None, clock: Clock) -> Due:
    cases = {line.case_id for line in read_snapshot(store, snapshot)}
    learned_from = made_at = None
    if last is not None:
        learned_from = set(read_json(last / "1-snapshot" / "cases.json"))
        made_at = parse_utc(read_json(last / "order.json")["begun"])
    return is_due(cases, learned_from, made_at, clock.now(), new_cases=args.new_cases, days=args.days)
