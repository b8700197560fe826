"""The benchmarks of serving, in miniature: they run to their end, and nothing is lost on the way."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_inference_compares_three_ways_on_the_file_that_cpus_serve() -> None:
    figures = run("inference")
    assert figures["precision"] == "int8"
    assert figures["defaults.max_abs_dp_from_ours"] < 1e-4
    assert 0 <= figures["openvino.max_abs_dp_from_ours"] <= 1  # a figure to be read, not one that is promised
    assert all(figures[f"ours_to_defaults_b{batch}"] > 0 for batch in (1, 8, 32))


@pytest.mark.slow
def test_a_swap_under_load_loses_no_photo_and_answers_none_twice() -> None:
    figures = run("swap")
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["photos"] > 0
    assert set(figures["answered_by_release"]) <= {"swap-a", "swap-b"}


@pytest.mark.slow
def test_serving_is_held_against_a_floor_and_other_ways() -> None:
    figures = run("serving")
    for name in ("ratio_to_floor", "ratio_to_obvious", "ratio_to_litserve", "end_to_end_to_floor", "p95_over_unloaded"):
        assert figures[name] > 0


def run(name: str) -> dict[str, Any]:
    """Its figures, from its last line."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--miniature"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["figures"]
    return figures
