"""The clock is never before what was signed, and python-tuf judges by it."""

from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.exceptions import ExpiredMetadataError
from tuf.ngclient import Updater

from sync.clock import Floor, FloorClock, set_time
from sync.fetch import Line, MetadataFetcher
from tests.support.clock import HandClock
from tests.support.repository import a_repository

START = datetime(1970, 1, 1, tzinfo=UTC)
SIGNED = datetime(2026, 11, 1, tzinfo=UTC)


class Stopped:
    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at


def test_a_machine_without_a_battery_counts_on_from_what_was_signed():
    run = [0.0]
    clock = FloorClock(Stopped(START), Floor(), lambda: run[0])
    assert clock.now() == START
    clock.saw(1, SIGNED)
    run[0] += 3600
    assert clock.now() == SIGNED + timedelta(hours=1)
    clock.saw(1, SIGNED)  # the same again does not set it back
    assert clock.now() == SIGNED + timedelta(hours=1)
    rebooted = FloorClock(Stopped(START), clock.floor, lambda: 0.0)
    assert rebooted.now() == SIGNED + timedelta(hours=1)


def test_a_clock_that_goes_right_is_believed():
    clock = FloorClock(Stopped(SIGNED + timedelta(days=3)), Floor(1, SIGNED), lambda: 0.0)
    assert clock.now() == SIGNED + timedelta(days=3)
    assert clock.floor.at == SIGNED  # and never written down as if it had been signed


def test_a_new_root_lets_the_floor_begin_anew_and_an_old_one_says_nothing():
    floor = Floor(1, SIGNED + timedelta(days=9999))
    assert floor.after(2, SIGNED) == Floor(2, SIGNED)
    assert Floor(2, SIGNED).after(1, SIGNED + timedelta(days=1)) == Floor(2, SIGNED)


@pytest.mark.parametrize(("years", "expired"), [(0, False), (30, True)])
def test_tuf_judges_by_the_time_that_it_is_given(tmp_path, years, expired):
    """Its reference time is private: this fails when a new version moves it."""
    signed = a_repository(tmp_path / "store", HandClock())
    signed.stamp()
    line = Line(f"file://{signed.folder}/tuf")
    (tmp_path / "cache").mkdir()
    updater = Updater(
        str(tmp_path / "cache"), f"{line.base}/metadata/", fetcher=MetadataFetcher(line, limit_seconds=9),
        bootstrap=signed.root_bytes,
    )  # fmt: skip
    set_time(updater, signed.clock.now() + timedelta(days=365 * years))
    if expired:
        with pytest.raises(ExpiredMetadataError):
            updater.refresh()
    else:
        updater.refresh()
