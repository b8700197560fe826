"""For whom a release is meant: the age bands it learned from, and no others."""

import numpy as np
from numpy.typing import NDArray

from pallor.label import age_bands
from pallor.release.manifest import IntendedUse

# One adult among a thousand children must not make a release for adults.
_OUTLIERS = 0.01


def intended_use(ages: NDArray[np.int64], label_table: str) -> IntendedUse:
    """The ages of the rows that were learned from, each end moved to the nearest one of the label table's bands.

    Where the oldest band has no upper end, the oldest age stands for it. Nobody pregnant is meant: the photos do not
    say who is.

    Args:
        ages: (n,), months, of the train side; at least one.
    """
    youngest, oldest = (int(age) for age in np.quantile(ages, (_OUTLIERS, 1 - _OUTLIERS), method="nearest"))
    bands = age_bands(label_table)
    first = min((start for start, _ in bands), key=lambda start: abs(start - youngest))
    last = min((end - 1 for _, end in bands if end is not None), key=lambda end: abs(end - oldest))
    if oldest >= bands[-1][0]:
        last = oldest
    if first > last:  # all of one age, between two bands
        first, last = youngest, oldest
    return IntendedUse(min_age_months=first, max_age_months=last, pregnant=False)
