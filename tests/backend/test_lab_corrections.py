"""A laboratory's later word supersedes, is never an overwriting, and who learned from what was wrong is named."""

import shutil
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from backend.db.engine import Database
from backend.db.tables import labels
from backend.services.audit import verify_audit
from backend.services.derive_label import is_newest
from backend.services.receive_report import Laboratory, Sender, receive_report
from backend.services.settle_waiting import settle_waiting
from backend.services.specimen_barcode import new_barcode
from backend.services.submit_case import submit_case
from pallor.ids import new_id
from pallor.lab import read_hb
from pallor.reported import ReportedHb, ReportStatus
from pallor.snapshot import read_snapshot
from tests.support.api import OWN, let_in, technician, the_fault
from tests.support.builders import NOON, a_candidate, a_case
from tests.support.clock import HandClock
from tests.support.training import a_learnable, export, lines_of

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_correction_stands_and_what_it_corrects_stays_on_record(api):
    case_id, number = api.put_case(), "L-1"
    first = api.report(case_id=case_id, business_id=number).json["result_id"]
    second = api.report(
        case_id=case_id, business_id=number, status="corrected", hb={"value": "9.8", "unit": "g/dL"}
    ).json["result_id"]
    label = api.get(f"/cases/{case_id}")["label"]
    assert (label["hb_value"], label["withheld"], label["lab_result_id"]) == ("9.8", ["no-usable-photo"], second)
    assert api.get(f"/lab-results/{second}")["supersedes"] == first
    assert api.get(f"/lab-results/{first}")["hb_value"] == "10.4"


def test_what_was_entered_in_error_retracts_the_label_and_phones_hear_of_it(api):
    case_id = api.put_case()
    result_id = api.report(case_id=case_id, business_id="L-1").json["result_id"]
    cursor = api.get("/changes")["next"]
    assert api.report(business_id="L-1", status="entered-in-error", hb=None).json["case_id"] == case_id
    case = api.get(f"/cases/{case_id}", "field")
    assert (case["label"], case["status"]) == (None, "received")
    assert {item["kind"] for item in api.get(f"/changes?cursor={cursor}", "field")["items"]} == {
        "lab-retraction", "label",
    }  # fmt: skip
    newest = api.get("/labels")["items"][-1]
    assert (newest["retracted"], newest["eligible"], newest["severity"]) == (True, False, None)
    assert api.get(f"/lab-results/{result_id}")["retracted"] == "entered-in-error"


@on_sqlite
def test_the_laboratorys_word_after_a_persons_correction_is_the_last(api):
    case_id, other = api.put_case(), {"value": "9.8", "unit": "g/dL"}
    first = api.report(case_id=case_id, business_id="L-1").json["result_id"]
    by_hand = new_id()
    assert api.put_result(case_id, by_hand, supersedes=first, hb={"value": "11.0", "unit": "g/dL"}).status_code == 201
    assert api.report(case_id=case_id, business_id="L-1", status="corrected", hb=other).status_code == 201
    label = api.get(f"/cases/{case_id}")["label"]
    assert (label["hb_value"], label["withheld"]) == ("9.8", ["no-usable-photo"])
    api.report(business_id="L-1", status="entered-in-error", hb=None)
    assert api.get(f"/cases/{case_id}")["label"] is None


@on_sqlite
def test_a_correction_by_hand_that_is_undone_leaves_the_line_as_it_was(api):
    case_id, by_hand = api.put_case(), new_id()
    first = api.report(case_id=case_id, business_id="L-1").json["result_id"]
    api.put_result(case_id, by_hand, supersedes=first, hb={"value": "11.0", "unit": "g/dL"})
    assert retract(api, by_hand, kind="taken-back").status_code == 200
    assert api.get(f"/cases/{case_id}")["label"]["lab_result_id"] == first
    api.report(business_id="L-1", status="entered-in-error", hb=None)
    assert api.get(f"/cases/{case_id}")["label"] is None


@on_sqlite
def test_a_value_goes_with_its_tube_when_a_case_turns_out_to_have_another(api):
    tube, wrong = new_barcode(), api.put_case(specimen_barcode=(scanned := new_barcode()))
    assert api.report(specimen_barcode=scanned, business_id="L-1").json["case_id"] == wrong
    right = api.put_case(specimen_barcode=tube)
    for case_id, now in ((right, scanned), (wrong, tube)):
        body = {"changes": {"specimen_barcode": now}, "reason": "two tubes were swapped"}
        assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=body).status_code == 201
    assert api.get(f"/cases/{wrong}")["label"] is None
    settle_waiting(Laboratory(api.parts.database, api.clock, "who-2024"))
    label = api.get(f"/cases/{right}")["label"]
    assert (label["hb_value"], label["withheld"]) == ("10.4", ["no-usable-photo"])
    assert api.report(specimen_barcode=scanned, business_id="L-1").json["case_id"] == right
    verify_audit(api.parts.database)


def test_a_value_that_is_called_final_twice_is_for_a_human(api):
    case_id = api.put_case()
    api.report(case_id=case_id, business_id="L-1")
    other = api.report(case_id=case_id, business_id="L-1", hb={"value": "9.8", "unit": "g/dL"})
    assert (other.json["state"], other.json["reason"]) == ("worklist", "final-twice")
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"
    api.decide(other.json["report_id"], case_id=case_id)
    label = api.get(f"/cases/{case_id}")["label"]
    assert (label["hb_value"], "conflicting-values" in label["withheld"]) == ("9.8", False)


def test_a_correction_that_names_another_case_is_for_a_human_who_can_move_it(api):
    tubes = [new_barcode(), new_barcode()]
    wrong, right = (api.put_case(specimen_barcode=tube, subject_code=f"A-{n}") for n, tube in enumerate(tubes))
    api.report(specimen_barcode=tubes[0], business_id="L-1")
    moved = api.report(specimen_barcode=tubes[1], business_id="L-1", status="corrected")
    assert moved.json["reason"] == "case-differs-from-first"
    assert api.decide(moved.json["report_id"], case_id=right).json["state"] == "recorded"
    assert api.get(f"/cases/{wrong}")["label"] is None
    assert api.get(f"/cases/{right}")["label"]["hb_value"] == "10.4"


def test_whoever_posted_a_result_takes_it_back_for_a_while_without_a_word(api):
    case_id = api.put_case()
    result_id = api.report(case_id=case_id).json["result_id"]
    for _ in range(2):
        taken = retract(api, result_id, kind="taken-back")
        assert (taken.status_code, taken.json["retracted"]) == (200, "taken-back")
    assert api.get(f"/cases/{case_id}")["label"] is None
    assert the_fault(retract(api, result_id, kind="entered-in-error", reason="a slip"))[:2] == (
        409, "retracted-already",
    )  # fmt: skip


def test_after_a_while_or_by_another_a_result_is_only_entered_in_error_with_a_reason(api):
    result_id = api.report(case_id=api.put_case()).json["result_id"]
    by_another = api.call(
        "PUT", f"/lab-results/{result_id}/retraction", None, json={"kind": "taken-back"},
        headers={"Authorization": f"Bearer {technician(api)}"},
    )  # fmt: skip
    assert the_fault(by_another)[:2] == (409, "take-back-over")
    api.clock.move(minutes=16)
    assert the_fault(retract(api, result_id, kind="taken-back"))[:2] == (409, "take-back-over")
    assert the_fault(retract(api, result_id, kind="entered-in-error"))[:2] == (422, "reason-missing")
    done = retract(api, result_id, kind="entered-in-error", reason="of another tube")
    assert done.json["retracted"] == "entered-in-error"


def test_a_correction_that_is_taken_back_lets_stand_what_it_had_corrected(api):
    case_id, result = api.put_case(), {"hb": {"value": "9.8", "unit": "g/dL"}}
    api.report(case_id=case_id, business_id="L-1")
    wrong = api.report(case_id=case_id, business_id="L-1", status="corrected", **result).json["result_id"]
    retract(api, wrong, kind="taken-back")
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"
    assert the_fault(retract(api, wrong, kind="entered-in-error", reason="twice"))[0] == 409
    again = {"hb": {"value": "9.9", "unit": "g/dL"}}
    api.report(case_id=case_id, business_id="L-1", status="corrected", **again)
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "9.9"


def test_a_result_that_was_corrected_is_not_taken_back_itself(api):
    case_id = api.put_case()
    first = api.put_result(case_id).json["result_id"]
    api.put_result(case_id, supersedes=first)
    assert the_fault(retract(api, first, kind="taken-back"))[:2] == (409, "retracted-already")


@pytest.mark.parametrize("amended", [False, True])
def test_who_learned_from_a_label_that_was_wrong_is_named_and_the_next_snapshot_leaves_it_out(api, amended):
    wrong, good = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    first = export(api)
    report = a_candidate(snapshot_digest=first)
    assert api.call("PUT", f"/candidates/{report.release_id}", "trainer", json=report.to_json()).status_code == 201
    if amended:  # a label that follows from another fact has the same result
        change = {"changes": {"subject": {"altitude_m": 1200}}, "reason": "asked again"}
        api.call("PUT", f"/cases/{wrong.case_id}/amendments/{new_id()}", json=change)
    label = api.get(f"/cases/{wrong.case_id}")["label"]
    assert api.get("/label-corrections", "trainer")["items"] == []
    retract(api, label["lab_result_id"], kind="entered-in-error", reason="of another tube")
    (told,) = api.get("/label-corrections", "trainer")["items"]
    assert (told["label_id"], told["hb_g_per_l"], told["new_hb_g_per_l"]) == (label["label_id"], "104.0", None)
    assert (told["snapshots"], told["releases"]) == ([first], [report.release_id])
    assert set(lines_of(api, export(api))) == {good.case_id}


def test_a_snapshot_made_after_a_correction_learned_nothing_wrong(api):
    case = a_learnable(api, "A-1")
    first = export(api)
    wrong = api.get(f"/cases/{case.case_id}")["label"]["lab_result_id"]
    api.put_result(case.case_id, hb={"value": "9.8", "unit": "g/dL"}, supersedes=wrong)
    second = export(api)
    assert [line.hb_g_per_l for line in read_snapshot(api.parts.store, second)] == ["98.0"]
    (told,) = api.get("/label-corrections")["items"]
    assert (told["snapshots"], told["new_hb_g_per_l"]) == ([first], "98.0")


def test_corrections_are_listed_newest_first_page_by_page(api):
    for number in range(3):
        case_id = api.put_case(subject_code=f"A-{number}")
        retract(api, api.report(case_id=case_id).json["result_id"], kind="taken-back")
        api.clock.move(seconds=1)
    page = api.get("/label-corrections?limit=2")
    rest = api.get(f"/label-corrections?limit=2&cursor={page['next']}")
    moments = [item["corrected_at"] for item in (*page["items"], *rest["items"])]
    assert (len(moments), moments, rest["next"]) == (3, sorted(moments, reverse=True), None)


def test_the_database_itself_refuses_a_case_a_second_first_label(api):
    case_id = api.put_case()
    api.report(case_id=case_id)
    with api.parts.database.read() as connection:
        (there,) = connection.execute(select(labels)).mappings()
    with pytest.raises(IntegrityError), api.parts.database.write() as tx:
        tx.execute(labels.insert().values(dict(there) | {"id": new_id(), "supersedes": None}))


# By the laboratory's own clock each word is a minute after the one before; they come in any order, and repeated.
WORDS = st.lists(
    st.tuples(st.sampled_from(["corrected", "corrected", "entered-in-error"]), st.integers(30, 99)), max_size=4
)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=WORDS, first=st.integers(30, 99), other=st.none() | st.integers(100, 200), repeats=st.integers(0, 4),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_whatever_the_order_and_however_often_there_is_one_label_and_it_says_the_last_word(
    with_sites, tmp_path_factory, words, first, other, repeats, order
):
    world = World(with_sites, tmp_path_factory.mktemp("world"))
    told = [("L-1", *word, minute) for minute, word in enumerate([("final", first), *words])]
    second = [] if other is None else [("L-2", "final", other, 0)]
    arrivals = [*told, *second, *(order.choice(told) for _ in range(repeats)), None]
    order.shuffle(arrivals)
    for arrival in arrivals:
        world.come(*arrival) if arrival else world.arrive()
    _, status, last, _ = told[-1]
    stands = {str(value) for value in (last if status != "entered-in-error" else None, other) if value is not None}
    assert (world.says() in stands) if stands else (world.says() is None)
    world.database.close()


class World:
    """One case, and what a laboratory says of its measurements."""

    def __init__(self, with_sites, folder):
        shutil.copy(with_sites, folder / "pallor.db")
        self.database, self.clock = Database(f"sqlite:///{folder}/pallor.db"), HandClock()
        self.laboratory = Laboratory(self.database, self.clock, "who-2024")
        self.case = a_case(specimen_barcode=new_barcode())

    def come(self, number, status, g_per_l, minute):
        hb = read_hb(str(g_per_l), "g/L") if status != "entered-in-error" else None
        line = ReportedHb(
            number, ReportStatus(status), hb, NOON + timedelta(hours=1), NOON + timedelta(minutes=minute),
            barcode=self.case.specimen_barcode,
        )  # fmt: skip
        self.clock.move(seconds=1)
        receive_report(self.laboratory, line, Sender("lab-1", frozenset({OWN}), "lab-1"))
        self.says()

    def arrive(self):
        self.clock.move(seconds=1)
        submit_case(self.database, self.clock, self.case, within=None, by="operator")
        settle_waiting(self.laboratory, self.case.id)
        self.says()

    def says(self):
        """What the label says, None for nothing; there is never a second one."""
        with self.database.read() as connection:
            record = connection.execute(select(labels.c.record).where(is_newest())).scalar_one_or_none()
        return None if record is None or record.get("retracted") else record["hb"]["value"]


@pytest.fixture(scope="module")
def with_sites(migrated_sqlite, tmp_path_factory):
    path = tmp_path_factory.mktemp("with-sites") / "pallor.db"
    shutil.copy(migrated_sqlite, path)
    database = Database(f"sqlite:///{path}")
    let_in(database, HandClock())
    database.checkpoint()
    database.close()
    return path


def retract(api, result_id, **said):
    return api.call("PUT", f"/lab-results/{result_id}/retraction", "lab", json=said)
