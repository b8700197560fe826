"""Which engine serves a release on this machine."""

from pallor.image.spec import PreprocessSpec
from pallor.release.shelf import Release
from worker.engines.onnx import OnnxEngine
from worker.engines.port import Engine

HAVE = frozenset({"cpu"})


def load_engine(release: Release, *, threads: int = 1) -> Engine:
    """Load the release's first model whose needs this machine meets; raises ``Untrusted`` when none can be used."""
    file = release.manifest.model_for(HAVE)
    return OnnxEngine(
        release.path(file.path),
        digest=file.digest,
        precision=file.precision or "fp32",
        size=PreprocessSpec.from_json(dict(release.manifest.preprocess)).size,
        threads=threads,
    )
