"""A bad release harms few and passes nowhere: agents, the server's rules and what is signed, together."""

import pytest

from benchmarks.bad_release import simulate


@pytest.mark.parametrize(
    ("kind", "most_cases", "reason"),
    [("golden", 0, "golden-failure"), ("crash", 50, "crash"), ("shift", 200, "score-shift")],
)
def test_a_bad_release_is_caught_at_the_first_step_and_all_nodes_are_back_by_themselves(
    tmp_path, kind, most_cases, reason
):
    found = simulate(tmp_path, kind, 4)
    assert found["cases"] <= most_cases
    assert found["percent"] == 1.0
    assert found["all_back"]
    assert found["reason"].startswith(reason)
