"""The API as a phone, a laboratory or an administrator calls it: patient with a bad line, and plain about a refusal."""

import base64
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Self

import httpx

from pallor.clock import utc_text
from pallor.errors import Refused, Unavailable

_PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_TRY_AGAIN = (429, 502, 503, 504)


class ServerAway(Unavailable):
    """The server does not answer, for a minute now."""


class DoorShut(Unavailable):
    """The token is not good any more (401): a queue waits until somebody signs in or enrols again; nothing is lost."""


class RequestRefused(Refused):
    """The server said no. ``problem`` is the API's stable code for the reason."""

    problem = ""


class Client:
    """One caller's door to the API. Every PUT may be repeated, so whatever got lost is simply sent again.

    ``token``: None for a stranger, who finds the doors and nothing behind them. Every method raises ``RequestRefused``,
    ``DoorShut`` or ``ServerAway``.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._closed = threading.Event()
        self._http = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,  # no proxy stands between this machine and itself
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the door; whoever still waits behind it in another thread gives up."""
        self._closed.set()
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON under a path."""
        return _checked(self._patiently("GET", path, params=query)).json()

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send JSON; the server's answer."""
        return _checked(self._patiently("PUT", path, json=body)).json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send JSON where sending it twice would be two; so it is sent once, and an answer that got lost stays so."""
        try:
            return _checked(self._http.post(path, json=body)).json()
        except httpx.TransportError as error:
            raise ServerAway(f"POST {path} was not answered: {error!r}") from error

    def put_photo(self, case_id: str, photo_id: str, data: bytes, media_type: str, captured_at: datetime) -> Any:
        """Send a photo, going on after a cut where the bytes on record end; the receipt."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        offset = 0
        while True:
            response = self._patiently(
                "PUT",
                f"/cases/{case_id}/photos/{photo_id}",
                params={"captured_at": utc_text(captured_at)},
                headers={
                    "Content-Type": media_type,
                    "Repr-Digest": f"sha-256=:{digest}:",
                    "Upload-Offset": str(offset),
                    "Upload-Length": str(len(data)),
                },
                content=data[offset:],
            )
            on_record = int(response.headers.get("Upload-Offset", offset))
            if response.status_code not in (202, 409) or on_record == offset:
                return _checked(response).json()
            offset = on_record

    def put_bytes(self, path: str, data: bytes, headers: Mapping[str, str], **query: str) -> Any:
        """Send bytes whole; the server's answer."""
        return _checked(self._patiently("PUT", path, params=query, headers=headers, content=data)).json()

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit="200", **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _patiently(self, method: str, path: str, **request: Any) -> httpx.Response:
        until, pause = time.monotonic() + _PATIENCE_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._http.request(method, path, **request)
                if response.status_code not in _TRY_AGAIN:
                    return response
                trouble = f"{response.status_code} {response.text[:200]}"
            except httpx.TransportError as error:
                trouble = repr(error)
            if time.monotonic() > until or self._closed.wait(pause):
                raise ServerAway(f"{method} {path} was not answered: {trouble}")
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        problem = response.json()
        fault = (problem["faults"] or [{}])[0]
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise DoorShut(f"{problem['detail']}")
    except (ValueError, KeyError):  # not an answer of ours
        problem, fault = {"code": f"http-{response.status_code}", "detail": response.text[:200]}, {}
    error = RequestRefused(
        fault.get("reason", problem["detail"]),
        field=fault.get("field", response.request.url.path),
        value=fault.get("value", response.status_code),
        remedy=fault.get("remedy", "Look into the logs of the web server."),
    )
    error.problem = problem["code"]
    raise error
