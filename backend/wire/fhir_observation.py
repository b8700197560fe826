"""One Observation of FHIR R4 as the line that the laboratory's verb takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from backend.wire.hl7_codes import NOT_BLOOD, OFF_SCALE, REJECTIONS_OF_CONDITIONS, SPECIMENS
from backend.wire.lab_line import Given, one_unit, only_one
from backend.wire.moments import age_at, read_day, read_iso
from pallor.errors import Refused
from pallor.lab import HbOnlyABound, HbUnitUnknown, Performer, Specimen
from pallor.lab_codes import LOINC_CLASS, LOOK_ALIKES
from pallor.reported import Rejection, ReportStatus
from pallor.subject import Sex

SPECIMEN, CASE, SUBJECT = "urn:pallor:specimen", "urn:pallor:case", "urn:pallor:subject"
_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_STATUS = {
    "final": ReportStatus.FINAL,
    "amended": ReportStatus.CORRECTED,
    "corrected": ReportStatus.CORRECTED,
    "entered-in-error": ReportStatus.ENTERED_IN_ERROR,
    "cancelled": ReportStatus.CANCELLED,
}
_SEXES = {"female": Sex.FEMALE, "male": Sex.MALE}


class ObservationNotFinal(Refused):
    """The laboratory itself does not stand by it yet."""


class NotCodedAsHaemoglobin(Refused):
    """No LOINC code of haemoglobin in blood."""


class MeaningModified(Refused):
    """Something in it says that it does not mean what it seems to, and is not known here."""


class SpecimenNotBlood(Refused):
    """Haemoglobin of something else than blood."""


@dataclass(frozen=True)
class Around:
    """What a result may refer to: by ``#id`` what its resource contains, by ``fullUrl`` what its bundle holds."""

    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def within(self, resource: Mapping[str, Any]) -> "Around":
        contained = {f"#{one.get('id')}": one for one in list_of(resource, "contained")}
        return Around({**self.resources, **contained})

    def follow(self, reference: Any) -> Mapping[str, Any]:
        """The resource that a reference names, or what it says itself by a logical identifier; empty if neither."""
        if not isinstance(reference, Mapping):
            return {}
        said = {"identifier": [reference["identifier"]]} if isinstance(reference.get("identifier"), Mapping) else {}
        return self.resources.get(str(reference.get("reference")), said)


def read_observation(observation: Mapping[str, Any], zone: tzinfo, if_none_exist: str | None, around: Around) -> Given:
    """What an observation says; raises ``Refused`` with what it cannot be."""
    _check_unmodified(observation)
    specimen = around.follow(observation.get("specimen"))
    status = _status(observation, specimen)
    drawn = (specimen.get("collection") or {}).get("collectedDateTime") or observation.get("effectiveDateTime")
    drawn = drawn or observation.get("effectiveInstant") or (observation.get("effectivePeriod") or {}).get("start")
    taken_at = read_iso(drawn, zone, "Observation.effectiveDateTime")
    code = code_of(observation)
    if status.has_value and code is None:
        raise not_coded()
    value, unit = _quantity(observation) if status.has_value else (None, None)
    return Given(
        business_id=_business_id(observation, if_none_exist),
        status=status,
        value=value,
        unit=unit,
        loinc=code,
        specimen=_kind_of(specimen),
        method=_words(observation.get("method")),
        device=(around.follow(observation.get("device")).get("deviceName") or [{}])[0].get("name")
        or (observation.get("device") or {}).get("display"),
        performer=_performer(observation),
        rejection=_rejection(specimen) if status is ReportStatus.SPECIMEN_REJECTED else None,
        taken_at=taken_at,
        resulted_at=read_iso(observation.get("issued"), zone, "Observation.issued"),
        **_whose(observation, specimen, taken_at, around),
    )


def _check_unmodified(observation: Mapping[str, Any]) -> None:
    if observation.get("modifierExtension") or observation.get("implicitRules"):
        raise MeaningModified(
            "it carries what changes its meaning, and is not known here", field="Observation.modifierExtension",
            value="(not repeated)", remedy="Send it without modifierExtension and implicitRules, if it is true so.",
        )  # fmt: skip


def _status(observation: Mapping[str, Any], specimen: Mapping[str, Any]) -> ReportStatus:
    said = observation.get("status")
    if specimen.get("status") == "unsatisfactory" and "valueQuantity" not in observation:
        return ReportStatus.SPECIMEN_REJECTED
    if said not in _STATUS:
        raise ObservationNotFinal(
            "not a result that the laboratory stands by", field="Observation.status", value="(not repeated)",
            remedy="Send it again as final, corrected, entered-in-error or cancelled.",
        )  # fmt: skip
    return _STATUS[said]


def _quantity(observation: Mapping[str, Any]) -> tuple[str, str | None]:
    """Number and unit; the code counts, and what people read beside it must be the same unit."""
    quantity = observation.get("valueQuantity") or {}
    number = str(quantity.get("value", ""))
    if comparator := quantity.get("comparator"):
        raise HbOnlyABound(
            "beyond what the analyser can measure, which is no value", field="Observation.valueQuantity.comparator",
            value=comparator, remedy="Measure again, diluted or by another method, and send the number.",
        )  # fmt: skip
    flags = {coding.get("code") for one in list_of(observation, "interpretation") for coding in _codings(one)}
    if flags & OFF_SCALE:
        raise HbOnlyABound(
            "flagged as beyond what the analyser can measure, which is no value", field="Observation.interpretation",
            value=number, remedy="Measure again, diluted or by another method, and send the number.",
        )  # fmt: skip
    code, unit = quantity.get("code"), quantity.get("unit")
    if code is None:
        return number, unit
    if quantity.get("system") != _UCUM:
        raise HbUnitUnknown(
            "a code of a unit that is not UCUM's", field="Observation.valueQuantity.system", value="(not repeated)",
            remedy=f"Send system {_UCUM}.",
        )  # fmt: skip
    return number, one_unit("Observation.valueQuantity.code", code, unit)


def _whose(
    observation: Mapping[str, Any], specimen: Mapping[str, Any], taken_at: datetime | None, around: Around
) -> dict[str, Any]:
    patient = around.follow(observation.get("subject"))
    ordered = [
        *(around.follow(one) for one in list_of(observation, "basedOn")),
        around.follow(observation.get("encounter")),
    ]
    born = patient.get("birthDate")
    code = only_one("Observation.subject", _all(list_of(patient, "identifier"), SUBJECT))
    tubes = [*_all(list_of(specimen, "identifier"), SPECIMEN), *_all((specimen.get("accessionIdentifier"),), SPECIMEN)]
    day = observation.get("effectiveDateTime")
    return {
        "barcode": only_one("Observation.specimen", tubes),
        "case_id": only_one(
            "Observation.basedOn", (one for order in ordered for one in _all(list_of(order, "identifier"), CASE))
        ),
        "subject_code": code,
        "visited_on": read_day(str(day)[:10], "Observation.effectiveDateTime") if code and day else None,
        "age_months": age_at(str(born), taken_at) if born and taken_at else None,
        "sex": _SEXES.get(str(patient.get("gender"))),
    }


def _business_id(observation: Mapping[str, Any], if_none_exist: str | None) -> str | None:
    for one in list_of(observation, "identifier"):
        if one.get("value"):
            return f"{one.get('system', '')}|{one['value']}"
    name, _, value = (if_none_exist or "").partition("=")
    return value if name == "identifier" and value else None


def code_of(resource: Mapping[str, Any]) -> str | None:
    """The LOINC code, of several a look-alike's, else the one that is haemoglobin's; None for none."""
    codings = [one.get("code") for one in _codings(resource.get("code")) if one.get("system") == _LOINC]
    telling = (code for table in (LOOK_ALIKES, LOINC_CLASS) for code in codings if code in table)
    return next(telling, codings[0] if codings else None)


def _kind_of(specimen: Mapping[str, Any]) -> Specimen:
    for one in _codings(specimen.get("type")):
        if one.get("code") in NOT_BLOOD:
            raise SpecimenNotBlood(
                f"the specimen is {NOT_BLOOD[one['code']]}", field="Specimen.type", value=one["code"],
                remedy="Haemoglobin in blood alone is taken here.",
            )  # fmt: skip
        if one.get("code") in SPECIMENS:
            return SPECIMENS[one["code"]]
    return Specimen.UNKNOWN


def _performer(observation: Mapping[str, Any]) -> Performer:
    codes = {coding.get("code") for one in list_of(observation, "category") for coding in _codings(one)}
    codes |= {one.get("code") for one in list_of(observation.get("meta") or {}, "tag")}
    if codes & {"POCT", "point-of-care"}:
        return Performer.POINT_OF_CARE
    return Performer.LABORATORY if "laboratory" in codes else Performer.UNKNOWN


def _rejection(specimen: Mapping[str, Any]) -> Rejection:
    codes = [coding.get("code") for one in list_of(specimen, "condition") for coding in _codings(one)]
    return next((REJECTIONS_OF_CONDITIONS[c] for c in codes if c in REJECTIONS_OF_CONDITIONS), Rejection.OTHER)


def _all(identifiers: Any, system: str) -> list[str]:
    return [str(one["value"]) for one in identifiers if one and one.get("system") == system and "value" in one]


def _codings(concept: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(concept, Mapping):
        yield from list_of(concept, "coding")


def _words(concept: Any) -> str | None:
    coded = next(iter(_codings(concept)), {})
    return (concept or {}).get("text") or coded.get("display") or coded.get("code")


def list_of(resource: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = resource.get(name) or []
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def not_coded() -> NotCodedAsHaemoglobin:
    return NotCodedAsHaemoglobin(
        "no LOINC code of haemoglobin in blood", field="Observation.code", value="(not repeated)",
        remedy=f"Send one of {', '.join(LOINC_CLASS)} with system {_LOINC}, beside your own code if need be.",
    )  # fmt: skip
