"""Which processes a slot of the shelf needs next: pure, from what runs to what to do.

A release takes over process by process: a fresh one is admitted, takes photos, and an old one retires. So a slot never
has fewer processes than it had, and at most one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    LOADING = "loading"
    ADMITTED = "admitted"  # has answered the golden photos, and waits for leave
    SERVING = "serving"
    RETIRING = "retiring"


@dataclass(frozen=True)
class Seat:
    """One process. ``key`` names it."""

    key: int
    release_id: str
    state: State


@dataclass(frozen=True)
class Start:
    """Start a process for this release."""

    release_id: str


@dataclass(frozen=True)
class Serve:
    """Give a process leave to take photos."""

    key: int


@dataclass(frozen=True)
class Retire:
    """Tell a process to finish what is in hand and end."""

    key: int


Step = Start | Serve | Retire


def next_steps(wanted: str | None, size: int, seats: Sequence[Seat], *, barred: bool) -> list[Step]:
    """What to do now.

    Args:
        wanted: the release that the shelf names; None when it names none: what serves goes on.
        size: processes that are to serve it.
        seats: every process of the slot that has not ended.
        barred: the wanted release was refused, or its processes died, a short time ago.
    """
    if wanted is None:
        return []
    alive = [seat for seat in seats if seat.state is not State.RETIRING]
    fresh = [seat for seat in alive if seat.release_id == wanted]
    old = [seat for seat in alive if seat.release_id != wanted]
    steps: list[Step] = [
        Retire(seat.key) for seat in old if seat.state is not State.SERVING
    ]  # never served: not needed
    serving_old = [seat for seat in old if seat.state is State.SERVING]
    admitted = [seat for seat in fresh if seat.state is State.ADMITTED]
    steps += [Serve(seat.key) for seat in admitted]
    taken_over = len(admitted) + sum(seat.state is State.SERVING for seat in fresh)
    steps += [Retire(seat.key) for seat in serving_old[: max(0, len(serving_old) + taken_over - size)]]
    steps += [Retire(seat.key) for seat in fresh[size:]]
    loading = any(seat.state is State.LOADING for seat in fresh)
    one_by_one = bool(old) or any(seat.state is State.RETIRING for seat in seats)
    missing = size - len(fresh)
    if missing > 0 and not barred and not (one_by_one and loading):
        steps += [Start(wanted)] * (1 if one_by_one else missing)
    return steps
