"""Acknowledgements of HL7 v2: what became of a message, and for each line that was refused where it stands and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backend.wire.hl7 import Header
from pallor.errors import PallorError, Refused

ACCEPTED, ERROR, REJECTED = "AA", "AE", "AR"
_LINE_LIMIT = 250
_CONDITIONS = {  # HL7 table 0357; whatever is not named: application internal error or data type error
    "MessageUnsupported": "200^Unsupported message type",
    "MessageUnreadable": "100^Segment sequence error",
    "HbUnitMissing": "101^Required field missing",
    "DrawnWhenMissing": "101^Required field missing",
    "BusinessIdUnfit": "101^Required field missing",
    "ValueMissing": "101^Required field missing",
    "NothingToMatchBy": "101^Required field missing",
    "HbUnitUnknown": "103^Table value not found",
    "NotHaemoglobin": "103^Table value not found",
    "NotAHaemoglobin": "103^Table value not found",
    "NotFinal": "103^Table value not found",
    "CaseErased": "204^Unknown key identifier",
}
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


@dataclass(frozen=True)
class Remark:
    """Of one line of a message: an error, or, where ``error`` is None, that it is kept for later (``said``)."""

    where: tuple[str, int] | None
    error: PallorError | None
    said: str = ""


def acknowledge(header: Header, code: str, remarks: Sequence[Remark], now: datetime, new_id: str) -> bytes:
    """The answer to a message, in its character set.

    Args:
        code: ``AA`` when every line was taken, ``AE`` when one cannot be, ``AR`` when the message was not looked at.
    """
    stamp = now.strftime("%Y%m%d%H%M%S+0000")
    told = next((str(remark.error.reason) for remark in remarks if isinstance(remark.error, Refused)), "")
    segments = [
        f"MSH|^~\\&|PALLOR||{header.application}|{header.facility}|{stamp}||ACK^R01^ACK|{new_id}|P|{header.version}",
        f"MSA|{code}|{header.control_id}|{_spelled(told, 80)}".rstrip("|"),
        *(_err(remark) for remark in remarks),
    ]
    return ("\r".join(segments) + "\r").encode(header.charset, "replace")


def _err(remark: Remark) -> str:
    where = f"{remark.where[0]}^{remark.where[1]}" if remark.where else ""
    if remark.error is None:
        return f"ERR||{where}|0^Message accepted^HL70357|I|{remark.said}"
    condition = _CONDITIONS.get(type(remark.error).__name__, "102^Data type error")
    if not isinstance(remark.error, Refused):
        condition = "207^Application internal error"
    words = _spelled(str(remark.error), _LINE_LIMIT)
    return f"ERR||{where}|{condition}^HL70357|E|{remark.error.code()}|||{words}"


def _spelled(text: str, limit: int) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)[:limit]
    return "".join(_ESCAPES.get(c, c) for c in shown)
