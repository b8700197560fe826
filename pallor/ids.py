"""Ids are UUIDs, made by whoever creates the thing: PUT twice is PUT once."""

import uuid


def new_id() -> str:
    """A fresh id (UUID version 4): it tells nothing of when or where it was made."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """True for a UUID in its canonical spelling (lower case, hyphens)."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
