"""Whatever changes a record is on the trail, and no hand touches the trail unseen."""

import json
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import delete, insert, select, text, update

from backend.access.roles import DeviceState
from backend.db.tables import audit, audit_head, audit_values
from backend.services.audit import AuditBroken, erased_rows, export_audit, verify_audit
from backend.services.manage_devices import set_device_state
from pallor.digest import digest_of
from pallor.ids import new_id
from tests.support.synthetic import a_good_png


@pytest.fixture
def walked(api):
    """A case with a photo, a laboratory value and an amendment; another, erased; a retired device."""
    case_id = api.put_case()
    api.put_photo(case_id, a_good_png())
    api.put_result(case_id)
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change).status_code == 201
    api.put_case(subject_code="E-1")
    erasure = {"site": "kumasi-1", "subject_code": "E-1", "reason": "request"}
    assert api.call("PUT", f"/erasures/{new_id()}", "admin", json=erasure).status_code == 201
    set_device_state(api.parts.database, api.clock, "test-lab", DeviceState.RETIRED, by="operator")
    return case_id


def _rows(api):
    return list(export_audit(api.parts.database))


def _seq(api, action):
    """The first row of this action."""
    return next(row["seq"] for row in _rows(api) if row["action"] == action)


def _by_hand(api, *statements):
    with api.parts.database.write() as tx:
        for statement in statements:
            tx.execute(statement)


def _broken(api, noted=None):
    with pytest.raises(AuditBroken) as caught:
        verify_audit(api.parts.database, noted)
    return str(caught.value)


def test_each_change_is_on_the_trail_with_its_actor_old_new_and_reason(api, walked):
    rows = _rows(api)
    own = [row["action"] for row in rows if row["case_id"] == walked]
    assert own == ["case.submit", "photo.receive", "lab-result.submit", "label.derive", "case.amend"]
    assert [row["action"] for row in rows][-3:] == ["case.submit", "subject.erase", "device.state"]
    amend = next(row for row in rows if row["action"] == "case.amend")
    assert (amend["person"], amend["device"], amend["content"]["reason"]) == (
        "nurse", "test-field", "seen on second look",
    )  # fmt: skip
    assert (amend["content"]["old"]["sore_eye"], amend["content"]["new"]["sore_eye"]) == (False, True)


def test_a_machine_by_itself_is_a_device_without_a_person(api, walked):
    result = next(row for row in _rows(api) if row["action"] == "lab-result.submit")
    assert (result["person"], result["device"]) == (None, "test-lab")


def test_repeats_and_refusals_leave_no_row(api, walked):
    before = len(_rows(api))
    api.put_case(walked)
    assert api.call("PUT", f"/cases/{walked}", json={"site": "x"}).status_code == 422
    assert len(_rows(api)) == before


def test_an_untouched_trail_verifies_and_exports_as_json(api, walked):
    rows = _rows(api)
    assert verify_audit(api.parts.database) == (len(rows), rows[-1]["digest"])
    json.dumps(rows)


def test_no_token_is_on_the_trail(api, walked):
    assert "pallor_" not in json.dumps(_rows(api))


def test_what_an_erasure_took_is_gone_with_its_salt_and_the_trail_verifies(api, walked):
    erasure = next(row for row in _rows(api) if row["action"] == "subject.erase")
    (seq,) = erasure["content"]["new"]["erased_values_of"]
    erased = _rows(api)[seq - 1]
    assert (erased["action"], erased["content"], erased["salt"]) == ("case.submit", None, None)
    assert verify_audit(api.parts.database)[0] == len(_rows(api))


_COLUMNS = ("actor", "action", "entity_id", "case_id", "values_digest", "previous", "digest")


@pytest.mark.parametrize(
    ("action", "column"),
    [*(("photo.receive", column) for column in _COLUMNS), ("site.create", "actor"), ("device.state", "actor")],
)
def test_an_edited_row_is_found_and_named(api, walked, column, action):
    seq = _seq(api, action)
    _by_hand(api, update(audit).where(audit.c.seq == seq).values({column: "x"}))
    assert f"row {seq} " in _broken(api)


def test_a_moment_edited_is_found(api, walked):
    seq = _seq(api, "photo.receive")
    _by_hand(api, update(audit).where(audit.c.seq == seq).values(at=api.clock.now()))
    assert _broken(api) == f"row {seq} was changed by hand"


@pytest.mark.parametrize(
    "content", [None, {}, [], {"old": None, "new": "13", "reason": None}, {"old": None, "new": None, "reason": None}]
)
def test_a_value_edited_is_found(api, walked, content):
    seq = _seq(api, "lab-result.submit")
    _by_hand(api, update(audit_values).where(audit_values.c.seq == seq).values(content=content))
    assert _broken(api) == f"what row {seq} says was changed was itself changed by hand"


def test_a_salt_edited_and_a_value_added_are_found(api, walked):
    seq = _seq(api, "lab-result.submit")
    here = audit_values.c.seq == seq
    with api.parts.database.read() as connection:
        row = connection.execute(select(audit_values).where(here)).one()
    _by_hand(api, update(audit_values).where(here).values(content={**row.content, "salt": row.salt}))
    assert f"what row {seq} says" in _broken(api)
    _by_hand(api, update(audit_values).where(here).values(content=row.content, salt="0" * 64))
    assert f"what row {seq} says" in _broken(api)


def test_values_swapped_between_two_rows_are_found(api, walked):
    one, two = _seq(api, "lab-result.submit"), _seq(api, "case.amend")
    with api.parts.database.read() as connection:
        values = {row.seq: row for row in connection.execute(select(audit_values))}
    for here, there in ((one, values[two]), (two, values[one])):
        swapped = {"salt": there.salt, "content": there.content}
        _by_hand(api, update(audit_values).where(audit_values.c.seq == here).values(swapped))
    assert f"what row {min(one, two)} says" in _broken(api)


@pytest.mark.parametrize("action", ["site.create", "photo.receive", "case.amend"])
def test_values_taken_out_without_an_erasure_are_found(api, walked, action):
    seq = _seq(api, action)
    _by_hand(api, delete(audit_values).where(audit_values.c.seq == seq))
    assert _broken(api) == f"what row {seq} says was changed is gone, and no erasure on the trail took it"


def test_an_erasure_whose_list_was_edited_or_taken_out_is_found(api, walked):
    seq, taken = _seq(api, "subject.erase"), _seq(api, "case.amend")
    here = audit_values.c.seq == seq
    with api.parts.database.read() as connection:
        content = connection.execute(select(audit_values.c.content).where(here)).scalar_one()
    content["new"]["erased_values_of"].append(taken)
    _by_hand(
        api,
        delete(audit_values).where(audit_values.c.seq == taken),
        update(audit_values).where(here).values(content=content),
    )
    assert f"what row {seq} says" in _broken(api)
    _by_hand(api, delete(audit_values).where(here))
    assert _broken(api) == f"what row {seq} says was erased is gone, and that is never erased"


def test_values_put_back_after_an_erasure_are_found(api, walked):
    erasure = _seq(api, "subject.erase")
    (seq,) = _rows(api)[erasure - 1]["content"]["new"]["erased_values_of"]
    # with the right salt, as whoever has an old copy of the database knows it, the digest would agree
    salt, content = "0" * 64, {"old": None, "new": "E-1", "reason": None}
    digest = digest_of({"salt": salt, **content})
    _by_hand(api, insert(audit_values).values(seq=seq, salt=salt, content=content))
    assert f"what row {seq} says" in _broken(api)
    _rewrite(api, {seq: {"values_digest": digest}})
    assert _broken(api) == f"what row {seq} says was changed is here, and row {erasure} says it was erased"


@pytest.mark.parametrize("action", ["site.create", "photo.receive"])
def test_a_deleted_row_is_found_and_named(api, walked, action):
    seq = _seq(api, action)
    _by_hand(api, delete(audit_values).where(audit_values.c.seq == seq), delete(audit).where(audit.c.seq == seq))
    assert f"row {seq} is missing" in _broken(api)


def test_the_last_rows_deleted_are_found(api, walked):
    last = len(_rows(api))
    gone = last - 1
    _by_hand(api, delete(audit_values).where(audit_values.c.seq >= gone), delete(audit).where(audit.c.seq >= gone))
    assert _broken(api) == f"the trail ends at row {last - 2}, row {last} was noted as the newest: " + (
        "rows are missing at its end"
    )


def test_an_inserted_row_is_found_and_named(api, walked):
    last = len(_rows(api))
    with api.parts.database.write() as tx:
        row = tx.execute(select(audit).where(audit.c.seq == last)).one()
        tx.execute(insert(audit).values(**{**row._mapping, "seq": last + 1}))
    assert f"row {last + 1} does not follow" in _broken(api)


def test_a_row_put_in_at_the_end_with_a_right_digest_is_found(api, walked):
    rows = _rows(api)
    last = {name: rows[-1][name] for name in ("actor", "action", "entity_id", "case_id", "values_digest")}
    new = {**last, "seq": len(rows) + 1, "at": api.clock.now(), "previous": rows[-1]["digest"]}
    digest = digest_of({**new, "at": new["at"].isoformat()})
    _by_hand(api, insert(audit).values(**new, digest=digest))
    assert "the note of which row is the newest was changed by hand" in _broken(api)


@pytest.mark.parametrize(
    "hand",
    [delete(audit_head), update(audit_head).values(digest="x"), update(audit_head).values(seq=3),
     insert(audit_head).values(id=2, seq=1, digest="x")],
    ids=["gone", "digest", "number", "a second one"],
)  # fmt: skip
def test_the_note_of_the_newest_row_edited_is_found(api, walked, hand):
    _by_hand(api, hand)
    assert "the note of which row is the newest was changed by hand" in _broken(api)


def test_a_whole_trail_written_anew_is_found_by_what_was_noted_elsewhere(api, walked):
    noted = verify_audit(api.parts.database)
    api.put_case()
    assert verify_audit(api.parts.database, noted)[0] > noted[0]
    _rewrite(api, {3: {"actor": "somebody"}})
    verify_audit(api.parts.database)  # by itself it is whole
    assert _broken(api, noted) == (
        f"row {noted[0]} is not the one that was noted: the trail was written anew, or put back"
    )


def test_a_trail_that_is_shorter_than_what_was_noted_is_found(api, walked):
    rows, digest = verify_audit(api.parts.database)
    assert f"row {rows + 5} was noted, and there are only {rows} rows" in _broken(api, (rows + 5, digest))


def test_of_an_empty_trail_nothing_is_missing(database):
    noted = verify_audit(database)
    assert noted[0] == 0
    assert verify_audit(database, noted) == noted


@pytest.mark.parametrize(
    "hand",
    [
        "UPDATE audit_values SET content = 'not json' WHERE seq = 5",
        "UPDATE audit_values SET content = '' WHERE seq = 5",
        "UPDATE audit_values SET content = CAST(x'ff' AS TEXT) WHERE seq = 5",
        """UPDATE audit_values SET content = '{"old": NaN, "new": null, "reason": null}' WHERE seq = 5""",
        """UPDATE audit_values SET content = '{"old": "\\ud800", "new": null, "reason": null}' WHERE seq = 5""",
        "UPDATE audit_values SET salt = CAST('x' AS BLOB) WHERE seq = 5",
        "UPDATE audit SET at = 'yesterday' WHERE seq = 5",
        "UPDATE audit SET at = '' WHERE seq = 5",
        "UPDATE audit SET actor = CAST(actor AS BLOB) WHERE seq = 5",
        "UPDATE audit SET actor = CAST(x'ff' AS TEXT) WHERE seq = 5",
    ],
)
def test_what_a_hand_left_unreadable_is_named_and_the_rows_before_it_are_looked_at_first(api, walked, hand):
    if not api.parts.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such thing")
    _by_hand(api, _as_typed(hand))
    assert _broken(api) == "row 5 was changed by hand: it cannot be read"
    if "salt" not in hand:  # that one is nobody's to read
        answer = api.call("GET", "/audit", "admin")
        assert (answer.status_code, answer.json["code"]) == (502, "audit-broken")
        assert "row 5 " in answer.json["detail"]
        with pytest.raises(AuditBroken, match="row 5 "):
            _rows(api)
    assert [row["seq"] for row in api.call("GET", "/audit?limit=3", "admin").json["items"]] == [1, 2, 3]
    _by_hand(api, update(audit).where(audit.c.seq == 3).values(actor="x"))
    assert _broken(api) == "row 3 was changed by hand"


def test_an_unreadable_note_of_the_newest_row_is_found(api, walked):
    if not api.parts.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such thing")
    _by_hand(api, _as_typed("UPDATE audit_head SET digest = CAST(x'ff' AS TEXT)"))
    assert _broken(api) == "the note of which row is the newest was changed by hand, it cannot be read"


def test_a_key_said_twice_is_found(api, walked):
    as_json = "" if api.parts.database.is_sqlite else "::json"
    text_of = "content" if api.parts.database.is_sqlite else "content::text"
    forged = f"""('{{"new": {{"forged": 1}}, ' || substr({text_of}, 2)){as_json}"""
    _by_hand(api, _as_typed(f"UPDATE audit_values SET content = {forged} WHERE seq = 5"))  # noqa: S608
    assert _broken(api) == "what row 5 says was changed was itself changed by hand"


def test_values_of_a_row_that_is_not_there_are_found(api, walked):
    if not api.parts.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such thing")
    last = len(_rows(api))
    with closing(sqlite3.connect(api.parts.database.engine.url.database)) as other, other:
        other.execute("INSERT INTO audit_values SELECT ?, salt, content FROM audit_values WHERE seq = 5", (last + 1,))
    assert _broken(api) == f"what row {last + 1} would say was changed was put in by hand: there is no row {last + 1}"


def test_rows_that_an_erasure_emptied_are_counted(api, walked):
    assert erased_rows(api.parts.database) == 1


def _as_typed(statement):
    """As it stands: no colon of it names a parameter."""
    return text(statement.replace(":", r"\:"))


def _rewrite(api, edits):
    """Write every row anew after some were edited, as somebody can who knows how the trail is made."""
    with api.parts.database.write() as tx:
        previous, rows = None, tx.execute(select(audit).order_by(audit.c.seq)).all()
        for found in rows:
            row = {name: value for name, value in found._mapping.items() if name != "digest"} | edits.get(found.seq, {})
            row["previous"] = previous or row["previous"]
            previous = digest_of({**row, "at": row["at"].isoformat()})
            tx.execute(update(audit).where(audit.c.seq == found.seq).values(**row, digest=previous))
        tx.execute(update(audit_head).values(digest=previous))
