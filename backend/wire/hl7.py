"""HL7 v2 ORU^R01 as laboratories' systems send it: every haemoglobin in it, and nothing that names the patient.

From PID the sex, the birth date as an age, and the subject code of an identifier that PALLOR assigned are read; the
rest of it, and every NTE, is not looked at. The specimen is SPM-2, the case may be the placer's order number (OBR-2).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any

import hl7
import hl7.util

from backend.services.specimen_barcode import BarcodeUnfit, check_barcode
from backend.wire.hl7_codes import (
    LABORATORY_SECTIONS,
    NOT_BLOOD,
    OBX_STATUS,
    REJECTIONS,
    SEXES,
    SPECIMENS,
)
from backend.wire.lab_line import Given
from backend.wire.moments import age_at, read_day, read_moment
from pallor.errors import Refused
from pallor.ids import is_id
from pallor.lab import Performer, read_hb
from pallor.lab_codes import LOINC_CLASS, LOOK_ALIKES
from pallor.reported import Rejection, ReportStatus

# It would write a field that it cannot unescape into the log as it stands, and that may be a person's name.
hl7.util.logger.disabled = True

MAX_MESSAGE_BYTES = 1024 * 1024
_CHARSETS = {
    "": "latin-1",  # none named: ASCII is meant, and whatever else stands in names is not looked at
    "ASCII": "latin-1", "8859/1": "latin-1", "8859/15": "iso8859-15", "UNICODE UTF-8": "utf-8",
}  # fmt: skip
_VERSION = re.compile(r"2\.[1-9](\.[0-9])?")
_CONTROL_ID = re.compile(r"[A-Za-z0-9._:/ -]{1,199}")


class MessageUnreadable(Refused):
    """Not HL7 v2, or in a character set that is not read here."""


class MessageUnsupported(Refused):
    """HL7, and no ORU^R01 of a version 2 in production."""


class NotAHaemoglobin(Refused):
    """Nothing in the message is coded as haemoglobin in blood."""


class TwoValues(Refused):
    """One order, one code, two values that are both final: which was meant?"""


class NotFinal(Refused):
    """A result that the laboratory itself does not stand by yet, or that comes without its value."""


class NotBlood(Refused):
    """Haemoglobin of something else than blood."""


@dataclass(frozen=True)
class Header:
    """What an acknowledgement needs: who sent what. ``charset``: a Python codec."""

    application: str = ""
    facility: str = ""
    control_id: str = ""
    version: str = "2.5.1"
    charset: str = "latin-1"


@dataclass(frozen=True)
class Found:
    """One haemoglobin of a message, or why it cannot be read. ``where``: segment and its number."""

    where: tuple[str, int]
    given: Given | None = None
    refusal: Refused | None = None


@dataclass
class _Order:
    """An OBR with what belongs to it."""

    obr: Any
    patient: Any | None
    results: list[tuple[int, Any]] = field(default_factory=list)
    specimens: list[Any] = field(default_factory=list)


def read_header(data: bytes) -> Header:
    """As much of the header as can be read; never raises, for a refusal has to be sent as well."""
    first = data.replace(b"\n", b"\r").split(b"\r", 1)[0].decode("latin-1")
    parts = first[3:].split(first[3]) if first.startswith("MSH") and len(first) > len("MSH|^~\\&|") else []
    found = parts + [""] * (18 - len(parts))
    control_id = found[9] if _CONTROL_ID.fullmatch(found[9]) else ""
    charset = _CHARSETS.get(found[17].split("~")[0].split("^")[0].strip(), "latin-1")
    version = found[11].split("^")[0]
    return Header(
        application=found[2] if _CONTROL_ID.fullmatch(found[2]) else "",
        facility=found[3] if _CONTROL_ID.fullmatch(found[3]) else "",
        control_id=control_id,
        version=version if _VERSION.fullmatch(version) else "2.5.1",
        charset=charset,
    )


def read_message(data: bytes, zone: tzinfo) -> list[Found]:
    """Every haemoglobin of a message, in its order.

    Args:
        zone: of times that carry none.

    Raises:
        MessageUnreadable, MessageUnsupported, NotAHaemoglobin
    """
    message = _parse(data)
    _check_header(message)
    orders = list(_orders(message))
    found = [one for order in orders for one in _read_order(order, zone)]
    if not found:
        raise _nothing_found(orders)
    return found


def _parse(data: bytes) -> Any:
    header, named = read_header(data), ""
    try:
        text = data.decode(header.charset).replace("\r\n", "\r").replace("\n", "\r").strip("\r")
        message = hl7.parse(text)
        named = _text(message.segment("MSH"), 18)
    except Exception as error:  # whatever the library trips over, the message is not one
        raise MessageUnreadable(
            "not an HL7 version 2 message", field="MSH", value=f"{len(data)} bytes, not repeated",
            remedy="Send segments that end in a carriage return, MSH first, in the character set of MSH-18.",
        ) from error  # fmt: skip
    if named not in _CHARSETS:
        raise MessageUnreadable(
            "a character set that is not read here", field="MSH-18", value="(not repeated)",
            remedy=f"Send one of {', '.join(name for name in _CHARSETS if name)}.",
        )  # fmt: skip
    return message


def _check_header(message: Any) -> None:
    msh = message.segment("MSH")
    kind = f"{_text(msh, 9)}^{_text(msh, 9, 2)}"
    if kind != "ORU^R01":
        raise MessageUnsupported(
            "only ORU^R01 is taken here", field="MSH-9", value=kind, remedy="Send results as ORU^R01."
        )
    if not _VERSION.fullmatch(_text(msh, 12)):
        raise MessageUnsupported(
            "not a version 2 of HL7", field="MSH-12", value=_text(msh, 12), remedy="Send version 2.3 to 2.8."
        )
    if _text(msh, 11) != "P":
        raise MessageUnsupported(
            "a test, or for training: not a patient's result", field="MSH-11", value=_text(msh, 11),
            remedy="Send results with processing id P.",
        )  # fmt: skip


def _orders(message: Any) -> Iterator[_Order]:
    order, patient, number = None, None, 0
    for segment in message:
        name = str(segment[0])
        if name in ("PID", "OBR") and order is not None:
            yield order
            order = None
        if name == "PID":
            patient = segment
        elif name == "OBR":
            order = _Order(segment, patient)
        elif name == "OBX":
            number += 1
            if order is not None:
                order.results.append((number, segment))
        elif name == "SPM" and order is not None:
            order.specimens.append(segment)
    if order is not None:
        yield order


def _read_order(order: _Order, zone: tzinfo) -> Iterator[Found]:
    haemoglobins = [(number, obx) for number, obx in order.results if _loinc(obx) in LOINC_CLASS]
    reject = next((_text(spm, 21) for spm in order.specimens if _text(spm, 21)), None)
    if reject is not None:
        yield _found(("SPM", 1), order, None, zone, reject)
        return
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, obx in haemoglobins:
        status, said = _text(obx, 11), (_value(obx), _text(obx, 6), _loinc(obx))
        first = seen.setdefault((status,), said)
        if first != said:
            yield Found(("OBX", number), refusal=_two_values(obx))
        elif first is said:
            yield _found(("OBX", number), order, obx, zone, None)


def _found(where: tuple[str, int], order: _Order, obx: Any, zone: tzinfo, reject: str | None) -> Found:
    try:
        return Found(where, given=_given(order, obx, zone, reject))
    except Refused as refusal:
        return Found(where, refusal=refusal)


def _given(order: _Order, obx: Any | None, zone: tzinfo, reject: str | None) -> Given:
    obr, spm = order.obr, order.specimens[0] if order.specimens else None
    taken_at = read_moment(
        _text(spm, 17) or _text(obr, 7) or _text(obx, 14), zone, "SPM-17" if spm is not None else "OBR-7"
    )
    common = Given(
        business_id="^".join((_text(obr, 3), _text(obr, 3, 2))) if _text(obr, 3) else None,
        status=ReportStatus.SPECIMEN_REJECTED,
        rejection=REJECTIONS.get(reject or "", Rejection.OTHER) if reject else None,
        taken_at=taken_at,
        resulted_at=read_moment(_text(obr, 22) or _text(obx, 19), zone, "OBR-22"),
        **_whose(order, taken_at),
    )
    if obx is None:
        return common
    return replace(
        common,
        status=_status(obx),
        value=_value(obx),
        unit=_text(obx, 6),
        loinc=_loinc(obx),
        specimen=SPECIMENS.get(_specimen(order), common.specimen),
        method=_text(obx, 17, 2) or _text(obx, 17),
        device=_text(obx, 18),
        performer=Performer.LABORATORY if _text(obr, 24) in LABORATORY_SECTIONS else Performer.UNKNOWN,
    )


def _whose(order: _Order, taken_at: datetime | None) -> dict[str, Any]:
    """What says whose result it is."""
    pid, placer = order.patient, _text(order.obr, 2)
    born = _text(pid, 7)
    code = next((_text(pid, 3, 1, n) for n in range(1, 9) if _text(pid, 3, 4, n) == "PALLOR"), None)
    tube = next((_text(spm, 2) for spm in order.specimens if _text(spm, 2)), None)
    return {
        "barcode": tube or (placer if _is_barcode(placer) else None),
        "case_id": placer if is_id(placer) else None,
        "subject_code": code,
        "visited_on": read_day(_text(order.obr, 7), "OBR-7") if code and _text(order.obr, 7) else None,
        "age_months": age_at(born, taken_at) if born and taken_at else None,
        "sex": SEXES.get(_text(pid, 8)),
    }


def _status(obx: Any) -> ReportStatus:
    said = _text(obx, 11)
    if said not in OBX_STATUS:
        raise NotFinal(
            "not a result that the laboratory stands by", field="OBX-11", value=said or None,
            remedy="Send it again as F or C, with its value, once it is released.",
        )  # fmt: skip
    return OBX_STATUS[said]


def _specimen(order: _Order) -> str:
    """The code of the kind of blood; raises ``NotBlood``."""
    code = next((_text(spm, 4) for spm in order.specimens if _text(spm, 4)), _text(order.obr, 15))
    if code in NOT_BLOOD:
        raise NotBlood(
            f"the specimen is {NOT_BLOOD[code]}", field="SPM-4", value=code,
            remedy="Haemoglobin in blood alone is taken here.",
        )  # fmt: skip
    return code


def _value(obx: Any) -> str:
    """As it was sent; of a structured number (SN) comparator and number, so that a bound stays one."""
    if len(obx) > 5 and len(obx(5)) > 1:
        return "several"
    if _text(obx, 2) == "SN":
        return "".join(_text(obx, 5, part) for part in range(1, 5))
    return _text(obx, 5).strip()


def _loinc(obx: Any) -> str:
    """The LOINC code of a result, of the two codings that it may carry; empty for none."""
    for code, system in ((1, 3), (4, 6)):
        if _text(obx, 3, system) in ("LN", "http://loinc.org"):
            return _text(obx, 3, code)
    return ""


def _nothing_found(orders: Sequence[_Order]) -> Refused:
    for order in orders:
        for _, obx in order.results:
            if (code := _loinc(obx)) in LOOK_ALIKES:
                try:
                    read_hb("", None, code)
                except Refused as refusal:
                    return refusal
    return NotAHaemoglobin(
        "no result in it has a LOINC code of haemoglobin in blood", field="OBX-3", value="(not repeated)",
        remedy=f"Send one of {', '.join(LOINC_CLASS)} with coding system LN, beside your own code if need be.",
    )  # fmt: skip


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


def _text(segment: Any | None, number: int, component: int = 1, repeat: int = 1) -> str:
    """A component of a field, unescaped; empty where there is none."""
    if segment is None:
        return ""
    try:
        return str(segment.extract_field(1, number, repeat, component) or "")
    except (IndexError, ValueError):
        return ""
