"""Why labels may not teach a model, counted and by case; and the documented query that reads their files in place."""

import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from backend.__main__ import main
from backend.sweeper import write_labels
from pallor.eligibility import Reason
from tests.support.api import OWN, the_fault
from tests.support.training import a_learnable

DOCUMENT = Path(__file__).parents[2] / "docs/labels.md"

# What differs between the dialects, if anything, shows in the tests without this.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_each_reason_has_its_count_and_the_cases_behind_it(api):
    a_learnable(api, "B-1")
    conflicting, practised = a_learnable(api, "B-2"), a_learnable(api, "B-3", site="school")
    for one in (conflicting, practised):
        api.put_result(one.case_id, hb={"value": "131", "unit": "g/L"})
    told = api.get("/eligibility", "trainer")
    assert told["eligible"] == 1
    assert {reason: n for reason, n in told["withheld"].items() if n} == {"conflicting-values": 2, "practice-site": 1}
    assert set(told["withheld"]) == set(Reason)
    assert api.get(f"/eligibility?site={OWN}")["withheld"]["conflicting-values"] == 1
    first = api.get("/eligibility/conflicting-values?limit=1")
    rest = api.get(f"/eligibility/conflicting-values?limit=1&cursor={first['next']}")
    assert [page["items"][0]["case_id"] for page in (first, rest)] == [conflicting.case_id, practised.case_id]
    assert rest["next"] is None
    assert rest["items"][0]["withheld"] == ["practice-site", "conflicting-values"]
    own = api.get(f"/eligibility/conflicting-values?site={OWN}")["items"]
    assert [(item["subject_code"], item["site"]) for item in own] == [("B-2", OWN)]


@on_sqlite
def test_a_reason_that_is_none_is_refused(api):
    assert the_fault(api.call("GET", "/eligibility/no-such", "admin"))[0] == 422


@on_sqlite
def test_the_command_counts_and_lists(api, monkeypatch, capsys):
    case = a_learnable(api, "B-2")
    api.put_result(case.case_id, hb={"value": "131", "unit": "g/L"})
    monkeypatch.setenv("PALLOR_DATABASE_URL", api.parts.database.engine.url.render_as_string())
    assert main(["eligibility"]) == 0
    assert re.search(r"^conflicting-values +1$", capsys.readouterr().out, re.MULTILINE)
    assert main(["eligibility", "--withheld", "conflicting-values"]) == 0
    assert case.case_id in capsys.readouterr().out


@on_sqlite
def test_the_documented_queries_read_the_labels_where_they_lie(api):
    a_learnable(api, "B-1", hb="9.9")
    case = a_learnable(api, "B-2")
    write_labels(api.parts.database, api.parts.store, api.clock)
    api.clock.move(days=1)
    api.put_result(case.case_id, hb={"value": "131", "unit": "g/L"})
    write_labels(api.parts.database, api.parts.store, api.clock)
    folder = api.parts.settings.store_url.removeprefix("file://")
    first, second = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    with duckdb.connect() as connection:
        (row,) = connection.execute(first.replace("STORE", folder)).fetchall()
        assert row[:5] == (OWN, date(2026, 11, 1), 2, 1, 1.0)
        assert float(row[5]) == 99.0
        assert connection.execute(second).fetchall() == [("conflicting-values", 1)]
        assert connection.execute("SELECT count(*) FROM labels").fetchall() == [(3,)]
