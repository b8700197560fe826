"""For every route one good request that speaks of a given site: what the matrix of routes, roles and sites walks.

A route without a request here fails the matrix, so a new one cannot be forgotten.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyotp import TOTP
from sqlalchemy import update

from backend.access.passwords import hash_password
from backend.access.roles import DeviceKind, Role
from backend.db.tables import devices, people
from backend.services.export_snapshot import export_snapshot
from backend.services.give_sealing_keys import give_sealing_keys
from backend.services.manage_devices import make_device
from backend.services.manage_people import add_person
from backend.services.receive_photo import receive_piece
from backend.services.submit_case import submit_case
from backend.services.submit_lab_result import submit_lab_result
from backend.services.take_in_photo import Declaration, Intake
from pallor.digest import sha256_of
from pallor.ids import new_id
from pallor.image.decode import Limits
from pallor.lab import LabResult, read_hb
from pallor.snapshot import read_snapshot
from pallor.store.folder import FolderStore
from tests.support.api import OWN, Api, repr_digest, staff_of
from tests.support.builders import NOON, a_candidate, a_case, a_case_body, a_report_body, a_result_body
from tests.support.drift import an_alarm
from tests.support.explain import score
from tests.support.fhir import a_bundle, an_observation
from tests.support.fleet import a_report, a_running_rollout, key_facts, sign
from tests.support.hl7 import a_message, obx
from tests.support.prospect import a_known_release
from tests.support.repository import a_repository
from tests.support.sealing import a_container, a_header, a_request, put_aside_at, seal
from tests.support.synthetic import a_good_png

PHOTO = a_good_png(seed=11)


@dataclass(frozen=True)
class Place:
    """What is on record at one site."""

    site: str
    case_id: str
    photo_id: str
    amendment_id: str
    result_id: str
    submission_id: str


Request = tuple[str, str, dict[str, Any]]  # method, path below /api/v1, what Flask's client takes
Example = Callable[[Api, Place], Request]

_SAID = {"purpose": "training", "given": True, "at": "2026-11-01T12:30:00Z", "wording": "training-en-1"}
_REACHED = {"state": "reached", "at": "2026-11-01T12:30:00Z", "note": None}
_A_SITE = {"practice": False, "retention_days": None}


def _photo(_api: Api, place: Place) -> Request:
    headers = {"Content-Type": "image/png", "Repr-Digest": repr_digest(PHOTO)}
    query = {"captured_at": "2026-11-01T12:00:00Z"}
    path = f"/cases/{place.case_id}/photos/{new_id()}"
    return "PUT", path, {"data": PHOTO, "headers": headers, "query_string": query}


def _amendment(_api: Api, place: Place) -> Request:
    said = {"changes": {"subject": {"altitude_m": _fresh()}}, "reason": "asked again"}
    return "PUT", f"/cases/{place.case_id}/amendments/{new_id()}", {"json": said}


def _get(path: str) -> Example:
    return lambda _api, place: ("GET", path.format(**vars(place)), {})


def _put(path: str, body: Callable[[Place], dict[str, Any]]) -> Example:
    return lambda _api, place: ("PUT", path.format(**vars(place), new_id=new_id()), {"json": body(place)})


def _fresh_name(what: str) -> str:
    return f"{what}-{new_id()[:8]}"


def _person(method: str, path: str, body: dict[str, Any]) -> Example:
    """About an account of its own: what becomes of it is nobody else's matter here."""

    def example(api: Api, place: Place) -> Request:
        name, here = _fresh_name("person"), frozenset({place.site})
        add_person(api.parts.database, api.clock, name, Role.FIELD, here, by="operator")
        return method, path.format(name=name), {} if method == "GET" else {"json": body}

    return example


def _device(path: str, body: dict[str, Any]) -> Example:
    """About a node of its own."""

    def example(api: Api, place: Place) -> Request:
        name, here, facts = _fresh_name("node"), frozenset({place.site}), {"fingerprint": f"sha256:{'0f' * 32}"}
        with api.parts.database.write() as tx:
            make_device(tx, api.clock, name, DeviceKind.NODE, here, by="operator", **facts)
        return "PUT", path.format(name=name), {"json": body}

    return example


def _code(_api: Api, place: Place) -> Request:
    said = {"kind": "phone", "device_name": _fresh_name("phone"), "sites": [place.site]}
    return "POST", "/enrolment-codes", {"json": said}


def _new_person(_api: Api, place: Place) -> Request:
    return "PUT", f"/people/{_fresh_name('person')}", {"json": {"role": "field", "sites": [place.site]}}


def _erasure(api: Api, place: Place) -> Request:
    """Of somebody who came for this alone."""
    code = f"E-1-{new_id()[:8].upper()}"
    case = a_case(site=place.site, subject_code=code)
    submit_case(api.parts.database, api.clock, case, within=None, by="operator")
    said = {"site": place.site, "subject_code": code, "reason": "request"}
    return "PUT", f"/erasures/{new_id()}", {"json": said}


def _drifted(api: Api, _place: Place) -> Request:
    """About an alarm of its own."""
    return "PUT", f"/drift/{an_alarm(api)}/acknowledgement", {"json": {"note": "another phone"}}


def _learnable(api: Api) -> str:
    """A case of its own whose label may teach a model."""
    case = a_case(site=OWN, subject_code=f"L-{new_id()[:8].upper()}")
    parts = api.parts
    submit_case(parts.database, api.clock, case, within=None, by="operator")
    data = a_good_png(seed=next(_seeds))
    declared = Declaration(case.id, new_id(), sha256_of(data), len(data), "image/png", NOON, None)
    intake = Intake(parts.database, parts.store, api.clock, parts.send, Limits(), parts.settings.label_table)
    receive_piece(intake, declared, 0, data, by="nurse@test-field")
    result = LabResult(new_id(), case.id, read_hb("10.4", "g/dL"), NOON)
    submit_lab_result(parts.database, api.clock, result, parts.settings.label_table, within=None, by="operator")
    return case.id


def _snapshot(api: Api, _place: Place) -> Request:
    _learnable(api)
    return "POST", "/snapshots", {"json": {}}


def _same_photos(api: Api, _place: Place) -> Request:
    _learnable(api)
    parts = api.parts
    digest, _ = export_snapshot(parts.database, parts.store, api.clock, parts.settings.label_table, by="operator")
    groups = [{"photos": [line.photo]} for line in read_snapshot(parts.store, digest)]
    return "PUT", f"/snapshots/{digest}/same-photo-groups", {"json": {"method": "eyes", "groups": groups}}


def _candidate(_api: Api, _place: Place) -> Request:
    report = a_candidate(release_id=_fresh_name("child-eye"))
    return "PUT", f"/candidates/{report.release_id}", {"json": report.to_json()}


def _explained(what: str) -> Example:
    """About the place's photo once it was scored."""

    def example(api: Api, place: Place) -> Request:
        score(api, place.photo_id)
        return "GET", f"/cases/{place.case_id}/photos/{place.photo_id}/{what}", {}

    return example


def _reported(_api: Api, place: Place) -> Request:
    return "POST", "/lab-reports", {"json": a_report_body(case_id=place.case_id)}


def _batch(_api: Api, place: Place) -> Request:
    return "POST", "/lab-reports/batch", {"json": {"items": [a_report_body(case_id=place.case_id)]}}


def _hl7(_api: Api, place: Place) -> Request:
    message = a_message(obx(), case_id=place.case_id, order=new_id(), pid="PID|1")
    return "POST", "/hl7v2", {"data": message, "content_type": "application/hl7-v2"}


def _fhir(path: str, make: Callable[[dict[str, Any]], dict[str, Any]]) -> Example:
    def example(_api: Api, place: Place) -> Request:
        body = make(an_observation(case_id=place.case_id, contained=None, subject=None, specimen=None))
        return "POST", f"/fhir{path}", {"data": json.dumps(body), "content_type": "application/fhir+json"}

    return example


def _list(place: Place) -> str:
    return f"business_id,hb,unit,taken_at,case_id\n{new_id()},10.4,g/dL,2026-11-01T13:00Z,{place.case_id}\n"


def _preview(_api: Api, place: Place) -> Request:
    return "POST", "/lab-sheets/preview", {"data": _list(place), "content_type": "text/csv"}


def _sheet(api: Api, place: Place) -> Request:
    """Of the laboratory whose token the role `lab` has."""
    data = _list(place)
    token = api.call("POST", "/lab-sheets/preview", "lab", data=data, content_type="text/csv").json["token"]
    return "POST", "/lab-sheets", {"data": data, "content_type": "text/csv", "headers": {"Preview-Token": token}}


def _as_report(observation: dict[str, Any]) -> dict[str, Any]:
    held = {"contained": [observation | {"id": "hb"}], "result": [{"reference": "#hb"}]}
    return {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Blood count"}} | held


def _kept(api: Api, place: Place) -> str:
    """A line, of the site's own laboratory, that a human has to look at; its id."""
    _, token = staff_of(api, place.site)
    said = a_report_body(case_id=place.case_id, sex="male")
    line = api.call("POST", "/lab-reports", None, json=said, headers={"Authorization": f"Bearer {token}"})
    return str(line.json["report_id"])


def _open_reports(api: Api, place: Place) -> Request:
    _kept(api, place)
    return "GET", "/lab-reports?limit=200", {}


def _decision(api: Api, place: Place) -> Request:
    return "PUT", f"/lab-reports/{_kept(api, place)}/decision", {"json": {"dismiss": "of another clinic"}}


def _retraction(api: Api, place: Place) -> Request:
    """Of a result that was posted for this alone."""
    result = LabResult(new_id(), place.case_id, read_hb("9.9", "g/dL"), NOON)
    table = api.parts.settings.label_table
    submit_lab_result(api.parts.database, api.clock, result, table, within=None, by="operator")
    return "PUT", f"/lab-results/{result.id}/retraction", {"json": {"kind": "entered-in-error", "reason": "a slip"}}


def _rollout(method: str, path: str, body: dict[str, Any]) -> Example:
    """On a channel of its own, where a release is on its way."""

    def example(api: Api, _place: Place) -> Request:
        channel = _fresh_name("channel")
        a_running_rollout(api.parts.database, api.clock, channel)
        return method, path.format(channel=channel), {} if method == "GET" else {"json": body}

    return example


def _known_release(what: str) -> Example:
    def example(api: Api, _place: Place) -> Request:
        a_known_release(api)
        return "GET", f"/releases/toy-1/{what}", {}

    return example


def _start(api: Api, _place: Place) -> Request:
    folder = cast(FolderStore, api.parts.store).root
    if not api.parts.store.has("tuf/metadata/1.root.json"):
        a_repository(folder, api.clock).release("eye-1", folder.with_name(_fresh_name("eye-1")))
    return "POST", f"/rollouts/{_fresh_name('channel')}/start", {"json": {"release_id": "eye-1"}}


def _node_report(api: Api, _place: Place) -> Request:
    """Of the node whose token the role `node` has."""
    with api.parts.database.write() as tx:
        tx.execute(update(devices).where(devices.c.name == "test-node").values(**key_facts(_NODE_KEY)))
    report = a_report("test-node", api.clock.now(), sequence=next(_sequences))
    return "POST", "/node-reports", {"json": {"report": report.to_json(), "signature": sign(report, _NODE_KEY)}}


def _discard(api: Api, place: Place) -> Request:
    return "POST", f"/sealed/{put_aside_at(api, place.site)}/discard", {"json": {"reason": "made by mistake"}}


def _another_try(api: Api, place: Place) -> Request:
    """Of an amendment that came before its case."""
    parts, case = api.parts, a_case(site=place.site)
    ((_, jwk),) = give_sealing_keys(parts.database, api.clock, frozenset({place.site}), None, by="operator")
    said = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    header = a_header("amendment", site=place.site, case_id=case.id, body=said, amendment_id=new_id())
    put_aside_at(api, place.site, seal(jwk, a_container(header)), header["submission_id"])
    submit_case(parts.database, api.clock, case, within=None, by="operator")
    return "POST", f"/sealed/{header['submission_id']}/another-try", {"json": {}}


def _alarming(api: Api, place: Place) -> str:
    """A critical result of the place's case; its id."""
    result = LabResult(new_id(), place.case_id, read_hb("6.1", "g/dL"), NOON)
    table = api.parts.settings.label_table
    submit_lab_result(api.parts.database, api.clock, result, table, within=None, by="operator")
    return result.id


def _alerts(api: Api, place: Place) -> Request:
    _alarming(api, place)
    return "GET", "/alerts?limit=200", {}


def _acknowledgement(api: Api, place: Place) -> Request:
    path = f"/cases/{place.case_id}/alerts/{_alarming(api, place)}/acknowledgement"
    return "PUT", path, {"json": {"at": "2026-11-01T12:30:00Z"}}


def _nurse(method: str, path: str, body: Callable[[Api], dict[str, Any]], **account: Any) -> Example:
    """About the account of the nurse whose token the role `field` has."""

    def example(api: Api, _place: Place) -> Request:
        with api.parts.database.write() as tx:
            tx.execute(update(people).where(people.c.name == "nurse").values(**_NO_FACTOR | account))
        return method, path, {"json": body(api)}

    return example


# A machine that has a role of people's is told that nobody is signed in on it.
OF_PEOPLE_ALONE = frozenset(
    {"doors.delete_session", "doors.put_password", "doors.post_second_factor", "doors.put_second_factor"}
)
_OLD, _NEW = "plum orbit candle 42", "seven wet grey lanterns"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_NO_FACTOR = {"totp_secret": None, "totp_since": None, "totp_next": None, "totp_step": None}

EXAMPLES: dict[str, Example] = {
    "field.put_case": _put("/cases/{new_id}", lambda place: a_case_body(site=place.site)),
    "field.get_case": _get("/cases/{case_id}"),
    "field.get_cases": _get("/cases?limit=200"),
    "field.put_photo": _photo,
    "field.get_photo": _get("/cases/{case_id}/photos/{photo_id}"),
    "field.put_amendment": _amendment,
    "field.get_changes": _get("/changes?limit=200"),
    "lab.put_lab_result": _put("/lab-results/{new_id}", lambda place: a_result_body(place.case_id)),
    "lab.get_lab_result": _get("/lab-results/{result_id}"),
    "lab.put_retraction": _retraction,
    "lab.post_report": _reported,
    "lab.post_batch": _batch,
    "hl7.post_message": _hl7,
    "fhir.get_metadata": _get("/fhir/metadata"),
    "fhir.post_observation": _fhir("/Observation", lambda observation: observation),
    "fhir.post_diagnostic_report": _fhir("/DiagnosticReport", _as_report),
    "fhir.post_bundle": _fhir("", a_bundle),
    "sheets.post_preview": _preview,
    "sheets.post_sheet": _sheet,
    "lab.get_reports": _open_reports,
    "lab.put_decision": _decision,
    "lab.post_labels": lambda _api, _place: ("POST", "/specimen-labels", {"json": {"count": 1}}),
    "admin.get_predictions": _get("/predictions"),
    "admin.get_labels": _get("/labels?limit=200"),
    "admin.get_eligibility": _get("/eligibility"),
    "admin.get_withheld": _get("/eligibility/conflicting-values"),
    "admin.get_releases": _get("/releases"),
    "explain.get_explanation": _explained("explanation"),
    "explain.get_heat_map": _explained("heat-map"),
    "explain.get_nearest_cases": _explained("nearest-cases"),
    "office.get_sites": _get("/sites"),
    "office.put_site": lambda _api, _place: ("PUT", f"/sites/{_fresh_name('site')}", {"json": _A_SITE}),
    "office.get_people": _get("/people"),
    "office.get_person": _person("GET", "/people/{name}", {}),
    "office.put_person": _new_person,
    "office.reset_password": _person("POST", "/people/{name}/password-reset", {}),
    "office.put_person_state": _person("PUT", "/people/{name}/state", {"state": "disabled"}),
    "office.get_devices": _get("/devices"),
    "office.put_device_state": _device("/devices/{name}/state", {"state": "retired"}),
    "office.put_confirmation": _device("/devices/{name}/confirmation", {"fingerprint": "0f" * 32}),
    "office.post_code": _code,
    "office.get_audit": _get("/audit"),
    "sealed.get_sealing_keys": _get("/sealing-keys"),
    "sealed.put_sealed": lambda api, place: ("PUT", *a_request(api, place.site, new_id())),
    "sealed.get_sealed": _get("/sealed/{submission_id}"),
    "put-aside.get_put_aside": _get("/sealed"),
    "put-aside.post_another_try": _another_try,
    "put-aside.post_discard": _discard,
    "after.put_follow_up": _put("/cases/{case_id}/follow-ups/{new_id}", lambda _place: _REACHED),
    "after.get_follow_ups": _get("/follow-ups?limit=200"),
    "after.get_alerts": _alerts,
    "after.put_acknowledgement": _acknowledgement,
    "rights.put_consent": _put("/cases/{case_id}/consents/{new_id}", lambda _place: _SAID),
    "rights.put_erasure": _erasure,
    "rights.get_erasures": _get("/erasures"),
    "training.post_due": lambda _api, _place: ("POST", "/training/due", {"json": {"new_cases": 100, "days": 30}}),
    "training.post_snapshot": _snapshot,
    "training.get_snapshots": _get("/snapshots"),
    "training.get_label_corrections": _get("/label-corrections"),
    "training.put_same_photo_groups": _same_photos,
    "training.put_candidate": _candidate,
    "training.get_candidates": _get("/candidates"),
    "prospect.get_record": _known_release("record"),
    "prospect.get_record_table": _known_release("record.csv"),
    "prospect.get_record_plot": _known_release("record.svg"),
    "drift.get_drift": _get("/drift"),
    "drift.put_acknowledgement": _drifted,
    "rollouts.get_rollout": _rollout("GET", "/rollouts/{channel}", {}),
    "rollouts.get_history": _rollout("GET", "/rollouts/{channel}/history", {}),
    "rollouts.post_start": _start,
    "rollouts.post_advance": _rollout("POST", "/rollouts/{channel}/advance", {"percent": 50}),
    "rollouts.post_halt": _rollout("POST", "/rollouts/{channel}/halt", {"reason": "a call"}),
    "rollouts.post_rollback": _rollout("POST", "/rollouts/{channel}/rollback", {"reason": "harm"}),
    "rollouts.get_nodes": _get("/nodes"),
    "rollouts.post_node_report": _node_report,
    "doors.get_session": _get("/session"),
    "doors.delete_session": lambda _api, _place: ("DELETE", "/session", {}),
    "doors.put_password": _nurse(
        "PUT", "/session/password", lambda _: {"old": _OLD, "new": _NEW}, password_hash=hash_password(_OLD)
    ),
    "doors.post_second_factor": _nurse("POST", "/session/second-factor", lambda _: {}),
    "doors.put_second_factor": _nurse(
        "PUT", "/session/second-factor", lambda api: {"code": TOTP(_SECRET).at(api.clock.now())}, totp_next=_SECRET
    ),
    "doors.post_rotation": lambda _api, _place: ("POST", "/session/rotation", {"json": {}}),
    "doors.put_queue": lambda _api, _place: ("PUT", "/device/queue", {"json": {"unsent_cases": 3}}),
    "health.live": _get("/health/live"),
    "health.ready": _get("/health/ready"),
}

_altitudes = iter(range(1, 3000))
_seeds = iter(range(1000, 10_000))
_sequences = iter(range(1, 10_000))
_NODE_KEY = Ed25519PrivateKey.generate()


def _fresh() -> int:
    """An altitude that nobody named before, so that the amendment changes something."""
    return next(_altitudes)
