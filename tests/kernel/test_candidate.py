"""What is said of a candidate is read back as it was said, or not at all."""

import math

import pytest

from pallor.candidate import CandidateReport, CandidateUnreadable, Gate, GateRefusal
from pallor.release.manifest import Figure
from tests.support.builders import a_candidate

REFUSAL = {"reason": "too-few-positives", "said": "59 more are needed"}


def test_a_report_is_read_back_as_it_was_said():
    refused = Gate((GateRefusal(**REFUSAL),))
    for report in (a_candidate(), a_candidate(gate=refused), a_candidate(figures=(Figure("a", "b", 1.0),))):
        again = CandidateReport.from_json(report.to_json())
        assert again == report
        assert again.digest() == report.digest()


def test_a_candidate_passes_when_nothing_speaks_against_it():
    assert Gate().passed
    assert a_candidate().to_json()["gate"] == {"passed": True, "refusals": []}
    refused = Gate((GateRefusal(**REFUSAL),))
    assert not refused.passed
    assert a_candidate(gate=refused).to_json()["gate"] == {"passed": False, "refusals": [REFUSAL]}


def test_another_word_is_another_digest():
    assert a_candidate(gate=Gate((GateRefusal(**REFUSAL),))).digest() != a_candidate().digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"release_id": "../escape"},
        {"world": "imagined"},
        {"manifest_digest": "1"},
        {"snapshot_digest": None},
        {"made_at": "2026-11-01T12:00:00"},
        {"gate": {"passed": True, "refusals": [REFUSAL]}},
        {"gate": {"passed": False, "refusals": []}},
        {"gate": {"passed": True}},
        {"gate": None},
        {"figures": [{"name": "a"}]},
        {"figures": [{"name": "a", "protocol": "b", "value": math.nan}]},
        {"figures": [{"name": "a", "protocol": "b", "value": "0.9"}]},
        {"notes": "x"},
    ],
)
def test_what_no_candidate_can_be_is_not_read(changes):
    with pytest.raises(CandidateUnreadable):
        CandidateReport.from_json(a_candidate().to_json() | changes)
