"""What training made is put on record with its figures, once, whatever the gate says of it."""

from dataclasses import replace

import pytest

from backend.services.audit import export_audit
from backend.services.register_release import register_release
from pallor.candidate import Gate, GateRefusal
from pallor.release.shelf import Release
from tests.support.api import an_api, the_fault
from tests.support.builders import a_candidate, a_manifest
from tests.support.training import a_learnable, erase, export

REFUSED = Gate((GateRefusal("too-few-positives", "41 positives; 59 more are needed to say anything"),))
AT_ODDS = {"passed": True, "refusals": [{"reason": "r", "said": "s"}]}
FIGURE = {"name": "model.auroc", "protocol": "test_side", "value": 0.7}


def post(api, report, **changes):
    return api.call("PUT", f"/candidates/{report.release_id}", "trainer", json=report.to_json() | changes)


def test_a_candidate_is_kept_as_it_was_said_and_the_same_again_is_200(api):
    report = a_candidate(gate=REFUSED)
    first, again = post(api, report), post(api, report)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    added = {"snapshot": "unknown", "posted_by": "test-trainer", "posted_at": first.json["posted_at"]}
    assert first.json == report.to_json() | added
    assert api.get("/candidates")["items"] == [first.json]
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "candidate.post"]
    assert (row["entity_id"], row["content"]["new"]["passed"]) == (report.release_id, False)


def test_other_content_under_the_same_id_is_409_and_the_first_stands(api):
    report = a_candidate()
    post(api, report)
    other = post(api, replace(report, gate=REFUSED))
    assert the_fault(other)[:2] == (409, "release-id-taken")
    assert api.get("/candidates")["items"][0]["gate"] == {"passed": True, "refusals": []}


def test_an_id_that_stands_for_a_release_takes_no_other_manifest(api):
    manifest = a_manifest(release_id="child-eye-1")
    digest = manifest.digest()
    register_release(api.parts.database, api.clock, Release(None, manifest, digest), "real")
    assert the_fault(post(api, a_candidate()))[:2] == (409, "release-id-taken")
    assert post(api, a_candidate(manifest_digest=digest)).status_code == 201


def test_a_candidate_of_the_synthetic_world_stays_out_of_a_real_one(api):
    report = a_candidate(world="synthetic")
    assert the_fault(post(api, report))[:2] == (422, "world-mismatch")
    assert api.get("/candidates")["items"] == []


def test_a_synthetic_deployment_takes_it(database, tmp_path):
    api = an_api(database, tmp_path / "store", world="synthetic")
    assert post(api, a_candidate(world="synthetic")).status_code == 201


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"release_id": "another-1"}, "release-id-contradicted", "release_id"),
        ({"gate": {"passed": False, "refusals": []}}, "gate-contradicts-itself", "gate.passed"),
        ({"gate": AT_ODDS}, "gate-contradicts-itself", "gate.passed"),
        ({"world": "imagined"}, "request-not-valid", "world"),
        ({"manifest_digest": "1" * 64}, "request-not-valid", "manifest_digest"),
        ({"figures": [FIGURE | {"value": "0.9"}]}, "request-not-valid", "figures.0.value"),
        ({"figures": [FIGURE | {"value": True}]}, "request-not-valid", "figures.0.value"),
        ({"figures": [FIGURE | {"value": 10**400}]}, "request-not-valid", "figures.0.value"),
        ({"figures": [FIGURE | {"count": -1}]}, "request-not-valid", "figures.0.count"),
        ({"figures": [FIGURE | {"name": ""}]}, "request-not-valid", "figures.0.name"),
        ({"made_at": "yesterday"}, "request-not-valid", "made_at"),
        ({"notes": "x"}, "request-not-valid", "notes"),
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_is_refused_and_not_kept(api, changes, code, field):
    status, found, fault = the_fault(post(api, a_candidate(), **changes))
    assert (status, found, fault["field"]) == (422, code, field)
    assert api.get("/candidates")["items"] == []


def test_infinity_is_no_figure(api):
    body = b'{"figures": [{"name": "a", "protocol": "b", "value": 1e999}]}'
    response = api.call("PUT", "/candidates/x", "trainer", data=body, content_type="application/json")
    assert "figures.0.value" in {fault["field"] for fault in response.json["faults"]}


def test_it_shows_what_became_of_its_snapshot(api):
    a_learnable(api, "MARK-1")
    digest = export(api)
    assert post(api, a_candidate(snapshot_digest=digest)).json["snapshot"] == "complete"
    assert erase(api, "MARK-1")["releases"] == ["child-eye-1"]
    (candidate,) = api.get("/candidates", "trainer")["items"]
    assert candidate["snapshot"] == "incomplete"


def test_candidates_are_listed_newest_first_page_by_page(api):
    for number in range(3):
        post(api, a_candidate(release_id=f"child-eye-{number}"))
    page = api.get("/candidates?limit=2")
    rest = api.get(f"/candidates?limit=2&cursor={page['next']}")
    listed = [item["release_id"] for item in (*page["items"], *rest["items"])]
    assert listed == ["child-eye-2", "child-eye-1", "child-eye-0"]
    assert rest["next"] is None


def test_a_report_with_thousands_of_figures_fits(api):
    (figure,) = a_candidate().figures
    report = a_candidate(figures=(figure,) * 3000)
    assert post(api, report).status_code == 201
