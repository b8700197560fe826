"""Whatever changes a record is on the trail, and no hand touches the trail unseen."""

import json

import pytest
from sqlalchemy import delete, insert, select, update

from backend.auth import revoke_token
from backend.db.tables import audit, audit_values
from backend.services.audit import AuditBroken, export_audit, verify_audit
from pallor.ids import new_id
from tests.support.synthetic import a_good_png


@pytest.fixture
def walked(api):
    """A case with a photo, a laboratory value and an amendment; a revoked token."""
    case_id = api.put_case()
    api.put_photo(case_id, a_good_png())
    api.put_result(case_id)
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change).status_code == 201
    revoke_token(api.parts.database, api.clock, "test-lab")
    return case_id


def test_each_change_is_on_the_trail_with_its_actor_old_new_and_reason(api, walked):
    rows = list(export_audit(api.parts.database))
    assert [row["action"] for row in rows] == [
        "token.create", "token.create", "token.create", "case.submit", "photo.receive", "lab-result.submit",
        "label.derive", "case.amend", "token.revoke",
    ]  # fmt: skip
    amend = rows[-2]
    assert (amend["actor"], amend["case_id"], amend["content"]["reason"]) == (
        "test-field",
        walked,
        "seen on second look",
    )
    assert (amend["content"]["old"]["sore_eye"], amend["content"]["new"]["sore_eye"]) == (False, True)


def test_repeats_and_refusals_leave_no_row(api, walked):
    before = len(list(export_audit(api.parts.database)))
    api.put_case(walked)
    assert api.call("PUT", f"/cases/{walked}", json={"site": "x"}).status_code == 422
    assert len(list(export_audit(api.parts.database))) == before


def test_an_untouched_trail_verifies_and_exports_as_json(api, walked):
    rows = list(export_audit(api.parts.database))
    assert verify_audit(api.parts.database) == (len(rows), rows[-1]["digest"])
    json.dumps(rows)


def test_what_changed_can_be_erased_and_the_chain_still_stands(api, walked):
    with api.parts.database.write() as tx:
        tx.execute(delete(audit_values).where(audit_values.c.seq == 4))
    assert verify_audit(api.parts.database)[0] == 9


def test_no_token_is_on_the_trail(api, walked):
    assert "pallor_" not in json.dumps(list(export_audit(api.parts.database)))


HANDS = {
    "an actor changed": (update(audit).where(audit.c.seq == 5).values(actor="somebody"), "row 5 was changed"),
    "a moment changed": (update(audit).where(audit.c.seq == 6).values(action="case.submit"), "row 6 was changed"),
    "a value changed": (
        update(audit_values).where(audit_values.c.seq == 6).values(content={"old": None, "new": "13", "reason": None}),
        "what row 6 says",
    ),
}  # fmt: skip


@pytest.mark.parametrize("hand", HANDS)
def test_an_edited_row_is_found_and_named(api, walked, hand):
    statement, named = HANDS[hand]
    with api.parts.database.write() as tx:
        tx.execute(statement)
    with pytest.raises(AuditBroken, match=named):
        verify_audit(api.parts.database)


@pytest.mark.parametrize(("seq", "named"), [(5, "row 5 is missing"), (9, "rows are missing at its end")])
def test_a_deleted_row_is_found_and_named(api, walked, seq, named):
    with api.parts.database.write() as tx:
        tx.execute(delete(audit_values).where(audit_values.c.seq == seq))
        tx.execute(delete(audit).where(audit.c.seq == seq))
    with pytest.raises(AuditBroken, match=named):
        verify_audit(api.parts.database)


def test_an_inserted_row_is_found_and_named(api, walked):
    with api.parts.database.write() as tx:
        last = tx.execute(select(audit).where(audit.c.seq == 9)).one()
        tx.execute(insert(audit).values(**{**last._mapping, "seq": 10}))
    with pytest.raises(AuditBroken, match="row 10 does not follow"):
        verify_audit(api.parts.database)
