"""What counts for a release, read from the record: who, why not the others, and who never came for blood.

A case counts when the release was known here before the photo was taken, and neither the person nor the photograph is
in anything the release learned from.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, select, union_all

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import (
    cases,
    lab_results,
    labels,
    photos,
    predictions,
    same_photo_members,
    same_photo_warnings,
    sites,
    snapshot_cases,
)
from backend.record.counted import BY, HB_BANDS, Counted, age_band, hb_band, week_of
from backend.record.plot import Mark, draw_over_time
from backend.services.derive_label import is_newest
from backend.services.drift_alarms import drift_of
from backend.services.known_release import known_release
from backend.services.why_blood import why_blood_of
from pallor.clock import Clock
from pallor.eligibility import UNUSABLE, is_near
from pallor.lab import Performer, Specimen, counts_for_clearance
from pallor.label import Severity
from pallor.release.manifest import Manifest
from pallor.verification import WhyBlood, weight_of

NEVER_CAME_AFTER = timedelta(days=14)
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Prospect:
    """What is known of a release by now.

    Attributes:
        known_since: when this server first heard of the release; nothing earlier counts.
        threshold, refer_low, refer_high: of its manifest.
        left_out: how many scored cases do not count, by reason; ``waiting`` has no value yet.
        sent, never_came: by site, who was to have blood taken, and who of them had none after 14 days.
    """

    release_id: str
    known_since: datetime
    threshold: float
    refer_low: float
    refer_high: float
    counted: Counted
    left_out: Mapping[str, int]
    sent: Mapping[str, int]
    never_came: Mapping[str, int]
    drift: Sequence[Row[Any]]  # every alarm that something has moved, the oldest first
    refusals: Mapping[str, tuple[int, int]]  # by Hb band: photos since then, and how many of them could not be used


def read_prospect(database: Database, clock: Clock, release_id: str) -> Prospect:
    """Everything that counts for a release.

    Raises:
        NotFound: nothing is on record of such a release.
    """
    with database.read() as connection:
        manifest, known_since = known_release(connection, release_id)
        told = _Told(clock.now(), manifest, known_since, why_blood_of(connection), _Learned.of(connection, manifest))
        rows = [told.counted(row) for row in _first_answers(connection, release_id) if told.hear(row)]
        refusals = _refusals(connection, known_since)
        drift = drift_of(connection, release_id)
    return Prospect(
        release_id=release_id,
        known_since=known_since,
        threshold=manifest.threshold,
        refer_low=manifest.refer_low,
        refer_high=manifest.refer_high,
        counted=_columns(rows),
        drift=drift,
        refusals=refusals,
        left_out=dict(told.left_out),
        sent=dict(told.sent),
        never_came=dict(told.never_came),
    )


def draw_prospect(found: Prospect) -> str:
    """The record over time, with what has moved, as SVG."""
    marks = [Mark(week_of(row.since), f"{row.what} {row.place} {row.said}") for row in found.drift]
    return draw_over_time(f"{found.release_id}, by the week of the photo", found.counted, marks)


@dataclass(frozen=True)
class _Learned:
    """The cases, people and photographs that a release's snapshots hold."""

    case_ids: frozenset[str]
    people: frozenset[tuple[str, str]]
    photo_ids: frozenset[str]

    @classmethod
    def of(cls, tx: Connection, manifest: Manifest) -> "_Learned":
        held = select(snapshot_cases.c.case_id).where(snapshot_cases.c.snapshot_digest == manifest.snapshot_digest)
        case_ids = frozenset(tx.execute(held).scalars())
        who = select(cases.c.site, cases.c.subject_code).where(cases.c.id.in_(held))
        people = frozenset((row.site, row.subject_code) for row in tx.execute(who))
        inside = select(photos.c.id).where(photos.c.case_id.in_(held))
        mine, other = same_photo_members.alias(), same_photo_members.alias()
        grouped = (
            select(other.c.photo_id)
            .join(mine, (mine.c.snapshot_digest == other.c.snapshot_digest) & (mine.c.number == other.c.number))
            .where(mine.c.photo_id.in_(inside))
        )
        alike = select(same_photo_warnings.c.other_photo_id).where(same_photo_warnings.c.photo_id.in_(inside))
        return cls(case_ids, people, frozenset(tx.execute(union_all(grouped, alike)).scalars()))

    def holds(self, row: Row[Any]) -> bool:
        return (
            row.case_id in self.case_ids
            or (row.site, row.subject_code) in self.people
            or row.photo_id in self.photo_ids
        )


class _Told:
    """Goes through a release's answers once, and keeps count of what becomes of each."""

    def __init__(
        self, now: datetime, manifest: Manifest, since: datetime, why: Mapping[str, WhyBlood], learned: _Learned
    ) -> None:
        self._now, self._manifest, self._since, self._why_of, self._learned = now, manifest, since, why, learned
        self.left_out, self.sent, self.never_came = Counter[str](), Counter[str](), Counter[str]()

    def hear(self, row: Row[Any]) -> bool:
        """Whether the case counts; who should have come for blood is counted also where it does not."""
        reason = self._outside(row)
        if reason is None and self._why(row) is not WhyBlood.CLINICAL:
            self.sent[row.site] += 1
            if row.record is None and self._now - row.captured_at > NEVER_CAME_AFTER:
                self.never_came[row.site] += 1
        reason = reason or self._unknown(row)
        if reason:
            self.left_out[reason] += 1
        return reason is None

    def counted(self, row: Row[Any]) -> tuple[Any, ...]:
        record, subject = row.record, row.record["subject"]
        hb, use = float(record["adjusted_g_per_l"]), self._manifest.intended_use
        in_scope = use.min_age_months <= subject["age_months"] <= use.max_age_months
        in_scope = in_scope and (use.pregnant or subject["pregnancy"] == "no")
        why = self._why(row)
        return (
            row.case_id, row.captured_at, why.value, row.probability, self._referred(row.probability), hb,
            record["anaemic"], record["severity"] == Severity.SEVERE, weight_of(why),
            in_scope and counts_for_clearance(Specimen(row.specimen), Performer(row.performer)),
            row.site, age_band(subject["age_months"]), subject["sex"], _phone(row), row.phone_model or "",
            week_of(row.captured_at), hb_band(hb),
        )  # fmt: skip

    def _outside(self, row: Row[Any]) -> str | None:
        """Why the case says nothing of the release, whatever the laboratory finds."""
        if row.practice:
            return "practice-site"
        if row.captured_at <= self._since:
            return "photo-before-release"
        return "learned-from" if self._learned.holds(row) else None

    def _unknown(self, row: Row[Any]) -> str | None:
        """Why there is no truth to hold the answer against."""
        if row.record is None:
            return "waiting"
        found = sorted(UNUSABLE.intersection(row.record["withheld"]))
        if found or row.record["anaemic"] is None:
            return found[0] if found else "no-criterion"
        return None if is_near(row.captured_at, row.taken_at) else "specimen-too-far-from-photo"

    def _why(self, row: Row[Any]) -> WhyBlood:
        return self._why_of.get(row.case_id, WhyBlood.INVESTIGATIONAL)

    def _referred(self, probability: float) -> bool:
        manifest = self._manifest
        return probability >= manifest.threshold or manifest.refer_low <= probability <= manifest.refer_high


def _first_answers(tx: Connection, release_id: str) -> Iterator[Row[Any]]:
    """For each case the release's answer to its earliest photo, with the newest label and the value it follows from."""
    order = func.row_number().over(partition_by=photos.c.case_id, order_by=(photos.c.captured_at, photos.c.id))
    answers = (
        select(
            photos.c.case_id, photos.c.id.label("photo_id"), photos.c.captured_at, photos.c.declared_by,
            photos.c.capture["phone_model"].as_string().label("phone_model"), predictions.c.probability,
            order.label("nth"),
        )
        .join(photos, photos.c.id == predictions.c.photo_id)
        .where(predictions.c.release_id == release_id)
        .subquery()
    )  # fmt: skip
    newest = select(labels.c.case_id, labels.c.record).where(is_newest()).subquery()
    query = (
        select(
            answers, cases.c.site, cases.c.subject_code, sites.c.practice, newest.c.record,
            lab_results.c.specimen, lab_results.c.performer, lab_results.c.taken_at,
        )
        .join(cases, cases.c.id == answers.c.case_id)
        .join(sites, sites.c.code == cases.c.site)
        .outerjoin(newest, newest.c.case_id == cases.c.id)
        .outerjoin(lab_results, lab_results.c.id == newest.c.record["lab_result_id"].as_string())
        .where(answers.c.nth == 1)
        .order_by(answers.c.captured_at, answers.c.case_id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )  # fmt: skip
    yield from tx.execute(query)


def _refusals(tx: Connection, since: datetime) -> dict[str, tuple[int, int]]:
    """A photo that cannot be used is no harm done equally: the palest lids may be the hardest to take."""
    query = (
        select(photos.c.state, labels.c.record["adjusted_g_per_l"].as_string().label("hb"), func.count().label("n"))
        .join(labels, labels.c.case_id == photos.c.case_id)
        .join(cases, cases.c.id == photos.c.case_id)
        .join(sites, sites.c.code == cases.c.site)
        .where(is_newest(), photos.c.state.in_(("scored", "refused")), photos.c.captured_at > since, ~sites.c.practice)
        .group_by(photos.c.state, "hb")
    )
    found = {name: (0, 0) for name, _ in HB_BANDS}
    for state, hb, n in tx.execute(query):
        band = hb_band(float(hb))
        taken, refused = found[band]
        found[band] = taken + n, refused + n * (state == "refused")
    return found


def _columns(rows: list[tuple[Any, ...]]) -> Counted:
    columns = list(zip(*rows, strict=True)) or [()] * 17
    case_id, captured_at, why, probability, referred, hb, anaemic, severe, weight, clears, *words = columns
    return Counted(
        np.array(case_id, object), np.array(captured_at, object), np.array(why, object),
        np.array(probability, float), np.array(referred, bool), np.array(hb, float), np.array(anaemic, bool),
        np.array(severe, bool), np.array(weight, float), np.array(clears, bool),
        {name: np.array(word, object) for name, word in zip(BY, words, strict=True)},
    )  # fmt: skip


def _phone(row: Row[Any]) -> str:
    _, device, _ = parts_of(row.declared_by)
    return device
