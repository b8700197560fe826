"""Whoever watches sees that work goes on, and whoever reads a log, too."""

import io

import pytest
from rich.console import Console

from trainer.progress import bars_on


def test_a_log_says_what_begins_and_now_and_then_how_far_it_is(log, clock):
    with bars_on(log, seconds=clock)("fine-tuning", 100) as stepped:
        for _ in range(100):
            clock.at += 3
            stepped(1)
    assert said(log) == [
        "fine-tuning, 100 steps",
        "fine-tuning, 20/100, 0:04:00 left",
        "fine-tuning, 40/100, 0:03:00 left",
        "fine-tuning, 60/100, 0:02:00 left",
        "fine-tuning, 80/100, 0:01:00 left",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_has_no_steps_to_count_counts_none(terminal, clock):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with bars_on(console, seconds=clock)("fine-tuning", 0):
        pass
    assert "fine-tuning" in console.file.getvalue()
    assert "0/0" not in console.file.getvalue()


def test_a_terminal_is_shown_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with bars_on(console)("photos", 4) as seen:
        seen(4)
    assert "4/4" in console.file.getvalue()


class HandSeconds:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock():
    return HandSeconds()


@pytest.fixture
def log():
    return Console(file=io.StringIO(), force_terminal=False, width=80)


def said(console) -> list[str]:
    return console.file.getvalue().splitlines()
