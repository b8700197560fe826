"""A node comes in: by the link it was given, with a key that it makes itself and never sends."""

import base64
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pallor.enrolment import Link, fingerprint_of, signed_bytes
from pallor.errors import Refused, Unavailable
from sync.identity import Identity, check_not_enrolled, keep_identity, own_key
from sync.server import AnswerLost, AnswerStrange, Server, ServerRefused, check_address


class LinkNotForNode(Refused):
    """The link does not say which root metadata to trust: it was made for a phone or a laboratory system."""


class CodeSpent(Refused):
    """The server knows no such code, or not any more."""


class EnrolmentUncertain(Unavailable):
    """The server may have let this machine in, but its token was lost on the way."""


def enrol(text: str, folder: Path, *, insecure_http: bool = False) -> Identity:
    """Enrol this machine by a link and keep in ``folder`` who it is.

    Raises:
        LinkUnreadable, CodeUnreadable, LinkNotForNode, AddressOpen, AlreadyEnrolled, StateUnusable, StateDamaged
        CodeSpent, EnrolmentUncertain, and what ``Server.ask`` raises
    """
    link = Link.read(text)
    root = _root_of(link)
    check_address(link.address, insecure_http=insecure_http)
    check_not_enrolled(folder)
    key = own_key(folder)
    public = key.public_key().public_bytes_raw()
    answer = _shown(link, key, public)
    try:
        identity = Identity(
            address=link.address,
            device=str(answer["device"]),
            sites=tuple(str(site) for site in answer["sites"]),
            world=str(answer["world"]),
            root=root,
            fingerprint=fingerprint_of(public),
            token=str(answer["token"]),
        )
    except (KeyError, TypeError) as error:
        raise AnswerStrange(
            f"what answers at {link.address} lets nobody in as Pallor does; check the address"
        ) from error
    keep_identity(folder, identity)
    return identity


def standing(identity: Identity) -> str:
    """What the server makes of this machine, in a sentence for people; raises what ``Server.ask`` does."""
    session = Server(identity.address).ask("GET", "/session", token=identity.token)
    state, needs = session.get("state"), session.get("needs")
    if not isinstance(state, str) or not isinstance(needs, list):
        raise AnswerStrange(f"what answers at {identity.address} is another Pallor than this one; update one of them")
    if state != "active":
        return f"The server lets it in no more: it is {state}. Enrol it anew under another name if that is a mistake."
    if "device-unconfirmed" in needs:
        return (
            "No administrator has confirmed it yet. Read its fingerprint to one, who types:\n"
            f"pallor-backend device-confirm {identity.device} --fingerprint '...'"
        )
    return "The server lets it in."


def _root_of(link: Link) -> str:
    if link.root is None:
        raise LinkNotForNode(
            "this link is not for a node: it does not name the root metadata to trust", field="LINK", value="(hidden)",
            remedy="Ask for one that was made by: pallor-backend enrol-code node NAME --site SITE.",
        )  # fmt: skip
    return link.root


def _shown(link: Link, key: Ed25519PrivateKey, public: bytes) -> dict[str, Any]:
    """The server's answer to the code and to the proof that this machine has the key."""
    signature = key.sign(signed_bytes(link.code, public))
    body = {"code": link.code, "public_key": _base64(public), "signature": _base64(signature)}
    try:
        return Server(link.address).ask("POST", "/enrolments", body)
    except AnswerLost as error:
        raise EnrolmentUncertain(
            f"{error}. It may have let this machine in all the same, and the code works once. Ask an administrator to "
            "look at pallor-backend device-list: if the device is there, have it retired and ask for a link under "
            "another name; if not, run this command again"
        ) from error
    except ServerRefused as error:
        if error.said != "code-unknown":
            raise
        raise CodeSpent(
            "the server knows no such code, or not any more", field="LINK", value="(hidden)",
            remedy="Check that the whole link was copied. A code works once and not for long; if an earlier try broke "
            "off, it was used by that one: have that device retired and ask for a link under another name.",
        ) from error  # fmt: skip


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
