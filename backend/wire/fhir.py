"""FHIR R4: every haemoglobin of an Observation, a DiagnosticReport or a Bundle, and nothing that names the patient.

``fhir.resources`` (R4B, whose Observation reads R4's) says whether a resource is one; what is read is named here.
Whose result it is, identifiers of Pallor's own systems say: ``urn:pallor:specimen``, ``urn:pallor:case`` (on the order
or the encounter) and ``urn:pallor:subject``. References are followed within the request alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation
from pydantic import ValidationError

from backend.wire.fhir_observation import Around, code_of, list_of, not_coded, read_observation
from backend.wire.lab_line import Given
from pallor.errors import Refused
from pallor.lab_codes import LOINC_CLASS

MOST_ENTRIES = 1000
_KINDS: dict[str, Any] = {"Observation": Observation, "DiagnosticReport": DiagnosticReport, "Bundle": Bundle}


class ResourceUnreadable(Refused):
    """Not a resource of FHIR R4, or none that is taken here."""


class EntryUnsupported(Refused):
    """An entry of a bundle that asks for something else than to take in a result."""


@dataclass(frozen=True)
class Entry:
    """One entry of a bundle: results to take in, none where it only supports others; or why it cannot be read."""

    results: tuple[Given, ...] = ()
    refusal: Refused | None = None


def parse(data: bytes, *kinds: str) -> dict[str, Any]:
    """A resource of one of these types, its numbers as they were written; raises ``ResourceUnreadable``."""
    body = json.loads(data, parse_float=Decimal)  # that it is JSON was checked at the door
    kind = body.get("resourceType")
    if kind not in kinds:
        raise ResourceUnreadable(
            f"a {' or '.join(kinds)} is taken here", field="resourceType", value="(not repeated)",
            remedy="Send it where its type is taken: the CapabilityStatement lists what is (GET metadata).",
        )  # fmt: skip
    _check(body)
    return {name: _without_nothing(value) for name, value in body.items() if value is not None}


def read_results(resource: Mapping[str, Any], zone: tzinfo, if_none_exist: str | None, around: Around) -> list[Given]:
    """Every haemoglobin of an Observation or a DiagnosticReport.

    Raises:
        ResourceUnreadable, ObservationNotFinal, NotCodedAsHaemoglobin, UnitsDiffer, SpecimenNotBlood, HbOnlyABound
    """
    around = around.within(resource)
    if resource["resourceType"] == "Observation":
        return [read_observation(resource, zone, if_none_exist, around)]
    found = [one for one in list_of(resource, "contained") if one.get("resourceType") == "Observation"]
    results = [
        read_observation(_as_reported(resource, one), zone, None, around)
        for one in found
        if code_of(one) in LOINC_CLASS
    ]
    if not results:
        raise not_coded()
    return results


def read_entries(bundle: Mapping[str, Any], zone: tzinfo) -> list[Entry]:
    """The entries of a batch or a transaction, in their order; raises ``ResourceUnreadable``."""
    entries = list_of(bundle, "entry")
    if bundle.get("type") not in ("batch", "transaction") or len(entries) > MOST_ENTRIES:
        raise ResourceUnreadable(
            f"a batch or a transaction of at most {MOST_ENTRIES} entries is taken here", field="Bundle.type",
            value=f"{len(entries)} entries", remedy="Send type batch or transaction, in several bundles if need be.",
        )  # fmt: skip
    around = Around({str(one["fullUrl"]): one["resource"] for one in entries if "fullUrl" in one and "resource" in one})
    return [_entry(one, zone, around) for one in entries]


def _entry(entry: Mapping[str, Any], zone: tzinfo, around: Around) -> Entry:
    request, resource = entry.get("request") or {}, entry.get("resource") or {}
    kind = resource.get("resourceType")
    if request.get("method") != "POST" or request.get("url") != kind or not kind:
        refusal = EntryUnsupported(
            "entries post results, and what these refer to", field="Bundle.entry.request", value="(not repeated)",
            remedy="Send method POST with the type of the resource as url.",
        )  # fmt: skip
        return Entry(refusal=refusal)
    if kind not in ("Observation", "DiagnosticReport"):
        return Entry()
    if kind == "DiagnosticReport" and not list_of(resource, "contained"):
        return Entry()  # its results are entries of their own
    try:
        return Entry(tuple(read_results(resource, zone, request.get("ifNoneExist"), around)))
    except Refused as refusal:
        return Entry(refusal=refusal)


def _without_nothing(value: Any) -> Any:
    """The same without what is null: the library lets it pass wherever it stands."""
    if isinstance(value, dict):
        return {name: _without_nothing(inner) for name, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value if inner is not None] if isinstance(value, list) else value


def _check(body: Any) -> None:
    try:
        _KINDS[body["resourceType"]].model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        named = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]  # that last name is theirs
        where = ".".join(str(part) for part in named) or body["resourceType"]
        raise ResourceUnreadable(
            "not a resource of FHIR R4", field=where if where.isascii() and len(where) < 80 else body["resourceType"],
            value="(not repeated)", remedy="Check it against the specification, or with a validator.",
        ) from None  # fmt: skip
    except Exception as error:  # what the library does not know among contained resources
        raise ResourceUnreadable(
            "it holds a resource that is none of FHIR R4", field=body["resourceType"], value="(not repeated)",
            remedy="Check it against the specification, or with a validator.",
        ) from error  # fmt: skip


def _as_reported(report: Mapping[str, Any], observation: Mapping[str, Any]) -> dict[str, Any]:
    """An observation with what its report says for it: whose it is, of what, when, and that all of it is in error."""
    lent = {name: report[name] for name in ("subject", "basedOn", "encounter", "issued") if name in report}
    if "effectiveDateTime" in report:
        lent["effectiveDateTime"] = report["effectiveDateTime"]
    if len(specimens := list_of(report, "specimen")) == 1:
        lent["specimen"] = specimens[0]
    if not list_of(observation, "identifier") and list_of(report, "identifier"):
        lent["identifier"] = report["identifier"]
    over = {"status": report["status"]} if report.get("status") in ("entered-in-error", "cancelled") else {}
    return {**lent, **observation, **over}
