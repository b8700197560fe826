"""What every command begins with: options, photos with their groups, base weights, recipe; and a progress bar."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pallor.cp_anemic import read
from trainer.data.group_report import group_photos
from trainer.data.groups import GROUPS_FILE, every_photo_its_own, find_groups, read_groups
from trainer.data.photos import Photos, load
from trainer.model import Base, base_from_file, torchvision_base
from trainer.recipe import Recipe, read_recipe


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that an evaluation or a release is made from."""

    photos: Photos
    base: Base
    recipe: Recipe


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that ``read_inputs`` reads, and ``--run`` and ``--processes``."""
    parser.add_argument("--data", type=Path, required=True, help="folder in CP-AnemiC's layout")
    parser.add_argument("--run", type=Path, required=True, help="folder for finished folds and evaluation.json")
    same = parser.add_mutually_exclusive_group()
    same.add_argument(
        "--groups",
        type=Path,
        help="CSV of same-photo groups (default: the one in --data, else they are found in the photos)",
    )
    same.add_argument(
        "--every-photo-its-own-group", action="store_true", help="say that no photograph comes twice; be sure of it"
    )
    parser.add_argument("--init", type=Path, help="base weights, .safetensors or .pth (default: torchvision's)")
    parser.add_argument("--recipe", type=Path, help="TOML (default: the bootstrap recipe)")
    add_processes(parser)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """``--processes``, for folds and for photos."""
    cores = os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=cores, help="worked on at once (default: cores)")


def read_inputs(args: argparse.Namespace, console: Console) -> Inputs:
    """Recipe, base weights, photos; which rows show the same photograph is found out when nobody has said it."""
    recipe = read_recipe(args.recipe)
    rows = read(args.data)
    groups = _groups(args, [row.image_id for row in rows], console)
    base = base_from_file(args.init) if args.init else torchvision_base()
    with progress(console, "photos", len(rows)) as seen:
        return Inputs(load(rows, groups, recipe.preprocess, seen=lambda: seen(1)), base, recipe)


def _groups(args: argparse.Namespace, image_ids: list[str], console: Console) -> Mapping[str, str]:
    if args.every_photo_its_own_group:
        return every_photo_its_own(image_ids)
    path = find_groups(args.data, args.groups)
    if path is None:
        out = args.run / "same_photo"
        console.print(f"no CSV of same-photo groups: finding them in the photos, report in {out}", highlight=False)
        group_photos(args.data, out, processes=args.processes, bars=partial(progress, console))
        path = out / GROUPS_FILE
    return read_groups(path, image_ids)


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left; what it yields is told how many steps were done since the last call."""
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
