"""Commands that move a rollout, and show how far it has come."""

import argparse

from backend.db.engine import Database
from backend.office.parts import OPERATOR, AddCommand, argument, open_database, print_table
from backend.services.move_rollout import STEPS, Plan, advance_rollout, halt_rollout, roll_back, start_rollout
from backend.services.read_rollouts import list_fleet, list_words, show_rollout
from backend.settings import DatabaseSettings, StoreSettings
from pallor.clock import SystemClock, utc_text
from pallor.node_report import EngineWord
from pallor.release.channel import Channel, Cohort
from pallor.release.repository.ledger import open_repository
from pallor.settings import number
from pallor.store import open_store

_ALL = 1_000_000


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    rollout = command("rollout", _start, "let a release reach nodes step by step, and take it back", StoreSettings)
    verbs = rollout.add_subparsers(title="what to do", required=True, metavar="VERB")

    def verb(name: str, run: object, what: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=what, description=what)
        made.add_argument("--channel", default="main", help="the channel that the nodes follow (main)")
        made.set_defaults(run=run)
        return made

    steps = ", ".join(f"{step:g}" for step in STEPS)
    start = verb("start", _start, "begin: let a release that people have signed reach the first nodes")
    start.add_argument("release", help="its id, see pallor-release list")
    start.add_argument("--percent", type=argument(number(0.001, 100)), default=STEPS[0], help="of the nodes (1)")
    start.add_argument("--site", action="append", default=[], help="nodes of this site alone; may be given again")
    start.add_argument("--hardware", action="append", default=[], help="nodes with this alone, such as sm86")
    start.add_argument("--challenger", help="a release or candidate that answers beside it and is never shown")
    start.add_argument("--note", default="", help="what people should know of it later")
    advance = verb("advance", _advance, f"reach more nodes: the next of {steps} %")
    advance.add_argument("percent", type=argument(number(0.001, 100)), nargs="?", help="or so many")
    advance.add_argument("--note", default="", help="needed when it was halted")
    verb("halt", _halt, "let no more nodes take it").add_argument("--reason", required=True)
    verb("rollback", _rollback, "let every node run the previous release again").add_argument("--reason", required=True)
    verb("status", _status, "how far it has come, what speaks against it, and every node's last word")
    verb("history", _history, "what was in production when, by whom and why")


def _start(settings: StoreSettings, options: argparse.Namespace) -> int:
    clock = SystemClock()
    store = open_store(settings.store_url, s3_endpoint=settings.s3_endpoint, make=False)
    repository = open_repository(store, clock, settings.root_metadata)
    cohort = Cohort(tuple(options.site), tuple(options.hardware))
    plan = Plan(options.release, options.percent, cohort, options.challenger, options.note)
    database = open_database(settings)
    start_rollout(database, clock, repository, options.channel, plan, by=OPERATOR)
    return _told(database, options.channel)


def _advance(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    advance_rollout(database, SystemClock(), options.channel, options.percent, options.note, by=OPERATOR)
    return _told(database, options.channel)


def _halt(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    halt_rollout(database, SystemClock(), options.channel, options.reason, by=OPERATOR)
    return _told(database, options.channel)


def _rollback(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    roll_back(database, SystemClock(), options.channel, options.reason, by=OPERATOR)
    return _told(database, options.channel)


def _status(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    _told(database, options.channel)
    rows = [
        (node.name, " ".join(node.sites), voice, node.report and node.report.release_id,
         node.report and node.report.cases, *_engine(node.report.engine if node.report else None))
        for node, voice in list_fleet(database, SystemClock())
    ]  # fmt: skip
    print_table(("node", "sites", "voice", "release", "cases", "engine", "golden photos", "fallback"), rows)
    return 0


def _engine(said: EngineWord | None) -> tuple[str | None, str | None, str | None]:
    """What answered a node's golden photos, what it said to them, and why it is not the engine that was meant."""
    if said is None:
        return None, None, None
    answered = " ".join(f"{probability:.3f}" for probability in said.golden)
    return said.flavour, f"{answered} (off by {said.max_difference:.2g})", said.fallback


def _history(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    rows = [
        (
            utc_text(row.made_at),
            row.kind,
            row.release_id,
            row.previous_id,
            f"{row.percent:g} %",
            row.made_by,
            row.reason,
        )
        for row in list_words(open_database(settings), options.channel, _ALL, 0)
    ]
    print_table(("when", "what", "release", "before it", "share", "by", "why"), rows)
    return 0


def _told(database: Database, channel: str) -> int:
    row, running, progress, against = show_rollout(database, SystemClock(), channel)
    said = Channel.from_json(row.content)
    state = f"{row.kind}, {row.percent:g} %" if running else "in production"
    print(f"{channel}: {row.release_id}, {state}; before it {row.previous_id or 'nothing'}")
    print(f"  signed: {utc_text(row.signed_at) if row.signed_at else 'not yet; the sweeper signs it'}")
    print(f"  of {progress.known} nodes {progress.reached} reached: {progress.counts} count, {progress.trying} try it, "
          f"{progress.waiting} waiting, {progress.failed} took it off, {progress.silent} silent")  # fmt: skip
    if said.reason:
        print(f"  {row.kind}: {said.reason}")
    if against:
        print(f"  AGAINST IT: {against}")
    return 0
