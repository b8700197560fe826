"""What would become of each row of a sheet, and the token that lets the same sheet in later, with the same fates."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, select

from backend.db.engine import Database
from backend.db.tables import deployment
from backend.services.receive_report import Received, Sender, foresee_report
from pallor.clock import Clock
from pallor.digest import digest_of, sha256_of
from pallor.errors import Refused
from pallor.reported import ReportedHb

_LASTS = timedelta(minutes=30)


class PreviewOver(Refused):
    """The preview is too old, or not of this sheet, or not this sender's."""


class FatesDiffer(Refused):
    """Since the preview something has changed what would become of a row."""


Fate = Received | Refused


def foresee_rows(database: Database, lines: Sequence[ReportedHb | Refused], sender: Sender) -> list[Fate]:
    """The fate of each row, in one reading of the database."""
    with database.read() as connection:
        return [_foresee(connection, line, sender) for line in lines]


def preview_token(database: Database, clock: Clock, data: bytes, fates: Sequence[Fate], sender: Sender) -> str:
    """Text that stands for having seen these fates of this sheet; it is kept nowhere."""
    until = int((clock.now() + _LASTS).timestamp())
    return f"{until}.{sha256_of(data).removeprefix('sha256:')}.{_seal(database, until, data, fates, sender)}"


def check_preview(
    database: Database, clock: Clock, token: str, data: bytes, fates: Sequence[Fate], sender: Sender
) -> None:
    """Raise ``PreviewOver`` or ``FatesDiffer`` unless the token was given for this sheet and for these fates."""
    until, _, rest = token.partition(".")
    digest, _, seal = rest.partition(".")
    known = (
        until.isascii() and until.isdigit() and len(until) <= 12 and digest == sha256_of(data).removeprefix("sha256:")
    )
    if not known or int(until) < clock.now().timestamp():
        raise PreviewOver(
            "no preview of this sheet, or one that is over", field="Preview-Token", value="(hidden)",
            remedy="Ask for its preview again, and send back the token and the same file within 30 minutes.",
        )  # fmt: skip
    if not seal.isascii() or not hmac.compare_digest(seal, _seal(database, int(until), data, fates, sender)):
        raise FatesDiffer(
            "another preview was seen: something has changed since", field="Preview-Token", value="(hidden)",
            remedy="Ask for the preview again and look at it.",
        )  # fmt: skip


def _foresee(connection: Connection, line: ReportedHb | Refused, sender: Sender) -> Fate:
    if isinstance(line, Refused):
        return line
    try:
        return foresee_report(connection, line, sender)
    except Refused as refusal:
        return refusal


def _seal(database: Database, until: int, data: bytes, fates: Sequence[Fate], sender: Sender) -> str:
    with database.read() as connection:
        secret = connection.execute(select(deployment.c.pseudonym_key)).scalar_one()
    seen = [[fate.state, fate.reason, fate.case_id] if isinstance(fate, Received) else [fate.code()] for fate in fates]
    said = digest_of({"sheet": sha256_of(data), "until": until, "seen": seen, "sender": sender.name})
    return hmac.new(bytes.fromhex(secret), f"preview {said}".encode(), hashlib.sha256).hexdigest()
