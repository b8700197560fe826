"""The administrator's commands: tokens, releases, the audit trail. They need the database and nothing else."""

import argparse
import sys
from pathlib import Path

from sqlalchemy import select

from backend.auth import Role, create_token, list_tokens, revoke_token
from backend.db.engine import Database
from backend.db.migrate import check_migrated
from backend.db.tables import deployment
from backend.services.audit import export_audit, verify_audit
from backend.services.register_release import register_release
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock, utc_text
from pallor.digest import canonical_json
from pallor.errors import Refused
from pallor.release.shelf import Release


class FileUnusable(Refused):
    """The file cannot be written, or is there already."""


def add_token(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    print(create_token(_open(settings), SystemClock(), options.name, Role(options.role)))
    return 0


def show_tokens(settings: DatabaseSettings, _options: argparse.Namespace) -> int:
    for token in list_tokens(_open(settings)):
        ended = f"revoked {utc_text(token.revoked_at)}" if token.revoked_at else "in force"
        print(f"{token.name:<40} {token.role:<8} made {utc_text(token.created_at)}  {ended}")
    return 0


def end_token(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    if revoke_token(_open(settings), SystemClock(), options.name):
        print(f"{options.name} is revoked")
        return 0
    print(f"pallor-backend: no token in force is named {options.name}; see: token-list", file=sys.stderr)
    return 2


def check_audit(settings: DatabaseSettings, _options: argparse.Namespace) -> int:
    rows, digest = verify_audit(_open(settings))
    print(f"{rows} rows of the audit trail, none changed, missing or put in by hand; newest: {digest}")
    return 0


def write_audit_file(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    """Write the trail to a file that is not there yet; raises ``FileUnusable``."""
    rows = 0
    path: Path = options.file
    try:
        with path.open("xb") as file:
            for row in export_audit(_open(settings)):
                file.write(canonical_json(row) + b"\n")
                rows += 1
    except OSError as error:
        raise FileUnusable(
            f"cannot be written: {error.strerror}", field="file", value=path,
            remedy="Name a file that does not exist yet, in a folder that does.",
        ) from error  # fmt: skip
    print(f"{rows} rows in {path}")
    return 0


def add_release(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = _open(settings)
    with database.read() as connection:
        world = connection.execute(select(deployment.c.world)).scalar_one()
    release = Release.open(options.folder, trusted_digest=options.digest)
    new = register_release(database, SystemClock(), release, world)
    print(f"{release.release_id} {'is' if new else 'was already'} registered")
    return 0


def _open(settings: DatabaseSettings) -> Database:
    database = Database(settings.database_url)
    check_migrated(database)
    return database
