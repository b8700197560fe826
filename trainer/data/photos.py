"""Labelled photos in memory, laid out as the model reads them, with all that a split or a subgroup needs to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pallor.cp_anemic import CREDIT
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused
from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.snapshot import LabelledPhoto, SnapshotBroken, SnapshotMissing
from pallor.store.port import ObjectMissing, ObjectStore, image_key
from trainer.data.groups import group_names, groups_digest

Texts = NDArray[np.str_]

_CREDITS = {
    "pallor": "Photos and laboratory values of this deployment's own cases, whose people agreed that they teach.",
    "cp-anemic": CREDIT,
    "synthetic": "Drawn photos; nobody is on them.",
}


class SnapshotMixed(Refused):
    """The lines of the snapshot cannot be learned from together."""


class PhotoUnfit(Refused):
    """A photo of the snapshot cannot be laid out as the recipe wants it."""


@dataclass(frozen=True, eq=False)
class Photos:
    """``n`` labelled photos, row by row.

    Attributes:
        inputs: (n, S, S, 3) uint8, what ``to_input`` made of each photo.
        anaemic: (n,) bool, by the snapshot's label table.
        hb: (n,) float64, g/L.
        groups: (n,) int, equal where the photograph is the same.
        subjects: (n,) text, pseudonyms.
        sites, devices, sexes: (n,) text; a device is empty where nobody said it.
        ages: (n,) int, months.
        ids: (n,) text, ``sha256:`` of each stored photo.
        taken: (n,) text, UTC, empty where nobody said it.
        snapshot: digest of the snapshot; ``groups_digest``: of who shows the same photograph.
        world: ``real`` | ``synthetic``; ``credit``: whom to name for the data; ``label_table``: of ``anaemic``.
    """

    inputs: NDArray[np.uint8]
    anaemic: NDArray[np.bool_]
    hb: NDArray[np.float64]
    groups: NDArray[np.int64]
    subjects: Texts
    sites: Texts
    devices: Texts
    sexes: Texts
    ages: NDArray[np.int64]
    ids: Texts
    taken: Texts
    snapshot: str
    groups_digest: str
    world: str
    credit: str
    label_table: str

    def __len__(self) -> int:
        return len(self.anaemic)

    def take(self, rows: NDArray[Any]) -> Self:
        """These rows alone."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: part[rows] for name, part in parts.items() if isinstance(part, np.ndarray)})


def together(one: Photos, other: Photos) -> Photos:
    """Both sets of rows; what is said of the whole is the first one's. No row may stand in both."""
    parts = {field.name: getattr(one, field.name) for field in fields(one)}
    groups = other.groups + one.groups.max(initial=0) + 1  # a number is a group in its own set alone
    theirs = {name: groups if name == "groups" else getattr(other, name) for name in parts}
    joined: dict[str, Any] = {
        n: np.concatenate([mine, theirs[n]]) for n, mine in parts.items() if isinstance(mine, np.ndarray)
    }
    return replace(one, **joined)


def load(
    store: ObjectStore,
    snapshot: str,
    lines: Sequence[LabelledPhoto],
    groups: Mapping[str, str],
    spec: PreprocessSpec,
    *,
    seen: Callable[[], None] = lambda: None,
) -> Photos:
    """Fetch, decode and lay out every photo of a snapshot, in the order of its lines.

    Args:
        lines: the snapshot's own.
        groups: of each photo's digest, the name of its same-photo group.
        seen: called after each photo.

    Raises:
        SnapshotMixed, PhotoUnfit, GroupsBroken
        SnapshotMissing: a photo is not in the store any more.
        SnapshotBroken: a photo's bytes are not those that its digest names.
    """
    world, table = _the_one("world", lines), _the_one("label_table", lines)
    names = group_names([line.photo for line in lines], groups)
    inputs = np.empty((len(lines), spec.size, spec.size, 3), np.uint8)
    for row, line in enumerate(lines):
        inputs[row] = _laid_out(_fetch(store, line), line, spec)
        seen()
    _, numbers = np.unique(names, return_inverse=True)
    return Photos(
        inputs=inputs,
        anaemic=np.array([line.anaemic for line in lines], bool),
        hb=np.array([float(line.hb_g_per_l) for line in lines]),
        groups=numbers.astype(np.int64),
        subjects=np.array([line.subject for line in lines]),
        sites=np.array([line.site for line in lines]),
        devices=np.array([line.device for line in lines]),
        sexes=np.array([line.sex for line in lines]),
        ages=np.array([line.age_months for line in lines], np.int64),
        ids=np.array([line.photo for line in lines]),
        taken=np.array([line.captured_at for line in lines]),
        snapshot=snapshot,
        groups_digest=groups_digest({line.photo: name for line, name in zip(lines, names, strict=True)}),
        world=world,
        credit=credit_of(lines),
        label_table=table,
    )


def write_files(
    store: ObjectStore, lines: Sequence[LabelledPhoto], folder: Path, *, seen: Callable[[], None] = lambda: None
) -> dict[str, Path]:
    """Lay the photos of a snapshot into a folder, each once, and say where, by digest; those already there stay.

    Raises:
        SnapshotMissing, SnapshotBroken
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for line in lines:
        file = folder / f"{hex_of(line.photo)}.png"
        if line.photo not in files and not (file.is_file() and sha256_of(file.read_bytes()) == line.photo):
            file.write_bytes(_fetch(store, line))
        files[line.photo] = file
        seen()
    return files


def credit_of(lines: Sequence[LabelledPhoto]) -> str:
    """Whom to name wherever what was learned from these lines is used."""
    sources = sorted({line.source for line in lines})
    return " ".join(_CREDITS.get(source, f"From {source}.") for source in sources)


def _fetch(store: ObjectStore, line: LabelledPhoto) -> bytes:
    try:
        data = store.get(image_key(line.photo))
    except ObjectMissing as error:
        raise SnapshotMissing(
            f"photo {line.photo} of case {line.case_id} is not in this store any more: somebody was erased, or the "
            "store is another; export a new snapshot"
        ) from error
    if sha256_of(data) != line.photo:
        raise SnapshotBroken(f"photo {line.photo} of case {line.case_id} holds other bytes than were frozen")
    return data


def _laid_out(data: bytes, line: LabelledPhoto, spec: PreprocessSpec) -> NDArray[np.uint8]:
    try:
        return to_input(spec, decode(data))
    except Refused as error:
        raise PhotoUnfit(
            f"the photo of case {line.case_id} cannot be used: {error.reason}", field="snapshot", value=line.photo,
            remedy="Use a recipe whose preprocessing takes it, or withhold the case.",
        ) from error  # fmt: skip


def _the_one(field: str, lines: Sequence[LabelledPhoto]) -> str:
    found = sorted({str(getattr(line, field)) for line in lines})
    if len(found) != 1:
        raise SnapshotMixed(
            "a model learns from at least one photo, all of one world, labelled by one table",
            field=field, value=", ".join(found) or None,
            remedy="Export a snapshot of one deployment, or import one data set.",
        )  # fmt: skip
    return found[0]
