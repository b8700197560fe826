"""Same-photo groups for people: a CSV that the trainer reads, a report, and a contact sheet to look at."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pallor.cp_anemic import SHEET, read
from pallor.errors import PallorError, Refused
from pallor.image.decode import decode, read_file
from pallor.image.preprocess import tight
from trainer.data.groups import GROUPS_FILE
from trainer.data.import_cp_anemic import label_row
from trainer.data.same_photo import LEVELS, Link, SamePhotos, closure, find_same_photos
from trainer.progress import Bars, no_bars
from trainer.report.markdown import as_markdown

_PHOTO_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_SHEET = "contact_sheet.png"
_TILE = (150, 120)
_MOST_TILES = 9
_MOST_ROWS = 60
_INK, _ALARM = "black", "#b00020"


class NoPhotos(Refused):
    """A folder without a photo in it."""


@dataclass(frozen=True)
class Group:
    """One photograph and its rows.

    Attributes:
        weakest: of the links that are needed to hold it together.
        hb_spread_g_per_l: highest less lowest; None without labels, as ``label_conflict`` then is.
    """

    number: int
    image_ids: tuple[str, ...]
    weakest: Link | None
    hb_spread_g_per_l: float | None
    label_conflict: bool | None


Labels = Mapping[str, Sequence[tuple[float, bool]]]


def photos_in(folder: Path, out: Path | None = None) -> tuple[dict[str, Path], Labels]:
    """The photos of a folder in CP-AnemiC's layout with their labels, or of any folder, by their paths, without.

    Args:
        out: where an earlier report lies, maybe in this very folder: its contact sheet is no photo.

    Raises:
        NoPhotos: there are none.
    """
    if not (folder / SHEET).is_file():
        return _files_in(folder, out / _SHEET if out else None), {}
    rows = read(folder)
    return {row.image_id: row.photo for row in rows}, {row.image_id: [label_row(row)] for row in rows}


def group_photos(
    photos: Mapping[str, Path], labels: Labels, out: Path, *, processes: int = 1, bars: Bars = no_bars
) -> dict[str, Any]:
    """Find the groups of some photos; write CSV, JSON, Markdown and contact sheet into ``out``.

    Args:
        labels: by photo, haemoglobin in g/L and whether that is anaemia of all whose photo it is said to be; empty
            where nothing is known.

    Returns:
        What the JSON holds.
    """
    found = find_same_photos(photos, out / "features", processes=processes, bars=bars)
    groups = {level: _groups(found, level, labels) for level in LEVELS}
    report = _report(found, groups, bool(labels))
    write_csv(found, out / GROUPS_FILE)
    (out / "groups.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "groups.md").write_text(_markdown(report), encoding="utf-8")
    sheet = _contact_sheet(groups[LEVELS[-1]], found, photos, labels)
    sheet.save(out / _SHEET)
    return report


def write_csv(found: SamePhotos, path: Path) -> None:
    """IMAGE_ID and the group at every level."""
    groups = {level: found.groups(level) for level in LEVELS}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["IMAGE_ID", *(f"{level}_group" for level in LEVELS)])
        writer.writerows([i, *(groups[level][i] for level in LEVELS)] for i in found.image_ids)


def _files_in(folder: Path, sheet: Path | None) -> dict[str, Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _PHOTO_SUFFIXES and path.is_file())
    files = sorted(path for path in found if not (sheet and sheet.exists() and path.samefile(sheet)))
    if not files:
        raise NoPhotos(
            "there is no photo in this folder",
            field="photos",
            value=folder.name,
            remedy=f"Name a folder with {SHEET}, or one of PNG, JPEG or WebP files.",
        )
    return {path.relative_to(folder).as_posix(): path for path in files}


def _groups(found: SamePhotos, level: str, labels: Labels) -> list[Group]:
    members: dict[int, list[str]] = {}
    for image_id, number in found.groups(level).items():
        members.setdefault(number, []).append(image_id)
    weakest = _weakest_links(found, level)
    groups = []
    for number, ids in members.items():
        said = [label for i in ids for label in labels.get(i, ())]
        hbs = [hb for hb, _ in said]
        groups.append(
            Group(
                number=number,
                image_ids=tuple(ids),
                weakest=next((weakest[i] for i in ids if i in weakest), None),
                hb_spread_g_per_l=round(max(hbs) - min(hbs), 1) if hbs else None,
                label_conflict=len({anaemic for _, anaemic in said}) > 1 if said else None,
            )
        )
    return groups


def _weakest_links(found: SamePhotos, level: str) -> dict[str, Link]:
    """By the first image of each group: the last link that still joined something, taking the strongest first."""
    enough = LEVELS[: LEVELS.index(level) + 1]
    links = sorted((link for link in found.links if link.level in enough), key=_strength, reverse=True)
    needed: list[Link] = []
    joined = closure(found.image_ids, ())
    for link in links:
        if joined[link.one] != joined[link.two]:
            needed.append(link)
            joined = closure(found.image_ids, ((each.one, each.two) for each in needed))
    first: dict[int, str] = {}
    for image_id in found.image_ids:
        first.setdefault(joined[image_id], image_id)
    return {first[joined[link.one]]: link for link in needed}


def _strength(link: Link) -> tuple[int, int]:
    return -LEVELS.index(link.level), link.alignment.points if link.alignment else 0


def _report(found: SamePhotos, groups: Mapping[str, Sequence[Group]], labelled: bool) -> dict[str, Any]:
    return {
        "photos": len(found.image_ids),
        "unreadable": dict(found.unreadable),
        "levels": {level: _figures(groups[level], labelled) for level in LEVELS},
        "groups": [asdict(group) for group in groups[LEVELS[-1]] if len(group.image_ids) > 1],
        "links": [asdict(link) for link in found.links],
    }


def _figures(groups: Sequence[Group], labelled: bool) -> dict[str, Any]:
    twins = [group for group in groups if len(group.image_ids) > 1]
    sizes = sorted((len(group.image_ids) for group in twins), reverse=True)
    figures = {"groups": len(groups), "rows_with_a_twin": sum(sizes), "sizes": sizes}
    if not labelled:
        return figures
    spreads = [group.hb_spread_g_per_l or 0.0 for group in twins]
    return figures | {
        "label_conflicts": sum(bool(group.label_conflict) for group in twins),
        "hb_spread_g_per_l_mean": round(float(np.mean(spreads)), 1) if spreads else None,
        "hb_spread_g_per_l_max": max(spreads, default=None),
    }


def _markdown(report: Mapping[str, Any]) -> str:
    lines = [
        "# Which photos show the same photograph",
        "",
        f"{report['photos']} photos. Each level holds the stricter ones above it; a group is the closure of its pairs.",
        "",
        "| level | groups | rows with a twin | largest | label conflicts | Hb spread in a group, g/L: mean, max |",
        "|---|---|---|---|---|---|",
    ]
    for level, of in report["levels"].items():
        spread = f"{of.get('hb_spread_g_per_l_mean', '-')}, {of.get('hb_spread_g_per_l_max', '-')}"
        largest = max(of["sizes"], default=1)
        conflicts = of.get("label_conflicts", "-")
        lines.append(f"| {level} | {of['groups']} | {of['rows_with_a_twin']} | {largest} | {conflicts} | {spread} |")
    lines += ["", "`suspected`: the same eye by its vessels, but not by its colours: another light or a second shot."]
    if report["unreadable"]:
        lines += ["", "Not read, and each its own group unless its bytes are equal to another's:", ""]
        lines += [f"- {as_markdown(f'{image_id}: {problem}')}" for image_id, problem in report["unreadable"].items()]
    return "\n".join(lines) + "\n"


def _contact_sheet(
    groups: Sequence[Group],
    found: SamePhotos,
    photos: Mapping[str, Path],
    labels: Labels,
) -> Image.Image:
    """One row a group; what is biggest and what is most doubtful comes first, in turns."""
    twins = [group for group in groups if len(group.image_ids) > 1]
    by_size = sorted(twins, key=lambda group: -len(group.image_ids))
    by_doubt = sorted(twins, key=lambda group: _strength(group.weakest) if group.weakest else (0, 0))
    turns = dict.fromkeys(group.number for pair in zip(by_size, by_doubt, strict=True) for group in pair)
    of_number = {group.number: group for group in twins}
    shown = [of_number[number] for number in turns][:_MOST_ROWS]
    width, height = _TILE
    copies = found.groups("pixel")
    tiles = [_distinct(group, copies)[:_MOST_TILES] for group in shown]
    columns = max(map(len, tiles), default=0)
    sheet = Image.new("RGB", ((columns + 1) * width, max(1, len(shown)) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for at, group in enumerate(shown):
        pen.line([(0, at * height), (sheet.width, at * height)], fill="lightgrey")
        ink = _ALARM if group.label_conflict else _INK
        pen.multiline_text((6, at * height + 6), _about(group), fill=ink)
        for place, image_ids in enumerate(tiles[at], start=1):
            sheet.paste(_tile(photos[image_ids[0]]), (place * width, at * height + 32))
            pen.multiline_text((place * width, at * height + 2), _caption(image_ids, labels), fill=_INK)
    return sheet


def _distinct(group: Group, copies: Mapping[str, int]) -> list[list[str]]:
    """The group's images, those with the same pixels together; the two ends of its weakest link first."""
    alike: dict[int, list[str]] = {}
    ends = [group.weakest.one, group.weakest.two] if group.weakest else []
    for image_id in dict.fromkeys([*ends, *group.image_ids]):
        alike.setdefault(copies[image_id], []).append(image_id)
    return list(alike.values())


def _caption(image_ids: Sequence[str], labels: Labels) -> str:
    first = f"{image_ids[0]}  x {len(image_ids)}" if len(image_ids) > 1 else image_ids[0]
    hbs = sorted({hb for i in image_ids for hb, _ in labels.get(i, ())})
    return f"{first}\nHb {' to '.join(f'{hb:.0f}' for hb in dict.fromkeys((hbs[0], hbs[-1])))}" if hbs else first


def _about(group: Group) -> str:
    lines = [f"group {group.number}: {len(group.image_ids)} rows"]
    if group.weakest:
        lines.append(f"weakest: {group.weakest.level}")
    if group.weakest and (found := group.weakest.alignment):
        lines += [f"{found.points} points, {found.residual_px} px", f"likeness {found.likeness:.2f}"]
        lines += [f"colour {found.colour_difference:.1f}, overlap {found.overlap:.2f}"]
    if group.hb_spread_g_per_l is not None:
        lines.append(f"Hb spread {group.hb_spread_g_per_l:.0f} g/L")
    if group.label_conflict:
        lines.append("LABELS CONFLICT")
    return "\n".join(lines)


def _tile(path: Path) -> Image.Image:
    width, height = _TILE
    tile = Image.new("RGB", (width - 6, height - 34), "white")
    try:
        region = tight(decode(read_file(path)))
    except (PallorError, OSError):
        return tile
    photo = Image.fromarray(np.where(region.mask[..., None], region.rgb, np.uint8(255)))
    scale = min(tile.width / photo.width, tile.height / photo.height)
    tile.paste(photo.resize((max(1, int(photo.width * scale)), max(1, int(photo.height * scale)))), (0, 0))
    return tile
