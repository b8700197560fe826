"""Whom a figure is about: everybody, or those of one age, sex, site, device or haemoglobin band."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainer.data.photos import Photos

# WHO's age groups, in months; and its severity cut-offs for 24 to 59 months, in g/L, with the next ten set apart.
_AGES = {"0-5": 0, "6-23": 6, "24-59": 24, "60-143": 60, "144-179": 144, "180+": 180}
_HB = {"<70": 0, "70-99": 70, "100-109": 100, "110-119": 110, ">=120": 120}
HB = "hb"

Rows = NDArray[np.bool_]


def subgroups_of(photos: Photos) -> dict[str, dict[str, Rows]]:
    """By field and value, (n,) who belongs to it: ``age`` in months, ``hb`` in g/L; ``unknown`` is what nobody told."""
    return {
        "age": _banded(photos.ages, _AGES),
        "sex": _told(photos.sexes),
        "site": _told(photos.sites),
        "device": _told(photos.devices),
        HB: _banded(photos.hb, _HB),
    }


def _banded(numbers: NDArray[np.float64] | NDArray[np.int64], floors: Mapping[str, int]) -> dict[str, Rows]:
    band = np.searchsorted(list(floors.values()), numbers, side="right") - 1
    return {name: band == at for at, name in enumerate(floors) if (band == at).any()}


def _told(texts: NDArray[np.str_]) -> dict[str, Rows]:
    told = np.where(texts == "", "unknown", texts)
    return {str(text): told == text for text in np.unique(told)}
