"""The commands that show what has moved, look at once, and say that it was seen."""

import argparse

from backend.office.parts import OPERATOR, AddCommand, open_database, print_table
from backend.record.drift.cases import Place, Where
from backend.services.drift_alarms import DriftState, acknowledge_drift, list_drift_alarms, state_of
from backend.services.known_release import known_release
from backend.services.watch_drift import watch_drift
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock, utc_text

_NEWEST = 200


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    drift = command(
        "drift", _drift, "what has moved, the newest alarm first: what photos look like, scores, calibration"
    )
    drift.add_argument("--release", help="of this release alone")
    drift.add_argument(
        "--state",
        type=DriftState,
        choices=list(DriftState),
        help="open: nobody has looked; acknowledged: somebody has; learned: a snapshot holds cases of what is new",
    )
    drift.add_argument("--look", action="store_true", help="look for what is new first; the sweeper does so every hour")
    seen = command("drift-seen", _seen, "say that an alarm was seen: what is new is what is usual from then on")
    seen.add_argument("alarm", help="its id, the first column of drift")
    seen.add_argument("note", help="what was found, and what was done about it")


def _drift(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    if options.look:
        watch_drift(database, SystemClock())
    if options.release:
        with database.read() as connection:
            known_release(connection, options.release)
    rows = list_drift_alarms(database, _NEWEST, release_id=options.release, state=options.state)
    told = [
        (row.id, state_of(row).value, row.release_id, row.what, Place(Where(row.place_kind), row.place),
         utc_text(row.since), row.cases, row.said)
        for row in rows
    ]  # fmt: skip
    if not told:
        print("no alarm: nothing has moved that was looked at")
        return 0
    print_table(("id", "state", "release", "what", "where", "since", "cases", "said"), told)
    return 0


def _seen(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    first = acknowledge_drift(open_database(settings), SystemClock(), options.alarm, options.note, by=OPERATOR)
    print("noted" if first else "somebody has said so before")
    return 0
