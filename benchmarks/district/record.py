"""What the record says of each release over the year, and when drift was found: as an administrator reads it."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import numpy as np

from benchmarks.district.plan import DRIFT_DAY, FIRST, at, month_of, quarter_of
from benchmarks.district.world import DRIFTING_SITE, Visit, site_name
from pallor.clock import parse_utc
from pallor.onebox.client import Client
from trainer.metrics import auroc

_FEWEST = 5  # of each kind: of fewer no AUROC is shown


@dataclass(frozen=True)
class Served:
    """A release, and since when it answered everybody."""

    release_id: str
    since: datetime


@dataclass(frozen=True)
class Line:
    """One case that counts for a release."""

    visit: Visit
    probability: float
    anaemic: bool


def served_in(admin: Client) -> list[Served]:
    """Every release that was rolled out, the first one first."""
    history = admin.pages("/rollouts/main/history")
    return [Served(one["release_id"], parse_utc(one["made_at"])) for one in history if one["kind"] == "start"]


def record_of(url: str, token: str, release_id: str, people: Sequence[Visit]) -> list[Line]:
    """The cases that count for a release, from its record's table."""
    answer = httpx.get(
        f"{url}/api/v1/releases/{release_id}/record.csv", headers={"Authorization": f"Bearer {token}"}, timeout=120,
        trust_env=False,
    ).raise_for_status()  # fmt: skip
    of_case = {visit.case_id: visit for visit in people}
    rows = csv.DictReader(io.StringIO(answer.text))
    return [Line(of_case[row["case_id"]], float(row["probability"]), row["anaemic"] == "1") for row in rows]


def auroc_of(lines: Iterable[Line]) -> float | None:
    """None where too few are of either kind."""
    truth, scores = zip(*((line.anaemic, line.probability) for line in lines), strict=True) or ((), ())
    found = np.array(truth, bool)
    if min(found.sum(), (~found).sum()) < _FEWEST:
        return None
    return round(auroc(found, np.array(scores, float)), 4)


def by_month(lines: Iterable[Line]) -> dict[int, float | None]:
    found = defaultdict[int, list[Line]](list)
    for line in lines:
        found[month_of(line.visit.day)].append(line)
    return {month: auroc_of(found[month]) for month in sorted(found)}


def of_last_quarter(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if quarter_of(line.visit.day) == 3]


def drift_found(admin: Client) -> dict[str, Any]:
    """``drift_month``: in which the phone that went wrong was found out, None: never; the other alarms by month."""
    alarms = [(parse_utc(one["raised_at"]), one) for one in admin.pages("/drift")]
    there = [
        at_
        for at_, one in alarms
        if one["place"] == site_name(DRIFTING_SITE) and at_ >= at(DRIFT_DAY)
    ]  # fmt: skip
    others = [
        f"{_month(at_)} {one['what']} {one['where']} {one['place'] or ''}".strip()
        for at_, one in sorted(alarms, key=lambda alarm: alarm[0])
        if one["place"] != site_name(DRIFTING_SITE) or at_ < at(DRIFT_DAY)
    ]
    return {
        "drift_began_in_month": month_of(DRIFT_DAY),
        "drift_month": _month(min(there)) if there else None,
        "drift_days_until_alarm": (min(there) - at(DRIFT_DAY)).days if there else None,
        "other_alarms": others,
    }


def _month(moment: datetime) -> int:
    return month_of((moment - FIRST).days)
