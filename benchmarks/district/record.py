"""What the record says of each release over the year, as an administrator reads it."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import numpy as np

from benchmarks.district.plan import FIRST, month_of, quarter_of
from benchmarks.district.world import Visit
from pallor.clock import parse_utc
from pallor.onebox.client import Client
from trainer.metrics import auroc


@dataclass(frozen=True)
class Served:
    """A release and since when it answered everybody."""

    release_id: str
    since: datetime


@dataclass(frozen=True)
class Line:
    """One case that counts for a release."""

    visit: Visit
    probability: float
    anaemic: bool


def served_in(admin: Client) -> list[Served]:
    """Every release that was rolled out, in order."""
    history = admin.pages("/rollouts/main/history")
    return [Served(one["release_id"], parse_utc(one["made_at"])) for one in history if one["kind"] == "start"]


def record_of(admin: Client, release_id: str, people: Sequence[Visit]) -> list[Line]:
    by_case = {visit.case_id: visit for visit in people}
    rows = csv.DictReader(io.StringIO(admin.text(f"/releases/{release_id}/record.csv")))
    return [Line(by_case[row["case_id"]], float(row["probability"]), row["anaemic"] == "1") for row in rows]
