"""Which labels may teach a model, and why the others may not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pallor.label import Label


class Reason(StrEnum):
    """Everything that keeps a label from training."""

    PRACTICE = "practice-site"
    NO_CONSENT = "no-consent-to-training"
    NO_CRITERION = "no-criterion"
    NO_PHOTO = "no-usable-photo"
    TOO_FAR = "specimen-too-far-from-photo"
    SAME_PHOTO = "same-photo-of-another-subject"
    CONFLICTING = "conflicting-values"
    RETRACTED = "result-retracted"  # there is no value any more


MAX_SPECIMEN_GAP = timedelta(hours=48)
# What keeps a value from being this person's at that visit, or from being a value at all: it judges no release either.
UNUSABLE = frozenset({Reason.NO_CRITERION, Reason.TOO_FAR, Reason.SAME_PHOTO, Reason.CONFLICTING, Reason.RETRACTED})


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


def withheld_reasons(evidence: Evidence) -> tuple[Reason, ...]:
    """Everything that keeps a label from training; empty when it is eligible."""
    near = [at for at in evidence.captured_at if is_near(at, evidence.taken_at)]
    checks = {
        Reason.PRACTICE: evidence.practice,
        Reason.NO_CONSENT: not evidence.consent_to_training,
        Reason.NO_CRITERION: evidence.label.severity is None,
        Reason.NO_PHOTO: not evidence.captured_at,
        Reason.TOO_FAR: bool(evidence.captured_at) and not near,
        Reason.SAME_PHOTO: evidence.same_photo_elsewhere,
        Reason.CONFLICTING: len(set(evidence.values_g_per_l)) > 1,
    }
    return tuple(reason for reason, holds in checks.items() if holds)


def is_near(captured_at: datetime, taken_at: datetime) -> bool:
    """Whether a photo was taken so near the specimen that its haemoglobin is still that of the person on it."""
    return abs(captured_at - taken_at) <= MAX_SPECIMEN_GAP
