"""The golden photos: an engine that does not answer them as the manifest says never serves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pallor.errors import PallorError, Refused, Untrusted
from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.release.shelf import Release
from worker.engines.port import Engine


class EngineDisagrees(Untrusted):
    """The engine's answers to the golden photos are not those of the release."""


class EngineFails(Untrusted):
    """The engine cannot compute its answers to the golden photos."""


class GoldenUnusable(Untrusted):
    """The release cannot be checked: it has no golden photos, none that can be read, or no tolerance."""


@dataclass(frozen=True)
class Golden:
    """What an engine answered to the golden photos, in the manifest's order, and the largest ``|dp|`` from it."""

    probabilities: tuple[float, ...]
    largest_difference: float


def answer_golden(engine: Engine, release: Release) -> Golden:
    """Answer every golden photo, from its bytes on disk through the whole path that a patient's photo takes.

    All together, then the first alone: on a GPU batches of two sizes are two programs. What is expected was computed by
    ONNX Runtime's CPU from the release's most exact model, whatever answers here.

    Raises:
        EngineDisagrees: it is above the manifest's tolerance for this engine's precision.
        GoldenUnusable: there is nothing to compare with.
        AnswerImpossible: the engine computed what no model can say.
        EngineFails: it computed nothing.
    """
    manifest, precision = release.manifest, engine.describe().precision
    if not manifest.golden or precision not in manifest.tolerance:
        raise GoldenUnusable(f"{manifest.release_id} has no golden photos, or no tolerance for {precision}")
    spec = PreprocessSpec.from_json(dict(manifest.preprocess))
    try:
        photos = [decode(release.path(golden.photo).read_bytes()) for golden in manifest.golden]
        batch = np.stack([to_input(spec, photo) for photo in photos])
    except (OSError, Refused) as error:
        raise GoldenUnusable(f"{manifest.release_id}: a golden photo cannot be read: {error}") from error
    expected = np.array([golden.probability for golden in manifest.golden])
    answered = np.concatenate([_asked(engine, batch), _asked(engine, batch[:1])])
    difference = float(np.abs(answered - np.append(expected, expected[0])).max())
    if not difference <= manifest.tolerance[precision]:
        raise EngineDisagrees(
            f"{manifest.release_id} on {engine.describe().flavour}: the golden photos differ by {difference:.3g}, "
            f"allowed is {manifest.tolerance[precision]:.3g}"
        )
    return Golden(tuple(float(one) for one in answered[:-1]), difference)


def _asked(engine: Engine, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    try:
        return engine.infer(batch).probability
    except PallorError:
        raise
    except Exception as error:  # the libraries' errors share no base class
        raise EngineFails(f"on {engine.describe().flavour}: {type(error).__name__}: {error}") from error


def largest_difference(engine: Engine, release: Release) -> float:
    """How far an engine is off at most; raises what ``answer_golden`` raises."""
    return answer_golden(engine, release).largest_difference
