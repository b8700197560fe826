"""What an agent knows of its machine, in words for whoever stands before it."""

from pathlib import Path

from pallor.clock import utc_text
from pallor.release.serving import served
from pallor.release.shelf import CURRENT, SLOTS, Shelf
from sync.journal import Journal, read_journal


def told(shelf: Shelf, state: Path | None) -> list[str]:
    """A line for each thing that there is to say."""
    current = shelf.named(CURRENT)
    named = {slot: shelf.named(slot) for slot in SLOTS}
    lines = [f"{slot:<11} {one}" for slot, one in named.items() if one and (slot == CURRENT or one != current)]
    return lines if state is None else [*lines, *_of_journal(read_journal(state), shelf)]


def _of_journal(journal: Journal, shelf: Shelf) -> list[str]:
    lines = []
    if journal.probed:
        lines.append(f"engine      {journal.probed.get('flavour')}, {journal.probed.get('precision')}")
        if fallback := journal.probed.get("fallback"):
            lines.append(f"FALLBACK    {fallback}")
    if journal.trial:
        cases = served(shelf.root, journal.trial.release_id).cases
        lines.append(f"on trial    {journal.trial.release_id} since {utc_text(journal.trial.since)}, {cases} cases")
    if back := journal.stepped_back:
        lines.append(f"taken off   {back.release_id} at {utc_text(back.at)}: {back.reason}, {back.said}")
    if journal.stale_since:
        lines.append(f"STALE       since {utc_text(journal.stale_since)}: nothing signed is young enough to change it")
    if journal.policy_floor > 1:
        lines.append(f"floor       number {journal.policy_floor}")
    return [*lines, *(f"error       {one}" for one in journal.errors)]
