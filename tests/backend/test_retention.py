"""What a site keeps for so many days is erased after them, and nothing else."""

import pytest

from backend.services.apply_retention import apply_retention
from backend.services.audit import export_audit, verify_audit
from backend.services.manage_sites import put_site
from backend.sweeper import keep_house, sweep
from pallor.ids import new_id
from tests.support.builders import a_consent_body
from tests.support.synthetic import a_good_png


@pytest.fixture
def kept_30_days(api):
    put_site(api.parts.database, api.clock, "kumasi-1", practice=False, retention_days=30, by="operator")


def _apply(api):
    return apply_retention(api.parts.database, api.clock, "who-2024")


def test_a_case_is_erased_when_its_sites_days_are_over(api, kept_30_days):
    old = api.put_case()
    api.put_photo(old, a_good_png())
    forever = api.put_case(site="school")
    api.clock.move(days=29, hours=23)
    young = api.put_case()
    assert _apply(api) == 0
    api.clock.move(hours=2)
    assert keep_house(api.parts.database, api.clock, "who-2024").cases_erased == 1
    assert _apply(api) == 0
    statuses = {case_id: api.call("GET", f"/cases/{case_id}").status_code for case_id in (old, young, forever)}
    assert statuses == {old: 410, young: 200, forever: 200}
    sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)
    assert list(api.parts.store.keys()) == []


def test_it_is_on_record_as_an_erasure_by_the_sweeper(api, kept_30_days):
    api.put_case()
    api.clock.move(days=31)
    _apply(api)
    (erasure,) = api.get("/erasures")["items"]
    assert (erasure["reason"], erasure["site"], erasure["cases"], erasure["asked_by"]) == (
        "retention", "kumasi-1", 1, "sweeper",
    )  # fmt: skip
    assert [row["action"] for row in export_audit(api.parts.database)][-1] == "subject.erase"
    verify_audit(api.parts.database)


def test_many_go_in_batches(api, kept_30_days, monkeypatch):
    monkeypatch.setattr("backend.services.apply_retention._BATCH", 3)
    for number in range(7):
        api.put_case(subject_code=f"C-{number}")
    api.clock.move(days=31)
    assert _apply(api) == 7
    assert [erasure["cases"] for erasure in api.get("/erasures")["items"]] == [1, 3, 3]


def test_a_withdrawal_at_a_visit_that_goes_holds_on_for_the_visits_that_stay(api, kept_30_days):
    old = api.put_case()
    said = {"purpose": "training", "given": False, "at": "2026-11-20T12:00:00Z", "wording": "w"}
    api.clock.move(days=20)
    stays = api.put_case(consent=a_consent_body(at="2026-11-20T10:00:00Z"))
    assert api.call("PUT", f"/cases/{old}/consents/{new_id()}", json=said).status_code == 201
    api.clock.move(days=11)
    assert _apply(api) == 1
    assert api.get(f"/cases/{stays}")["consent"]["training"]["given"] is False
