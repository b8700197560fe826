"""What a server and a machine that comes to it must agree on: the code, the link, the fingerprint, what is signed.

    https://pallor.example.org/enrol#code=7K2QH-93XVB&root=sha256:...

Code and digest stand behind the ``#``, which no browser sends and no proxy logs.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, urlsplit

from pallor.digest import hex_of
from pallor.errors import Refused

CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O and U
CODE_LENGTH = 10  # 50 bits
_GROUP = 5
_MEANT = str.maketrans("OIL", "011", " -\t\r\n")
_PATH = "/enrol"
_SIGNED = b"pallor: this key enrols by this code, 1"
_HEX = re.compile(r"[0-9a-f]{64}")


class CodeUnreadable(Refused):
    """These are not the ten letters and digits of an enrolment code."""


class LinkUnreadable(Refused):
    """This is not an enrolment link."""


class FingerprintUnreadable(Refused):
    """This is not the fingerprint of a key."""


@dataclass(frozen=True)
class Link:
    """Where to enrol, by which code, and for a node what it is to trust.

    ``address``: of the server, without a slash at the end. ``root``: the digest of the root metadata.
    """

    address: str
    code: str = field(repr=False)
    root: str | None = None

    def __str__(self) -> str:
        return f"{self.address}{_PATH}#code={shown_code(self.code)}{f'&root={self.root}' if self.root else ''}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The link that somebody was given; raises ``LinkUnreadable`` or ``CodeUnreadable``."""
        try:
            parts = urlsplit(text.strip())
            said = parse_qs(parts.fragment, strict_parsing=True)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
            (code,), root = said.pop("code"), said.pop("root", [None])[0]
            if not known or said or parts.username is not None or not parts.path.endswith(_PATH):
                raise ValueError("other parts than a link has")
            if root is not None and root != f"sha256:{hex_of(root)}":
                raise ValueError("a digest without its name")
        except (ValueError, KeyError):
            raise LinkUnreadable(
                "this is not an enrolment link", field="LINK", value="(hidden)",
                remedy="Copy the whole link, in quotes; it looks like https://HOST/enrol#code=XXXXX-XXXXX&root=sha256:...",
            ) from None  # fmt: skip
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix(_PATH)}", read_code(code), root)


def read_code(text: str) -> str:
    """The code as it is compared: ten letters, whatever was typed for them; raises ``CodeUnreadable``."""
    code = text.upper().translate(_MEANT)
    if len(code) != CODE_LENGTH or not set(code) <= set(CODE_LETTERS):
        raise CodeUnreadable(
            "this is not an enrolment code", field="code", value="(hidden)",
            remedy="Send its two groups of five letters and digits, such as 7K2QH-93XVB.",
        )  # fmt: skip
    return code


def shown_code(code: str) -> str:
    """The code as it is read aloud, in two groups."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def signed_bytes(code: str, public_key: bytes) -> bytes:
    """What a node signs to show that it has the key: nothing that it signs elsewhere begins like this.

    Args:
        code: as ``read_code`` gives it. public_key: the 32 bytes of an Ed25519 key.
    """
    return b"\0".join((_SIGNED, code.encode(), public_key))


def fingerprint_of(public_key: bytes) -> str:
    """``sha256:<64 hex digits>`` of the 32 bytes of a key."""
    return f"sha256:{hashlib.sha256(public_key).hexdigest()}"


def read_fingerprint(text: str) -> str:
    """A fingerprint as it is compared, however it was grouped; raises ``FingerprintUnreadable``."""
    digits = re.sub(r"[\s:-]", "", text.lower()).removeprefix("sha256")
    if not _HEX.fullmatch(digits):
        raise FingerprintUnreadable(
            "a fingerprint has 64 digits, 0 to 9 and a to f", field="fingerprint", value=f"{len(digits)} characters",
            remedy="Have it read out again: on the node, pallor-sync whoami shows it.",
        )  # fmt: skip
    return f"sha256:{digits}"


def shown_fingerprint(fingerprint: str) -> str:
    """A fingerprint as it is read aloud: four lines of four groups of four."""
    digits = hex_of(fingerprint)
    groups = [digits[start : start + 4] for start in range(0, len(digits), 4)]
    return "\n".join("  ".join(groups[start : start + 4]) for start in range(0, len(groups), 4))
