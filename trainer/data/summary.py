"""What a set of labelled photos holds, in numbers: how many, of whom, how often the same one twice."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.photos import Photos, Texts
from trainer.data.split import Fold, Rows, clusters
from trainer.subgroups import subgroups_of


def sum_up(photos: Photos) -> dict[str, Any]:
    """JSON values, units in the names.

    ``label_conflicts``: photographs whose rows have both labels. ``hb_spread_g_per_l_*``: largest less smallest
    haemoglobin of one photograph, over those that stand in several rows. ``counts``: rows of each subgroup.
    """
    _, which, sizes = np.unique(photos.groups, return_inverse=True, return_counts=True)
    anaemic = np.bincount(which, photos.anaemic, minlength=len(sizes))
    spread = np.array([np.ptp(photos.hb[which == at]) for at in np.flatnonzero(sizes > 1)])
    return {
        "rows": len(photos),
        "photographs": len(sizes),
        "subjects": len(np.unique(photos.subjects)),
        "rows_with_a_twin": int(sizes[sizes > 1].sum()),
        "label_conflicts": int(((anaemic > 0) & (anaemic < sizes)).sum()),
        "hb_spread_g_per_l_mean": float(spread.mean()) if len(spread) else 0.0,
        "hb_spread_g_per_l_max": float(spread.max(initial=0)),
        "anaemic": int(photos.anaemic.sum()),
        "sites": len(_named(photos.sites)),
        "devices": len(_named(photos.devices)),
        "taken_first": min(_named(photos.taken), default=""),
        "taken_last": max(_named(photos.taken), default=""),
        **_span("age_months", photos.ages),
        **_span("hb_g_per_l", photos.hb),
        "counts": {
            field: {value: int(rows.sum()) for value, rows in members.items()}
            for field, members in subgroups_of(photos).items()
        },
        "missing": {"device": int((photos.devices == "").sum()), "date": int((photos.taken == "").sum())},
    }


def sum_up_sides(photos: Photos, fold: Fold) -> dict[str, dict[str, int]]:
    """By side; ``*_clusters``: photographs or persons with such a row, twins once."""
    sides = {"train": fold.train, "calibration": fold.calibration, "test": fold.test}
    cluster = clusters(photos)
    return {side: _side(photos, cluster, rows) for side, rows in sides.items()}


def _side(photos: Photos, cluster: NDArray[np.int64], rows: Rows) -> dict[str, int]:
    anaemic = photos.anaemic[rows]
    return {
        "rows": len(rows),
        "photographs": len(np.unique(photos.groups[rows])),
        "anaemic": int(anaemic.sum()),
        "clusters": len(np.unique(cluster[rows])),
        "anaemic_clusters": len(np.unique(cluster[rows][anaemic])),
        "other_clusters": len(np.unique(cluster[rows][~anaemic])),
    }


def _named(texts: Texts) -> set[str]:
    return set(texts.tolist()) - {""}


def _span(name: str, numbers: NDArray[np.float64] | NDArray[np.int64]) -> dict[str, float]:
    return {f"{name}_min": numbers.min().item(), f"{name}_max": numbers.max().item()} if len(numbers) else {}
