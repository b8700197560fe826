"""What was decided about channels is signed, and what is newest with it: by the sweeper, which alone has the keys."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from sqlalchemy import Row, update

from backend.db.engine import Database
from backend.db.tables import channel_files
from backend.services.channel_words import newest_of_all
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.release.channel import Channel
from pallor.release.repository.contents import set_channel
from pallor.release.repository.keys import open_key
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import CHANNELS, LIFETIME, RESIGN_AFTER, SNAPSHOT, TIMESTAMP
from pallor.release.repository.stamp import stamp

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Signing:
    """Where signed metadata lie, and the server's keys by role."""

    repository: Repository
    keys: Mapping[str, Signer]


class OnlineKeysMissing(Refused):
    """The folder lacks a key that the server signs with."""


def online_keys(repository: Repository, folder: Path, passphrase: str) -> Mapping[str, Signer]:
    """The server's three keys, found by what the signed metadata say of them.

    Raises:
        OnlineKeysMissing, KeyUnreadable, PassphraseWrong, KmsAway, RepositoryMissing
    """
    signers = [open_key(path, lambda: passphrase) for path in sorted(folder.glob("*.key"))]
    found = {}
    for role in (CHANNELS, SNAPSHOT, TIMESTAMP):
        may = repository.delegator(role).get_delegated_role(role).keyids
        fitting = [signer for signer in signers if signer.public_key.keyid in may]
        if not fitting:
            raise OnlineKeysMissing(
                f"no key in this folder may sign {role}", field="PALLOR_KEYS", value=folder,
                remedy="Put the .key files there that pallor-release show names for channels, snapshot and timestamp.",
            )  # fmt: skip
        found[role] = fitting[0]
    return found


def sign_channels(database: Database, clock: Clock, signing: Signing) -> int:
    """Sign the newest word of each channel that is not signed yet, or was long ago; how many.

    Raises:
        Unavailable, SignaturesMissing
    """
    now = clock.now()
    with database.read() as connection:
        due = [
            row
            for row in newest_of_all(connection)
            if row.signed_at is None or now - row.signed_at > RESIGN_AFTER[CHANNELS]
        ]
    for row in due:
        set_channel(signing.repository, _dated(row, clock), signing.keys[CHANNELS])
        with database.write() as tx:
            tx.execute(update(channel_files).where(channel_files.c.seq == row.seq).values(signed_at=clock.now()))
    return len(due)


def sign_newest(signing: Signing) -> None:
    """Sign what is newest of all roles; raises ``Unavailable`` or ``SignaturesMissing``."""
    for role, until in stamp(signing.repository, signing.keys[SNAPSHOT], signing.keys[TIMESTAMP]).due:
        log.warning(f"{role} has to be renewed by its key holders before {until:%Y-%m-%d}", extra={})


def _dated(row: Row[Any], clock: Clock) -> Channel:
    said = Channel.from_json(row.content)
    return replace(said, expires_at=clock.now().replace(microsecond=0) + LIFETIME[CHANNELS])
