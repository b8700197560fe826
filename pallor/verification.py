"""Why blood was taken: a release is only as well known as the people whose blood tells, and they are not all alike.

While a release is studied everybody is sent for blood. Once it is cleared, whom it finds is sent, and a fixed share of
the others, chosen by nothing but their case's id: without them nobody would ever learn whom it misses.
"""

from datetime import datetime
from enum import StrEnum

from pallor.digest import hex_of, sha256_of

AUDIT_SHARE = 0.10
_BOUND = 2**32


class WhyBlood(StrEnum):
    """``CLINICAL``: for a reason of its own, so it says nothing of the people who were not sent."""

    INVESTIGATIONAL = "investigational"
    SCREEN_POSITIVE = "screen-positive"
    AUDIT = "audit"
    CLINICAL = "clinical"


def is_audited(case_id: str, share: float = AUDIT_SHARE) -> bool:
    """Whether a case is one of those that are sent for blood though the screen was negative."""
    return int(hex_of(sha256_of(f"audit {case_id}".encode()))[:8], 16) < share * _BOUND


def why_blood(
    case_id: str, captured_at: datetime, *, referred: bool, cleared_from: datetime | None, share: float = AUDIT_SHARE
) -> WhyBlood:
    """Why this person was sent, or not.

    Args:
        referred: the release's answer sends for blood by itself.
        cleared_from: since when the release may advise; None while it is investigational.
    """
    if cleared_from is None or captured_at < cleared_from:
        return WhyBlood.INVESTIGATIONAL
    if referred:
        return WhyBlood.SCREEN_POSITIVE
    return WhyBlood.AUDIT if is_audited(case_id, share) else WhyBlood.CLINICAL


def weight_of(why: WhyBlood, share: float = AUDIT_SHARE) -> float:
    """How many people a confirmed case stands for."""
    return {WhyBlood.AUDIT: 1 / share, WhyBlood.CLINICAL: 0.0}.get(why, 1.0)
