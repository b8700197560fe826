"""Which rows show the same photograph, as a CSV says it: one given, or one that ``trainer.data.same_photo`` made."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pallor.digest import digest_of
from pallor.errors import Refused, shortened
from pallor.snapshot import LabelledPhoto

GROUPS_FILE = "same_photo_groups.csv"
# Strictest first: the suspected groups also join pairs that are only doubtful, which costs nothing but rows.
_COLUMNS = ("suspected_group", "same_photo_group")


class GroupsMissing(Refused):
    """The groups that were named are not there."""


class GroupsBroken(Refused):
    """The groups do not cover the photos."""


def find_groups(folder: Path | None, given: Path | None) -> Path | None:
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
    path = given or (folder / GROUPS_FILE if folder else None)
    return path if path and path.is_file() else None


def read_groups(path: Path, image_ids: Sequence[str]) -> dict[str, str]:
    """Group of each image id.

    Raises:
        GroupsBroken: no table, no known column, an image that is named twice, or one without a group.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            column = next((c for c in _COLUMNS if c in (reader.fieldnames or ())), None)
            if column is None or "IMAGE_ID" not in (reader.fieldnames or ()):
                raise _broken("it has no column of groups", path.name)
            lines = [(line["IMAGE_ID"], line[column]) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _broken(f"it cannot be read as CSV in UTF-8: {shortened(error)}", path.name) from error
    groups = {image_id: f"{column}:{group}" for image_id, group in lines if group}
    if twice := [image_id for image_id, count in Counter(image_id for image_id, _ in lines).items() if count > 1]:
        raise _broken(f"it names {len(twice)} photos more than once, the first is {twice[0]}", path.name)
    missing = [i for i in image_ids if i not in groups]
    if missing:
        raise _broken(f"{len(missing)} photos have no group, the first is {missing[0]}", path.name)
    return {i: groups[i] for i in image_ids}


def every_photo_its_own(image_ids: Sequence[str]) -> Mapping[str, str]:
    """For data in which no photograph comes twice."""
    return {i: i for i in image_ids}


def groups_of_lines(lines: Sequence[LabelledPhoto], of_case: Mapping[str, str]) -> dict[str, str]:
    """Group of each photo's digest, from a group of each case: an imported case is called by its ``IMAGE_ID``.

    Raises:
        GroupsBroken: a case has no group, or one photo has two.
    """
    found: dict[str, str] = {}
    for line in lines:
        if line.case_id not in of_case:
            raise _broken("a case of the snapshot has no group", line.case_id)
        if found.setdefault(line.photo, of_case[line.case_id]) != of_case[line.case_id]:
            raise _broken("the same photo, byte for byte, stands in two groups", line.case_id)
    return found


def group_names(photos: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    """The name of each photo's group; raises ``GroupsBroken`` for a photo without one."""
    missing = [photo for photo in photos if photo not in groups]
    if missing:
        raise _broken(f"{len(missing)} photos have no group", missing[0])
    return [groups[photo] for photo in photos]


def groups_digest(groups: Mapping[str, str]) -> str:
    """The digest of who shows the same photograph, whatever the groups are called."""
    members: dict[str, list[str]] = {}
    for photo, name in groups.items():
        members.setdefault(name, []).append(photo)
    return digest_of(sorted(sorted(photos) for photos in members.values()))


def _broken(reason: str, value: str) -> GroupsBroken:
    return GroupsBroken(
        reason, field="groups", value=value, remedy=f"Give IMAGE_ID and one of {', '.join(_COLUMNS)} for every photo."
    )
