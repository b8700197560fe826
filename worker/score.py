"""Score photos on disk, without a broker, a store or a case: one row a file, whatever is wrong with it."""

import csv
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TextIO

from pallor.errors import Refused
from pallor.image.decode import decode, read_file
from pallor.image.preprocess import to_input
from pallor.image.quality import judge
from worker.serving import Serving

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


class FileUnreadable(Refused):
    """The file cannot be read from the disk."""


class FileUnwritable(Refused):
    """The scores cannot be written there."""


class NoPhotos(Refused):
    """There is nothing to score."""


@dataclass(frozen=True)
class Row:
    """What became of one file.

    ``quality``: ``good``, or the reasons for a retake. ``probability``: of anaemia, 0..1; None when ``refusal`` is set,
    and that is an error code of ``pallor.errors``, with ``remedy`` for a human.
    """

    file: str
    quality: str
    probability: float | None
    release: str
    seconds: float
    refusal: str = ""
    remedy: str = ""


def find_photos(places: Sequence[Path]) -> list[Path]:
    """The photos in some folders, by their suffix and in order, and every file that is named itself.

    Raises:
        NoPhotos: there is none.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            found.append(place)
    if not found:
        raise NoPhotos(
            "There are no photos here.",
            field="DIR",
            value=", ".join(map(str, places)),
            remedy=f"Name a folder with files that end in {', '.join(sorted(SUFFIXES))}.",
        )
    return found


def score(files: Iterable[Path], serving: Serving) -> Iterator[Row]:
    """A row for each file, in order; a file that is refused does not stop the rest."""
    for file in files:
        started = time.perf_counter()
        quality, probability, refusal, remedy = "", None, "", ""
        try:
            photo = decode(_read(file))
            quality = ", ".join(judge(photo).reasons) or "good"
            batch = to_input(serving.spec, photo)[None]
            probability = float(serving.engine.infer(batch).probability[0])
        except Refused as error:
            refusal, remedy = error.code(), error.remedy
        seconds = time.perf_counter() - started
        yield Row(str(file), quality, probability, serving.release.release_id, seconds, refusal, remedy)


def write_csv(rows: Iterable[Row], out: TextIO) -> None:
    """The rows as CSV (RFC 4180), with a header."""
    lines = csv.writer(out)
    lines.writerow([field.name for field in fields(Row)])
    lines.writerows(["" if value is None else value for value in astuple(row)] for row in rows)


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO | None]:
    """Where CSV goes: nowhere, standard output, or a file, opened before the work so that no work is lost.

    A name that is no UTF-8 is written as its bytes are. Raises ``FileUnwritable``.
    """
    if path is None:
        yield None
    elif str(path) == "-":
        with _as_long_as_it_is_read():
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="surrogateescape")
            yield sys.stdout
            sys.stdout.flush()
    else:
        try:
            with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as out:
                yield out
        except OSError as error:
            remedy = "Name another file."
            raise FileUnwritable(f"{error.strerror}.", field="--csv", value=path, remedy=remedy) from error


@contextmanager
def _as_long_as_it_is_read() -> Iterator[None]:
    """Whoever reads standard output may have seen enough: ``| head``."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _read(file: Path) -> bytes:
    try:
        return read_file(file)
    except OSError as error:
        raise FileUnreadable(
            f"{error.strerror}.", field="file", value=file, remedy="Check the path and its permissions."
        ) from error
