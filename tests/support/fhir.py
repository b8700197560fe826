"""FHIR R4 resources as laboratories' systems write them, each name in them marked."""

from typing import Any

from pallor.ids import new_id


def an_observation(*, tube: str | None = None, case_id: str | None = None, value: Any = 10.4, unit: str = "g/dL",
                   loinc: str = "718-7", born: str = "2024-05-01", **facts: Any) -> dict[str, Any]:  # fmt: skip
    """A haemoglobin with a patient and a specimen inside it; ``facts``: elements of it, None for one to be left out."""
    patient = {
        "resourceType": "Patient", "id": "p", "name": [{"family": "MARK-NAME"}], "gender": "female", "birthDate": born,
        "address": [{"line": ["MARK-STREET"]}], "identifier": [{"system": "urn:hospital", "value": "MARK-NUMBER"}],
    }  # fmt: skip
    specimen: dict[str, Any] = {
        "resourceType": "Specimen",
        "id": "s",
        "type": _coded("122555007", "http://snomed.info/sct"),
    }
    if tube:
        specimen["identifier"] = [{"system": "urn:pallor:specimen", "value": tube}]
    observation = {
        "resourceType": "Observation",
        "contained": [patient, specimen],
        "identifier": [{"system": "urn:lis", "value": new_id()}],
        "status": "final",
        "category": [_coded("laboratory", "http://terminology.hl7.org/CodeSystem/observation-category")],
        "code": _coded(loinc, "http://loinc.org"),
        "subject": {"reference": "#p", "display": "MARK-DISPLAY"},
        "effectiveDateTime": "2026-11-01T13:00:00Z",
        "issued": "2026-11-01T13:30:00Z",
        "performer": [{"display": "Dr. MARK"}],
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        "specimen": {"reference": "#s"},
        "note": [{"text": "MARK-NOTE"}],
    }
    if case_id:
        observation["basedOn"] = [{"identifier": {"system": "urn:pallor:case", "value": case_id}}]
    return {name: found for name, found in (observation | facts).items() if found is not None}


def a_bundle(*resources: dict[str, Any], kind: str = "batch") -> dict[str, Any]:
    entries = [{"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _coded(code: str, system: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
