"""What the year's laboratories write: late, twice, in three units, now and then wrongly; and which word is the last.

A letter says whose form lay with the tube (age and sex) and what number stood on the tube. Where two tubes were
swapped, the two are of different children.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.district.plan import SEED, Plan
from benchmarks.district.world import Visit, site_name
from pallor.clock import utc_text

_SWAPPED, _CORRECTED, _WRONG_UNIT, _AGAIN = 0.01, 0.02, 0.03, 0.15
_LATE, _LATEST_DAYS = 0.05, 45
_GRAMS_PER_LITRE = {"g/L": Decimal(1), "g/dL": Decimal(10), "mmol/L": Decimal("16.1145")}  # IUPAC/IFCC, of the monomer
_UNITS = tuple(_GRAMS_PER_LITRE)
_LOINC = {"g/L": "718-7", "g/dL": "718-7", "mmol/L": "59260-0"}
# What laboratories are known to send by mistake, by the unit they mean: another unit or code, or none.
_MISTAKES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "g/L": ({"unit": None}, {"unit": "G/L"}, {"loinc": "4548-4"}),
    "g/dL": ({"unit": None}, {"unit": "g/L"}, {"unit": "mg/dL"}, {"loinc": "59260-0"}),
    "mmol/L": ({"unit": None}, {"unit": "g/dL"}, {"unit": "g/L"}, {"loinc": "718-7"}),
}


@dataclass(frozen=True)
class Letter:
    """One line that a laboratory sends.

    Attributes:
        day: on which it arrives. tube: the visit whose number stands on it; blood: the visit whose blood is in it.
        kind: ``final`` | ``again`` | ``corrected`` | ``wrong-unit`` | ``relabelled``, after tubes that were swapped.
    """

    day: int
    tube: int
    blood: int
    kind: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def is_swapped(self) -> bool:
        return self.tube != self.blood

    @property
    def hb(self) -> tuple[str, str]:
        return str(self.body["hb"]["value"]), str(self.body["hb"]["unit"])

    @property
    def g_per_l(self) -> Decimal:
        value, unit = self.hb
        return Decimal(value) * _GRAMS_PER_LITRE[unit]


@dataclass(frozen=True)
class Letters:
    """All of the year. ``swaps``: by visit, the one whose tube carries its number; ``relabelled``: by visit, what the
    laboratory writes once the mistake is found."""

    all: Sequence[Letter]
    swaps: Mapping[int, int]
    relabelled: Mapping[int, Letter]


def letters_of(plan: Plan, people: Sequence[Visit]) -> Letters:
    rng = np.random.default_rng([SEED, plan.cases, 1])
    swaps, written = dict(_swaps(rng, people)), list[Letter]()
    relabelled = {}
    for visit in people:
        if not visit.bleeds:
            continue
        desk = _Desk(rng, visit, people[swaps.get(visit.number, visit.number)])
        written += desk.usual() if visit.number in swaps else desk.anything()
        if visit.number in swaps:
            relabelled[visit.number] = desk.relabelled()
    written.sort(key=lambda letter: letter.day)
    return Letters([replace(one, day=plan.from_day(one.day)) for one in written], swaps, relabelled)


def can_be_told_apart(one: Visit, other: Visit) -> bool:
    """Whether form and case differ in what both say of the child; an age asked on another day may be a month off."""
    return one.sex != other.sex or abs(one.age_months - other.age_months) > 1


def last_words(people: Sequence[Visit], letters: Letters) -> dict[int, Letter]:
    """By visit, the last valid word about its tube: the one that its label has to follow from.

    Where tubes were swapped and nothing tells the children apart, nobody ever notices: the other's value is that word.
    """
    found: dict[int, Letter] = {}
    for letter in (*letters.all, *letters.relabelled.values()):
        swapped_with = letters.swaps.get(letter.tube)
        noticed = swapped_with is not None and can_be_told_apart(people[letter.tube], people[swapped_with])
        if letter.kind == "wrong-unit" or (swapped_with is not None and noticed != (letter.kind == "relabelled")):
            continue
        before = found.get(letter.tube)
        if before is None or letter.body["resulted_at"] > before.body["resulted_at"]:
            found[letter.tube] = letter
    return found


def by_day(letters: Iterable[Letter]) -> Mapping[int, Sequence[Letter]]:
    found = defaultdict[int, list[Letter]](list)
    for letter in letters:
        found[letter.day].append(letter)
    return found


def _swaps(rng: np.random.Generator, people: Sequence[Visit]) -> Iterator[tuple[int, int]]:
    """Two children who came to one place one after the other, the sooner the likelier; nobody twice."""
    last: dict[int, Visit] = {}
    pairs = []
    for visit in (one for one in people if one.bleeds):
        if (before := last.pop(visit.site, None)) is None:
            last[visit.site] = visit
        else:
            pairs.append((visit.day - before.day, rng.random(), before.number, visit.number))
    for _, _, one, other in sorted(pairs)[: round(len(people) * _SWAPPED / 2)]:
        yield one, other
        yield other, one


class _Desk:
    """One child's tube in its laboratory, ``tube``: the visit whose number it carries."""

    def __init__(self, rng: np.random.Generator, visit: Visit, tube: Visit) -> None:
        self._rng, self._visit, self._tube = rng, visit, tube
        self._unit = _UNITS[visit.site % len(_UNITS)]
        late = rng.random() < _LATE
        self._day = visit.day + 1 + int(rng.integers(20, _LATEST_DAYS) if late else min(rng.exponential(4), 20))

    def anything(self) -> list[Letter]:
        """With a correction, or a mistake in the unit, where chance will have it."""
        chance = self._rng.random()
        if chance < _CORRECTED:
            return self._corrected()
        if chance < _CORRECTED + _WRONG_UNIT:
            return [self._wrong_unit(), *self.usual()]
        return self.usual()

    def usual(self) -> list[Letter]:
        """One word, or the same word twice."""
        first = self._letter("final", self._day, self._visit.hb_g_per_l)
        if self._rng.random() >= _AGAIN:
            return [first]
        return [first, Letter(first.day + int(self._rng.integers(1, 15)), first.tube, first.blood, "again", first.body)]

    def relabelled(self) -> Letter:
        """After tubes were swapped: the same blood under its own number, as another measurement."""
        body = self._body(self._visit.hb_g_per_l, self._known_at() + timedelta(hours=1))
        own = {"business_id": f"{self._visit.number}-again", "specimen_barcode": self._visit.barcode}
        return Letter(self._day, self._visit.number, self._visit.number, "relabelled", body | own)

    def _corrected(self) -> list[Letter]:
        """A slip first; the word that corrects it may overtake it."""
        slip = self._visit.hb_g_per_l + int(self._rng.integers(8, 26)) * int(self._rng.choice([-1, 1]))
        first = self._letter("final", self._day, min(max(slip, 32), 168))
        day = first.day + int(self._rng.integers(1, 21))
        second = self._letter("corrected", day, self._visit.hb_g_per_l, timedelta(days=2), status="corrected")
        if self._rng.random() < 0.25:
            first, second = replace(first, day=day), replace(second, day=first.day + 2)
        return [first, second]

    def _wrong_unit(self) -> Letter:
        said = self._body(self._visit.hb_g_per_l, self._known_at())
        mistakes = _MISTAKES[self._unit]
        mistake = dict(mistakes[int(self._rng.integers(len(mistakes)))])
        if "unit" in mistake:
            said["hb"] = {**said["hb"], "unit": mistake.pop("unit")}
        return Letter(self._day - 1, self._tube.number, self._visit.number, "wrong-unit", said | mistake)

    def _letter(self, kind: str, day: int, hb: int, later: timedelta = timedelta(), **said: Any) -> Letter:
        body = self._body(hb, self._known_at() + later)
        return Letter(day, self._tube.number, self._visit.number, kind, body | said)

    def _known_at(self) -> datetime:
        return self._visit.taken_at + timedelta(hours=5)

    def _body(self, hb: int, known_at: datetime) -> dict[str, Any]:
        visit = self._visit
        value = Decimal(hb) / _GRAMS_PER_LITRE[self._unit]
        digits = {"g/L": "1", "g/dL": "0.1", "mmol/L": "0.01"}[self._unit]
        return {
            "business_id": f"{site_name(visit.site)}-{visit.number}",
            "status": "final",
            "hb": {"value": str(value.quantize(Decimal(digits))), "unit": self._unit},
            "loinc": _LOINC[self._unit],
            "specimen": "venous",
            "performer": "laboratory",
            "taken_at": utc_text(visit.taken_at),
            "resulted_at": utc_text(known_at),
            "specimen_barcode": self._tube.barcode,
            "age_months": visit.age_months,
            "sex": visit.sex,
        }
