"""The bytes of a submission, before they are sealed: a header in JSON, then each part's bytes one after another.

8 bytes   ``PALLOR1`` and a line feed
4 bytes   how long the header is, big-endian
n bytes   the header, UTF-8 JSON; its ``parts`` say how long each part is, and its digest
...       the parts
"""

from typing import Any, NoReturn

from pallor.digest import sha256_of
from pallor.errors import Refused
from pallor.ids import is_id

MAGIC = b"PALLOR1\n"
_LENGTH = 4


class SubmissionUnreadable(Refused):
    """What was sealed is not laid out as a submission."""


class PartChecksumMismatch(Refused):
    """A part is not what the header says it is."""


def header_of(container: bytes) -> tuple[bytes, bytes]:
    """The header's JSON, and all that follows it; raises ``SubmissionUnreadable``."""
    begin = len(MAGIC) + _LENGTH
    if not container.startswith(MAGIC) or len(container) < begin:
        _unreadable("it does not begin as one")
    end = begin + int.from_bytes(container[len(MAGIC) : begin])
    if end > len(container):
        _unreadable("it ends within its header")
    return container[begin:end], container[end:]


def parts_of(rest: bytes, sizes: list[tuple[int, str]]) -> list[bytes]:
    """The parts, by the size and the digest that the header gives for each.

    Raises:
        SubmissionUnreadable, PartChecksumMismatch
    """
    if sum(size for size, _ in sizes) != len(rest):
        _unreadable("its parts are not as long as its header says")
    found, at = [], 0
    for number, (size, digest) in enumerate(sizes):
        part = rest[at : at + size]
        at += size
        if (is_ := sha256_of(part)) != digest:
            raise PartChecksumMismatch(
                f"the part has the digest {is_}", field=f"parts.{number}.sha256", value=digest,
                remedy="Seal it anew from what the phone still has; an administrator can see this one.",
            )  # fmt: skip
        found.append(part)
    return found


def about(header: Any) -> dict[str, Any]:
    """Kind, case and subject of a header that may be wrong in any way, as far as they can be read: whoever is erased
    is to be found by them, also in what was refused.
    """
    said, body = _object(header), _object(_object(header).get("body"))
    code, case_id = _text(body.get("subject_code"), 32), _text(said.get("case_id"), 36)
    return {
        "kind": _text(said.get("kind"), 16),
        "case_id": case_id if case_id and is_id(case_id) else None,
        "subject_code": code.upper() if code else None,
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, most: int) -> str | None:
    return value if isinstance(value, str) and len(value) <= most else None


def _unreadable(why: str) -> NoReturn:
    raise SubmissionUnreadable(
        f"this is no submission: {why}", field="body", value="(sealed)",
        remedy="Update the app, and tell an administrator, who can see this one.",
    )  # fmt: skip
