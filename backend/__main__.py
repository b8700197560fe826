"""``pallor-backend``: the API, its consumer and sweeper, and the administrator's commands."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from celery import Celery

from backend.access.throttle import Throttle
from backend.api.parts import Parts
from backend.app import create_app
from backend.consumer import register
from backend.db.engine import Database
from backend.db.migrate import check_migrated, migrate
from backend.metrics import BackendMetrics, serving_metrics
from backend.office import devices, drift, eligibility, laboratory, people, prospect, releases, rollouts, sealing, trail
from backend.queue import Sender, nothing_queued
from backend.serve import serve
from backend.services.ask_challenger import ask_challenger, challenger_is_asked
from backend.services.register_release import register_release
from backend.services.report_guessing import report_guessing
from backend.services.set_world import set_world
from backend.services.sign_channels import Signing, online_keys
from backend.settings import DatabaseSettings, Hl7Settings, Settings
from backend.sweeper import sweep_until
from pallor.broker import celery_app, serve_solo
from pallor.clock import SystemClock
from pallor.errors import PallorError
from pallor.log import configure
from pallor.messages import PredictCase, RecordPrediction
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import Release
from pallor.settings import explain, load
from pallor.store import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 2 when something has to be put right first."""
    options = _parser().parse_args(arguments)
    configure("backend")
    try:
        run: Callable[[Any, argparse.Namespace], int] = options.run
        return run(load(options.needs, os.environ), options)
    except PallorError as error:
        print(f"pallor-backend: {error}", file=sys.stderr)
        return 2


def join(settings: Settings) -> Parts:
    """The parts of this process, from its settings; the database must be migrated."""
    database, clock = Database(settings.database_url), SystemClock()
    check_migrated(database)
    set_world(database, settings.world)
    store = open_store(settings.store_url, s3_endpoint=settings.s3_endpoint)
    send = Sender(_celery(settings))
    throttle = Throttle(settings.broker_url, lambda what, who: report_guessing(database, clock, what, who))
    return Parts(settings, database, store, clock, send, throttle)


def _celery(settings: Settings) -> Celery:
    return celery_app("pallor-backend", settings.broker_url, settings.visibility_seconds)


def _migrate(settings: Settings, _options: argparse.Namespace) -> int:
    database = Database(settings.database_url)
    migrate(database)
    set_world(database, settings.world)
    bootstrap = Release.open(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST)
    register_release(database, SystemClock(), bootstrap, settings.world)
    print("the database is ready")
    return 0


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    join(settings).database.close()  # name what is wrong before the web server hides it
    serve(lambda: create_app(join(settings)), settings.bind, settings.web_processes, settings.web_threads)
    return 0


def _consume(settings: Settings, _options: argparse.Namespace) -> int:
    parts = join(settings)
    app = _celery(settings)
    shadow = Sender(app, PredictCase.SHADOW_QUEUE)
    ask = partial(ask_challenger, parts.database, parts.clock, shadow, settings.ready_seconds)
    register(app, parts.database, parts.clock, settings.label_table, ask)
    return serve_solo(app, RecordPrediction.QUEUE, f"consumer-{os.getpid()}")


def _sweep(settings: Settings, _options: argparse.Namespace) -> int:
    parts, stop = join(settings), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app = _celery(settings)

    def worked_off() -> bool:
        return nothing_queued(app, on_trial=challenger_is_asked(parts.database, parts.clock, settings.ready_seconds))

    metrics = BackendMetrics(parts.database, parts.clock, settings.ready_seconds)
    with serving_metrics(settings.metrics_bind, metrics) if settings.metrics_bind else nullcontext():
        sweep_until(
            stop, settings.sweep_seconds, parts.database, parts.store, parts.clock, parts.send, settings.resend_seconds,
            settings.label_table, worked_off, settings.alert_hours,
            settings.put_aside_days, parts.repository, parts.cleared, _signing(settings, parts),
        )  # fmt: skip
    return 0


def _signing(settings: Settings, parts: Parts) -> Signing | None:
    """What the sweeper signs rollouts with; None where no keys are set, and nothing is rolled out."""
    if settings.keys is None:
        return None
    repository = parts.repository
    return Signing(repository, online_keys(repository, settings.keys, settings.key_passphrase or ""))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pallor-backend",
        description="The API that phones and laboratories talk to, and the processes behind it.",
        epilog=f"environment ({_WHO_NEEDS_WHAT}):\n{explain(Settings)}\n\nhl7 alone:\n{explain(Hl7Settings)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[Any, argparse.Namespace], int], what: str, needs: type = DatabaseSettings
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.set_defaults(run=run, needs=needs)
        return made

    command("migrate", _migrate, "make or update the tables: before the first start, and after each update", Settings)
    command("serve", _serve, "answer HTTP (gunicorn)", Settings)
    command("consume", _consume, "take the workers' answers from the queue and record them", Settings)
    command("sweep", _sweep, "send again what waits, write labels, take away what was erased, serve metrics", Settings)
    for part in (people, devices, sealing, laboratory, releases, prospect, drift, eligibility, rollouts, trail):
        part.add_commands(command)
    return parser


_WHO_NEEDS_WHAT = (
    "migrate, serve, consume and sweep need all of it; the others the database alone, enrol-code also "
    "PALLOR_PUBLIC_URL, sealing-key-rotate also PALLOR_SEALING_PASSPHRASE"
)

if __name__ == "__main__":
    sys.exit(main())
