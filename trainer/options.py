"""Options that several commands have. It needs none of the libraries that the commands need."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pallor.digest import hex_of
from pallor.settings import url, whole

_MOST_PROCESSES = 16  # a machine with more cores may have more; each holds torch and the photos of its own
T = TypeVar("T")


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of ``pallor.settings`` as argparse takes it, so that its words reach whoever typed."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"not {error}") from None

    return read


def server(raw: str) -> str:
    """The address of one; raises ``ValueError``."""
    try:
        host = urlsplit(url("http", "https")(raw)).hostname
    except ValueError:
        host = None
    if not host:
        raise ValueError("the address of a server, https://…")
    return raw


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that ``trainer.inputs.read_inputs`` reads, and ``--run``."""
    add_source(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder for what is kept while it works, and after")
    add_making(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """``--data`` or ``--snapshot``, and ``--store``."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="folder in CP-AnemiC's layout, imported first")
    source.add_argument("--snapshot", type=_digest, help="sha256:… of a snapshot in --store")
    parser.add_argument("--store", help="object store, file:///path or s3://bucket/prefix (default: $PALLOR_STORE_URL)")


def add_making(parser: argparse.ArgumentParser) -> None:
    """``--groups``, ``--init``, ``--recipe``, ``--processes``."""
    same = parser.add_mutually_exclusive_group()
    same.add_argument(
        "--groups",
        type=Path,
        help="CSV of same-photo groups (default: the one in --data, else they are found in the photos)",
    )
    same.add_argument(
        "--every-photo-its-own-group", action="store_true", help="say that no photograph comes twice; be sure of it"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", type=Path, help="base weights, .safetensors or .pth (default: torchvision's)")
    start.add_argument(
        "--warm-start", type=Path, help="screen.safetensors of an earlier run; its snapshots must still be in the store"
    )
    parser.add_argument("--teacher-init", type=Path, help="weights of the recipe's teacher (default: torchvision's)")
    parser.add_argument("--recipe", type=Path, help="TOML (default: trainer/recipes/standard.toml)")
    add_processes(parser)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """``--processes``, for folds and for photos."""
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--processes", type=argument(whole(1, max(cores, _MOST_PROCESSES))), default=cores,
        help="worked on at once (default: cores)",
    )  # fmt: skip


def _digest(text: str) -> str:
    try:
        hex_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not sha256: and 64 hex digits behind it") from None
    return text if text.startswith("sha256:") else f"sha256:{text}"
