"""Reading what is on record, page by page; nothing here changes anything."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.engine import Database
from backend.db.paging import past_falling, past_rising
from backend.db.tables import (
    amendments,
    cases,
    changes,
    follow_ups,
    lab_results,
    lab_retractions,
    labels,
    photos,
    predictions,
    releases,
    sites,
)
from backend.services.alerts import alerts_of
from backend.services.derive_label import is_newest
from backend.services.record_follow_up import is_newest_follow_up
from backend.services.records import case_of, case_row, not_found, standing_results
from backend.services.same_photo import same_photo_cases
from backend.services.signed_clearances import Cleared
from backend.services.specimens_to_collect import specimens_to_collect
from backend.services.standing_consents import Standing, standing_consents
from backend.services.taken_back import reasons_against
from backend.services.why_blood import why_blood_of
from pallor.advice import Advice, advise
from pallor.case import MAX_REFUSED_PHOTOS, Case, Status, status_of
from pallor.consent import Purpose
from pallor.lab import Hb, read_hb
from pallor.label import label_of
from pallor.photo import PhotoRole
from pallor.prediction import Prediction
from pallor.release.manifest import Manifest
from pallor.release.policy import Clearance
from pallor.reported import Rejection
from pallor.verification import WhyBlood


@dataclass(frozen=True)
class CaseView:
    """A case with all that follows from what is on record about it."""

    row: Row[Any]
    case: Case
    status: Status
    answer: Prediction | None
    advice: Advice
    photos: list[tuple[Row[Any], list[tuple[str, str]]]]
    label: Row[Any] | None
    results: list[Row[Any]]
    alert: Row[Any] | None
    follow_up: Row[Any] | None
    amended: bool
    consents: dict[Purpose, Standing]
    practice: bool
    recollect: tuple[Rejection, datetime] | None
    why_blood: WhyBlood


def show_case(database: Database, case_id: str, cleared: Cleared) -> CaseView:
    """One case; raises ``NotFound``."""
    with database.read() as connection:
        return _views(connection, [case_row(connection, case_id)], cleared)[0]


def show_receipt(database: Database, case_id: str) -> Row[Any]:
    """A case's row alone, for whoever only asks whether it arrived; raises ``NotFound``."""
    with database.read() as connection:
        return case_row(connection, case_id)


def list_cases(
    database: Database, limit: int, after: tuple[datetime, str] | None, cleared: Cleared, *,
    within: frozenset[str] | None,
) -> list[CaseView]:  # fmt: skip
    """Cases of some sites (None: of all), newest first, from the one after ``after`` (its arrival and id) on."""
    query = select(cases).order_by(cases.c.received_at.desc(), cases.c.id.desc()).limit(limit)
    if within is not None:
        query = query.where(cases.c.site.in_(within))
    if after is not None:
        query = query.where(past_falling((cases.c.received_at, cases.c.id), after))
    with database.read() as connection:
        return _views(connection, list(connection.execute(query)), cleared)


def list_labels(database: Database, limit: int, after: tuple[datetime, str] | None) -> list[Row[Any]]:
    """Labels, oldest first; a label that supersedes another comes later than it."""
    query = select(labels).order_by(labels.c.derived_at, labels.c.id).limit(limit)
    if after is not None:
        query = query.where(past_rising((labels.c.derived_at, labels.c.id), after))
    with database.read() as connection:
        return list(connection.execute(query))


def list_predictions(database: Database, limit: int, after: tuple[str, str] | None) -> list[Row[Any]]:
    """Answers of every release, by photo id and release id."""
    key = (predictions.c.photo_id, predictions.c.release_id)
    query = (
        select(predictions, photos.c.case_id, sites.c.practice)
        .join(photos, photos.c.id == predictions.c.photo_id)
        .join(cases, cases.c.id == photos.c.case_id)
        .join(sites, sites.c.code == cases.c.site)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(past_rising(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def list_changes(database: Database, limit: int, after: int, *, within: frozenset[str] | None) -> list[Row[Any]]:
    """The feed of some sites (None: of all) from a number on, in the order in which things happened."""
    query = select(changes).where(changes.c.seq > after).order_by(changes.c.seq).limit(limit)
    if within is not None:
        query = query.where(changes.c.site.in_(within))
    with database.read() as connection:
        return list(connection.execute(query))


def list_releases(database: Database) -> list[tuple[str, Manifest]]:
    """Every release on record with its digest, newest first."""
    query = select(releases.c.digest, releases.c.manifest).order_by(releases.c.registered_at.desc())
    with database.read() as connection:
        return [(row.digest, Manifest.from_json(row.manifest)) for row in connection.execute(query)]


def show_lab_result(database: Database, result_id: str) -> Row[Any]:
    """One laboratory result, and whether its site is one for ``practice``; raises ``NotFound``."""
    query = (
        select(lab_results, sites.c.practice, lab_retractions.c.kind.label("retracted"))
        .join(cases, cases.c.id == lab_results.c.case_id)
        .join(sites, sites.c.code == cases.c.site)
        .outerjoin(lab_retractions, lab_retractions.c.result_id == lab_results.c.id)
        .where(lab_results.c.id == result_id)
    )
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise not_found("result_id", result_id, "laboratory result")
    return row


def show_amendment(database: Database, case_id: str, amendment_id: str) -> Row[Any]:
    """One amendment of a case; raises ``NotFound``."""
    wanted = (amendments.c.id == amendment_id) & (amendments.c.case_id == case_id)
    with database.read() as connection:
        row = connection.execute(select(amendments).where(wanted)).first()
    if row is None:
        raise not_found("amendment_id", amendment_id, "amendment")
    return row


def _views(connection: Connection, rows: list[Row[Any]], cleared: Cleared) -> list[CaseView]:
    """The views of some cases, in a handful of queries whatever their number."""
    ids = [row.id for row in rows]
    photos_of: dict[str, list[Row[Any]]] = defaultdict(list)
    regions = select(photos).where(photos.c.case_id.in_(ids), photos.c.role == PhotoRole.ROI.value)
    for photo in connection.execute(regions.order_by(photos.c.declared_at)):
        photos_of[photo.case_id].append(photo)
    same_photo = same_photo_cases(connection, [photo.id for found in photos_of.values() for photo in found])
    answers = _shown_answers(connection, ids)
    newest_label = _newest_labels(connection, ids)
    standing = _standing_values(connection, ids)
    disagreeing = {case_id for case_id, values in standing.items() if len({hb.g_per_l for hb in values}) > 1}
    lowest = {
        row.id: label_of(min(standing[row.id], key=lambda hb: hb.g_per_l), case_of(row).subject, label.record["table"])
        for row in rows
        if (label := newest_label.get(row.id)) is not None
    }
    amended = set(connection.execute(select(amendments.c.case_id).where(amendments.c.case_id.in_(ids))).scalars())
    said = standing_consents(connection, ids)
    to_collect = specimens_to_collect(connection, ids)
    results, alarming, followed = _results(connection, ids), alerts_of(connection, ids), _follow_ups(connection, ids)
    practising = set(connection.execute(select(sites.c.code).where(sites.c.practice)).scalars())
    known = _known_releases(connection, {answer.release_id for answer in answers.values()}, cleared)
    against, why = reasons_against(connection), why_blood_of(connection, ids)
    views = []
    for row in rows:
        case, prediction = case_of(row), answers.get(row.id)
        manifest, clearance = known.get(prediction.release_id, (None, None)) if prediction else (None, None)
        states = [photo.state for photo in photos_of[row.id]]
        refused, waiting = states.count("refused"), states.count("waiting") + states.count("uploading")
        if refused >= MAX_REFUSED_PHOTOS:
            waiting = states.count("waiting")  # an upload that broke off must not keep a referred person waiting
        views.append(
            CaseView(
                row=row,
                case=case,
                status=status_of(
                    confirmed=row.id in newest_label,
                    scored=prediction is not None,
                    refused_photos=refused,
                    waiting_photos=waiting,
                ),
                answer=prediction,
                advice=advise(
                    case,
                    prediction,
                    manifest,
                    clearance,
                    label=lowest.get(row.id),
                    results_disagree=row.id in disagreeing,
                    consent_to_care=said[row.id][Purpose.CARE].given,
                    refused_photos=refused,
                    waiting_photos=waiting,
                    taken_back=prediction is not None and prediction.release_id in against,
                ),
                photos=[(photo, same_photo[photo.id]) for photo in photos_of[row.id]],
                label=newest_label.get(row.id),
                results=results[row.id],
                alert=alarming.get(row.id),
                follow_up=followed.get(row.id),
                amended=row.id in amended,
                consents=said[row.id],
                practice=row.site in practising,
                recollect=to_collect.get(row.id),
                why_blood=why.get(row.id, WhyBlood.INVESTIGATIONAL),
            )
        )
    return views


def _known_releases(
    connection: Connection, release_ids: set[str], cleared: Cleared
) -> dict[str, tuple[Manifest, Clearance | None]]:
    """The manifests on record of some releases, and for whom each is cleared."""
    query = select(releases).where(releases.c.release_id.in_(release_ids))
    return {
        row.release_id: (Manifest.from_json(row.manifest), cleared.of(row.release_id, row.digest))
        for row in connection.execute(query)
    }


def _shown_answers(connection: Connection, case_ids: list[str]) -> dict[str, Prediction]:
    """For each case the shown answer that counts: of several photos the one that looks most like anaemia, since the
    error to avoid is sending a sick child home."""
    query = (
        select(photos.c.case_id, predictions.c.answer)
        .join(predictions, predictions.c.photo_id == photos.c.id)
        .where(photos.c.case_id.in_(case_ids), predictions.c.shown)
        .order_by(predictions.c.probability)
    )
    return {row.case_id: Prediction.from_json(row.answer) for row in connection.execute(query)}


def _newest_labels(connection: Connection, case_ids: list[str]) -> dict[str, Row[Any]]:
    query = select(labels).where(labels.c.case_id.in_(case_ids), is_newest())
    return {row.case_id: row for row in connection.execute(query) if not row.record.get("retracted")}


def _results(connection: Connection, case_ids: list[str]) -> dict[str, list[Row[Any]]]:
    """Every laboratory result of each case, in the order in which they came, also those that were corrected."""
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    query = select(lab_results).where(lab_results.c.case_id.in_(case_ids))
    for row in connection.execute(query.order_by(lab_results.c.received_at, lab_results.c.id)):
        found[row.case_id].append(row)
    return found


def _follow_ups(connection: Connection, case_ids: list[str]) -> dict[str, Row[Any]]:
    query = select(follow_ups).where(follow_ups.c.case_id.in_(case_ids), is_newest_follow_up())
    return {row.case_id: row for row in connection.execute(query)}


def _standing_values(connection: Connection, case_ids: list[str]) -> dict[str, list[Hb]]:
    """For each case every haemoglobin that stands."""
    found: dict[str, list[Hb]] = defaultdict(list)
    for row in standing_results(connection, case_ids):
        found[row.case_id].append(read_hb(row.value, row.unit, row.loinc))
    return found
