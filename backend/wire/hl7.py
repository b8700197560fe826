"""HL7 v2 ORU^R01 as laboratories' systems send it: every haemoglobin in it, and nothing that names the patient.

From PID the sex, the birth date as an age, and the subject code of an identifier that PALLOR assigned are read; the
rest of it, and every NTE, is not looked at. The specimen is SPM-2, the case may be the placer's order number (OBR-2).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import hl7
import hl7.util

from backend.wire.hl7_order import Found, Order, loinc_of, read_order, text_of
from pallor.errors import Refused
from pallor.lab import read_hb
from pallor.lab_codes import LOINC_CLASS, LOOK_ALIKES

# It would write a field that it cannot unescape into the log as it stands, and that may be a person's name.
hl7.util.logger.disabled = True

MAX_MESSAGE_BYTES = 1024 * 1024
_MOST_PARTS = 40_000  # of 3 000 results; the library makes an object of each, and a megabyte can hold a million
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


@dataclass(frozen=True)
class Header:
    """What an acknowledgement needs: who sent what. ``charset``: a Python codec."""

    application: str = ""
    facility: str = ""
    control_id: str = ""
    version: str = "2.5.1"
    charset: str = "latin-1"


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
    found = [one for order in orders for one in read_order(order, zone)]
    if not found:
        raise _nothing_found(orders)
    return found


def _parse(data: bytes) -> Any:
    header, named = read_header(data), ""
    if sum(data.count(data[at : at + 1]) for at in range(3, 8) if at != 6) > _MOST_PARTS:  # MSH-1 and MSH-2
        raise MessageUnreadable(
            "more fields than any report has", field="MSH", value=f"{len(data)} bytes, not repeated",
            remedy="Send the results in several messages.",
        )  # fmt: skip
    try:
        text = data.decode(header.charset).replace("\r\n", "\r").replace("\n", "\r").strip("\r")
        message = hl7.parse(text)
        named = text_of(message.segment("MSH"), 18)
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
    if len(message.segments("MSH")) > 1:
        raise MessageUnreadable(
            "several messages at once", field="MSH", value="(not repeated)",
            remedy="Send each by itself, and wait for its acknowledgement.",
        )  # fmt: skip
    kind = f"{text_of(msh, 9)}^{text_of(msh, 9, 2)}"
    if kind != "ORU^R01":
        raise MessageUnsupported(
            "only ORU^R01 is taken here", field="MSH-9", value=kind, remedy="Send results as ORU^R01."
        )
    if not _VERSION.fullmatch(text_of(msh, 12)):
        raise MessageUnsupported(
            "not a version 2 of HL7", field="MSH-12", value=text_of(msh, 12), remedy="Send version 2.3 to 2.8."
        )
    if text_of(msh, 11) != "P":
        raise MessageUnsupported(
            "a test, or for training: not a patient's result", field="MSH-11", value=text_of(msh, 11),
            remedy="Send results with processing id P.",
        )  # fmt: skip


def _orders(message: Any) -> Iterator[Order]:
    order, patient, number = None, None, 0
    for segment in message:
        name = str(segment[0])
        if name in ("PID", "OBR") and order is not None:
            yield order
            order = None
        if name == "PID":
            patient = segment
        elif name == "OBR":
            order = Order(segment, patient)
        elif name == "OBX":
            number += 1
            if order is not None:
                order.results.append((number, segment))
        elif name == "SPM" and order is not None:
            order.specimens.append(segment)
    if order is not None:
        yield order


def _nothing_found(orders: Sequence[Order]) -> Refused:
    for order in orders:
        for _, obx in order.results:
            if (code := loinc_of(obx)) in LOOK_ALIKES:
                try:
                    read_hb("", None, code)
                except Refused as refusal:
                    return refusal
    return NotAHaemoglobin(
        "no result in it has a LOINC code of haemoglobin in blood", field="OBX-3", value="(not repeated)",
        remedy=f"Send one of {', '.join(LOINC_CLASS)} with coding system LN, beside your own code if need be.",
    )  # fmt: skip
