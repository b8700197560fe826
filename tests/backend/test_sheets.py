"""Lists of results: each row's fate is seen before anything is written, and whatever else stands in them is dropped."""

import io
import zipfile
from datetime import datetime

import openpyxl
import pytest
from sqlalchemy import select

from backend.db.tables import audit_values, lab_reports, lab_results
from backend.services.specimen_barcode import new_barcode
from backend.wire.sheet import CSV, XLSX
from tests.support.api import the_fault

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HEAD = ("Lab no", "Patient name", "Barcode", "Hb (g/dL)", "Taken at", "Sex", "Village")
TUBES = [new_barcode() for _ in range(4)]


def a_row(number=1, tube=TUBES[0], value="10.4", sex="F", at="2026-11-01T13:00:00Z"):
    return (f"L-{number}", "MARK-NAME", tube, value, at, sex, "MARK-VILLAGE")


def a_csv(*rows, head=HEAD, delimiter=","):
    return "\n".join(delimiter.join(str(cell) for cell in row) for row in (head, *rows)).encode()


def an_xlsx(*rows, head=HEAD):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (head, *rows):
        book.active.append(row)
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(("make", "kind"), [(a_csv, CSV), (an_xlsx, XLSX)])
def test_each_row_is_seen_before_anything_is_written_and_then_let_in(api, caplog, make, kind):
    caplog.set_level("DEBUG")
    cases = [api.put_case(specimen_barcode=tube) for tube in TUBES[:2]]
    rows = (a_row(1), a_row(2, TUBES[1], sex="M"), a_row(3, TUBES[2]), a_row(4, TUBES[3], "<7"), a_row(5, "MARK-TUBE"))
    data = make(*rows)
    preview = look(api, data, kind)
    fates = [(row["row"], row["fate"], row["reason"]) for row in preview["rows"]]
    assert fates == [
        (2, "recorded", None), (3, "worklist", "sex-disagrees"), (4, "waiting", "case-not-here"),
        (5, "refused", "hb-only-a-bound"), (6, "refused", "barcode-unfit"),
    ]  # fmt: skip
    seen = [(row["specimen_barcode"], row["hb_value"], row["hb_unit"], row["hb_g_per_l"]) for row in preview["rows"]]
    assert seen[0] == (TUBES[0], "10.4", "g/dL", "104.0")
    assert seen[3:] == [(None, None, None, None)] * 2
    assert preview["columns_dropped"] == 2
    assert everything(api) == []
    done = let_in(api, data, preview["token"], kind)
    assert [row["status"] for row in done.json["rows"]] == [201, 202, 202, 422, 422]
    assert api.get(f"/cases/{cases[0]}")["label"]["hb_value"] == "10.4"
    assert "MARK" not in str(everything(api)) + caplog.text + str(preview) + done.text


def test_the_same_list_again_repeats_nothing(api):
    api.put_case(specimen_barcode=TUBES[0])
    data = a_csv(a_row())
    let_in(api, data, look(api, data)["token"])
    preview = look(api, data)
    assert [row["fate"] for row in preview["rows"]] == ["repeated"]
    assert let_in(api, data, preview["token"]).json["rows"][0]["report"]["repeated"]


def test_without_its_preview_no_list_is_let_in(api):
    data = a_csv(a_row())
    token = look(api, data)["token"]
    for said, sent in (("", data), ("1.2.3", data), (token, a_csv(a_row(2))), ("9" * 12 + token[10:], data)):
        assert let_in(api, sent, said).status_code in (409, 422)
    assert the_fault(let_in(api, data, token[:-1] + "\u00e9"))[0] in (409, 422)
    api.clock.move(minutes=31)
    assert the_fault(let_in(api, data, token))[:2] == (409, "preview-over")
    assert everything(api) == []


def test_when_a_fate_has_changed_since_it_is_looked_at_again(api):
    data = a_csv(a_row())
    token = look(api, data)["token"]
    api.put_case(specimen_barcode=TUBES[0])
    assert the_fault(let_in(api, data, token))[:2] == (409, "fates-differ")
    assert let_in(api, data, look(api, data)["token"]).json["rows"][0]["status"] == 201


def test_a_list_whose_numbers_begin_anew_loses_nobody(api):
    case_id, _ = [api.put_case(specimen_barcode=tube) for tube in TUBES[:2]]
    first, second = a_csv(a_row()), a_csv(a_row(tube=TUBES[1]))
    let_in(api, first, look(api, first)["token"])
    preview = look(api, second)
    assert [(row["fate"], row["reason"]) for row in preview["rows"]] == [("refused", "number-taken")]
    assert [row["status"] for row in let_in(api, second, preview["token"]).json["rows"]] == [422]
    assert api.get("/lab-sent-back", "lab")["items"][0]["code"] == "number-taken"
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "latin-1"])
def test_lists_are_read_as_spreadsheets_write_them(api, delimiter, codec):
    data = a_csv(a_row(), delimiter=delimiter).decode().replace("MARK-NAME", "Abéna").encode(codec)
    assert [row["fate"] for row in look(api, data)["rows"]] == ["waiting"]


def test_the_unit_stands_in_its_column_or_in_the_heading_and_is_never_guessed(api):
    bare = a_csv(a_row(), head=("lab_no", "x", "barcode", "hb", "taken_at", "sex", "y"))
    assert [row["reason"] for row in look(api, bare)["rows"]] == ["hb-unit-missing"]
    own = a_csv(
        ("L-1", "104", "g/L", TUBES[0], "2026-11-01 13:00", "30"),
        ("L-2", "104", "", TUBES[0], "2026-11-01", "2"),
        head=("Lab number", "Hb", "Units", "Barcode", "Taken at", "Age months"),
    )
    assert [row["reason"] for row in look(api, own)["rows"]] == ["case-not-here", "hb-unit-missing"]


def test_numbers_and_dates_of_a_workbook_are_read_as_they_are_shown(api):
    case_id = api.put_case(specimen_barcode=TUBES[0])
    data = an_xlsx(a_row(value=10.4, at=datetime(2026, 11, 1, 13)))
    let_in(api, data, look(api, data, XLSX)["token"], XLSX)
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"


def test_two_rows_with_one_number_that_say_different_things_are_both_refused(api):
    preview = look(api, a_csv(a_row(), a_row(value="11"), a_row(2), a_row(2)))
    assert [row["reason"] for row in preview["rows"]] == ["number-twice"] * 2 + ["case-not-here"] * 2


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (("Lab no", "Name", "Barcode", "x", "Taken at", "Sex", "y"), "column-missing"),
        (("x", "Name", "Barcode", "Hb", "Taken at", "Sex", "y"), "column-missing"),
        (("Lab no", "Hb", "Barcode", "Hb (g/dL)", "Taken at", "Sex", "y"), "column-twice"),
    ],
)
def test_a_list_whose_columns_are_not_clear_is_refused(api, head, code):
    response = send(api, "/lab-sheets/preview", a_csv(a_row(), head=head))
    assert the_fault(response)[:2] == (422, code)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"status": "Amina"}, "word-unknown"),
        ({"specimen": "arm"}, "word-unknown"),
        ({"age years": "old"}, "cell-unreadable"),
        ({"age months": "9999"}, "age-unfit"),
        ({"taken at": "01/11/2026"}, "moment-unreadable"),
        ({"taken at": ""}, "drawn-when-missing"),
        ({"hb": "10,4"}, "hb-not-a-number"),
        ({"hb": ""}, "value-missing"),
        ({"case id": "Amina"}, "case-id-unfit"),
        ({"subject code": "Amina", "visited on": "2026-11-01"}, "subject-code-unfit"),
        ({"visited on": "Monday"}, "moment-unreadable"),
        ({"lab no": ""}, "business-id-unfit"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_and_not_repeated(api, said, reason):
    row = {"lab no": "L-1", "hb": "10.4", "unit": "g/dL", "barcode": TUBES[0], "taken at": "2026-11-01T13:00Z"} | said
    data = a_csv([f'"{cell}"' for cell in row.values()], head=list(row))
    response = send(api, "/lab-sheets/preview", data)
    assert [found["reason"] for found in response.json["rows"]] == [reason]
    assert "Amina" not in response.text


def test_a_comma_that_splits_a_number_in_two_makes_a_row_too_long(api):
    head = ("Lab no", "Barcode", "Taken at", "Hb (g/dL)")
    split = a_csv(
        ("L-1", TUBES[0], "2026-11-01T13:00Z", "10,4"), ("L-2", TUBES[1], "2026-11-01T13:00Z", "10.4"), head=head
    )
    assert [row["reason"] for row in look(api, split)["rows"]] == ["row-too-long", "case-not-here"]


def test_a_heading_and_a_cell_that_say_two_units_are_refused(api):
    own = a_csv(
        ("L-1", "9.5", "g/dL", TUBES[0], "2026-11-01"),
        ("L-2", "9.5", "gm/dl", TUBES[0], "2026-11-01"),
        ("L-3", "95", "g/L", TUBES[0], "2026-11-01"),
        head=("Lab number", "Hb (g/dL)", "Unit", "Barcode", "Taken at"),
    )
    assert [row["reason"] for row in look(api, own)["rows"]] == ["case-not-here", "case-not-here", "units-differ"]


def test_of_a_list_of_all_tests_only_haemoglobin_is_taken(api):
    rows = [
        (f"L-{n}", test, 40, "g/L", TUBES[0], "2026-11-01") for n, test in enumerate(("Albumin", "Hb", "HbA1c", "HGB"))
    ]
    data = a_csv(*rows, head=("Lab number", "Test", "Value", "Unit", "Barcode", "Taken at"))
    reasons = [row["reason"] for row in look(api, data)["rows"]]
    assert reasons == ["not-haemoglobin", "case-not-here", "not-haemoglobin", "case-not-here"]


def test_of_a_workbook_the_sheet_is_read_that_is_shown_and_no_row_of_it_is_lost(api):
    book, out = openpyxl.load_workbook(io.BytesIO(an_xlsx(a_row(value="5.0")))), io.BytesIO()
    shown = book.create_sheet("now")
    for at, row in ((1, HEAD), (2, a_row(value="10.4")), (1990, a_row(2))):
        for column, cell in enumerate(row, start=1):
            shown.cell(at, column, cell)
    book.worksheets[0].sheet_state = "hidden"
    book.active = shown
    book.save(out)
    rows = look(api, out.getvalue(), XLSX)["rows"]
    assert [(row["row"], row["fate"]) for row in rows] == [(2, "waiting"), (1990, "waiting")]
    shown.cell(25_000, 1, "L-9")
    book.save(late := io.BytesIO())
    assert the_fault(send(api, "/lab-sheets/preview", late.getvalue(), XLSX))[:2] == (422, "sheet-unreadable")


def bomb(**members):
    out = io.BytesIO(an_xlsx(a_row()))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"xl/{name}.xml", content)
    return out.getvalue()


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>'


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", XLSX),
        (b"PK\x03\x04" + bytes(100), XLSX),
        (an_xlsx(a_row())[:-200], XLSX),
        (bomb(big=bytes(33 * 1024 * 1024)), XLSX),
        (bomb(laughs=LAUGHS), XLSX),
        (bomb(laughs=LAUGHS.decode().encode("utf-16")), XLSX),
        (bomb(more="<x>" + "<xf/>" * 60_000 + "</x>"), XLSX),
        (bomb(**{f"part{n}": b"x" for n in range(250)}), XLSX),
        (a_csv(*(a_row(n) for n in range(1001))), CSV),
        (a_csv(range(101), head=range(101)), CSV),
        (an_xlsx(a_row()), CSV),
        (b'Lab no,Hb\n"never ends,1', CSV),
        (b"\x00\x01\x02", CSV),
    ],
)
def test_what_is_no_list_or_a_bomb_is_refused_and_never_a_fault_of_ours(api, data, kind):
    assert the_fault(send(api, "/lab-sheets/preview", data, kind))[0] == 422
    assert everything(api) == []


def test_other_types_are_told_which_to_send(api):
    assert the_fault(send(api, "/lab-sheets/preview", b"x", "text/plain"))[:2] == (422, "sheet-type-mismatch")
    assert send(api, "/lab-sheets/preview", bytes(5 * 1024 * 1024)).status_code == 413


def look(api, data, kind=CSV):
    response = send(api, "/lab-sheets/preview", data, kind)
    assert response.status_code == 200, response.text
    return response.json


def let_in(api, data, token, kind=CSV):
    return send(api, "/lab-sheets", data, kind, {"Preview-Token": token})


def send(api, path, data, kind=CSV, headers=None):
    return api.call("POST", path, "lab", data=data, content_type=kind, headers=headers or {})


def everything(api):
    with api.parts.database.read() as connection:
        tables = (lab_reports, lab_results, audit_values)
        found = [connection.execute(select(table)).all() for table in tables]
        return [] if not found[0] and not found[1] else found
