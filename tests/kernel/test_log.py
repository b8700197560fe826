"""Logs are JSON lines that carry the listed fields and no secret."""

import ast
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pallor
from pallor.log import FIELDS, configure, redacted

Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_says_when_who_and_what_with_its_extra_fields(lines: Lines) -> None:
    logging.getLogger("pallor.worker").info("scored %s", "it", extra={"photo_id": "p1", "seconds": 0.25})
    (line,) = lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "component": "worker",
        "logger": "pallor.worker",
        "message": "scored it",
        "photo_id": "p1",
        "seconds": 0.25,
    }


def test_fields_that_are_not_on_the_list_do_not_leave_the_process(lines: Lines) -> None:
    extra = {"token": "t-secret", "subject_code": "ada-1990", "data": {"args": ["t-secret"]}, "case_id": "c1"}
    logging.getLogger("pallor").warning("look", extra=extra)
    (line,) = lines()
    assert line["case_id"] == "c1"
    assert not {"t-secret", "ada-1990"} & set(json.dumps(line).split('"'))


def test_what_our_own_lines_attach_is_on_the_list() -> None:
    """A field that is not would be dropped in silence."""
    root = Path(pallor.__file__).parent.parent
    attached = {
        (path.name, key.value)
        for package in ("pallor", "backend", "worker", "sync")
        for path in (root / package).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log"
        for extra in (word.value for word in call.keywords if word.arg == "extra")
        for part in ast.walk(extra)
        if isinstance(part, ast.Dict)
        for key in part.keys
        if isinstance(key, ast.Constant)
    }
    assert len(attached) > 20
    assert not {(file, name) for file, name in attached if name not in FIELDS}


def test_an_error_brings_its_trace_on_the_same_line_without_its_secrets(lines: Lines) -> None:
    try:
        raise ConnectionError("redis://me:hunter2@host:6379 with Authorization: Bearer abc.def refused")
    except ConnectionError:
        logging.getLogger("kombu").exception("away\nreally")
    (line,) = lines()
    assert line["message"] == "away\nreally"
    assert "ConnectionError" in line["trace"]
    assert "hunter2" not in line["trace"]
    assert "abc.def" not in line["trace"]


def test_a_number_that_json_cannot_hold_is_written_as_text(lines: Lines) -> None:
    logging.getLogger("pallor").info("x", extra={"max_difference": float("nan"), "fault": ValueError("bad")})
    (line,) = lines()
    assert (line["max_difference"], line["fault"]) == ("nan", "bad")


def test_lines_below_the_level_are_not_written_and_warnings_are(lines: Lines) -> None:
    logging.getLogger("pallor").debug("quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("heed this", stacklevel=1)
    (line,) = lines()
    assert line["logger"] == "py.warnings"


def test_the_lines_go_to_stderr_and_configuring_again_does_not_double_them() -> None:
    code = "import logging, pallor.log as l; l.configure('a'); l.configure('b'); logging.warning('once')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert [json.loads(line)["component"] for line in done.stderr.splitlines()] == ["b"]


def test_addresses_keep_all_but_their_password() -> None:
    assert redacted("at redis://:hunter2@host:1/0, https://host:8/a") == "at redis://:***@host:1/0, https://host:8/a"


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The process logs as component ``worker``; calling this gives the lines so far, parsed."""
    root = logging.getLogger()
    level = root.level
    configure("worker", "info")
    ours = root.handlers[0]
    assert isinstance(ours, logging.StreamHandler)
    written = io.StringIO()
    ours.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.removeHandler(ours)
    root.setLevel(level)
