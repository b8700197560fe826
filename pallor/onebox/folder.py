"""The data folder of one machine: everything that must survive a restart, and the lock that keeps a second machine off.

<root>/pallor.db      cases, photos' facts, answers, labels (SQLite, WAL)
<root>/store/         photos and label records (the object store)
<root>/shelf/         releases, and which one serves
<root>/keys/          development keys that were made here, unless people hold others (pallor/onebox/signing.py)
<root>/logs/          one file a part, JSON lines but for Valkey's own
<root>/run/           socket and configuration of Valkey, the lock
<root>/console-token  a bearer token of the administrator's, for the owner alone
<root>/environment    what the parts were started with, for a shell to read: . <root>/environment
<root>/backup.json    on a machine that was restored: from which moment its data were
"""

import errno
import fcntl
import os
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import Refused


class DataInUse(Refused):
    """Another machine of ours runs on this folder."""


class DataUnusable(Refused):
    """The folder cannot be made or written to."""


@dataclass(frozen=True)
class DataFolder:
    """Where things lie. ``root`` is absolute."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "pallor.db"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.database}"

    @property
    def store_url(self) -> str:
        return f"file://{self.root / 'store'}"

    @property
    def shelf(self) -> Path:
        return self.root / "shelf"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def token_file(self) -> Path:
        return self.root / "console-token"

    def saved_token(self) -> str | None:
        """The console's token, None when none was saved."""
        return self.token_file.read_text().strip() if self.token_file.exists() else None

    @property
    def environment_file(self) -> Path:
        return self.root / "environment"

    def save_environment(self, environ: Mapping[str, str], *, passphrase: str | None) -> None:
        """Keep Pallor's settings where a person's shell can read them, to run the parts' own commands.

        Args:
            passphrase: what opens the keys that were made here.
        """
        if passphrase is not None:
            environ = {**environ, "PALLOR_KEY_PASSPHRASE": passphrase}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environ.items())]
        self.environment_file.touch(mode=0o600)
        commands = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'
        ours = [line for line in lines if line.startswith("export PALLOR_")]
        self.environment_file.write_text("".join([commands, *ours]))

    def save_token(self, token: str) -> None:
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(token + "\n")


@contextmanager
def claimed(root: Path) -> Iterator[DataFolder]:
    """Make the folder if need be, for its owner's eyes only, and hold it alone until the block ends.

    Raises:
        DataInUse, DataUnusable
    """
    folder = DataFolder(root.absolute())
    try:
        folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.root.stat().st_mode & stat.S_ISVTX:
            raise PermissionError(errno.EPERM, "it is a folder that everybody shares")
        folder.root.chmod(0o700)  # it may have been there, open to others: not every file in it is closed by itself
        for part in (folder.shelf, folder.logs, folder.run):
            part.mkdir(exist_ok=True)
        lock = os.open(folder.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataUnusable(
            f"cannot keep data here: {error.strerror}", field="--data", value=root,
            remedy="Name a folder of your own that you may write to.",
        ) from error  # fmt: skip
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DataInUse(
            "another Pallor runs on this folder", field="--data", value=root,
            remedy="End that one first, or name another folder.",
        ) from error  # fmt: skip
    try:
        yield folder
    finally:
        os.close(lock)
