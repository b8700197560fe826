"""The year, day by day: phones send in the evening, the engine answers, laboratories write, people decide.

What was done is written down after each day; a day that was cut off is lived once more, and changes nothing twice.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from backend.api.parts import Parts
from backend.db.engine import DatabaseUnavailable
from backend.services.sign_channels import Signing, online_keys, sign_newest
from backend.sweeper import hear, keep_house, move_rollouts, sweep
from benchmarks.district.box import Tokens, passphrase_of, publish
from benchmarks.district.knows_nothing import KNOWS_NOTHING
from benchmarks.district.laboratory import Letter, Letters, by_day
from benchmarks.district.node import Node, kept_in
from benchmarks.district.plan import YEAR, Plan, at
from benchmarks.district.server import LABEL_TABLE, clock_of
from benchmarks.district.training import made_in, ring
from benchmarks.district.world import MOST_PHOTOS, Visit, photo_of, site_name
from pallor.clock import utc_text
from pallor.errors import Unavailable
from pallor.messages import PredictCase
from pallor.onebox.client import Client, RequestRefused
from pallor.onebox.folder import DataFolder
from pallor.release.shelf import CURRENT
from pallor.store.port import StoreUnavailable

_SENT_TWICE = 33  # every so manieth case is sent once more, as after an answer that got lost
_A_WEEK = 7
_TRIES = 5
_AWAY = (DatabaseUnavailable.code(), StoreUnavailable.code())
_BATCHES = 2  # every second laboratory sends what it has in one piece


@dataclass
class Diary:
    """What the world has to remember: how far it is, how long that took, and what was answered to which letter.

    ``decided``: by day, what the timer was told and what people did.
    """

    path: Path
    day: int = -1
    seconds: float = 0.0
    answers: dict[str, list[str]] = field(default_factory=dict)
    decided: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Diary":
        return cls(path, **json.loads(path.read_bytes())) if path.exists() else cls(path)

    def write(self) -> None:
        kept = {"day": self.day, "seconds": self.seconds, "answers": self.answers, "decided": self.decided}
        staged = self.path.with_suffix(".part")
        staged.write_text(json.dumps(kept))
        staged.replace(self.path)

    def decide(self, day: int, what: str, **said: Any) -> None:
        self.decided = [one for one in self.decided if (one["day"], one["what"]) != (day, what)]
        self.decided.append({"day": day, "what": what, **said})


class District:
    """Everybody who acts in the year."""

    def __init__(
        self, plan: Plan, folder: DataFolder, url: str, parts: Parts, tokens: Tokens, init: Path | None,
        people: Sequence[Visit], letters: Letters,
    ) -> None:  # fmt: skip
        self.plan, self.folder, self.url, self.parts, self.init = plan, folder, url, parts, init
        self.people, self.letters, self.tokens = people, letters, tokens
        self.node = Node(folder, parts, url)
        self.diary = Diary.read(folder.root / "diary.json")
        self._sent = _by_day_sent(people)
        self._written = by_day(letters.all)
        self._number = {id(letter): str(number) for number, letter in enumerate(letters.all)}
        self._signing = Signing(
            parts.repository, online_keys(parts.repository, folder.keys / "server", passphrase_of(folder))
        )
        self._clock = clock_of(folder)
        self._doors = ExitStack()

    def live(self, seen: Callable[[int], None]) -> None:
        """To the end; ``seen`` is told each day that is over."""
        with self._doors as doors, ThreadPoolExecutor(4) as pool:
            self.admin = doors.enter_context(Client(self.url, self.tokens.admin))
            self.nurses, self.laboratories, self.technicians = (
                [doors.enter_context(Client(self.url, token)) for token in tokens]
                for tokens in (self.tokens.nurses, self.tokens.laboratories, self.tokens.technicians)
            )
            for day in (day for day in self.plan.days if day > self.diary.day):
                began = time.perf_counter()
                self._live_at_last(day, pool)
                self.diary.day = day
                self.diary.seconds += time.perf_counter() - began
                self.diary.write()
                seen(day)

    def _live_at_last(self, day: int, pool: ThreadPoolExecutor) -> None:
        """Once more, where the machine was too busy to answer in time."""
        for left in reversed(range(_TRIES)):
            try:
                self._live(day, pool)
                return
            except (Unavailable, RequestRefused) as error:
                if not (left and _is_away(error)):
                    raise

    def _live(self, day: int, pool: ThreadPoolExecutor) -> None:
        self._turn_to(day, 6)
        if day == 0:
            self._roll_out(KNOWS_NOTHING)
        if day in self.plan.decides:
            self._decide()
        if day in self.plan.rings:
            self._ring(day)
        if day % self.plan.every:
            return
        self._turn_to(day, 18)
        list(pool.map(lambda site: self._send(site, day), range(self.plan.sites)))
        self._turn_to(day, 21)
        list(pool.map(lambda site: self._write(site, day), range(self.plan.sites)))
        if day % _A_WEEK == 0:
            list(pool.map(self._look_at_worklist, range(self.plan.sites)))
            if day < YEAR:  # what people have signed is to be renewed after a year
                self._look_after_rollouts()
        self._sweep()

    def _turn_to(self, day: int, hour: float) -> None:
        self._clock.turn_to(at(day, hour))

    # phones

    def _send(self, site: int, day: int) -> None:
        for visit in self._sent[day, site]:
            for _ in range(2 if visit.number % _SENT_TWICE == 0 else 1):
                self._send_visit(self.nurses[site], visit)

    def _send_visit(self, phone: Client, visit: Visit) -> None:
        """A photo that is refused is taken again, twice at the most."""
        phone.put(f"/cases/{visit.case_id}", _case_of(visit))
        for attempt in range(MOST_PHOTOS):
            captured_at = visit.visited_at + timedelta(minutes=1 + attempt)
            photo = photo_of(visit, attempt)
            receipt = phone.put_photo(visit.case_id, visit.photo_ids[attempt], photo, "image/png", captured_at)
            if receipt["state"] != "refused":
                return

    # laboratories

    def _write(self, site: int, day: int) -> None:
        """Each letter in its turn: the order is part of what is sent."""
        letters = [letter for letter in self._written.get(day, ()) if self.people[letter.blood].site == site]
        if letters and site % _BATCHES:
            said = self.laboratories[site].post("/lab-reports/batch", {"items": [letter.body for letter in letters]})
            for letter, item in zip(letters, said["items"], strict=True):
                what = item["report"]["state"] if item["report"] else item["problem"]["code"]
                self.diary.answers.setdefault(self._number[id(letter)], [str(item["status"]), what])
            return
        for letter in letters:
            self.diary.answers.setdefault(self._number[id(letter)], self._report(site, letter))

    def _report(self, site: int, letter: Letter) -> list[str]:
        try:
            said = self.laboratories[site].post("/lab-reports", letter.body)
        except RequestRefused as error:
            if _is_away(error):
                raise
            return ["422", error.problem]
        return ["200" if said["repeated"] else "201", said["state"]]

    def _look_at_worklist(self, site: int) -> None:
        """With form and tube in hand a technician sees that tubes were swapped, dismisses it, and labels anew."""
        technician = self.technicians[site]
        for line in technician.get("/lab-reports", state="worklist", limit="200")["items"]:
            tube = next((one for one in self.people if one.barcode == line["specimen_barcode"]), None)
            swapped_with = None if tube is None else self.letters.swaps.get(tube.number)
            technician.put(f"/lab-reports/{line['report_id']}/decision", {"dismiss": "the tube is another child's"})
            if swapped_with is not None:
                again = self.letters.relabelled[swapped_with]
                self.diary.answers.setdefault(f"relabelled-{swapped_with}", self._report(site, again))
            else:
                self.diary.decide(self.diary.day + 1, f"dismissed {line['report_id']}", said=line["reason"])

    # the server's own processes, and the worker's

    def _sweep(self) -> None:
        """Until nothing waits: what is sent again is answered at once."""
        parts = self.parts
        waiting: list[PredictCase] = []
        sweep(parts.database, parts.store, parts.clock, kept_in(waiting), 0.0, label_table=LABEL_TABLE)
        if waiting:
            self.node.answer_all(waiting)
            self._sweep()

    def _look_after_rollouts(self) -> None:
        parts = self.parts
        keep_house(parts.database, parts.clock, LABEL_TABLE)
        hear(parts.database, parts.clock, parts.repository, parts.cleared)
        move_rollouts(parts.database, parts.clock, self._signing)
        sign_newest(self._signing)
        self.node.follow()

    # training, and the people who decide

    def _ring(self, day: int) -> None:
        champion = made_in(self.folder, self.node.shelf.current_id())
        ended = ring(self.plan, self.folder, self.url, self.tokens.trainer, self.parts.clock, self.init, champion)
        made = ended.outcome
        self.diary.decide(
            day, "timer", said=ended.said, release=made and made.manifest.release_id,
            refusals=[refusal.reason for refusal in made.refusals] if made else [], signed_by=ended.signed_by,
        )  # fmt: skip
        self._look_after_rollouts()

    def _decide(self) -> None:
        """An administrator takes on what has passed its gate and has answered beside the release in use."""
        challenger = self.admin.get("/rollouts/main")["word"]["challenger_id"]
        if challenger is not None:
            publish(self.folder, self.parts, challenger)
            self._roll_out(challenger)

    def _roll_out(self, release_id: str) -> None:
        if self.node.shelf.named(CURRENT) != release_id:
            self.admin.post("/rollouts/main/start", {"release_id": release_id, "percent": 100})
            self._look_after_rollouts()


def _is_away(error: Exception) -> bool:
    """Whether it is to be tried again, by what is raised here or what the server says."""
    return isinstance(error, Unavailable) or getattr(error, "problem", "") in _AWAY


def _by_day_sent(people: Sequence[Visit]) -> Mapping[tuple[int, int], Sequence[Visit]]:
    found = defaultdict[tuple[int, int], list[Visit]](list)
    for visit in people:
        found[visit.sends_on, visit.site].append(visit)
    return found


def _case_of(visit: Visit) -> dict[str, Any]:
    consent = {"given_at": utc_text(visit.visited_at), "wording": "care-en-1"}
    return {
        "site": site_name(visit.site),
        "subject_code": f"C-{visit.number}",
        "visited_at": utc_text(visit.visited_at),
        "subject": {"age_months": visit.age_months, "sex": visit.sex, "altitude_m": 0},
        "consent": {"care": consent, "training": {**consent, "wording": "training-en-1"} if visit.teaches else None},
        "specimen_barcode": visit.barcode if visit.bleeds else None,
    }
