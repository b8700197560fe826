"""Settings come from the environment, every fault is named at once, and a secret is shown nowhere."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from pallor.settings import (
    SettingsRefused,
    explain,
    flag,
    host_and_port,
    load,
    number,
    one_of,
    path,
    queue_url,
    setting,
    text,
    url,
    whole,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    broker_url: str = setting("PALLOR_BROKER_URL", url("redis", "rediss"), "Where the broker listens", secret=True)
    data_folder: Path = setting("PALLOR_DATA", path, "Where the data lie")
    report_seconds: float = setting("PALLOR_REPORT_SECONDS", number(1, 3600), "Seconds between reports", default=60.0)
    threads: int = setting("PALLOR_THREADS", whole(1), "Threads of the engine", default=1)
    level: str = setting("PALLOR_LOG_LEVEL", one_of("DEBUG", "INFO"), "The least level that is logged", default="INFO")
    site: str | None = setting("PALLOR_SITE", text, "The site", default=None)
    loud: bool = setting("PALLOR_LOUD", flag, "Say more", default=False)


ENOUGH = {"PALLOR_BROKER_URL": "redis://localhost/0", "PALLOR_DATA": "/var/pallor"}


def test_what_is_set_is_read_and_what_is_not_has_its_default() -> None:
    settings = load(Settings, {**ENOUGH, "PALLOR_THREADS": " 4 ", "PALLOR_LOUD": "Yes", "PALLOR_SITE": "k1"})
    assert settings == Settings(
        broker_url="redis://localhost/0",
        data_folder=Path("/var/pallor"),
        report_seconds=60.0,
        threads=4,
        level="INFO",
        site="k1",
        loud=True,
    )


@pytest.mark.parametrize(
    "raw", ["redis://h:6379/0", "rediss://u:p%2F%23@h/3", "redis+socket:///run/v.sock", "redis://[::1]:1"]
)
def test_the_address_of_a_queue_is_taken_as_it_is(raw: str) -> None:
    assert queue_url(raw) == raw


@pytest.mark.parametrize(
    "raw", ["redis://h:port/0", "redis://:p#w@h:6379/0", "redis://:p/w@h/0", "redis://h/zero", "amqp://h"]
)
def test_an_address_of_a_queue_that_would_be_read_otherwise_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="an address"):
        queue_url(raw)


def test_every_fault_is_named_at_once_with_its_value_and_its_remedy() -> None:
    with pytest.raises(SettingsRefused) as caught:
        load(Settings, {"PALLOR_REPORT_SECONDS": "soon", "PALLOR_THREADS": "0", "PALLOR_LEVEL": "x"})
    assert [fault.variable for fault in caught.value.faults] == [
        "PALLOR_BROKER_URL",
        "PALLOR_DATA",
        "PALLOR_REPORT_SECONDS",
        "PALLOR_THREADS",
    ]
    said = str(caught.value)
    assert "PALLOR_DATA: must be set (got nothing). Where the data lie." in said
    assert "PALLOR_REPORT_SECONDS: not a number from 1 to 3600 (got soon). Seconds between reports." in said
    assert "PALLOR_THREADS: not a whole number of at least 1 (got 0)" in said


def test_a_variable_set_to_nothing_is_not_set() -> None:
    assert load(Settings, {**ENOUGH, "PALLOR_THREADS": "  "}).threads == 1
    with pytest.raises(SettingsRefused, match="PALLOR_DATA: must be set"):
        load(Settings, {**ENOUGH, "PALLOR_DATA": ""})


def test_a_secret_is_shown_nowhere() -> None:
    with pytest.raises(SettingsRefused) as caught:
        load(Settings, {**ENOUGH, "PALLOR_BROKER_URL": "amqp://me:hunter2@host"})
    assert "hunter2" not in str(caught.value)
    assert "an address that starts with redis:// or rediss://" in str(caught.value)
    assert "hunter2" not in repr(load(Settings, {**ENOUGH, "PALLOR_BROKER_URL": "redis://me:hunter2@host"}))


@pytest.mark.parametrize("raw", ["nan", "inf", "-1", "3601", "1e400", "", "six"])
def test_a_number_outside_its_span_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="a number from 0 to 3600"):
        number(0, 3600)(raw)


@pytest.mark.parametrize("raw", ["1.5", "-1", "٣", "1_000", "--1", "-"])
def test_a_whole_number_is_written_in_plain_digits(raw: str) -> None:
    with pytest.raises(ValueError, match="a whole number"):
        whole(0)(raw)


def test_help_names_every_variable_its_meaning_and_its_default() -> None:
    lines = explain(Settings).splitlines()
    assert len(lines) == 7
    assert "PALLOR_BROKER_URL" in lines[0]
    assert "(required, secret)" in lines[0]
    assert "Where the data lie (required)" in lines[1]
    assert "(default: 60.0)" in lines[2]
    assert "(default: none)" in lines[5]


def test_help_writes_an_address_as_it_is_set() -> None:
    @dataclass(frozen=True)
    class Door:
        bind: tuple[str, int] = setting("PALLOR_DOOR", host_and_port, "Where", default=("127.0.0.1", 2575))

    assert "(default: 127.0.0.1:2575)" in explain(Door)


def test_a_setting_without_the_prefix_is_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match="does not start with PALLOR_"):
        setting("BROKER_URL", text, "Where the broker listens")


def test_the_error_survives_the_trip_between_processes() -> None:
    with pytest.raises(SettingsRefused) as caught:
        load(Settings, {})
    assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults
