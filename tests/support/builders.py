"""Things that are valid by default; a test names only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pallor.candidate import CandidateReport, Gate
from pallor.case import Case
from pallor.consent import Consent, Consents
from pallor.ids import new_id
from pallor.messages import ReportWorker
from pallor.prediction import Engine, Prediction
from pallor.release.manifest import Figure, IntendedUse, Manifest
from pallor.release.policy import Clearance
from pallor.snapshot import LabelledPhoto
from pallor.subject import Sex, Subject
from pallor.verification import is_audited

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def a_subject(**facts: Any) -> Subject:
    return replace(Subject(age_months=30, sex=Sex.FEMALE, altitude_m=200), **facts)


def a_case(*, age_months: int = 30, **facts: Any) -> Case:
    consents = Consents(Consent(NOON, "care-en-1"), Consent(NOON, "training-en-1"))
    return replace(Case(an_id(), "kumasi-1", "A-017", NOON, a_subject(age_months=age_months), consents), **facts)


def an_id(*, audited: bool = False) -> str:
    """Of a case that chance sends for blood, or does not."""
    return next(case_id for case_id in iter(new_id, "") if is_audited(case_id) is audited)


def a_prediction(probability: float = 0.5, **facts: Any) -> Prediction:
    answer = Prediction(
        photo_id=new_id(),
        release_id="toy-1",
        probability=probability,
        cam=((0.0,) * 7,) * 7,
        embedding=(0.0,) * 64,
        engine=Engine("onnxruntime-cpu", "1", "fp16", "sha256:" + "0" * 64),
        scored_at=NOON,
        seconds=0.02,
    )
    return replace(answer, **facts)


def a_report(release_id: str = "toy-1", **facts: Any) -> ReportWorker:
    report = ReportWorker("w-1", "current", release_id, "onnxruntime-cpu", "int8", None, 1, 0.001, None, NOON)
    return replace(report, **facts)


def a_manifest(**facts: Any) -> Manifest:
    manifest = Manifest(
        release_id="toy-1",
        world="real",
        created_at=NOON,
        label_table="who-2011",
        intended_use=IntendedUse(6, 59, pregnant=False),
        threshold=0.4,
        refer_low=0.45,
        refer_high=0.55,
        preprocess={},
        tolerance={"fp16": 0.01},
        golden=(),
        files=(),
        base_weights="none",
        recipe_digest="sha256:" + "0" * 64,
        snapshot_digest="sha256:" + "0" * 64,
        figures=(),
    )
    return replace(manifest, **facts)


def a_clearance(release_id: str = "toy-1", **facts: Any) -> Clearance:
    """For those whom ``a_manifest`` was made for."""
    clearance = Clearance(
        release_id=release_id,
        manifest="sha256:" + "0" * 64,
        scope=IntendedUse(6, 59, pregnant=False),
        negatives_anaemic_in_100=14,
        note="children at our clinics",
        evidence="sha256:" + "e" * 64,
    )
    return replace(clearance, **facts)


def a_candidate(**facts: Any) -> CandidateReport:
    report = CandidateReport(
        release_id="child-eye-1",
        manifest_digest="sha256:" + "1" * 64,
        snapshot_digest="sha256:" + "2" * 64,
        recipe_digest="sha256:" + "3" * 64,
        world="real",
        gate=Gate(),
        figures=(Figure("model.auroc", "test_side", 0.71, 0.62, 0.8, 300),),
        made_at=NOON,
    )
    return replace(report, **facts)


def a_line(**facts: Any) -> LabelledPhoto:
    line = LabelledPhoto(
        photo="sha256:" + "a" * 64,
        case_id=new_id(),
        label_id=new_id(),
        subject="5ub",
        site="kumasi-1",
        device="",
        captured_at="2026-11-01T12:00:00.000Z",
        age_months=30,
        sex="female",
        hb_g_per_l="104.0",
        severity="mild",
        anaemic=True,
        label_table="who-2024",
        world="real",
        source="pallor",
    )
    return replace(line, **facts)


def a_case_body(**facts: Any) -> dict[str, Any]:
    """A case as the phone sends it."""
    body = {
        "site": "kumasi-1",
        "subject_code": "A-017",
        "visited_at": "2026-11-01T12:00:00Z",
        "subject": {"age_months": 30, "sex": "female", "altitude_m": 200},
        "consent": a_consent_body(),
    }
    return body | facts


def a_consent_body(*, training: bool = True, at: str = "2026-11-01T11:55:00Z") -> dict[str, Any]:
    return {
        "care": {"given_at": at, "wording": "care-en-1"},
        "training": {"given_at": at, "wording": "training-en-1"} if training else None,
    }


def a_result_body(case_id: str, **facts: Any) -> dict[str, Any]:
    """A haemoglobin as the laboratory posts it."""
    body = {"case_id": case_id, "hb": {"value": "10.4", "unit": "g/dL"}, "taken_at": "2026-11-01T13:00:00Z"}
    return body | facts


def a_report_body(**facts: Any) -> dict[str, Any]:
    """A line of a report as a laboratory's system sends it; a test says how it is to be matched."""
    body = {
        "business_id": new_id(),
        "hb": {"value": "10.4", "unit": "g/dL"},
        "loinc": "718-7",
        "specimen": "venous",
        "performer": "laboratory",
        "taken_at": "2026-11-01T13:00:00Z",
    }
    return body | facts
