"""Waiting for a machine that was just started."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from pallor.clock import parse_utc
from pallor.errors import Refused
from pallor.onebox.keeper import Keeper
from pallor.release.shelf import CURRENT

START_SECONDS = 120.0  # for a small computer that imports everything for the first time


class TokenStale(Refused):
    """The saved token is not of this database, or has expired."""


def wait_until_ready(keeper: Keeper, url: str, token: str, began: datetime | None) -> str | None:
    """Wait until a worker may score. With ``began``, when the machine was started, no longer than until one says since
    then that its release may not: why.
    """
    faults: list[str] = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=5) as http:

        def ask(route: str) -> httpx.Response | None:
            try:
                return http.get(route)
            except httpx.TransportError:
                return None

        def answers(route: str, status: int) -> bool:
            answer = ask(route)
            return answer is not None and answer.status_code == status

        def scores_or_says_why() -> bool:
            answer = ask("/api/v1/health/ready")
            if answer is None or answer.status_code not in (200, 503):
                return False
            if began is not None and answer.status_code == 503:
                faults.extend(_faults(answer.json(), began))
            return answer.status_code == 200 or bool(faults)

        keeper.wait_for("serve", lambda: answers("/", 200), "an answer of the web server", START_SECONDS)
        if answers("/api/v1/health/live", 401):
            raise TokenStale(
                "the console's token is not of this database, or has expired", field="--data", value="console-token",
                remedy="Delete console-token from the data folder; a new one is made.",
            )  # fmt: skip
        keeper.wait_for("worker", scores_or_says_why, "a worker that is ready", START_SECONDS)
    return next(iter(faults), None)


def _faults(health: Mapping[str, Any], since: datetime) -> list[str]:
    """Why workers serve nothing that have reported since then."""
    lately = [one for one in health["workers"] if one["slot"] == CURRENT and parse_utc(one["reported_at"]) >= since]
    return [one["fault"] for one in lately if one["fault"] is not None and not one["processes"]]
