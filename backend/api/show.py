"""From records to the models that leave: the only place that knows both."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from backend.services.alerts import state_of
from backend.services.learned_from import Correction
from backend.services.list_follow_ups import Followed
from backend.services.post_candidate import SnapshotState
from backend.services.read_records import CaseView
from backend.services.receive_report import Received
from backend.services.standing_consents import Standing
from backend.wire import follow_up as after
from backend.wire import lab, out, rights, training
from pallor.case import Case
from pallor.consent import Purpose
from pallor.follow_up import FollowUpState
from pallor.image.quality import RETAKE_WORDS
from pallor.lab import Performer, Specimen, counts_for_clearance, read_hb
from pallor.release.manifest import Manifest

_TO_CALL = after.FollowUpOut(state=FollowUpState.TO_CALL, at=None, note=None, recorded_by=None)
_NO_REASON_GIVEN = "The photo could not be read. Take another."


def photo(
    row: Row[Any], received_bytes: int, same_photo: list[tuple[str, str]], within: frozenset[str] | None
) -> out.PhotoOut:
    """``same_photo``: cases with their sites, of which those beyond ``within`` are not named."""
    reasons = (row.quality or {}).get("reasons", [])
    retake = [RETAKE_WORDS[reason] for reason in reasons] or [_NO_REASON_GIVEN]
    return out.PhotoOut(
        case_id=row.case_id,
        photo_id=row.id,
        state=row.state,
        received_bytes=received_bytes,
        bytes=row.bytes,
        uploaded_sha256=row.uploaded_sha256,
        stored_sha256=None if row.state == "uploading" else row.stored_sha256,
        captured_at=row.captured_at,
        eye=row.eye,
        role=row.role,
        capture=row.capture,
        received_at=row.received_at,
        refusal=row.refusal,
        quality=row.quality,
        retake=retake if row.state == "refused" else [],
        same_photo_cases=[case_id for case_id, site in same_photo if within is None or site in within],
    )


def case(view: CaseView, within: frozenset[str] | None) -> out.CaseOut:
    warnings = ["same-photo-of-another-subject"] if any(others for _, others in view.photos) else []
    facts = view.case.to_json()
    return out.CaseOut(
        case_id=view.case.id,
        practice=view.practice,
        consent=consents(view.consents),
        received_at=view.row.received_at,
        amended=view.amended,
        status=view.status,
        advice=out.AdviceOut.of(view.advice, practice=view.practice),
        photos=[photo(row, row.bytes if row.received_at else 0, others, within) for row, others in view.photos],
        label=label(view.label) if view.label else None,
        results=_results(view.results),
        alert=alert(view.alert) if view.alert else None,
        follow_up=_stands(view),
        warnings=warnings,
        why_blood=view.why_blood,
        recollect=out.RecollectOut(reason=view.recollect[0], asked_at=view.recollect[1]) if view.recollect else None,
        **{name: facts[name] for name in facts if name not in ("id", "consent")},
    )


def _results(rows: list[Row[Any]]) -> list[out.ResultOut]:
    corrected = {row.supersedes for row in rows}
    return [
        out.ResultOut(
            result_id=row.id,
            hb_value=row.value,
            hb_unit=row.unit,
            hb_g_per_l=row.g_per_l,
            taken_at=row.taken_at,
            specimen=row.specimen,
            supersedes=row.supersedes,
            superseded=row.id in corrected,
        )
        for row in rows
    ]


def _stands(view: CaseView) -> after.FollowUpOut | None:
    """What somebody said of a case; else, where its value asks for it, that it is one to call."""
    if view.follow_up is not None:
        return follow_up(view.follow_up)
    anaemic = view.label is not None and view.label.record["anaemic"]
    return _TO_CALL if anaemic or view.alert is not None else None


def withheld(row: Row[Any]) -> out.WithheldOut:
    return out.WithheldOut(
        case_id=row.case_id,
        label_id=row.id,
        site=row.site,
        subject_code=row.subject_code,
        withheld=row.record["withheld"],
        since=row.derived_at,
    )


def follow_up(row: Row[Any]) -> after.FollowUpOut:
    return after.FollowUpOut(state=row.state, at=row.at, note=row.note, recorded_by=row.recorded_by)


def followed(one: Followed) -> after.FollowedOut:
    row = one.row
    return after.FollowedOut(
        case_id=row.id,
        site=row.site,
        subject_code=row.subject_code,
        received_at=row.received_at,
        severity=row.label["severity"] if row.label else None,
        follow_up=follow_up(row),
        alert=alert(one.alert) if one.alert else None,
    )


def alert(row: Row[Any]) -> after.AlertOut:
    return after.AlertOut(**_alert(row))


def alert_item(row: Row[Any]) -> after.AlertItem:
    where = {"case_id": row.case_id, "site": row.site, "subject_code": row.subject_code}
    return after.AlertItem(**_alert(row), **where, hb_g_per_l=row.g_per_l)


def _alert(row: Row[Any]) -> dict[str, Any]:
    kept = ("result_id", "since", "acknowledged_at", "acknowledged_by", "escalated_at")
    return {name: row._mapping[name] for name in kept} | {"state": state_of(row)}


def consents(found: dict[Purpose, Standing]) -> out.ConsentsOut:
    return out.ConsentsOut(
        **{
            purpose.value: out.ConsentOut(
                given=standing.given, at=standing.at, wording=standing.wording, withdrawn_at=standing.withdrawn_at
            )
            for purpose, standing in found.items()
        }
    )


def label(row: Row[Any]) -> out.LabelOut:
    record = row.record
    return out.LabelOut(
        label_id=row.id,
        case_id=row.case_id,
        practice=record.get("practice", False),  # before there were such sites, none was one
        table=record["table"],
        group=record["group"],
        lab_result_id=record["lab_result_id"],
        hb_value=record["hb"]["value"],
        hb_unit=record["hb"]["unit"],
        hb_g_per_l=record["hb"]["g_per_l"],
        adjusted_g_per_l=record["adjusted_g_per_l"],
        altitude=record["altitude"],
        severity=record["severity"],
        anaemic=record["anaemic"],
        no_criterion=record["no_criterion"],
        eligible=row.eligible,
        withheld=record["withheld"],
        retracted=record.get("retracted", False),
        supersedes=row.supersedes,
        derived_at=row.derived_at,
        written=row.written_at is not None,
    )


def lab_result(row: Row[Any]) -> out.LabResultOut:
    return out.LabResultOut(
        result_id=row.id,
        case_id=row.case_id,
        practice=row.practice,
        hb_value=row.value,
        hb_unit=row.unit,
        hb_g_per_l=row.g_per_l,
        taken_at=row.taken_at,
        specimen=row.specimen,
        loinc=row.loinc,
        method=row.method,
        device=row.device,
        performer=row.performer,
        resulted_at=row.resulted_at,
        supersedes=row.supersedes,
        retracted=row.retracted,
        counts_for_clearance=counts_for_clearance(Specimen(row.specimen), Performer(row.performer)),
        unusual=read_hb(row.value, row.unit, row.loinc).seldom,
        received_at=row.received_at,
    )


def report(done: Received) -> lab.LabReportOut:
    return lab.LabReportOut(**asdict(done))


def open_report(row: Row[Any], candidates: tuple[Case, ...]) -> lab.OpenReportOut:
    said = row.content or {}
    hb = said.get("hb") or {"value": None, "unit": None}
    return lab.OpenReportOut(
        report_id=row.id,
        state=row.state,
        reason=row.reason,
        status=row.status,
        sender=row.sender,
        hb_value=hb["value"],
        hb_unit=hb["unit"],
        taken_at=said.get("taken_at"),
        specimen_barcode=row.barcode,
        subject_code=row.subject_code,
        visited_on=said.get("visited_on"),
        age_months=said.get("age_months"),
        sex=said.get("sex"),
        candidates=[lab_candidate(case) for case in candidates],
        received_at=row.received_at,
    )


def lab_candidate(case: Case) -> lab.LabCandidateOut:
    return lab.LabCandidateOut(
        case_id=case.id,
        site=case.site,
        subject_code=case.subject_code,
        visited_at=case.visited_at,
        age_months=case.subject.age_months,
        sex=case.subject.sex,
        specimen_barcode=case.specimen_barcode,
    )


def amendment(row: Row[Any]) -> out.AmendmentOut:
    return out.AmendmentOut(
        amendment_id=row.id,
        case_id=row.case_id,
        changes=row.changes,
        before=row.before,
        after=row.after,
        reason=row.reason,
        made_at=row.made_at,
        made_by=row.made_by,
    )


def statement(row: Row[Any]) -> rights.StatementOut:
    return rights.StatementOut(
        consent_id=row.id,
        case_id=row.case_id,
        purpose=row.purpose,
        given=row.given,
        at=row.at,
        wording=row.wording,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
    )


def erasure(row: Row[Any]) -> rights.ErasureOut:
    return rights.ErasureOut(
        erasure_id=row.id,
        site=row.site,
        reason=row.cause,
        cases=row.cases,
        photos=row.photos,
        snapshots=row.snapshots,
        releases=row.releases,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        done_at=row.done_at,
    )


def prediction(row: Row[Any]) -> out.PredictionOut:
    return out.PredictionOut(
        photo_id=row.photo_id,
        case_id=row.case_id,
        practice=row.practice,
        release_id=row.release_id,
        probability=row.probability,
        shown=row.shown,
        engine=row.answer["engine"],
        seconds=row.answer["seconds"],
        recorded_at=row.recorded_at,
    )


def change(row: Row[Any]) -> out.ChangeOut:
    return out.ChangeOut(kind=row.kind, id=row.entity_id, case_id=row.case_id, at=row.at)


def release(digest: str, manifest: Manifest) -> out.ReleaseOut:
    data = manifest.to_json()
    return out.ReleaseOut(
        release_id=manifest.release_id,
        digest=digest,
        world=manifest.world,
        status=manifest.status,
        label_table=manifest.label_table,
        threshold=manifest.threshold,
        figures=list(data["figures"]),
    )


def snapshot(row: Row[Any], world: str) -> training.SnapshotOut:
    kept = {name: row._mapping[name] for name in training.SnapshotOut.model_fields if name in row._mapping}
    return training.SnapshotOut(**kept, world=world)


def same_photos(row: Row[Any], withheld: int) -> training.SamePhotoGroupsOut:
    kept = {name: row._mapping[name] for name in training.SamePhotoGroupsOut.model_fields if name in row._mapping}
    return training.SamePhotoGroupsOut(**kept, withheld=withheld)


def candidate(row: Row[Any], snapshot: SnapshotState) -> training.CandidateOut:
    return training.CandidateOut(**row.report, snapshot=snapshot, posted_at=row.posted_at, posted_by=row.posted_by)


def correction(found: Correction) -> training.CorrectionOut:
    return training.CorrectionOut(
        case_id=found.old.case_id,
        label_id=found.old.id,
        hb_g_per_l=found.old.record["hb"]["g_per_l"],
        new_label_id=found.new_label_id,
        new_hb_g_per_l=found.new_hb_g_per_l,
        corrected_at=found.corrected_at,
        snapshots=list(found.snapshots),
        releases=list(found.releases),
    )
