"""The command that lets the backend know a release."""

import argparse
from pathlib import Path

from sqlalchemy import select

from backend.db.tables import deployment
from backend.office.parts import AddCommand, open_database
from backend.services.register_release import register_release
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock
from pallor.release.shelf import Release


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    release = command("release-add", _add, "register a release, so that its answers can be worded")
    release.add_argument("folder", type=Path, help="the folder that holds manifest.json")
    release.add_argument("--digest", required=True, help="the manifest's digest, from whoever made the release")


def _add(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    with database.read() as connection:
        world = connection.execute(select(deployment.c.world)).scalar_one()
    release = Release.open(options.folder, trusted_digest=options.digest)
    new = register_release(database, SystemClock(), release, world)
    print(f"{release.release_id} {'is' if new else 'was already'} registered")
    return 0
