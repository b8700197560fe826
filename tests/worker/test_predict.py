"""From a message to an answer, or to the code with which the photo is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pallor.digest import hex_of, sha256_of
from pallor.ids import new_id
from pallor.image.decode import Photo, decode, encode
from pallor.image.preprocess import to_input
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectMissing, StoreUnavailable
from tests.support.photos import a_photo, file_of
from tests.support.releases import SPEC, a_release, plain_photo
from worker.engines.plan import load_engine
from worker.predict import answer
from worker.resident import admit

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_a_photo_is_answered_with_what_the_engine_says_of_it(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    said = bench.answer(message)
    assert said.refusal is None
    assert said.prediction is not None
    expected = bench.serving.engine.infer(to_input(SPEC, a_photo())[None])
    assert said.prediction.probability == expected.probability[0]
    np.testing.assert_array_equal(said.prediction.cam, expected.cam[0])
    np.testing.assert_array_equal(said.prediction.embedding, expected.embedding[0])
    assert (said.photo_id, said.release_id) == (message.photo_id, "tiny-1")
    assert said.prediction.engine == bench.serving.engine.describe()
    assert said.prediction.scored_at == NOW
    assert 0 < said.prediction.seconds < 10


def test_the_answer_survives_the_wire(bench: "Bench") -> None:
    said = bench.answer(bench.stored(encode(plain_photo(90))))
    assert RecordPrediction.from_payload(said.to_payload()) == said


def test_the_same_message_twice_is_the_same_answer(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    first, second = bench.answer(message).prediction, bench.answer(message).prediction
    assert first is not None
    assert second is not None
    assert (first.probability, first.cam, first.embedding) == (second.probability, second.cam, second.embedding)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"no photo", "photo-format-unknown"),
        (lambda: file_of(np.full((60, 60, 3), 90, np.uint8))[:80], "photo-broken"),
        (lambda: file_of(Image.new("L", (60, 60))), "photo-without-colour"),
        (lambda: encode(Photo(np.full((9, 9, 3), 90, np.uint8), np.ones((9, 9), bool))), "region-too-small"),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused_with_its_code(
    bench: "Bench", make: Callable[[], bytes], code: str
) -> None:
    message = bench.stored(make())
    said = bench.answer(message)
    assert (said.photo_id, said.refusal, said.prediction) == (message.photo_id, code, None)


def test_bytes_that_are_not_those_that_were_accepted_are_never_scored(bench: "Bench") -> None:
    message = bench.stored(encode(plain_photo(90)))
    other = encode(plain_photo(91))
    assert decode(other).rgb.shape == (48, 48, 3)
    bench.store.put(message.object_key, other)
    assert bench.answer(message).refusal == "photo-changed"


def test_an_object_that_is_not_there_is_no_reason_to_refuse_the_photo(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    bench.store.delete(message.object_key)
    with pytest.raises(ObjectMissing):
        bench.answer(message)


def test_a_store_that_is_away_is_no_reason_to_refuse_the_photo(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    bench.store.root.rename(bench.store.root.with_name("away"))
    with pytest.raises(StoreUnavailable):
        bench.answer(message)


def test_a_key_that_no_store_can_hold_is_a_broken_message_not_a_broken_photo(bench: "Bench") -> None:
    digest = sha256_of(b"")
    with pytest.raises(MessageUnreadable):
        bench.answer(PredictCase(new_id(), new_id(), digest, "../../etc/passwd"))


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


class Bench:
    """A store and a release, and a message for what is put there."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "store")
        self.serving = admit(a_release(folder / "release"), load_engine)

    def stored(self, data: bytes) -> PredictCase:
        digest = sha256_of(data)
        key = f"images/{hex_of(digest)[:2]}/{hex_of(digest)}.png"
        self.store.put(key, data)
        return PredictCase(new_id(), new_id(), digest, key)

    def answer(self, message: PredictCase) -> RecordPrediction:
        return answer(message, serving=self.serving, store=self.store, clock=At())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
