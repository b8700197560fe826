"""Confirmed cases that count for one release, column by column: a hundred thousand of them fit into little memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Words = NDArray[Any]

# What a case is told apart by; `hb-band` needs the laboratory's value, the others are known beforehand.
BY = ("site", "age-band", "sex", "phone", "phone-model", "week", "hb-band")
HB_BANDS = (("below 70", 70.0), ("70 to 99", 100.0), ("100 to 119", 120.0), ("120 and above", np.inf))
_AGE_BANDS = ((6, "below 6 months"), (24, "6 to 23 months"), (60, "24 to 59 months"), (180, "5 to 14 years"))


@dataclass(frozen=True)
class Counted:
    """One row a case; every array is (n,).

    Attributes:
        captured_at: aware; of the case's first photo that the release scored. ``why``: blood was taken
            (``pallor.verification``).
        probability: of the release, for that photo.
        referred: whether that would have sent the person for blood: at or above the threshold, or undecided.
        hb: adjusted for altitude, g/L. ``anaemic``, ``severe``: by the label table of the release's deployment.
        weight: how many people the case stands for: negatives under clearance are sampled, and weigh more.
        clears: venous blood on a laboratory's analyser, of a person for whom the release was made.
        by: the names in ``BY``, each with its words.
    """

    case_id: Words
    captured_at: Words
    why: Words
    probability: Floats
    referred: Flags
    hb: Floats
    anaemic: Flags
    severe: Flags
    weight: Floats
    clears: Flags
    by: Mapping[str, Words]

    def __len__(self) -> int:
        return len(self.probability)

    def where(self, chosen: Flags) -> "Counted":
        """The rows that are chosen."""
        return Counted(
            self.case_id[chosen], self.captured_at[chosen], self.why[chosen], self.probability[chosen],
            self.referred[chosen], self.hb[chosen], self.anaemic[chosen], self.severe[chosen], self.weight[chosen],
            self.clears[chosen], {name: words[chosen] for name, words in self.by.items()},
        )  # fmt: skip


def week_of(moment: datetime) -> str:
    """The ISO week of a moment."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def hb_band(hb: float) -> str:
    """Where a haemoglobin lies, g/L."""
    return next(name for name, below in HB_BANDS if hb < below)


def age_band(months: int) -> str:
    """WHO's groups of age, as far as they bear on a cut-off."""
    return next((name for below, name in _AGE_BANDS if months < below), "15 years and older")
