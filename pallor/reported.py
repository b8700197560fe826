"""One line of a laboratory's report, as every way in hands it on: what names a person was left at the door."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pallor.case import Case
from pallor.clock import parse_utc, utc_text
from pallor.digest import digest_of
from pallor.errors import Refused
from pallor.lab import Hb, Performer, Specimen, read_hb
from pallor.subject import Sex

MAX_GAP = timedelta(days=90)  # haemoglobin of another season says nothing of this visit: a slip in a date
_MOMENTS = ("taken_at", "resulted_at")


class NothingToMatchBy(Refused):
    """A line that names neither specimen nor case nor subject and day."""


class ValueMissing(Refused):
    """A final or corrected line without its haemoglobin."""


class DrawnWhenMissing(Refused):
    """A value without the moment at which the blood was drawn."""


class ReportStatus(StrEnum):
    FINAL = "final"
    CORRECTED = "corrected"
    ENTERED_IN_ERROR = "entered-in-error"
    CANCELLED = "cancelled"
    SPECIMEN_REJECTED = "specimen-rejected"

    @property
    def has_value(self) -> bool:
        return self in (ReportStatus.FINAL, ReportStatus.CORRECTED)


class Rejection(StrEnum):
    """Why blood has to be taken once more."""

    HAEMOLYSED = "haemolysed"
    CLOTTED = "clotted"
    INSUFFICIENT = "insufficient"
    UNLABELLED = "unlabelled"
    BROKEN = "broken"
    OTHER = "other"


class NumberTaken(Refused):
    """Two results would be taken for one measurement, and one of them be lost."""


@dataclass(frozen=True)
class ReportedHb:
    """What one line says.

    Attributes:
        business_id: the sender's own name of this measurement, the same when it is corrected. It may be a name of
            anything: it goes into a digest (``key_of``), and is kept nowhere.
        age_months: from and to, both included, as far as the message tells; ``sex`` likewise.
        visited_on: with ``subject_code``: the day of the visit, which a human has to confirm.
        taken_at, resulted_at: when blood was drawn, and when the value was known there.
    """

    business_id: str
    status: ReportStatus
    hb: Hb | None = None
    taken_at: datetime | None = None
    resulted_at: datetime | None = None
    loinc: str | None = None
    specimen: Specimen = Specimen.UNKNOWN
    method: str | None = None
    device: str | None = None
    performer: Performer = Performer.UNKNOWN
    rejection: Rejection | None = None
    barcode: str | None = None
    case_id: str | None = None
    subject_code: str | None = None
    visited_on: date | None = None
    age_months: tuple[int, int] | None = None
    sex: Sex | None = None

    def __post_init__(self) -> None:
        if self.status.has_value and self.hb is None:
            raise ValueMissing(
                f"a {self.status} result has a value", field="hb", value=None,
                remedy="Send value and unit; where there will be none, say cancelled or specimen-rejected.",
            )  # fmt: skip
        if self.status.has_value and self.taken_at is None:
            raise DrawnWhenMissing(
                "nobody knows when the blood was drawn", field="taken_at", value=None,
                remedy="Send when the specimen was collected, not only when it was measured.",
            )  # fmt: skip
        named = self.barcode or self.case_id or (self.subject_code and self.visited_on)
        if not named and self.status not in (ReportStatus.ENTERED_IN_ERROR, ReportStatus.CANCELLED):
            raise NothingToMatchBy(
                "the line says of no case that it is the one", field="specimen_barcode", value=None,
                remedy="Send the specimen's barcode, or the case's id, or subject code and day of the visit.",
            )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        said = {name: utc_text(moment) for name in _MOMENTS if (moment := getattr(self, name)) is not None}
        hb = {"value": self.hb.value, "unit": self.hb.unit} if self.hb else None
        visited_on = self.visited_on.isoformat() if self.visited_on else None
        age = list(self.age_months) if self.age_months else None
        kept = {name: value for name, value in asdict(self).items() if name != "business_id"}
        return {**kept, **said, "hb": hb, "visited_on": visited_on, "age_months": age}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        hb, age, day = data["hb"], data["age_months"], data["visited_on"]
        return cls(
            business_id="",
            **{
                **data,
                **{name: parse_utc(data[name]) for name in _MOMENTS if data[name]},
                "status": ReportStatus(data["status"]),
                "hb": read_hb(hb["value"], hb["unit"], data["loinc"]) if hb else None,
                "specimen": Specimen(data["specimen"]),
                "performer": Performer(data["performer"]),
                "rejection": Rejection(data["rejection"]) if data["rejection"] else None,
                "visited_on": date.fromisoformat(day) if day else None,
                "age_months": (age[0], age[1]) if age else None,
                "sex": Sex(data["sex"]) if data["sex"] else None,
            },
        )

    def digest(self) -> str:
        """Two lines about one measurement say the same when this is the same."""
        return digest_of(self.to_json())

    def key_of(self, sender: str) -> str:
        """What stands for the measurement itself: a digest of whose number it is, and the number."""
        return digest_of({"sender": sender, "business_id": self.business_id})

    @property
    def measured(self) -> tuple[Hb, datetime] | None:
        """Value and moment of drawing, of a line that has them."""
        return (self.hb, self.taken_at) if self.status.has_value and self.hb and self.taken_at else None

    @property
    def word(self) -> "Word":
        grams = str(self.hb.g_per_l) if self.hb else None
        return Word(self.status, self.resulted_at, grams, self.barcode, self.case_id)


@dataclass(frozen=True)
class Word:
    """As much of a line as decides whether another takes its place."""

    status: ReportStatus
    resulted_at: datetime | None
    g_per_l: str | None
    barcode: str | None = None
    case_id: str | None = None

    def is_of_another(self, other: "Word") -> bool:
        """Whether the two name different tubes or cases."""
        named = ((self.barcode, other.barcode), (self.case_id, other.case_id))
        return any(here is not None and there is not None and here != there for here, there in named)


def disagreements(line: ReportedHb, case: Case) -> tuple[str, ...]:
    """Stable codes of everything that a line says of a person or a visit and the case does not."""
    checks = {
        "case-id-disagrees": line.case_id is not None and line.case_id != case.id,
        "subject-code-disagrees": line.subject_code is not None and line.subject_code != case.subject_code,
        "sex-disagrees": Sex.UNKNOWN not in (line.sex or Sex.UNKNOWN, case.subject.sex)
        and line.sex != case.subject.sex,
        "age-disagrees": not _age_agrees(line, case),
        "specimen-of-another-visit": line.taken_at is not None and abs(line.taken_at - case.visited_at) > MAX_GAP,
    }
    return tuple(code for code, holds in checks.items() if holds)


def _age_agrees(line: ReportedHb, case: Case) -> bool:
    """Within a month, and as many months more as lie between visit and blood: it was asked on different days."""
    if line.age_months is None:
        return True
    slack = 1 + (abs(line.taken_at - case.visited_at).days // 30 if line.taken_at else 0)
    low, high = line.age_months
    return low - slack <= case.subject.age_months <= high + slack


class Fate(StrEnum):
    """What becomes of another word about the same measurement."""

    REPLACES = "replaces"
    OVERTAKEN = "overtaken"
    DISPUTED = "disputed"


def fate_of(new: Word, standing: Word) -> Fate:
    """Whether ``new`` takes the place of what stands under its business id.

    Messages overtake each other: where both say when the value was known, the later one stands, else what corrects
    stands over what it corrects and what withdraws over both. Another value called final once more is for a human.

    Raises:
        NumberTaken: a first word about another tube or case: laboratories that begin their numbers anew each day.
    """
    if new.status is ReportStatus.FINAL and new.is_of_another(standing):
        raise NumberTaken(
            "this number was given to the result of another tube or case", field="business_id", value="(not repeated)",
            remedy="Give each result a number that no other has, such as the day and a number; "
            "what is to replace an earlier result says corrected.",
        )  # fmt: skip
    if new.status is ReportStatus.FINAL and standing.status.has_value and new.g_per_l == standing.g_per_l:
        return Fate.OVERTAKEN  # sent again with another time stamp: nothing new
    there, here = standing.resulted_at, new.resulted_at
    if there is not None and here is not None and there != here:
        later, tie = here > there, False
    else:
        later, tie = _RANK[new.status] > _RANK[standing.status], _RANK[new.status] == _RANK[standing.status]
    if tie and new.status is ReportStatus.CORRECTED:
        return Fate.REPLACES  # of two corrections without a moment the one that comes last
    if new.status is ReportStatus.FINAL and (later or tie):
        return Fate.DISPUTED
    return Fate.REPLACES if later else Fate.OVERTAKEN


_RANK = {
    ReportStatus.FINAL: 0,
    ReportStatus.CORRECTED: 1,
    ReportStatus.ENTERED_IN_ERROR: 2,
    ReportStatus.CANCELLED: 2,
    ReportStatus.SPECIMEN_REJECTED: 2,
}
