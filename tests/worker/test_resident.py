"""The engine in memory follows the shelf, and only a release that answers its golden photos ever serves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pallor.errors import PallorError
from pallor.image.preprocess import to_input
from pallor.prediction import Engine as EngineFacts
from pallor.release.manifest import Golden, ManifestUnreadable, ReleaseFile
from pallor.release.shelf import Release, Shelf, ShelfEmpty
from tests.support.releases import SPEC, TOLERANCE, a_release, plain_photo
from worker.engines.plan import load_engine
from worker.engines.port import AnswerImpossible, Answers, Engine
from worker.resident import Resident, admit
from worker.selftest import EngineDisagrees, GoldenUnusable, largest_difference

A_PHOTO = to_input(SPEC, plain_photo(90))[None]


def test_the_golden_photos_are_answered_as_the_manifest_says(tmp_path: Path) -> None:
    assert admit(a_release(tmp_path / "r"), load_engine).max_difference <= TOLERANCE


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


def test_nothing_is_loaded_again_while_the_shelf_stands_still(home: "Home") -> None:
    home.activate("tiny-1")
    first = home.resident.serving()
    assert all(home.resident.serving() is first for _ in range(3))
    assert home.loaded == ["tiny-1"]


def test_the_next_photo_after_the_shelf_moved_is_answered_by_the_new_release(home: "Home") -> None:
    home.activate("tiny-1")
    old = home.resident.serving()
    home.activate("tiny-2", bias=1.0)
    new = home.resident.serving()
    assert (old.release.release_id, new.release.release_id) == ("tiny-1", "tiny-2")
    assert new.engine.infer(A_PHOTO).probability[0] > old.engine.infer(A_PHOTO).probability[0]  # old still answers
    home.activate("tiny-1")
    assert home.resident.serving().release.release_id == "tiny-1"


def test_a_new_release_that_fails_leaves_the_old_one_serving_and_says_so(home: "Home") -> None:
    home.activate("tiny-1")
    home.resident.serving()
    home.activate("tiny-2", harm=True)
    for _ in range(3):
        assert home.resident.serving().release.release_id == "tiny-1"
    assert home.loaded == ["tiny-1"]  # the harmed one was not even opened, and not tried for every photo
    serving, fault = home.resident.check()
    assert serving is not None
    assert serving.release.release_id == "tiny-1"
    assert fault is not None
    assert fault.code() == "release-changed"
    home.activate("tiny-3")
    assert home.resident.check()[1] is None


def test_a_release_that_failed_is_tried_again_at_the_next_check(home: "Home") -> None:
    home.activate("tiny-1")
    home.refuse = GoldenUnusable("the disk was slow to wake")
    with pytest.raises(GoldenUnusable, match="slow to wake"):
        home.resident.serving()
    home.refuse = None
    with pytest.raises(GoldenUnusable):
        home.resident.serving()
    assert home.resident.check()[1] is None
    assert home.resident.serving().release.release_id == "tiny-1"


def test_an_engine_that_forgets_the_golden_photos_stops_serving_and_is_loaded_afresh(home: "Home") -> None:
    home.activate("tiny-1")
    sick = home.resident.serving()
    assert isinstance(sick.engine, Drifting)
    sick.engine.by = 0.2
    serving, fault = home.resident.check()
    assert fault is None
    assert serving is not None
    assert serving.engine is not sick.engine
    assert home.loaded == ["tiny-1", "tiny-1"]


def test_an_engine_that_forgets_and_cannot_be_loaded_again_leaves_nothing_serving(home: "Home") -> None:
    home.activate("tiny-1")
    engine = home.resident.serving().engine
    assert isinstance(engine, Drifting)
    engine.by = 0.2
    home.refuse = GoldenUnusable("the disk is gone")
    assert home.resident.check()[0] is None
    with pytest.raises(GoldenUnusable):
        home.resident.serving()


def test_an_empty_shelf_serves_nothing_until_a_release_is_activated(home: "Home") -> None:
    with pytest.raises(ShelfEmpty):
        home.resident.serving()
    home.activate("tiny-1")
    assert home.resident.serving().release.release_id == "tiny-1"


def test_a_shelf_that_loses_its_link_goes_on_serving_and_says_so(home: "Home") -> None:
    home.activate("tiny-1")
    home.resident.serving()
    (home.shelf.root / "current").unlink()
    serving, fault = home.resident.check()
    assert serving is not None
    assert isinstance(fault, ShelfEmpty)
    assert home.resident.serving() is serving
    home.shelf.activate("tiny-1")
    assert home.resident.check()[1] is None


def test_a_change_is_told_until_it_was_asked_for(home: "Home") -> None:
    home.activate("tiny-1")
    home.resident.look()
    assert home.resident.changed.is_set()
    home.resident.check()
    assert not home.resident.changed.is_set()
    home.resident.look()
    assert not home.resident.changed.is_set()
    home.activate("tiny-2", harm=True)
    home.resident.look()
    assert home.resident.changed.is_set()


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


class Home:
    """A shelf and the resident that follows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "shelf")
        self.resident = Resident(self.shelf, self._load)
        self.loaded: list[str] = []
        self.refuse: PallorError | None = None

    def activate(self, release_id: str, *, bias: float = 0.0, harm: bool = False) -> None:
        if not (self.folder / release_id).exists():
            a_release(self.folder / release_id, release_id, bias=bias)
        self.shelf.put(self.folder / release_id)
        if harm:
            (self.shelf.root / "releases" / release_id / "model.onnx").write_bytes(b"harmed")
        self.shelf.activate(release_id)

    def _load(self, release: Release) -> Engine:
        if self.refuse:
            raise self.refuse
        self.loaded.append(release.release_id)
        return Drifting(load_engine(release))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)
