"""Which rows show the same photograph, as a CSV says it: one given, or one that ``trainer.data.same_photo`` made."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pallor.errors import Refused

GROUPS_FILE = "same_photo_groups.csv"
# Strictest first: the suspected groups also join pairs that are only doubtful, which costs nothing but rows.
_COLUMNS = ("suspected_group", "same_photo_group")


class GroupsMissing(Refused):
    """The groups that were named are not there."""


class GroupsBroken(Refused):
    """The groups do not cover the photos."""


def find_groups(folder: Path, given: Path | None) -> Path | None:
    """The groups file to use: the one given, else ``same_photo_groups.csv`` in the data folder, else none.

    Raises:
        GroupsMissing: the one given is not there.
    """
    if given is not None and not given.is_file():
        raise GroupsMissing(
            "there is no such file of same-photo groups",
            field="groups",
            value=given.name,
            remedy="Name a CSV with the columns IMAGE_ID and same_photo_group, or leave --groups away: without a CSV "
            "the groups are found in the photos themselves.",
        )
    path = given or folder / GROUPS_FILE
    return path if path.is_file() else None


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
