"""What an agent has to remember over a power cut: one small file, whole at every moment.

Whatever is decided is written here first and done then, so that the next start finishes what was cut off.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.durable import sync_folder
from pallor.errors import PallorError, shortened
from pallor.ids import new_id
from sync.clock import Floor

_FILE = "journal.json"
_MOST_ERRORS = 5
_MOMENTS = ("since", "looked_at", "stale_since")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Trial:
    """A release that answers and has not proved itself yet. ``rollout``: by which channel file it came."""

    release_id: str
    rollout: str
    since: datetime


@dataclass(frozen=True)
class StepBack:
    """Which release was taken off again, why and when. ``reason``: a stable code; ``said``: in words."""

    release_id: str
    reason: str
    said: str
    at: datetime


@dataclass(frozen=True)
class Journal:
    """Everything an agent remembers.

    Attributes:
        floor: of the clock. policy_floor: the highest that was signed.
        tries: how often each release failed here; ``rest_until``: before that none of them is tried again.
        have: what of a release's files this machine can use, as the last probe found it.
        probed: what the probe said of the release that answers.
        crashes: when workers crashed, of late; ``crashed``: how many crashes were seen of the release that answers.
        looked_at: when what is signed was last seen, and was good.
        errors: the newest ones, in words.
        sequence: of the last report.
    """

    floor: Floor = field(default_factory=Floor)
    policy_floor: int = 1
    tries: Mapping[str, int] = field(default_factory=dict)
    rest_until: datetime = _BEGINNING
    trial: Trial | None = None
    stepped_back: StepBack | None = None
    rollout: str | None = None
    have: tuple[str, ...] = ()
    probed: Mapping[str, Any] | None = None
    since: datetime | None = None
    crashes: tuple[datetime, ...] = ()
    crashed: int = 0
    looked_at: datetime | None = None
    stale_since: datetime | None = None
    errors: tuple[str, ...] = ()
    sequence: int = 0

    def with_error(self, error: PallorError, now: datetime) -> Self:
        """One more of the last errors."""
        told = f"{utc_text(now)} {error.code()}: {shortened(str(error), 200)}"
        return replace(self, errors=(*self.errors, told)[-_MOST_ERRORS:])

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self), default=utc_text))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a journal back; raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        fields = dict(data)
        trial, back, floor = fields["trial"], fields["stepped_back"], fields["floor"]
        moments = {name: None if fields[name] is None else parse_utc(fields[name]) for name in _MOMENTS}
        return cls(
            **{
                **fields,
                **moments,
                "floor": Floor(floor["root"], parse_utc(floor["at"])),
                "rest_until": parse_utc(fields["rest_until"]),
                "trial": trial and Trial(**{**trial, "since": parse_utc(trial["since"])}),
                "stepped_back": back and StepBack(**{**back, "at": parse_utc(back["at"])}),
                "have": tuple(fields["have"]),
                "crashes": tuple(parse_utc(at) for at in fields["crashes"]),
                "errors": tuple(fields["errors"]),
            }
        )


def read_journal(folder: Path) -> Journal:
    """What is remembered; nothing at the first start, nor when a failing disk has lost it."""
    try:
        return Journal.from_json(json.loads((folder / _FILE).read_bytes()))
    except FileNotFoundError:
        return Journal()
    except (ValueError, TypeError, KeyError):
        os.replace(folder / _FILE, folder / f"damaged.{new_id()}.json")
        return Journal()


def write_journal(folder: Path, journal: Journal) -> None:
    """Remember from now on."""
    path = folder / _FILE
    staged = path.with_name(f".{_FILE}")  # of one agent alone, which holds the folder
    with staged.open("w") as file:
        file.write(json.dumps(journal.to_json()))
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    sync_folder(folder)
