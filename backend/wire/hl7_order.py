"""One order of an HL7 message, with its results and its specimen, as the lines that the laboratory's verb takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any

from backend.services.specimen_barcode import BarcodeUnfit, check_barcode
from backend.wire.hl7_codes import (
    LABORATORY_SECTIONS,
    NOT_BLOOD,
    OBX_STATUS,
    OFF_SCALE,
    REJECTIONS,
    SEXES,
    SPECIMENS,
)
from backend.wire.lab_line import Given, one_unit, only_one
from backend.wire.moments import age_at, read_day, read_moment
from pallor.errors import Refused
from pallor.ids import is_id
from pallor.lab import HbOnlyABound, Performer
from pallor.lab_codes import LOINC_CLASS, LOOK_ALIKES
from pallor.reported import Rejection, ReportStatus


class TwoValues(Refused):
    """One order, one code, two values that are both final: which was meant?"""


class NotFinal(Refused):
    """A result that the laboratory itself does not stand by yet, or that comes without its value."""


class NotBlood(Refused):
    """Haemoglobin of something else than blood."""


@dataclass(frozen=True)
class Found:
    """One haemoglobin of a message, or why it cannot be read. ``where``: segment and its number."""

    where: tuple[str, int]
    given: Given | None = None
    refusal: Refused | None = None


@dataclass
class Order:
    """An OBR with what belongs to it."""

    obr: Any
    patient: Any | None
    results: list[tuple[int, Any]] = field(default_factory=list)
    specimens: list[Any] = field(default_factory=list)


def read_order(order: Order, zone: tzinfo) -> Iterator[Found]:
    """Every haemoglobin of an order, or that its specimen was no good."""
    haemoglobins = [(number, obx) for number, obx in order.results if not LOINC_CLASS.keys().isdisjoint(_loincs(obx))]
    reject = next((text_of(spm, 21) for spm in order.specimens if text_of(spm, 21)), None)
    if reject is not None:
        yield _found(("SPM", 1), order, None, zone, reject)
        return
    said: dict[str, dict[tuple[str, ...], int]] = {}  # of each status what was said, and where first
    for number, obx in haemoglobins:
        said.setdefault(text_of(obx, 11), {}).setdefault(_said(obx), number)
    for number, obx in haemoglobins:
        same = said[text_of(obx, 11)]
        if len(same) > 1:
            yield Found(("OBX", number), refusal=_two_values(obx))
        elif same[_said(obx)] == number:
            yield _found(("OBX", number), order, obx, zone, None)


def _found(where: tuple[str, int], order: Order, obx: Any, zone: tzinfo, reject: str | None) -> Found:
    try:
        return Found(where, given=_given(order, obx, zone, reject))
    except Refused as refusal:
        return Found(where, refusal=refusal)


def _given(order: Order, obx: Any | None, zone: tzinfo, reject: str | None) -> Given:
    obr, spm = order.obr, order.specimens[0] if order.specimens else None
    taken_at = read_moment(
        text_of(spm, 17) or text_of(obr, 7) or text_of(obx, 14), zone, "SPM-17" if spm is not None else "OBR-7"
    )
    common = Given(
        business_id="^".join((text_of(obr, 3), text_of(obr, 3, 2))) if text_of(obr, 3) else None,
        status=ReportStatus.SPECIMEN_REJECTED,
        rejection=REJECTIONS.get(reject or "", Rejection.OTHER) if reject else None,
        taken_at=taken_at,
        resulted_at=read_moment(text_of(obr, 22) or text_of(obx, 19), zone, "OBR-22"),
        **_whose(order, taken_at),
    )
    if obx is None:
        return common
    return replace(
        common,
        status=_status(obx),
        value=_value(obx),
        unit=one_unit("OBX-6", *(text_of(obx, 6, part, repeat) for repeat in (1, 2) for part in (1, 2, 4, 5))),
        loinc=loinc_of(obx),
        specimen=SPECIMENS.get(_specimen(order), common.specimen),
        method=text_of(obx, 17, 2) or text_of(obx, 17),
        device=text_of(obx, 18),
        performer=Performer.LABORATORY if text_of(obr, 24) in LABORATORY_SECTIONS else Performer.UNKNOWN,
    )


def _whose(order: Order, taken_at: datetime | None) -> dict[str, Any]:
    """What says whose result it is."""
    pid, placer = order.patient, text_of(order.obr, 2)
    born = text_of(pid, 7)
    code = next((text_of(pid, 3, 1, n) for n in range(1, 9) if text_of(pid, 3, 4, n) == "PALLOR"), None)
    tubes = [*(text_of(spm, 2) for spm in order.specimens), placer if _is_barcode(placer) else None]
    return {
        "barcode": only_one("SPM-2", tubes),
        "case_id": placer if is_id(placer) else None,
        "subject_code": code,
        "visited_on": read_day(text_of(order.obr, 7), "OBR-7") if code and text_of(order.obr, 7) else None,
        "age_months": age_at(born, taken_at) if born and taken_at else None,
        "sex": SEXES.get(text_of(pid, 8)),
    }


def _status(obx: Any) -> ReportStatus:
    said = text_of(obx, 11)
    if said not in OBX_STATUS:
        raise NotFinal(
            "not a result that the laboratory stands by", field="OBX-11", value=said or None,
            remedy="Send it again as F or C, with its value, once it is released.",
        )  # fmt: skip
    status, flags = OBX_STATUS[said], {text_of(obx, 8, repeat=repeat) for repeat in range(1, 6)}
    if status.has_value and flags & OFF_SCALE:
        raise HbOnlyABound(
            "flagged as beyond what the analyser can measure, which is no value", field="OBX-8", value=_value(obx),
            remedy="Measure again, diluted or by another method, and send the number.",
        )  # fmt: skip
    return status


def _specimen(order: Order) -> str:
    """The code of the kind of blood; raises ``NotBlood``."""
    code = next((text_of(spm, 4) for spm in order.specimens if text_of(spm, 4)), text_of(order.obr, 15))
    if code in NOT_BLOOD:
        raise NotBlood(
            f"the specimen is {NOT_BLOOD[code]}", field="SPM-4", value=code,
            remedy="Haemoglobin in blood alone is taken here.",
        )  # fmt: skip
    return code


def _value(obx: Any) -> str:
    """As it was sent; of a structured number (SN) comparator and number, so that a bound stays one."""
    number, between = str(obx(5)) if len(obx) > 5 else "", obx.separators[2:]
    structured = text_of(obx, 2) == "SN"
    parts = re.split(f"[{re.escape(between)}]", number.rstrip(between))
    if len(parts) > (2 if structured else 1):
        return "several"
    if structured:
        return "".join(text_of(obx, 5, part) for part in (1, 2))
    return text_of(obx, 5).strip()


def _said(obx: Any) -> tuple[str, ...]:
    return _value(obx), text_of(obx, 6), loinc_of(obx)


def loinc_of(obx: Any) -> str:
    """The LOINC code of a result, of the two codings that it may carry; empty for none.

    Where one of them is a look-alike's, that one: nobody knows which was meant, and it is refused by its name.
    """
    found = _loincs(obx)
    return next((code for code in found if code in LOOK_ALIKES), found[0] if found else "")


def _loincs(obx: Any) -> list[str]:
    """Those that a result is coded with."""
    codings = ((1, 3), (4, 6))
    return [text_of(obx, 3, code) for code, system in codings if text_of(obx, 3, system) in ("LN", "http://loinc.org")]


def _two_values(obx: Any) -> TwoValues:
    return TwoValues(
        "the same order has another haemoglobin already", field="OBX-5", value=_value(obx),
        remedy="Send the one that was released; a correction has status C.",
    )  # fmt: skip


def _is_barcode(text: str) -> bool:
    try:
        return bool(check_barcode(text))
    except BarcodeUnfit:
        return False


def text_of(segment: Any | None, number: int, component: int = 1, repeat: int = 1) -> str:
    """A component of a field, unescaped; empty where there is none."""
    if segment is None:
        return ""
    try:
        return str(segment.extract_field(1, number, repeat, component) or "")
    except (IndexError, ValueError):
        return ""
