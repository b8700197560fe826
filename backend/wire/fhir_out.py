"""What goes out as FHIR R4: outcomes, the answers of bundles, and what this server can do."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.wire.fhir_observation import CASE, SPECIMEN, SUBJECT
from pallor.clock import utc_text

MEDIA_TYPE = "application/fhir+json"
_ISSUE_TYPES = {401: "login", 403: "forbidden", 404: "not-found", 409: "conflict", 410: "deleted", 413: "too-long",
                429: "throttled", 503: "transient", 500: "exception"}  # fmt: skip
_PROBLEMS = "urn:pallor:problem"


def outcome_of_problem(problem: Mapping[str, Any]) -> dict[str, Any]:
    """An OperationOutcome that says what a problem says, an issue for each fault."""
    kind = _ISSUE_TYPES.get(int(problem["status"]), "processing")
    faults = problem.get("faults") or [{}]
    return _outcome(
        [
            {
                "severity": "error",
                "code": kind,
                "details": _coded(problem["code"], str(fault.get("reason") or problem["detail"])),
                "diagnostics": str(fault.get("remedy") or problem["detail"]),
                **({"expression": [fault["field"]]} if fault.get("field") else {}),
            }
            for fault in faults
        ]
    )


def outcome_of_report(state: str, reason: str | None) -> dict[str, Any]:
    """An OperationOutcome of a result that was taken: recorded, or kept for later and why."""
    said = f"{state}: {reason}" if reason else state
    return _outcome([{"severity": "information", "code": "informational", "details": _coded(reason or state, said)}])


def bundle_answer(kind: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``kind``: of the request, ``batch`` or ``transaction``."""
    return {"resourceType": "Bundle", "type": f"{kind}-response", "entry": [{"response": dict(one)} for one in entries]}


def entry_answer(status: str, outcome: Mapping[str, Any], at: datetime, location: str | None = None) -> dict[str, Any]:
    """``status``: as HTTP writes it, such as ``201 Created``."""
    said = {"status": status, "outcome": dict(outcome), "lastModified": utc_text(at)}
    return said | ({"location": location} if location else {})


def capability_statement(version: str, address: str, now: datetime) -> dict[str, Any]:
    """What this server takes, and by which identifiers it knows whose result it is."""
    takes = "POST alone, once: the same identifier with the same content again changes nothing."
    names = f"Identifiers: specimen {SPECIMEN}, case {CASE} (order or encounter), subject {SUBJECT}."
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": utc_text(now),
        "kind": "instance",
        "software": {"name": "Pallor", "version": version},
        "implementation": {"description": "Haemoglobin results for anaemia screening", "url": address},
        "fhirVersion": "4.0.1",
        "format": ["json", MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "documentation": f"Haemoglobin in blood, LOINC and UCUM. {takes} {names}",
                "security": {"description": "A bearer token of an enrolled laboratory's system"},
                "resource": [
                    {"type": kind, "interaction": [{"code": "create"}], "conditionalCreate": True}
                    for kind in ("Observation", "DiagnosticReport")
                ],
                "interaction": [{"code": "batch"}, {"code": "transaction"}],
            }
        ],
    }


def _outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": issues}


def _coded(code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": _PROBLEMS, "code": code}], "text": text}
