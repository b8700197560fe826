"""What answers a photo: a release, and an engine that answered its golden photos as the manifest says."""

from collections.abc import Callable
from dataclasses import dataclass

from pallor.image.spec import PreprocessSpec
from pallor.release.shelf import Release
from worker.engines.port import Engine
from worker.selftest import Golden, answer_golden

Load = Callable[[Release], Engine]


@dataclass(frozen=True)
class Serving:
    """A release that may serve, and what it answered to its golden photos when it was admitted."""

    release: Release
    engine: Engine
    spec: PreprocessSpec
    golden: Golden

    @property
    def max_difference(self) -> float:
        """The largest ``|dp|`` from the golden photos."""
        return self.golden.largest_difference


def admit(release: Release, load: Load) -> Serving:
    """Load a release and let it answer its golden photos; raises ``Untrusted`` unless it may serve."""
    engine = load(release)
    spec = PreprocessSpec.from_json(dict(release.manifest.preprocess))
    return Serving(release, engine, spec, answer_golden(engine, release))
