"""Who stands before the camera in the demonstration: drawn people, those of CP-AnemiC, or a folder of photos alone.

What is not known is not made up, unless the API asks for it; then ``notes`` say plainly what was put there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pallor import cp_anemic
from pallor.clock import SystemClock, utc_text
from pallor.errors import Refused
from pallor.ids import new_id
from pallor.image.header import media_type_of
from pallor.image.population import best_possible_auroc, draw_person, signal_for_auroc
from pallor.image.synthetic import draw, render_bytes

SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_BEST_AUROC = 0.85  # of the drawn photos: far from certain, as in life
_PLACEHOLDER_AGE_MONTHS = 30

Found = TypeVar("Found")


class PhotosMissing(Refused):
    """There is nothing to show."""


@dataclass(frozen=True)
class Visitor:
    """One person with one photo.

    ``name``: of the case in the tables. ``facts``: of the person as the API takes them, without the time of the visit.
    ``photo``: gives its bytes, or raises ``OSError``. ``hb``: value and unit as reported, None where no laboratory's
    value is known.
    """

    name: str
    facts: dict[str, Any]
    photo: Callable[[], bytes]
    hb: tuple[str, str] | None = None
    case_id: str = field(default_factory=new_id)
    photo_id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Company:
    """Everybody, and what a reader has to know about them."""

    world: str
    visitors: list[Visitor]
    notes: list[str]


def gather(photos: Path | None, limit: int, seed: int) -> Company:
    """Who comes: drawn people without ``photos``, else at most ``limit`` of that folder, chosen by ``seed``.

    Raises:
        PhotosMissing: no such folder, or no photo in it.
        DatasetMissing, DatasetBroken: it has CP-AnemiC's sheet, but not its layout.
    """
    rng = np.random.default_rng(seed)
    if photos is None:
        return _drawn(rng, limit)
    if not photos.is_dir():
        raise PhotosMissing(
            "there is no such folder",
            field="--photos",
            value=photos,
            remedy="Name a folder of photos, or leave it out.",
        )
    return _of_cp_anemic(photos, rng, limit) if (photos / cp_anemic.SHEET).is_file() else _of_folder(photos, rng, limit)


def media_type(data: bytes, name: str) -> str:
    """What a phone would call these bytes; the name decides only where they are no photo at all."""
    return media_type_of(data) or SUFFIXES.get(Path(name).suffix.lower(), "image/png")


def _drawn(rng: np.random.Generator, limit: int) -> Company:
    signal = signal_for_auroc(_BEST_AUROC)
    visitors = []
    for number in range(1, limit + 1):
        person, name = draw_person(rng), f"drawn-{number:03}"
        visitors.append(
            Visitor(
                name=name,
                facts=_facts("drawn", name, person.age_months, person.sex, consent_to_training=True),
                photo=partial(render_bytes, draw(rng, person.hb_g_per_l, signal=signal)),
                # As laboratories do: one prints g/dL, the next g/L.
                hb=(f"{person.hb_g_per_l / 10:.1f}", "g/dL") if number % 4 < 2 else (str(person.hb_g_per_l), "g/L"),
            )
        )
    return Company(
        "synthetic",
        visitors,
        [
            "The photos are drawn and the people are chance: nobody's eye, no one's data.",
            f"No model could reach an AUROC above {best_possible_auroc(signal):.2f} on them, and this release learned "
            "from real photos: its probabilities here say nothing about it.",
        ],
    )


def _of_cp_anemic(folder: Path, rng: np.random.Generator, limit: int) -> Company:
    rows = _some(list(cp_anemic.read(folder)), rng, limit)
    visitors = [
        Visitor(
            name=row.image_id,
            facts=_facts(_site(row.site), row.image_id, row.age_months, row.sex, consent_to_training=True),
            photo=row.photo.read_bytes,
            hb=(row.hb, cp_anemic.HB_UNIT),
        )
        for row in rows
    ]
    return Company(
        "real",
        visitors,
        [
            cp_anemic.CREDIT,
            "The sheet has haemoglobin, age, sex and site. Filled in: the visit and the blood are of today; consent to "
            "training is taken from the publication. Altitude of residence is not known and stays so.",
            "No accuracy is printed: the release learned from these very photos. Its card has the leak-free figures.",
        ],
    )


def _of_folder(folder: Path, rng: np.random.Generator, limit: int) -> Company:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    visitors = [
        Visitor(
            name=str(path.relative_to(folder)),
            facts=_facts("demo", f"photo-{number:04}", _PLACEHOLDER_AGE_MONTHS, "unknown", consent_to_training=False),
            photo=path.read_bytes,
        )
        for number, path in enumerate(_some(found, rng, limit), start=1)
    ]
    return Company(
        "real",
        visitors,
        [
            f"Nothing is known of the people in these photos. Filled in because a case needs it: age "
            f"{_PLACEHOLDER_AGE_MONTHS} months, sex unknown, the visit today, consent to care; no consent to training.",
            "No laboratory values are known for them: none are posted, so no label appears.",
        ],
    )


def _facts(site: str, code: str, age_months: int, sex: str, *, consent_to_training: bool) -> dict[str, Any]:
    said = {"given_at": utc_text(SystemClock().now()), "wording": "demo-1"}
    return {
        "site": site,
        "subject_code": code,
        "subject": {"age_months": age_months, "sex": sex},
        "consent": {"care": said, "training": said if consent_to_training else None},
    }


def _some(found: list[Found], rng: np.random.Generator, limit: int) -> list[Found]:
    """At most ``limit`` of them, by chance, in their own order."""
    if not found:
        raise PhotosMissing(
            "no photos in this folder", field="--photos", value="0 files",
            remedy=f"Put photos into it whose names end in {', '.join(SUFFIXES)}.",
        )  # fmt: skip
    chosen = rng.choice(len(found), min(limit, len(found)), replace=False)
    return [found[index] for index in sorted(chosen)]


def _site(name: str) -> str:
    """A site's code from its name: ``Ejusu Government Hospital`` -> ``ejusu-government-hospital``."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "unknown"
