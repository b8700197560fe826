"""Which labels may teach a model, and why the others may not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pallor.label import Label

MAX_SPECIMEN_GAP = timedelta(hours=48)
# What keeps a value from being this person's at that visit, or from being a value at all: it judges no release either.
UNUSABLE = frozenset(
    {"no-criterion", "specimen-too-far-from-photo", "same-photo-of-another-subject", "conflicting-values",
     "result-retracted"}
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What is on record about a confirmed case.

    ``consent_to_training``: it stands now. ``captured_at``: of each photo that could be used. ``values_g_per_l``: every
    haemoglobin reported for the case. ``practice``: the site is one where people practise.
    """

    label: Label
    consent_to_training: bool
    taken_at: datetime
    captured_at: tuple[datetime, ...]
    values_g_per_l: tuple[str, ...]
    same_photo_elsewhere: bool
    practice: bool


def withheld_reasons(evidence: Evidence) -> tuple[str, ...]:
    """Stable codes of everything that keeps a label from training; empty when it is eligible."""
    near = [at for at in evidence.captured_at if is_near(at, evidence.taken_at)]
    checks = {
        "practice-site": evidence.practice,
        "no-consent-to-training": not evidence.consent_to_training,
        "no-criterion": evidence.label.severity is None,
        "no-usable-photo": not evidence.captured_at,
        "specimen-too-far-from-photo": bool(evidence.captured_at) and not near,
        "same-photo-of-another-subject": evidence.same_photo_elsewhere,
        "conflicting-values": len(set(evidence.values_g_per_l)) > 1,
    }
    return tuple(reason for reason, holds in checks.items() if holds)


def is_near(captured_at: datetime, taken_at: datetime) -> bool:
    """Whether a photo was taken so near the specimen that its haemoglobin is still that of the person on it."""
    return abs(captured_at - taken_at) <= MAX_SPECIMEN_GAP
