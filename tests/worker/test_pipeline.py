"""From messages to answers: in batches, and each photo by itself when one is at fault."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pallor.digest import hex_of, sha256_of
from pallor.errors import PallorError
from pallor.ids import new_id
from pallor.image.decode import Photo, encode
from pallor.image.preprocess import to_input
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.prediction import Engine as EngineFacts
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectMissing, StoreUnavailable
from tests.support.photos import a_photo, file_of
from tests.support.releases import SPEC, a_release, plain_photo
from tests.support.stack import wait_until
from worker.batch import Batch, Done, Waiting
from worker.engines.plan import load_engine
from worker.engines.port import Answers, Engine
from worker.pipeline import RETRIES, Pipeline
from worker.selftest import EngineDisagrees, EngineFails
from worker.send import BrokerAway
from worker.serving import admit

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_a_photo_is_answered_with_what_the_engine_says_of_it(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    said = bench.answer(message)
    assert said.refusal is None
    assert said.prediction is not None
    expected = bench.serving.engine.infer(to_input(SPEC, a_photo())[None])
    assert said.prediction.probability == expected.probability[0]
    for told, meant in ((said.prediction.cam, expected.cam[0]), (said.prediction.embedding, expected.embedding[0])):
        np.testing.assert_allclose(told, meant, rtol=0, atol=5e-7)  # six decimals are written down
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
    bench.store.put(message.object_key, other)
    assert bench.answer(message).refusal == "photo-changed"


def test_an_object_that_is_not_there_is_no_reason_to_refuse_the_photo(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    bench.store.delete(message.object_key)
    done = bench.ask(message)
    assert isinstance(done.fault, ObjectMissing)
    assert (done.said, done.back) == (None, False)  # the backend sends it again
    assert bench.room == RETRIES * [1, -1]


def test_a_store_that_is_away_is_no_reason_to_refuse_the_photo(bench: "Bench") -> None:
    message = bench.stored(encode(a_photo()))
    away = bench.store.root.with_name("away")
    bench.store.root.rename(away)
    assert isinstance(bench.ask(message).fault, StoreUnavailable)
    away.rename(bench.store.root)
    assert bench.answer(message).prediction is not None


def test_what_cannot_be_fetched_now_is_given_back_by_a_pipeline_that_retires(bench: "Bench") -> None:
    bench.pipeline.retire()
    done = bench.ask(bench.message(b"never stored"))
    assert (type(done.fault), done.said, done.back) == (ObjectMissing, None, True)


def test_a_pipeline_that_retires_does_not_wait_for_what_may_be_there_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apart=False, retry_seconds=60)
    late, never = bench.message(encode(plain_photo(90))), bench.message(b"never stored")
    sent = [bench.put(late), bench.put(never)]
    wait_until(lambda: len(bench.room) == 2, "both wait")
    bench.store.put(late.object_key, encode(plain_photo(90)))
    bench.pipeline.retire()
    done = bench.all_of(sent)
    assert done[late.photo_id].said is not None
    assert (type(done[never.photo_id].fault), done[never.photo_id].back) == (ObjectMissing, True)
    assert sorted(bench.room) == [-1, -1, 1, 1]


def test_a_key_that_no_store_can_hold_is_a_broken_message_not_a_broken_photo(bench: "Bench") -> None:
    done = bench.ask(PredictCase(new_id(), new_id(), sha256_of(b""), "../../etc/passwd"))
    assert (type(done.fault), done.said, done.back) == (MessageUnreadable, None, False)


@pytest.mark.parametrize("bench", [True], indirect=True, ids=["gpu"])
def test_photos_that_wait_together_are_inferred_together_and_one_alone_does_not_wait(bench: "Bench") -> None:
    bench.engine.hold()
    sent = [bench.put(bench.stored(encode(plain_photo(60))))]
    bench.engine.wait_until_asked()
    sent += [bench.put(bench.stored(encode(plain_photo(60 + n)))) for n in range(1, 12)]
    bench.laid_out(11)
    bench.engine.go_on()
    answers = bench.all_of(sent)
    assert bench.engine.sizes == [1, 8, 3]  # the first as soon as it came, then at most eight at once
    for photo_id, answer in answers.items():
        green = 60 + sent.index(photo_id)
        alone = bench.real.infer(to_input(SPEC, plain_photo(green))[None]).probability[0]
        assert answer.said is not None
        assert answer.said.prediction is not None
        assert answer.said.prediction.probability == pytest.approx(float(alone), abs=1e-6)


def test_a_photo_that_the_engine_cannot_answer_fails_alone(bench: "Bench") -> None:
    bench.engine.poison = 77
    bench.engine.hold()
    first = bench.put(bench.stored(encode(plain_photo(90))))
    bench.engine.wait_until_asked()
    greens = {bench.put(bench.stored(encode(plain_photo(green)))): green for green in (70, 77, 80)}
    bench.laid_out(3)
    bench.engine.go_on()
    answers = bench.all_of([first, *greens])
    refusals = {greens.get(photo_id): done.said.refusal for photo_id, done in answers.items() if done.said}
    assert refusals == {None: None, 70: None, 77: "photo-unanswerable", 80: None}


def test_an_engine_that_forgets_the_golden_photos_answers_nobody(bench: "Bench") -> None:
    bench.engine.failures, bench.engine.forgetful = 2, True  # together, then alone
    done = bench.ask(bench.stored(encode(plain_photo(90))))
    assert (done.said, done.back) == (None, True)
    assert [type(error) for error in bench.forgotten] == [EngineDisagrees]
    with pytest.raises(EngineDisagrees):
        bench.pipeline.check()


def test_an_engine_that_computes_nothing_any_more_gives_its_photos_back(bench: "Bench") -> None:
    """As when the GPU's driver has gone: each call raises an error of the library's own."""
    bench.engine.failures = 1000
    done = bench.ask(bench.stored(encode(plain_photo(90))))
    assert (done.said, done.back) == (None, True)
    assert [type(error) for error in bench.forgotten] == [EngineFails]


def test_only_what_is_decoded_and_inferred_may_be_a_photos_fault(bench: "Bench") -> None:
    missing, good = bench.message(b"never stored"), bench.stored(encode(plain_photo(90)))
    bench.all_of([bench.put(missing), bench.put(good)])
    assert bench.began == [good]
    assert {done.waiting.message.photo_id for batch in bench.left for done in batch.done} == {
        missing.photo_id,
        good.photo_id,
    }


def test_an_answer_is_held_until_the_broker_takes_it(bench: "Bench") -> None:
    bench.refusals_of_the_broker = 1
    message = bench.stored(encode(plain_photo(90)))
    assert bench.answer(message).photo_id == message.photo_id
    assert bench.refusals_of_the_broker == 0


@pytest.mark.parametrize("bench", [False], indirect=True, ids=["cpu"])
def test_the_engine_does_not_wait_for_a_broker_that_is_far(bench: "Bench") -> None:
    bench.trip_seconds = 0.02
    bench.answer(bench.stored(encode(plain_photo(90))))  # by this trip the pipeline knows
    bench.broker_listens.clear()
    sent = [bench.put(bench.stored(encode(plain_photo(green)))) for green in (70, 80)]
    wait_until(lambda: len(bench.engine.sizes) == 3, "both are inferred while the broker has neither answer")
    bench.broker_listens.set()
    bench.all_of(sent)


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


class Tricky:
    """A real engine that can be held, and be made to fail for one colour, or for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked, self._free = threading.Event(), threading.Event()
        self._free.set()
        self.sizes: list[int] = []
        self.poison: int | None = None
        self.failures = 0
        self.forgetful = False

    def hold(self) -> None:
        self._asked.clear()
        self._free.clear()

    def wait_until_asked(self) -> None:
        assert self._asked.wait(10)

    def go_on(self) -> None:
        self._free.set()

    def infer(self, batch: NDArray[np.uint8]) -> Answers:
        self._asked.set()
        assert self._free.wait(30)
        self.sizes.append(len(batch))
        answers = self._engine.infer(batch)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the memory under it is gone")
        if self.forgetful:
            return Answers(answers.probability * np.float32(0.5), answers.cam, answers.embedding)
        if self.poison is not None and (batch[:, SPEC.size // 2, SPEC.size // 2, 1] == self.poison).any():
            return Answers(answers.probability * np.float32(np.nan), answers.cam, answers.embedding)
        return answers

    def describe(self) -> EngineFacts:
        return self._engine.describe()


class Bench:
    """A store, a release, a pipeline, and a message for what is put into the store."""

    def __init__(self, folder: Path, *, apart: bool, retry_seconds: float = 0.001) -> None:
        self.store = FolderStore(folder / "store")
        self.serving = admit(a_release(folder / "release"), lambda release: Tricky(load_engine(release)))
        engine: Any = self.serving.engine
        self.engine: Tricky = engine
        self.real = load_engine(self.serving.release)
        self.engine.sizes.clear()
        self.forgotten: list[PallorError] = []
        self.began: list[PredictCase] = []
        self.left: list[Batch] = []
        self.room: list[int] = []
        self.refusals_of_the_broker, self.trip_seconds = 0, 0.0
        self.broker_listens = threading.Event()
        self.broker_listens.set()
        self.pipeline = Pipeline(
            self.serving, store=self.store, clock=At(), send=self._send, began=self.began.append, left=self.left.append,
            ended=self._ended, forgot=self.forgotten.append, room=self.room.append, apart=apart,
            most=8 if apart else 1, retry_seconds=retry_seconds,
        )  # fmt: skip
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()

    def message(self, data: bytes) -> PredictCase:
        digest = sha256_of(data)
        return PredictCase(new_id(), new_id(), digest, f"images/{hex_of(digest)[:2]}/{hex_of(digest)}.png")

    def stored(self, data: bytes) -> PredictCase:
        message = self.message(data)
        self.store.put(message.object_key, data)
        return message

    def put(self, message: PredictCase) -> str:
        self.pipeline.put(Waiting(message, message.photo_id))
        return message.photo_id

    def ask(self, message: PredictCase) -> Done:
        return self.all_of([self.put(message)])[message.photo_id]

    def answer(self, message: PredictCase) -> RecordPrediction:
        said = self.ask(message).said
        assert said is not None
        return said

    def all_of(self, photo_ids: list[str]) -> dict[str, Done]:
        found: dict[str, Done] = {}
        while len(found) < len(photo_ids):
            done = self._done.get(timeout=10)
            found[done.waiting.message.photo_id] = done
        assert sorted(found) == sorted(photo_ids)
        return found

    def laid_out(self, count: int) -> None:
        """Wait until so many photos are ready for the engine."""
        wait_until(lambda: self.pipeline.ready >= count, f"{count} photos are laid out", seconds=20)

    def _send(self, *said: RecordPrediction, answering: Sequence[str]) -> None:
        assert [one.photo_id for one in said] == list(answering)
        assert self.broker_listens.wait(10)
        time.sleep(self.trip_seconds)
        if self.refusals_of_the_broker:
            self.refusals_of_the_broker -= 1
            raise BrokerAway("it was restarted")

    def _ended(self, batch: Batch) -> None:
        for done in batch.done:
            self._done.put(done)


@pytest.fixture(params=[False, True], ids=["cpu", "gpu"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path, apart=request.param)
