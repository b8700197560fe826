"""What every command begins with: from its options a snapshot, base weights and a recipe."""

import argparse
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import Refused
from pallor.snapshot import LabelledPhoto, read_snapshot, snapshot_key
from pallor.store import open_store
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectStore
from trainer.data.group_report import group_photos
from trainer.data.groups import GROUPS_FILE, every_photo_its_own, find_groups, groups_of_lines, read_groups
from trainer.data.import_cp_anemic import import_cp_anemic
from trainer.data.photos import Photos, load, write_files
from trainer.distil import with_teacher
from trainer.model import Base, base_from_file, torchvision_base
from trainer.options import add_options as add_options  # for commands that read all inputs
from trainer.progress import Bars
from trainer.recipe import Recipe, read_recipe
from trainer.warm_start import base_from_release


class SourceMissing(Refused):
    """Nothing says what to learn from."""


class CrossValidationLeaks(Refused):
    """Whoever would be judged was learned from."""


@dataclass(frozen=True)
class Source:
    """A snapshot and the store that it lies in."""

    store: ObjectStore
    snapshot: str
    lines: tuple[LabelledPhoto, ...]


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that an evaluation is made from."""

    photos: Photos
    base: Base
    recipe: Recipe


def read_inputs(args: argparse.Namespace, bars: Bars) -> Inputs:
    """Recipe, base weights, photos; which rows show the same photograph is found out when nobody has said it."""
    recipe = read_recipe(args.recipe)
    source = open_source(args, bars)
    base = read_base(args, recipe, source.store)
    groups = groups_of(args, source, args.run / "same_photo", bars)
    return Inputs(load_photos(source, groups, recipe, bars), base, recipe)


def read_base(args: argparse.Namespace, recipe: Recipe, store: ObjectStore) -> Base:
    """The weights of ``--init`` or ``--warm-start``, else torchvision's; with the recipe's teacher, if it has one.

    Raises:
        AncestorRetracted: what the warm start learned from has been taken out of the store.
        CrossValidationLeaks: the recipe cross-validates, and the warm start has seen what would be judged.
    """
    if args.warm_start:
        lineage = base_from_release(args.warm_start, set()).lineage
        base = base_from_release(args.warm_start, {one for one in lineage if not store.has(snapshot_key(one))})
        evaluation = recipe.evaluation
        if evaluation.grouped_by_photo or evaluation.leave_one_site_out or evaluation.published_protocol:
            raise CrossValidationLeaks(
                "a warm start has learned from photos that the recipe's cross-validation would judge", field="recipe",
                value=recipe.name, remedy="Leave its seeds in [evaluation] empty: the test side alone is honest here.",
            )  # fmt: skip
    else:
        base = plain_base(args.init)
    return with_teacher(base, recipe.distillation, args.teacher_init) if recipe.distillation else base


def plain_base(init: Path | None) -> Base:
    """The weights of a file, else torchvision's."""
    return base_from_file(init) if init else torchvision_base()


def open_source(args: argparse.Namespace, bars: Bars) -> Source:
    """The snapshot that the options name; a folder in CP-AnemiC's layout is imported into ``--run`` or ``--store``.

    Raises:
        SourceMissing: they name none.
    """
    url = args.store or os.environ.get("PALLOR_STORE_URL")
    if args.data is not None:
        store = open_store(args.store) if args.store else FolderStore(args.run / "store")
        snapshot = import_folder(args.data, store, bars)
    elif url and args.snapshot:
        store, snapshot = open_store(url, make=False), args.snapshot
    else:
        raise SourceMissing(
            "nothing says what to learn from",
            field="snapshot" if url else "store",
            value=None,
            remedy="Give --data DIR in CP-AnemiC's layout, or --snapshot DIGEST and --store URL.",
        )
    return Source(store, snapshot, read_snapshot(store, snapshot))


def import_folder(folder: Path, store: ObjectStore, bars: Bars) -> str:
    """``import_cp_anemic`` behind a bar."""
    with bars("importing photos", sum(1 for _ in folder.glob("*/*.png"))) as seen:
        return import_cp_anemic(folder, store, seen=lambda: seen(1))


def groups_of(args: argparse.Namespace, source: Source, out: Path, bars: Bars) -> Mapping[str, str]:
    """Of each photo's digest, the name of its same-photo group: said by a CSV, or found in the photos into ``out``."""
    digests = list(dict.fromkeys(line.photo for line in source.lines))
    if args.every_photo_its_own_group:
        return every_photo_its_own(digests)
    path = find_groups(args.data, args.groups)
    if path is not None:
        return groups_of_lines(source.lines, read_groups(path, [line.case_id for line in source.lines]))
    return find_groups_in_photos(source, out, args.processes, bars)


def find_groups_in_photos(source: Source, out: Path, processes: int, bars: Bars) -> Mapping[str, str]:
    """``trainer.data.group_report.group_photos`` of a snapshot; the report lies in ``out``."""
    with bars("fetching photos", len(source.lines)) as seen:
        files = write_files(source.store, source.lines, out / "photos", seen=lambda: seen(1))
    labels: dict[str, list[tuple[float, bool]]] = {}
    for line in source.lines:
        labels.setdefault(line.photo, []).append((float(line.hb_g_per_l), line.anaemic))
    group_photos(files, labels, out, processes=processes, bars=bars)
    shutil.rmtree(out / "photos")  # nobody's photo lies about longer than it is needed
    return read_groups(out / GROUPS_FILE, list(files))


def load_photos(source: Source, groups: Mapping[str, str], recipe: Recipe, bars: Bars) -> Photos:
    """``trainer.data.photos.load`` behind a bar."""
    with bars("photos", len(source.lines)) as seen:
        return load(source.store, source.snapshot, source.lines, groups, recipe.preprocess, seen=lambda: seen(1))
