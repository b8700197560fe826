"""Which rows show the same photograph. The public data hold twins by the hundred, so nobody trains unasked."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pallor.errors import Refused

GROUPS_FILE = "same_photo_groups.csv"
# Strictest first: the suspected groups also join pairs that are only doubtful, which costs nothing but rows.
_COLUMNS = ("suspected_group", "same_photo_group")


class GroupsMissing(Refused):
    """No same-photo groups, and nobody said that every photo is its own."""


class GroupsBroken(Refused):
    """The groups do not cover the photos."""


def find_groups(folder: Path, given: Path | None) -> Path:
    """The groups file to use: the one given, else ``same_photo_groups.csv`` in the data folder.

    Raises:
        GroupsMissing: neither is there.
    """
    path = given or folder / GROUPS_FILE
    if not path.is_file():
        raise GroupsMissing(
            "it is not known which rows show the same photograph, and a twin in the training part fakes the result",
            field="groups",
            value=path.name,
            remedy="Pass --groups CSV (columns IMAGE_ID and same_photo_group), or, when each photo was taken once and "
            "of one person, --every-photo-its-own-group.",
        )
    return path


def read_groups(path: Path, image_ids: Sequence[str]) -> dict[str, str]:
    """Group of each image id.

    Raises:
        GroupsBroken: no known column, or an image without a group.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        column = next((c for c in _COLUMNS if c in (reader.fieldnames or ())), None)
        if column is None or "IMAGE_ID" not in (reader.fieldnames or ()):
            raise _broken("it has no column of groups", path.name)
        groups = {line["IMAGE_ID"]: f"{column}:{line[column]}" for line in reader}
    missing = [i for i in image_ids if i not in groups]
    if missing:
        raise _broken(f"{len(missing)} photos have no group, the first is {missing[0]}", path.name)
    return {i: groups[i] for i in image_ids}


def every_photo_its_own(image_ids: Sequence[str]) -> Mapping[str, str]:
    """For data in which no photograph comes twice."""
    return {i: i for i in image_ids}


def _broken(reason: str, value: str) -> GroupsBroken:
    return GroupsBroken(
        reason, field="groups", value=value, remedy=f"Give IMAGE_ID and one of {', '.join(_COLUMNS)} for every photo."
    )
