"""Passwords: argon2id at rest, strong enough to be worth it, and one-time ones that an administrator hands over."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from pallor.errors import Refused, Unavailable

ONE_TIME_LASTS = timedelta(days=7)
_LEAST, _MOST = 10, 72  # zxcvbn looks at 72 characters; who types more on a phone?
_STRONG = 3  # zxcvbn: "safely unguessable: moderate protection from offline slow-hash scenario"
# Without 0, 1, I, L, O, U: to be read aloud and typed on a phone.
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

# OWASP's password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Each hash takes those 19 MiB for tens of milliseconds: strangers who try passwords share a few of them. And few may
# wait for their turn, or a crowd at the door would hold every thread that could take a case.
_turns, _places = threading.Semaphore(4), threading.Semaphore(8)
# zxcvbn tries each reading of l33t letters, and takes seconds when a password has many of them; with one spelling a
# letter it takes a tenth of a second, and what it then finds easier to guess was little harder. It keeps what it was
# told last in a global, so there is one judgement at a time.
_PLAIN_LEET = str.maketrans("@{[<|$+", "4(((!57")
_judging = threading.Lock()
_NOBODY = _hasher.hash(secrets.token_hex(16))


class PasswordWeak(Refused):
    """A password that a guesser would find."""


class DoorBusy(Unavailable):
    """More people sign in at this moment than there are turns."""


class PasswordWrong(Refused):
    """The name, the password or the second factor is not right; which of them is not said."""


def hash_password(password: str) -> str:
    """As it is kept; raises ``DoorBusy``."""
    with _turn():
        return _hasher.hash(password)


def password_fits(kept: str | None, password: str) -> bool:
    """Whether ``password`` is the one that was kept; takes as long when there is none (``None``).

    Raises:
        DoorBusy
    """
    with _turn():
        try:
            return _hasher.verify(kept or _NOBODY, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def hashed_anew(kept: str, password: str) -> str:
    """What is to be kept of a password that fits: its hash by today's parameters; raises ``DoorBusy``."""
    return hash_password(password) if _hasher.check_needs_rehash(kept) else kept


def check_password(password: str, name: str, field: str = "password") -> None:
    """Raise ``PasswordWeak`` for a password that is short, long, known or close to the account's name."""
    if not _LEAST <= len(password) <= _MOST:
        raise _weak(field, f"it has {len(password)} characters, not {_LEAST} to {_MOST}")
    with _judging:
        judged = zxcvbn(password.translate(_PLAIN_LEET), user_inputs=[name, "pallor"])
    if judged["score"] < _STRONG:
        raise _weak(field, judged["feedback"]["warning"].rstrip(".").lower() or "it could be guessed")


def one_time_password() -> str:
    """Four groups of four, about 78 bits; good until it was used or ``ONE_TIME_LASTS`` has passed."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


@contextmanager
def _turn() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise DoorBusy("many sign in at this moment")
    try:
        with _turns:
            yield
    finally:
        _places.release()


def _weak(field: str, reason: str) -> PasswordWeak:
    return PasswordWeak(
        f"this password is too weak: {reason}", field=field, value="(hidden)",
        remedy=f"Take {_LEAST} characters or more, such as three or four words that do not belong together.",
    )  # fmt: skip
