"""Only a release that answers its golden photos as its manifest says may serve."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pallor.prediction import Engine as EngineFacts
from pallor.release.manifest import Golden, ManifestUnreadable, ReleaseFile
from tests.support.releases import TOLERANCE, a_release
from worker.engines.plan import load_engine
from worker.engines.port import AnswerImpossible, Answers, Engine
from worker.selftest import EngineDisagrees, GoldenUnusable, largest_difference
from worker.serving import admit


def test_the_golden_photos_are_answered_as_the_manifest_says(tmp_path: Path) -> None:
    release = a_release(tmp_path / "r")
    serving = admit(release, load_engine)
    assert serving.max_difference <= TOLERANCE
    expected = [golden.probability for golden in release.manifest.golden]
    assert serving.golden.probabilities == pytest.approx(expected, abs=TOLERANCE)


def test_a_release_whose_engine_answers_otherwise_never_serves(tmp_path: Path) -> None:
    release = a_release(tmp_path / "r")
    for engine in (Drifting(load_engine(release), by=10 * TOLERANCE), Drifting(load_engine(release), by=-0.3)):
        with pytest.raises(EngineDisagrees, match="tiny-1 on drifting: the golden photos differ by"):
            largest_difference(engine, release)
    assert largest_difference(Drifting(load_engine(release), by=TOLERANCE / 2), release) <= TOLERANCE
    with pytest.raises(AnswerImpossible):
        largest_difference(Drifting(load_engine(release), by=float("nan")), release)


def test_a_release_that_cannot_be_checked_never_serves(tmp_path: Path) -> None:
    release = a_release(tmp_path / "r")
    for broken in (
        replace(release.manifest, golden=()),
        replace(release.manifest, tolerance={"int8": 1.0}),
        replace(release.manifest, tolerance={"fp32": float("nan")}),
        replace(release.manifest, golden=(Golden("card.md", 0.5),)),
        replace(release.manifest, golden=(Golden("golden/none.png", 0.5),)),
    ):
        with pytest.raises((GoldenUnusable, EngineDisagrees)):
            admit(replace(release, manifest=broken), load_engine)


def test_a_release_without_a_model_for_this_machine_never_serves(tmp_path: Path) -> None:
    release = a_release(tmp_path / "r")
    model = next(f for f in release.manifest.files if f.role == "model")
    only_gpu: tuple[ReleaseFile, ...] = (replace(model, needs=("sm89",)),)
    with pytest.raises(ManifestUnreadable, match="no model for a machine with"):
        admit(replace(release, manifest=replace(release.manifest, files=only_gpu)), load_engine)


class Drifting:
    """A real engine whose every probability is off by ``by``."""

    def __init__(self, engine: Engine, by: float = 0.0) -> None:
        self.engine = engine
        self.by = by

    def infer(self, batch: NDArray[np.uint8]) -> Answers:
        answers = self.engine.infer(batch)
        return Answers(answers.probability + np.float32(self.by), answers.cam, answers.embedding)

    def describe(self) -> EngineFacts:
        return replace(self.engine.describe(), flavour="drifting")
