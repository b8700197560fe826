"""Who did it, as the audit trail writes it: the person and the device, in one word.

``nurse-12@clinic-a-phone-1``: a person on a device; ``head-1@browser-3f2a90c1``: in a browser, one sign-in.
``lab-system-1``: a machine by itself. ``worker``, ``operator``: a process, or whoever has a shell on the server.
"""


def actor(person: str | None, device: str) -> str:
    """One word for both; neither name holds an ``@`` (``backend.access.roles.check_name``)."""
    return device if person is None else f"{person}@{device}"


def browser(token_id: str) -> str:
    """A browser is no device of ours: what stands in its place is the sign-in."""
    return f"browser-{token_id[:8]}"


def parts_of(word: str) -> tuple[str | None, str]:
    """Person and device again."""
    person, at, device = word.partition("@")
    return (person, device) if at else (None, word)
