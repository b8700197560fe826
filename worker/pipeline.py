"""Photos in, answers out: some are fetched while others are inferred.

No photo waits for a batch to fill. A GPU takes whatever is laid out when it is free: one photo when little is to do,
many when much is, so batches are as large as the load makes them, and others are decoded and sent meanwhile. On a CPU
the same core would do all that, and every photo would wait for those behind it: there one is decoded, inferred and sent
before the next is begun, unless there is a backlog (``worker.ready``).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from pallor.clock import Clock
from pallor.errors import PallorError, Refused, Unavailable, Untrusted
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.store.port import ObjectStore
from worker.batch import Batch, Done, Waiting
from worker.engines.port import AnswerImpossible, Answers
from worker.outgoing import Outgoing
from worker.predict import PhotoChanged, answer, fetch, lay_out
from worker.ready import Ready
from worker.selftest import largest_difference
from worker.serving import Serving

log = logging.getLogger(__name__)

RETRIES = 5


class PhotoUnanswerable(Untrusted):
    """The engine gives no answer for this photo, and answers the golden photos as it should."""


class PhotoStopsWorker(Untrusted):
    """Processes have died of this photo."""


class Pipeline:
    """One release's engine, fed by threads.

    Args:
        send: hands answers to the broker, all at once, with the tickets of what they answer; raises ``BrokerAway``.
        began: is told each photo that is decoded from now on: until it is in a batch that ``left`` gets, whatever
            happens to this process may be its fault.
        left: gets every batch when the engine is done with it.
        ended: gets every batch when its answers are with the broker; called in a thread of the pipeline.
        forgot: called once when the engine no longer answers the golden photos; nothing is answered after that.
        room: is told how many more photos than before may be in hand, less than 0 for fewer: one for each that waits to
            be fetched again, and several under a backlog.
        apart: whether the engine computes elsewhere than on this process's core: then photos are decoded ahead of it,
            and answers sent behind it.
        fetchers: threads that fetch, and decode ahead.
        most: photos inferred at once, at the most; where the engine is not apart, answers sent at once under a backlog.
        retry_seconds: first pause when a photo cannot be fetched now; it doubles.
    """

    def __init__(
        self, serving: Serving, *, store: ObjectStore, clock: Clock, send: Callable[..., None],
        began: Callable[[PredictCase], None], left: Callable[[Batch], None], ended: Callable[[Batch], None],
        forgot: Callable[[PallorError], None], room: Callable[[int], None], shadow: bool = False, apart: bool = False,
        fetchers: int = 2, most: int = 1, retry_seconds: float = 1.0,
    ) -> None:  # fmt: skip
        self._serving, self._store, self._clock, self._shadow = serving, store, clock, shadow
        self._began, self._left, self._forgot = began, left, forgot
        self._room, self._apart, self._retry_seconds = room, apart, retry_seconds
        self._sound = True
        self._retiring = False
        self._resting: dict[Waiting, threading.Timer] = {}
        self._ready: Ready[Waiting] = Ready(most, together=apart, room=room)
        self._outgoing = Outgoing(send, ended, sound=lambda: self._sound, apart=apart)
        self._came: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        work = {"infer": self._infer} | {f"fetch-{i}": self._fetch for i in range(fetchers)}
        for name, does in work.items():
            threading.Thread(target=does, name=name, daemon=True).start()

    def put(self, waiting: Waiting) -> None:
        """Take a photo; it comes back in a batch, whatever happens to it."""
        self._came.put(waiting)

    def refuse(self, waiting: Waiting, error: PallorError) -> None:
        """Answer a photo by a code, without a look at it."""
        self._leave(Batch([self._refused(waiting, error)]))

    def retire(self) -> None:
        """What cannot be done now is given back instead of being tried again here; what rests is tried now."""
        self._retiring = True
        for waiting in list(self._resting):
            self._wake(waiting)

    @property
    def ready(self) -> int:
        """How many photos wait for the engine."""
        return len(self._ready)

    def check(self) -> float:
        """Ask the golden photos again; raises ``Untrusted``, and then nothing is answered any more."""
        try:
            return largest_difference(self._serving.engine, self._serving.release)
        except PallorError:
            self._sound = False
            raise

    def _fetch(self) -> None:
        while True:
            waiting = self._came.get()
            if self._done_to(waiting, self._get) and (not self._apart or self._done_to(waiting, self._lay_out)):
                self._ready.put(waiting)

    def _get(self, waiting: Waiting) -> None:
        waiting.data = fetch(waiting.message, self._store)

    def _lay_out(self, waiting: Waiting) -> None:
        self._began(waiting.message)
        waiting.laid_out, waiting.data = lay_out(waiting.data, self._serving.spec), b""

    def _done_to(self, waiting: Waiting, step: Callable[[Waiting], None]) -> bool:
        """Whether the step was done; a photo to which it could not be has left, or comes again."""
        try:
            step(waiting)
            return True
        except (Refused, PhotoChanged) as error:
            self.refuse(waiting, error)
        except (Unavailable, Untrusted) as error:
            self._again(waiting, error)
        except Exception as error:  # a fault of ours: it costs this photo its answer for now, and no other
            log.exception("a photo could not be laid out", extra=waiting.told())
            self._leave(Batch([Done(waiting, fault=error)]))
        return False

    def _again(self, waiting: Waiting, error: PallorError) -> None:
        final = isinstance(error, MessageUnreadable) or waiting.attempt == RETRIES
        if final or self._retiring:
            self._leave(Batch([Done(waiting, fault=error, back=not final)]))
            return
        told = waiting.told() | {"code": error.code(), "fault": error, "attempt": waiting.attempt}
        log.warning("cannot score now", extra=told)
        pause = self._retry_seconds * 2**waiting.attempt
        waiting.attempt += 1
        self._room(1)
        self._resting[waiting] = later = threading.Timer(pause, self._wake, [waiting])
        later.daemon = True
        later.start()

    def _wake(self, waiting: Waiting) -> None:
        later = self._resting.pop(waiting, None)
        if later is not None:  # else it was woken already
            later.cancel()
            self._room(-1)
            self.put(waiting)

    def _infer(self) -> None:
        while True:
            taken = self._ready.take()
            if self._apart:
                done = self._inferred(taken, time.perf_counter())
            else:  # one after the other, as what happens may be the fault of the one in hand; their answers go together
                done = [one for waiting in taken for one in self._laid_out_and_inferred(waiting)]
            if done:
                self._outgoing.hand_over(Batch(done))

    def _laid_out_and_inferred(self, waiting: Waiting) -> Sequence[Done]:
        began = time.perf_counter()
        return self._inferred([waiting], began) if self._done_to(waiting, self._lay_out) else ()

    def _inferred(self, taken: Sequence[Waiting], began: float) -> Sequence[Done]:
        try:
            done = self._answered(taken, self._ask(taken))
        except Exception:  # whichever photo it was: each by itself
            done = [self._alone(waiting) for waiting in taken]
        self._left(Batch(done, [began - waiting.since for waiting in taken], time.perf_counter() - began))
        return done

    def _leave(self, batch: Batch) -> None:
        self._left(batch)
        self._outgoing.put(batch)

    def _ask(self, taken: Sequence[Waiting]) -> Answers:
        return self._serving.engine.infer(
            np.stack([waiting.laid_out for waiting in taken if waiting.laid_out is not None])
        )

    def _answered(self, taken: Sequence[Waiting], answers: Answers) -> list[Done]:
        return [
            Done(waiting, answer(waiting.message.photo_id, answers, at, serving=self._serving, clock=self._clock,
                                 seconds=time.perf_counter() - waiting.since, shadow=self._shadow))
            for at, waiting in enumerate(taken)
        ]  # fmt: skip

    def _alone(self, waiting: Waiting) -> Done:
        """A photo of a batch that failed, asked by itself: only the one at fault goes without an answer."""
        if not self._sound:
            return Done(waiting, back=True)
        try:
            return self._answered([waiting], self._ask([waiting]))[0]
        except Exception as error:
            fault = error
        try:
            self.check()
        except PallorError as error:
            log.exception("the engine has forgotten the golden photos", extra=waiting.told())
            self._forgot(error)
            return Done(waiting, fault=error, back=True)
        log.error("the engine gives no answer for a photo", extra=waiting.told() | {"fault": fault})
        if isinstance(fault, AnswerImpossible):
            return self._refused(waiting, PhotoUnanswerable(str(fault)))
        return Done(waiting, fault=fault)

    def _refused(self, waiting: Waiting, error: PallorError) -> Done:
        release_id = self._serving.release.release_id
        said = RecordPrediction(waiting.message.photo_id, release_id, refusal=error.code(), shadow=self._shadow)
        return Done(waiting, said)
