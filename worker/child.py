"""One process that serves one release, and ends with it.

It is started by ``worker.parent`` and speaks to it in lines. A fresh process for each release, and for each try with
another engine: what a failed load leaks goes with the process.
"""

import logging
import os
import signal
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from celery import signals

from pallor.broker import celery_app, serve_solo
from pallor.clock import Clock
from pallor.errors import PallorError
from pallor.messages import PredictCase
from pallor.release.serving import begin_note
from pallor.release.shelf import CHALLENGER, Shelf
from pallor.store.port import ObjectStore
from worker.batch import Batch
from worker.engines.batches import BATCH
from worker.engines.machine import CPU
from worker.engines.plan import GpuEngineFailed, load_engine
from worker.intake import Intake
from worker.line import (
    Admitted,
    Began,
    Check,
    ChildLine,
    Ended,
    Forgot,
    Golden,
    NotAdmitted,
    Retire,
    Serve,
    Suspect,
    TriesGpu,
)
from worker.pipeline import Pipeline
from worker.send import Sender
from worker.serving import Serving, admit
from worker.settings import Settings

log = logging.getLogger(__name__)

NOT_ADMITTED = 3  # exit code
# What Celery takes at once. A GPU is fed two batches of the largest size. What a process on a CPU holds no other can
# begin: so it holds one beside the one that it is at, and a few more where fetching one takes longer than answering it.
_IN_HAND, _IN_HAND_FROM_AFAR, _IN_HAND_ON_GPU = 2, 8, 64
_TOGETHER = 4  # answers that are sent at once under a backlog; more save little
# Threads hand photos on to each other; Python lets one that waits for another's turn wait 5 ms unless told less.
_TURN_SECONDS = 0.0005


@dataclass(frozen=True)
class Part:
    """Which release this process serves.

    ``slot``: ``current`` or ``challenger``. ``without_gpu``: why the GPU is left alone, though it may be fit.
    """

    release_id: str
    slot: str
    without_gpu: str | None = None


def serve_release(part: Part, settings: Settings, *, store: ObjectStore, clock: Clock, line: ChildLine) -> int:
    """Admit the release, wait for leave, answer photos until told to retire; the exit code.

    Raises:
        NotesNotKept
    """
    gpu = False
    try:
        release = Shelf(settings.shelf).open(part.release_id)
        engine = load_engine(
            release, threads=settings.engine_threads, plans=settings.plans, without_gpu=part.without_gpu,
            engine=settings.engine, progress=_tell_of_build, on_gpu=lambda: line.say(TriesGpu()),
        )  # fmt: skip
        gpu = engine.describe().flavour != CPU
        serving = admit(release, lambda _: engine)
    except PallorError as error:
        return not_admitted(line, error, gpu=gpu or isinstance(error, GpuEngineFailed))
    line.say(Admitted(engine.describe(), serving.max_difference, gpu))
    heard = line.heard()
    leave = next((word for word in heard if not isinstance(word, Check)), Retire())
    if not isinstance(leave, Serve):
        return 0
    sys.setswitchinterval(_TURN_SECONDS)
    return _Child(part, settings, serving, store, clock, line, gpu).serve(leave, heard)


def in_hand(store_url: str, *, gpu: bool) -> int:
    """How many photos one process takes off the queue before it has answered any."""
    if gpu:
        return _IN_HAND_ON_GPU
    return _IN_HAND if store_url.startswith("file:") else _IN_HAND_FROM_AFAR


def not_admitted(line: ChildLine, error: PallorError, *, gpu: bool = False) -> int:
    """Say why this process serves nothing; the exit code."""
    line.say(NotAdmitted(error.code(), str(error), gpu=gpu))
    return NOT_ADMITTED


def _end_process(failed: threading.ExceptHookArgs) -> None:
    """A thread failed in a way that nobody foresaw. The others would wait for it; another process takes the photos."""
    name = failed.thread.name if failed.thread else "?"
    log.critical("the thread %s has failed, and its process ends", name, extra={"fault": failed.exc_value})
    os._exit(1)


def _tell_of_build(phase: str, done: int, total: int) -> None:
    log.info("building a plan for this GPU", extra={"phase": phase, "done": done, "total": total})


class _Child:
    """The parts of a process that serves, joined."""

    def __init__(
        self, part: Part, settings: Settings, serving: Serving, store: ObjectStore, clock: Clock, line: ChildLine,
        gpu: bool,
    ) -> None:  # fmt: skip
        self._line = line
        self._note = begin_note(settings.shelf, part.release_id)
        self._shadow = part.slot == CHALLENGER
        self._app = celery_app("pallor-worker", settings.broker_url, settings.visibility_seconds)
        self._app.conf.worker_prefetch_multiplier = in_hand(settings.store_url, gpu=gpu)
        self._pipeline = Pipeline(
            serving, store=store, clock=clock, send=Sender(self._app), began=self._began,
            left=self._left, ended=lambda batch: self._intake.ended(batch), forgot=self._forgot,
            room=lambda more: self._intake.room(more),
            shadow=self._shadow, apart=gpu, most=BATCH[-1] if gpu else _TOGETHER, fetchers=settings.decoder_threads,
            retry_seconds=settings.retry_seconds,
        )  # fmt: skip
        self._queue = PredictCase.SHADOW_QUEUE if self._shadow else PredictCase.QUEUE
        self._intake = Intake(self._app, self._queue, self._pipeline)

    def serve(self, leave: Serve, heard: Any) -> int:
        self._intake.suspect(leave.suspects)
        threading.excepthook = _end_process
        threading.Thread(target=self._obey, args=(heard,), name="orders", daemon=True).start()
        signals.worker_ready.connect(self._take_signals, weak=False)
        code = serve_solo(self._app, self._queue, f"{os.getpid()}")
        self._note.end()
        return code

    def _take_signals(self, **_: Any) -> None:
        """Celery has set its own by now, which would leave what is in hand."""
        signal.signal(signal.SIGTERM, lambda *_: self._intake.retire())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which tells us

    def _obey(self, heard: Any) -> None:
        seconds = Retire().seconds
        for word in heard:
            if isinstance(word, Suspect):
                self._intake.suspect(word.suspects)
            elif isinstance(word, Check):
                self._check()
            else:
                seconds = word.seconds if isinstance(word, Retire) else seconds
                break
        self._intake.retire()
        threading.Event().wait(seconds)
        self._note.end()
        os._exit(1)  # the broker or the store is away: what is in hand comes to another process

    def _check(self) -> None:
        try:
            self._line.say(Golden(self._pipeline.check()))
        except PallorError as error:
            self._forgot(error)

    def _forgot(self, error: PallorError) -> None:
        self._line.say(Forgot(error.code(), str(error)))
        self._intake.retire()

    def _began(self, message: PredictCase) -> None:
        self._line.say(Began(message.photo_id, message.case_id))

    def _left(self, batch: Batch) -> None:
        said = [done.said for done in batch.done if done.said is not None]
        refusals = Counter(one.refusal for one in said if one.refusal is not None)
        answered = len(said) - refusals.total()
        self._note.count(answered)
        self._line.say(
            Ended(
                [done.waiting.message.photo_id for done in batch.done], answered, dict(refusals),
                batch.queue_seconds, batch.compute_seconds,
            )
        )  # fmt: skip
