"""What the parent and its children say to each other: one JSON object a line, on the child's standard streams."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from pallor.errors import Untrusted, shortened
from pallor.prediction import Engine


class LineUnreadable(Untrusted):
    """It is none of these words: a library has printed something, or the other end is of another version."""


@dataclass(frozen=True)
class Admitted:
    """child -> parent: the release is loaded and has answered its golden photos; nothing is taken before ``Serve``."""

    engine: Engine
    max_difference: float
    gpu: bool


@dataclass(frozen=True)
class TriesGpu:
    """child -> parent: the GPU is used from now on; a death of this process before ``Admitted`` may be its fault."""


@dataclass(frozen=True)
class NotAdmitted:
    """child -> parent, its last word. ``gpu``: the GPU's engine failed; another child may try without it."""

    code: str
    text: str
    gpu: bool = False


@dataclass(frozen=True)
class Began:
    """child -> parent: a photo is decoded from now on; a death of this process before ``Ended`` may be its fault."""

    photo_id: str
    case_id: str


@dataclass(frozen=True)
class Ended:
    """child -> parent: the engine is done with photos. ``refusals``: how many were refused, by code."""

    photo_ids: Sequence[str]
    answered: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    queue_seconds: Sequence[float] = ()
    compute_seconds: float | None = None


@dataclass(frozen=True)
class Golden:
    """child -> parent, after ``Check``: how the golden photos went."""

    max_difference: float


@dataclass(frozen=True)
class Forgot:
    """child -> parent: the engine no longer answers the golden photos; what is in hand is given back."""

    code: str
    text: str


@dataclass(frozen=True)
class Serve:
    """parent -> child: take photos. ``suspects``: photos during which a process died, and how often."""

    suspects: Mapping[str, int]


@dataclass(frozen=True)
class Suspect:
    """parent -> child: a process died with these photos in its hands."""

    suspects: Mapping[str, int]


@dataclass(frozen=True)
class Check:
    """parent -> child: ask the golden photos."""


@dataclass(frozen=True)
class Retire:
    """parent -> child: take no more, finish what is in hand, end. The end of the line says the same.

    ``seconds``: what is not done by then is left to others.
    """

    seconds: float = 20.0


Word = Admitted | TriesGpu | NotAdmitted | Began | Ended | Golden | Forgot | Serve | Suspect | Check | Retire
_KINDS: Mapping[str, type[Word]] = {
    kind.__name__: kind
    for kind in (Admitted, TriesGpu, NotAdmitted, Began, Ended, Golden, Forgot, Serve, Suspect, Check, Retire)
}  # fmt: skip


def to_line(word: Word) -> bytes:
    # The fields as they are: ``asdict`` copies them one by one, for every photo twice.
    return json.dumps({"kind": type(word).__name__, **vars(word)}, default=asdict).encode() + b"\n"


def from_line(line: bytes) -> Word:
    """Raises ``LineUnreadable``."""
    try:
        fields: dict[str, Any] = dict(json.loads(line))
        kind = _KINDS[fields.pop("kind")]
        if kind is Admitted:
            fields["engine"] = Engine(**fields["engine"])
        return kind(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise LineUnreadable(shortened(line.decode(errors="replace"))) from error


class ChildLine:
    """The child's end. Standard output is the line from now on; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._in: TextIO = sys.stdin

    def say(self, word: Word) -> None:
        """Whole lines, also from several threads: a pipe keeps up to 4096 bytes together, and a word is shorter."""
        with suppress(BrokenPipeError):  # the parent is gone; the end of the line tells the other thread so
            os.write(self._out, to_line(word))

    def heard(self) -> Iterator[Word]:
        """What the parent says, until it ends or says no more."""
        for line in self._in:
            yield from_line(line.encode())
