"""Does the release that answers prove itself? Pure: what is seen of it goes in, and what to do comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pallor.release.serving import Served

# A trial ends well after so many cases, or after so long without a crash, whichever comes first.
COMMIT_CASES = 100
COMMIT_AFTER = timedelta(hours=24)
# Afterwards one crash may be anything; so many within an hour are the release.
LOOP_CRASHES = 3
LOOP_WITHIN = timedelta(hours=1)
REST = timedelta(hours=6)


@dataclass(frozen=True)
class Verdict:
    """``commit``: it has proved itself. ``reason``: why to step back, a code; both empty: go on watching."""

    commit: bool = False
    reason: str | None = None
    said: str = ""


def judge_trial(since: datetime, served: Served, now: datetime) -> Verdict:
    """What to do with a release on trial. While the previous one is at hand, one crash is one too many."""
    if served.crashed:
        return Verdict(reason="crash", said=f"a worker crashed after {served.cases} cases in all")
    return Verdict(commit=served.cases >= COMMIT_CASES or now - since >= COMMIT_AFTER)


def judge_settled(crashes: Sequence[datetime], now: datetime) -> Verdict:
    """What to do with a release that had proved itself."""
    recent = [at for at in crashes if now - at <= LOOP_WITHIN]
    if len(recent) >= LOOP_CRASHES:
        return Verdict(reason="crash-loop", said=f"workers crashed {len(recent)} times within an hour")
    return Verdict()
