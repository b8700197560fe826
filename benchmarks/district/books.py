"""What the product says after the year, held against what the world knows: nothing is taken from anywhere else."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import func, select

from backend.db.engine import Database
from backend.db.tables import cases, lab_results, lab_retractions, photos, predictions
from benchmarks.district.laboratory import Letter, Letters, can_be_told_apart, last_words
from benchmarks.district.world import MOST_PHOTOS, Visit
from pallor.onebox.client import Client

_ROUNDING = Decimal("0.1")  # of what a value is in g/L


@dataclass(frozen=True)
class Books:
    """``answers``: to each letter, by its number, status and what became of it."""

    admin: Client
    database: Database
    people: Sequence[Visit]
    letters: Letters
    answers: Mapping[str, Sequence[str]]

    def figures(self) -> dict[str, Any]:
        return {
            "cases": len(self.people),
            "letters": len(self.letters.all),
            "lost": len(self.lost()),
            "doubled": len(self.doubled()),
            "wrong_units_sent": sum(letter.kind == "wrong-unit" for letter in self.letters.all),
            "wrong_units_accepted": self.wrong_units_accepted(),
            "labels": len(self._labels),
            "labels_eligible": sum(label["eligible"] for label in self._labels.values()),
            "labels_withheld": dict(Counter(why for one in self._labels.values() for why in one["withheld"])),
            "labels_not_last_value": len(self.labels_not_last_value()),
            **self._swapped(),
        }

    def lost(self) -> list[str]:
        """Cases that are not here, that nobody answered, or whose laboratory's word is not."""
        found = []
        for visit in self.people:
            states = self._photo_states[visit.case_id]
            answered = states["scored"] == 1 or (states["refused"] == MOST_PHOTOS and not states["waiting"])
            if visit.case_id not in self._case_ids or not answered or self._word_is_lost(visit):
                found.append(visit.case_id)
        return found

    def doubled(self) -> list[str]:
        """Photos with two answers that are shown, and cases with two labels or two results that stand."""
        twice = [photo_id for photo_id, count in self._shown.items() if count != 1]
        return twice + [
            case_id
            for case_id in self._case_ids
            if self._newest_labels[case_id] > 1 or len(self._standing[case_id]) > 1
        ]

    def wrong_units_accepted(self) -> int:
        """Letters that were wrong and let in, and values on record that no right letter named."""
        let_in = sum(
            letter.kind == "wrong-unit" and self.answers[str(number)][0] in ("200", "201", "202")
            for number, letter in enumerate(self.letters.all)
        )
        named = defaultdict[str, set[tuple[str, str]]](set)
        for letter in (*self.letters.all, *self.letters.relabelled.values()):
            if letter.kind != "wrong-unit":
                named[self.people[letter.tube].case_id].add(letter.hb)
        strange = sum((row.value, row.unit) not in named[row.case_id] for row in self._results)
        return let_in + strange

    def labels_not_last_value(self) -> list[str]:
        """Cases whose newest label does not follow from the last valid word about their tube, by unit and by g/L."""
        found = []
        for visit in self.people:
            word, label = self._last_words.get(visit.number), self._labels.get(visit.case_id)
            if (word is None) != (label is None) or (word and label and not _says(label, word)):
                found.append(visit.case_id)
        return found

    def _swapped(self) -> dict[str, int]:
        """Of the tubes that carried another child's number."""
        lines = {
            letter.blood: number for number, letter in reversed([*enumerate(self.letters.all)]) if letter.is_swapped
        }
        swaps = self.letters.swaps
        catchable = [blood for blood in lines if can_be_told_apart(self.people[blood], self.people[swaps[blood]])]
        caught = [blood for blood, number in lines.items() if self.answers[str(number)][1] == "worklist"]
        labelled = [blood for blood, number in lines.items() if self._teaches_of_another(self.letters.all[number])]
        return {
            "swapped": len(lines),
            "swapped_catchable": len(catchable),
            "swapped_caught": len(caught),
            "swapped_labelled": len(labelled),
        }

    def _teaches_of_another(self, letter: Letter) -> bool:
        """Whether the value in a swapped tube is what the case teaches whose number it carries."""
        tube = self.people[letter.tube]
        label = self._labels.get(tube.case_id)
        own = next((one for one in self.letters.all if one.blood == letter.tube), None)
        harmless = own is not None and own.hb == letter.hb
        return label is not None and label["eligible"] and _says(label, letter) and not harmless

    def _word_is_lost(self, visit: Visit) -> bool:
        return visit.number in self._last_words and visit.case_id not in self._labels

    @cached_property
    def _last_words(self) -> Mapping[int, Letter]:
        return last_words(self.people, self.letters)

    @cached_property
    def _all_labels(self) -> list[dict[str, Any]]:
        return list(self.admin.pages("/labels"))

    @cached_property
    def _labels(self) -> Mapping[str, dict[str, Any]]:
        """By case, the newest, where its result stands."""
        newest = {label["case_id"]: label for label in self._all_labels}  # oldest first
        return {case_id: label for case_id, label in newest.items() if not label["retracted"]}

    @cached_property
    def _newest_labels(self) -> Counter[str]:
        superseded = {label["supersedes"] for label in self._all_labels}
        return Counter(label["case_id"] for label in self._all_labels if label["label_id"] not in superseded)

    @cached_property
    def _shown(self) -> Counter[str]:
        return Counter(one["photo_id"] for one in self.admin.pages("/predictions") if one["shown"])

    @cached_property
    def _case_ids(self) -> frozenset[str]:
        with self.database.read() as connection:
            return frozenset(connection.execute(select(cases.c.id)).scalars())

    @cached_property
    def _photo_states(self) -> Mapping[str, Counter[str]]:
        """By case; ``scored`` where an answer is shown indeed."""
        found = defaultdict[str, Counter[str]](Counter)
        shown = select(predictions.c.photo_id).where(predictions.c.shown)
        query = select(photos.c.case_id, photos.c.state, photos.c.id.in_(shown), func.count()).group_by(
            photos.c.case_id, photos.c.state, photos.c.id.in_(shown)
        )
        with self.database.read() as connection:
            for case_id, state, answered, count in connection.execute(query):
                found[case_id][state if state != "scored" or answered else "waiting"] += count
        return found

    @cached_property
    def _results(self) -> Sequence[Any]:
        with self.database.read() as connection:
            return connection.execute(select(lab_results)).all()

    @cached_property
    def _standing(self) -> Mapping[str, list[str]]:
        with self.database.read() as connection:
            retracted = set(connection.execute(select(lab_retractions.c.result_id)).scalars())
        gone = retracted | {row.supersedes for row in self._results}
        found = defaultdict[str, list[str]](list)
        for row in self._results:
            if row.id not in gone:
                found[row.case_id].append(row.id)
        return found


def _says(label: Mapping[str, Any], letter: Letter) -> bool:
    same = (label["hb_value"], label["hb_unit"]) == letter.hb
    return same and abs(Decimal(label["hb_g_per_l"]) - letter.g_per_l) <= _ROUNDING
