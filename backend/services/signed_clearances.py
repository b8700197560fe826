"""Which releases people have cleared, as it is signed in the object store: looked at again every minute.

Where it cannot be read, or nobody has said which root to trust, no release is cleared: everybody is referred.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pallor.clock import Clock
from pallor.errors import PallorError
from pallor.release.policy import Clearance
from pallor.release.repository.ledger import Repository
from pallor.release.repository.standing import clearances_of

log = logging.getLogger(__name__)

_LOOK = timedelta(minutes=1)


class Cleared:
    """What is cleared now.

    Args:
        open_trusted: opens the repository with the root that this server was told to trust; None: nothing is ever
            cleared.
    """

    def __init__(self, open_trusted: Callable[[], Repository] | None, clock: Clock) -> None:
        self._open, self._clock = open_trusted, clock
        self._found: Mapping[str, Clearance] = {}
        self._looked_at: datetime | None = None
        self._turn = threading.Lock()

    def of(self, release_id: str, manifest: str) -> Clearance | None:
        """The clearance of a release with this manifest's digest, None while it is investigational."""
        found = self.now().get(release_id)
        return found if found is not None and found.manifest == manifest else None

    def now(self) -> Mapping[str, Clearance]:
        """All that counts, by release; looked at once a minute."""
        if self._open is None:
            return {}
        with self._turn:
            now = self._clock.now()
            if self._looked_at is None or not timedelta() <= now - self._looked_at < _LOOK:
                self._found, self._looked_at = _read(self._open), now
            return self._found


def _read(open_trusted: Callable[[], Repository]) -> Mapping[str, Clearance]:
    try:
        return clearances_of(open_trusted())
    except PallorError as error:
        log.warning("no release is cleared", extra={"code": error.code(), "fault": str(error)})
        return {}
