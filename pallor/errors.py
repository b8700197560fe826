"""Whose turn is it? Three roots, and a leaf name that is the reason.

``Refused``: the input is wrong, tell the human. ``Unavailable``: try again later. ``Untrusted``: never use this.
"""

import re
from pathlib import PurePath


class PallorError(Exception):
    """Something Pallor says no to. ``code`` is stable and goes over the wire; the words may improve."""

    @classmethod
    def code(cls) -> str:
        """The leaf name in kebab case: ``PhotoTooDark`` -> ``photo-too-dark``."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()


class Refused(PallorError):
    """The input is wrong.

    Args:
        reason: what is wrong, one sentence for a human.
        field: where it stands, as the sender spelled it (``age_months``, ``body``, ``Repr-Digest``).
        value: what was sent, shortened; never a photo, a token or a person's name.
        remedy: what to do about it, one sentence.
    """

    def __init__(self, reason: str, *, field: str, value: object, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.value = shortened(value)
        self.remedy = remedy

    def __str__(self) -> str:
        got = "" if self.value.startswith("(") else f" (got {self.value})"  # what is hidden says nothing
        return f"{self.field}: {self.reason}{got}. {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        # Celery and multiprocessing pickle errors; keyword-only arguments need this to survive the trip.
        return _rebuild, (type(self), self.reason, self.field, self.value, self.remedy)


class Unavailable(PallorError):
    """Nothing is wrong with the input; what it needs is not there now."""


class Untrusted(PallorError):
    """It came from nowhere we trust, or was changed on the way: never use it."""


def shortened(value: object, limit: int = 80) -> str:
    """A value as an error may show it: printable, one line, at most ``limit`` characters; of a path, its end."""
    text = "nothing" if value is None else str(value) or "(empty)"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= limit:
        return text
    dots = "\N{HORIZONTAL ELLIPSIS}"
    return dots + text[1 - limit :] if isinstance(value, PurePath) else text[: limit - 1] + dots


def _rebuild(kind: type[Refused], reason: str, field: str, value: str, remedy: str) -> Refused:
    return kind(reason, field=field, value=value, remedy=remedy)
