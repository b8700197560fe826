"""The trainer's calls to the API: ask for a snapshot, hand back what was found in it, make a candidate known.

Each may be repeated: the same labels are the same snapshot, and what is PUT twice is PUT once.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests

from pallor.candidate import CandidateReport
from pallor.clock import utc_text
from pallor.digest import hex_of
from pallor.due import Due
from pallor.errors import Refused, Unavailable

T = TypeVar("T")
_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 10, 600  # a snapshot of a country takes a while to be put together


class TokenUnfit(Refused):
    """It cannot be a token."""


class RequestRefused(Refused):
    """The server said no. ``problem``: the API's stable code for the reason."""

    problem = ""


class ServerAway(Unavailable):
    """The server cannot be reached, or cannot answer now."""


class Api:
    """The API at ``url``, with the trainer's own token.

    Every method raises ``RequestRefused`` or ``ServerAway``.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        token = token.strip()
        if not (token.isascii() and token.isprintable() and token):
            raise TokenUnfit(
                "this cannot be a token", field="token", value="(hidden)",
                remedy="Give the token that enrolling the trainer's device answered with.",
            )  # fmt: skip
        # As an `auth`, not as a header: requests would put what it finds in ~/.netrc over a header.
        self._bearer = _Bearer(token)

    def ask_due(self, last: tuple[str, datetime] | None, *, new_cases: int, days: int) -> Due:
        """Whether a new release is worth making; ``last``: snapshot and beginning of the run before."""
        named = {} if last is None else {"snapshot": last[0], "begun_at": utc_text(last[1])}
        said = {**named, "new_cases": new_cases, "days": days}
        return self._ask("POST", "/training/due", said, lambda told: Due(bool(told["due"]), str(told["said"])))

    def export_snapshot(self) -> str:
        """Let the server freeze what may be learned from now; the snapshot's digest."""
        return self._ask("POST", "/snapshots", {}, _digest_in)

    def hand_back_groups(self, snapshot: str, groups: Mapping[str, str], *, method: str) -> int:
        """Tell which photos of a snapshot show the same photograph; how many labels that withholds.

        Args:
            groups: of each photo's digest, the name of its group.
        """
        members: dict[str, list[str]] = {}
        for photo, name in groups.items():
            members.setdefault(name, []).append(photo)
        shared = [{"photos": sorted(photos)} for photos in members.values() if len(photos) > 1]
        said = {"method": method, "groups": shared}
        return self._ask("PUT", f"/snapshots/{snapshot}/same-photo-groups", said, lambda told: int(told["withheld"]))

    def post_candidate(self, report: CandidateReport) -> None:
        """Make a candidate known; again changes nothing."""
        self._ask("PUT", f"/candidates/{report.release_id}", report.to_json(), lambda told: told["release_id"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any], wanted: Callable[[Any], T]) -> T:
        """Send JSON; of the answer what is wanted."""
        patience = (_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER)
        url = f"{self._url}/api/v1{path}"
        try:
            answer = requests.request(
                method, url, json=body, auth=self._bearer, timeout=patience, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ServerAway(f"{_shown(self._url)} cannot be reached: {type(error).__name__}") from error
        if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise _translated(answer, _shown(self._url))
        try:
            return wanted(answer.json())
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:  # a proxy that wants a sign-in, or another server
            raise ServerAway(f"{_shown(self._url)} does not answer as Pallor's API does") from error


def _digest_in(told: Any) -> str:
    digest = str(told["digest"])
    hex_of(digest)
    return digest


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _translated(answer: requests.Response, url: str) -> Refused | Unavailable:
    """The server's problem (RFC 9457) as an error of ours."""
    try:
        problem = answer.json()
        code, title, detail = str(problem["code"]), str(problem["title"]), str(problem["detail"])
        fault = dict((problem["faults"] or [{}])[0])
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # a proxy's answer, or another server's
        code, title, detail, fault = f"http-{answer.status_code}", "no answer of Pallor's", answer.reason, {}
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerAway(f"{url} answers {answer.status_code} {code}: {detail}")
    refused = RequestRefused(
        str(fault.get("reason", f"{title}: {detail}")),
        field=str(fault.get("field", url)), value=fault.get("value", answer.status_code),
        remedy=str(fault.get("remedy", "Check the address; it is that of Pallor's API, without /api.")),
    )  # fmt: skip
    refused.problem = code
    return refused


def _shown(url: str) -> str:
    """The address without what somebody may have written before its @."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
