"""Who comes in the year, and what a phone photographs: drawn beforehand, so that the world knows the truth.

Nothing here knows of the product: the world is what its records are held against.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from stdnum.iso7064 import mod_37_2

from backend.services.specimen_barcode import BARCODE_LENGTH, LETTERS
from benchmarks.district.plan import BEST_AUROC, DRIFT_DAY, SEED, YEAR, Plan, at
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.synthetic import draw, render_bytes

CUT_OFF_G_PER_L = 110  # WHO 2011, 6 to 59 months
MOST_PHOTOS = 3
DRIFTING_SITE = 7
_DRIFT = 3.0  # standard deviations of what lamps differ by: the phone takes all light for bluer than it is
_TEACHES = 0.97
_NEVER_BLED = 0.04
_NO_NETWORK = 0.03  # of the cases wait some days in the phone, and their blood is quicker


@dataclass(frozen=True)
class Visit:
    """One child's visit.

    Attributes:
        number: in the order of the year. day: of the visit, ``sends_on``: when the phone finds a network.
        teaches: consent to training. bleeds: whether blood was taken.
        barcode: on the form; the tube may carry another's (``benchmarks.district.laboratory``).
    """

    number: int
    case_id: str
    photo_ids: tuple[str, ...]
    site: int
    day: int
    sends_on: int
    visited_at: datetime
    age_months: int
    sex: str
    hb_g_per_l: int
    teaches: bool
    bleeds: bool
    barcode: str

    @property
    def anaemic(self) -> bool:
        return self.hb_g_per_l < CUT_OFF_G_PER_L

    @property
    def taken_at(self) -> datetime:
        """When the blood was drawn."""
        return self.visited_at + timedelta(minutes=20)


def site_name(site: int) -> str:
    return f"site-{site + 1:02}"


def people_of(plan: Plan) -> list[Visit]:
    """Everybody who comes, in the order of the year."""
    rng = np.random.default_rng([SEED, plan.cases])
    return [_visit(rng, plan, number) for number in range(plan.cases)]


def photo_of(visit: Visit, attempt: int) -> bytes:
    """The photo as the phone sends it; another attempt shows the same eyelid in other light."""
    first = draw(np.random.default_rng([SEED, visit.number, 0]), visit.hb_g_per_l, signal=signal_for_auroc(BEST_AUROC))
    rng = np.random.default_rng([SEED, visit.number, attempt])
    chance = replace(draw(rng, visit.hb_g_per_l, signal=0.0), redness=first.redness) if attempt else first
    if visit.site == DRIFTING_SITE and visit.day >= DRIFT_DAY:
        chance = replace(chance, warmth=chance.warmth + _DRIFT)
    return render_bytes(chance)


def _visit(rng: np.random.Generator, plan: Plan, number: int) -> Visit:
    person, day = draw_person(rng), number * YEAR // plan.cases
    late = int(rng.integers(1, 6)) if rng.random() < _NO_NETWORK else 0
    return Visit(
        number=number,
        case_id=_id(rng),
        photo_ids=tuple(_id(rng) for _ in range(MOST_PHOTOS)),
        site=int(rng.integers(plan.sites)),
        day=day,
        sends_on=plan.from_day(day + late),
        visited_at=at(day, 8) + timedelta(minutes=int(rng.integers(8 * 60))),
        age_months=person.age_months,
        sex=person.sex,
        hb_g_per_l=person.hb_g_per_l,
        teaches=bool(rng.random() < _TEACHES),
        bleeds=bool(rng.random() >= _NEVER_BLED),
        barcode=_barcode(rng),
    )


def _id(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))


def _barcode(rng: np.random.Generator) -> str:
    while True:
        drawn = "".join(rng.choice(list(LETTERS), BARCODE_LENGTH - 1))
        check = mod_37_2.calc_check_digit(drawn)
        if check in LETTERS and any(letter.isdigit() for letter in drawn):
            return drawn + check
