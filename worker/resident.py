"""The engine in memory: one release a process, the one the shelf names, never one that failed its golden photos."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from pallor.errors import PallorError
from pallor.image.spec import PreprocessSpec
from pallor.release.shelf import Release, Shelf, ShelfEmpty
from worker.engines.port import Engine
from worker.selftest import largest_difference

log = logging.getLogger(__name__)

Load = Callable[[Release], Engine]


@dataclass(frozen=True)
class Serving:
    """What answers a photo. A task takes it once and keeps it to the end, whatever the shelf does meanwhile.

    ``max_difference``: largest ``|dp|`` from the golden photos, when they were last asked.
    """

    release: Release
    engine: Engine
    spec: PreprocessSpec
    max_difference: float


def admit(release: Release, load: Load) -> Serving:
    """Load a release and let it answer its golden photos; raises ``Untrusted`` unless it may serve."""
    engine = load(release)
    spec = PreprocessSpec.from_json(dict(release.manifest.preprocess))
    return Serving(release, engine, spec, largest_difference(engine, release))


class Resident:
    """Follows the shelf. A new release that fails leaves the old one serving, and is tried again at ``check``.

    ``changed`` is set when another release serves, or none, or another fault stands in the way, since ``check``.
    """

    def __init__(self, shelf: Shelf, load: Load) -> None:
        self.changed = threading.Event()
        self._shelf = shelf
        self._load = load
        self._lock = threading.Lock()
        self._tried: str | None = None  # the shelf's release that serves now, or failed
        self._serving: Serving | None = None
        self._fault: PallorError | None = None

    def serving(self) -> Serving:
        """What answers now, at the cost of one readlink while the shelf stands still.

        Raises:
            Unavailable, Untrusted: nothing can serve; the error says why.
        """
        with self._lock:
            self._follow()
            if self._serving is None:
                raise self._fault or ShelfEmpty("nothing serves")
            return self._serving

    def check(self) -> tuple[Serving | None, PallorError | None]:
        """Ask the golden photos again: what serves, and why the shelf's release does not.

        An engine that forgot the answers stops serving at once: the memory or the disk under it is not to be trusted.
        """
        with self._lock:
            if self._serving is not None:
                try:
                    difference = largest_difference(self._serving.engine, self._serving.release)
                    self._serving = replace(self._serving, max_difference=difference)
                except PallorError as error:
                    self._settle(None, error)
            if self._fault is not None:
                self._tried = None
            self._follow()
            self.changed.clear()
            return self._serving, self._fault

    def look(self) -> None:
        """Follow the shelf now, so that no photo waits for a new release to load."""
        with self._lock:
            self._follow()

    def _follow(self) -> None:
        try:
            wanted = self._shelf.current_id()
            if wanted == self._tried:
                return
            self._tried = wanted
            self._settle(admit(self._shelf.current(), self._load), None)
        except ShelfEmpty as error:
            self._tried = None
            self._settle(self._serving, error)
        except PallorError as error:
            self._settle(self._serving, error)

    def _settle(self, serving: Serving | None, fault: PallorError | None) -> None:
        if serving is self._serving and str(fault) == str(self._fault):
            return
        self._serving, self._fault = serving, fault
        self.changed.set()
        fields = {"release_id": serving.release.release_id if serving else None, "fault": fault}
        log.log(logging.ERROR if fault else logging.INFO, "what serves has changed", extra=fields)
