"""What a worker says of a slot of its shelf: to the backend, to Prometheus, to an administrator."""

from dataclasses import dataclass

from pallor.prediction import Engine


@dataclass(frozen=True)
class Said:
    """``release_id``, ``engine``: what serves, None when nothing does. ``fault``: what is wrong, None when nothing is.

    ``max_difference``: largest ``|dp|`` from the golden photos, of all ``processes``.
    """

    slot: str
    release_id: str | None = None
    engine: Engine | None = None
    processes: int = 0
    max_difference: float | None = None
    fault: str | None = None
