"""The district's one node: the real agent follows what is signed, and the real engine answers what waits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from backend.api.parts import Parts
from backend.queue import Send
from backend.services.ask_challenger import ask_challenger
from backend.services.record_prediction import record_predictions
from backend.services.report_worker import report_worker
from benchmarks.district.server import LABEL_TABLE, WORLD
from pallor.digest import sha256_of
from pallor.errors import PallorError, Unavailable
from pallor.messages import PredictCase, RecordPrediction, ReportWorker
from pallor.onebox.folder import DataFolder
from pallor.release.shelf import CHALLENGER, CURRENT, Release, Shelf
from sync.agent import Agent, Machine
from sync.fetch import Line
from sync.identity import Identity, own_key
from sync.journal import read_journal
from sync.probe import Probed, ProbeFailed
from worker.engines.plan import load_engine
from worker.predict import answer, fetch, lay_out
from worker.serving import Serving, admit

_AT_ONCE = 32
_load = partial(load_engine, engine="cpu")


class NodeStuck(Unavailable):
    """The agent could not follow what is signed."""


@dataclass
class Node:
    """``servings``: by release, once it has answered its golden photos."""

    folder: DataFolder
    parts: Parts
    url: str
    servings: dict[str, Serving] = field(default_factory=dict)

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.folder.shelf)

    def follow(self) -> None:
        """One round of the agent; raises ``NodeStuck``."""
        line, journal = Line(f"{self.url}/tuf"), self.folder.root / "node"
        root = (self.folder.keys / "1.root.json").read_bytes()
        identity = Identity(self.url, "node-1", (), WORLD, sha256_of(root), "", "")
        machine = Machine(
            identity=identity, key=own_key(journal), state=journal, shelf=self.shelf, root=root, channel="main",
            clock=self.parts.clock, probe=self._probe,
        )  # fmt: skip
        try:
            before = read_journal(journal).errors
            after = Agent(machine, line, None).once().errors
        finally:
            line.close()
        if after != before and after:
            raise NodeStuck(after[-1])

    def answer_all(self, waiting: Sequence[PredictCase]) -> None:
        """Answer photos with what serves, then beside it with the challenger, each as its messages come."""
        shadowed: list[PredictCase] = []
        self._tell()
        for said in self._answers(waiting, CURRENT):
            changed = record_predictions(self.parts.database, self.parts.clock, said, LABEL_TABLE)
            answered = [one.photo_id for one in changed]
            ask_challenger(self.parts.database, self.parts.clock, kept_in(shadowed), 60.0, answered)
        for said in self._answers(shadowed, CHALLENGER):
            record_predictions(self.parts.database, self.parts.clock, said, LABEL_TABLE)

    def _answers(self, waiting: Sequence[PredictCase], slot: str) -> list[list[RecordPrediction]]:
        serving = self._serving(slot)
        if serving is None:
            return []
        batches = [waiting[at : at + _AT_ONCE] for at in range(0, len(waiting), _AT_ONCE)]
        return [self._batch(serving, batch, shadow=slot == CHALLENGER) for batch in batches]

    def _batch(self, serving: Serving, batch: Sequence[PredictCase], *, shadow: bool) -> list[RecordPrediction]:
        photos = np.stack([lay_out(fetch(message, self.parts.store), serving.spec) for message in batch])
        answers = serving.engine.infer(photos)
        made = partial(answer, serving=serving, clock=self.parts.clock, seconds=0.0, shadow=shadow)
        return [made(message.photo_id, answers, at) for at, message in enumerate(batch)]

    def _tell(self) -> None:
        """What a worker reports of its slots, so that the server knows whether a challenger is to be asked."""
        for slot in (CURRENT, CHALLENGER):
            serving = self._serving(slot)
            said = ReportWorker(
                worker=f"node-1/{slot}", slot=slot, release_id=serving.release.release_id if serving else "none",
                engine_flavour="onnxruntime-cpu", precision=None, fallback=None, processes=1 if serving else 0,
                max_difference=serving.max_difference if serving else None, fault=None if serving else "nothing there",
                reported_at=self.parts.clock.now(),
            )  # fmt: skip
            report_worker(self.parts.database, self.parts.clock, said)

    def _serving(self, slot: str) -> Serving | None:
        named = self.shelf.named(slot)
        if named is None:
            return None
        if named not in self.servings:
            self.servings[named] = admit(Release.open(self.shelf.folder_of(named)), _load)
        return self.servings[named]

    def _probe(self, folder: Path) -> Probed:
        """As ``pallor-worker describe`` does in a process of its own."""
        try:
            serving = admit(Release.open(folder), _load)
        except PallorError as error:
            raise ProbeFailed(str(error)) from error
        facts = {**asdict(serving.engine.describe()), "max_difference": serving.max_difference}
        return Probed(("cpu",), facts | {"golden": list(serving.golden.probabilities)})


def kept_in(messages: list[PredictCase]) -> Send:
    """What takes messages in the broker's place."""

    def send(*sent: PredictCase) -> bool:
        messages.extend(sent)
        return True

    return send
