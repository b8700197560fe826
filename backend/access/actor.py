"""Who did it, as the audit trail writes it: the person and the device, in one word.

``nurse-12@clinic-a-phone-1``: a person on a device; ``head-1@browser-3f2a90c1``: in a browser, one sign-in.
``nurse-12~clinic-a-phone-1``: the phone, while it was locked, says that it was this person. ``lab-system-1``: a machine
by itself. ``worker``, ``operator``: a process, or whoever has a shell on the server.
"""

_SIGNED_IN, _CLAIMED = "@", "~"


def actor(person: str | None, device: str, *, claimed: bool = False) -> str:
    """One word for both; neither name holds an ``@`` or a ``~`` (``backend.access.roles.check_name``).

    ``claimed``: the person was not signed in; a locked phone says in whose name it delivers.
    """
    return device if person is None else f"{person}{_CLAIMED if claimed else _SIGNED_IN}{device}"


def browser(token_id: str) -> str:
    """A browser is no device of ours: what stands in its place is the sign-in."""
    return f"browser-{token_id[:8]}"


def parts_of(word: str) -> tuple[str | None, str, bool]:
    """Person, device, and whether the person was only claimed."""
    for sign in (_SIGNED_IN, _CLAIMED):
        person, found, device = word.partition(sign)
        if found:
            return person, device, sign == _CLAIMED
    return None, word, False
