"""Asking the server over HTTP, and saying in plain words what went wrong."""

import ipaddress
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, SSLError

from pallor.errors import Refused, Unavailable, Untrusted, shortened

_PATIENCE = urllib3.Timeout(connect=10, read=30)
_MOST_BYTES = 256 * 1024


class AddressOpen(Refused):
    """Whoever listens on the way would get the token."""


class ServerAway(Unavailable):
    """Nobody answers there; nothing was sent."""


class AnswerLost(Unavailable):
    """The request may have arrived; its answer did not."""


class ServerBusy(Unavailable):
    """The server is there and cannot answer now."""


class CertificateRefused(Untrusted):
    """The server does not prove that it is the one of that name."""


class AnswerStrange(Untrusted):
    """Something answers there that is not Pallor."""


class ServerRefused(Refused):
    """The server says no; ``said`` is the stable code of its reason."""

    def __init__(self, said: str, words: str) -> None:
        super().__init__(words, field="server", value=said, remedy="Ask its administrator if you cannot help it.")
        self.said = said

    def __reduce__(self) -> tuple[object, ...]:
        return ServerRefused, (self.said, self.reason)


@dataclass(frozen=True)
class Server:
    """A server at an address, such as https://pallor.example.org."""

    address: str

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> dict[str, Any]:
        """The answer to one request, which is sent once and follows no redirect: it may carry a secret.

        Raises:
            ServerAway, AnswerLost, ServerBusy, ServerRefused, CertificateRefused, AnswerStrange
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib3.PoolManager(timeout=_PATIENCE, retries=False) as pool:
                response = pool.request(
                    method, f"{self.address}/api/v1{path}", json=body, headers=headers, redirect=False,
                    preload_content=False,
                )  # fmt: skip
                data, status = response.read(_MOST_BYTES), response.status
                response.release_conn()
        except SSLError as error:
            raise CertificateRefused(
                f"{self.address} does not prove who it is: {error}; check this machine's clock and the address"
            ) from error
        except (ConnectTimeoutError, LocationValueError) as error:
            raise ServerAway(
                f"{self.address} cannot be reached ({type(error).__name__}); check the address and the network"
            ) from error
        except HTTPError as error:
            raise AnswerLost(f"the connection to {self.address} broke before it answered") from error
        return self._judged(status, data)

    def _judged(self, status: int, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AnswerStrange(f"what answers at {self.address} (status {status}) is not Pallor; check the address")
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ServerBusy(f"the server cannot answer now: {shortened(answer.get('detail'), 300)}; try again later")
        said, detail = shortened(answer.get("code")), shortened(answer.get("detail"), 400)
        raise ServerRefused(said, f"it says no: {detail}")


def check_address(address: str, *, insecure_http: bool) -> None:
    """Raise ``AddressOpen`` for plain http to another machine, unless that is what was asked for."""
    parts = urlsplit(address)
    if parts.scheme == "https" or insecure_http or _is_here(parts.hostname or ""):
        return
    raise AddressOpen(
        "this address is not encrypted: whoever listens on the way would get this machine's token", field="LINK",
        value=address,
        remedy="Ask for a link that begins with https://, or add --insecure-http if the network is yours alone.",
    )  # fmt: skip


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
