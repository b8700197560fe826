"""Why blood was taken: a release is only as well known as the people whose blood tells, and they are not all alike.

While a release is studied everybody is sent for blood. Once it is cleared, whom it finds is sent, and a fixed share of
the others, chosen by nothing but their case's id: without them nobody would ever learn whom it misses. What is said of
a case (``pallor.advice``) sends them; the record weighs each for all those whom it stands for.
"""

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


def why_blood(case_id: str, *, cleared: bool, referred: bool, share: float = AUDIT_SHARE) -> WhyBlood:
    """Why this person was sent, or not: then blood is taken for a reason of its own.

    Args:
        cleared: the release that was shown might advise when the photo was taken.
        referred: its answer, or doubt about it, sends for blood by itself.
    """
    if not cleared:
        return WhyBlood.INVESTIGATIONAL
    if referred:
        return WhyBlood.SCREEN_POSITIVE
    return WhyBlood.AUDIT if is_audited(case_id, share) else WhyBlood.CLINICAL


def weight_of(why: WhyBlood, share: float = AUDIT_SHARE) -> float:
    """How many people a confirmed case stands for."""
    return {WhyBlood.AUDIT: 1 / share, WhyBlood.CLINICAL: 0.0}.get(why, 1.0)
