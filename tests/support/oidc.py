"""Identity providers over HTTP: an honest one in a process of its own, and one that says whatever a test wants."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.support.valkey import free_port


@contextmanager
def honest_provider() -> Iterator[str]:
    """``oidc-provider-mock``, which signs in whomever it is told to; its issuer."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        issuer, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
        while not _answers(issuer):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


class CrookedProvider:
    """Discovery, keys and tokens over HTTP. ``claims``, ``discovery`` and ``answer`` change what a good one says."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.begin_anew()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def begin_anew(self) -> None:
        """Be as good as any, and forget who came."""
        self.claims: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.algorithm, self.signed_with = "RS256", self.key
        self.asked: dict[str, str] = {}  # the query that the browser brought
        self.redeemed: list[dict[str, str]] = []  # what was shown for a code

    def __enter__(self) -> "CrookedProvider":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def send_back(self, url: str) -> str:
        """What it would answer to a browser that was sent to ``url``: the query of the way back."""
        self.asked = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
        return f"?code=a-code&state={self.asked['state']}"

    def sign_by_secret(self, secret: str) -> None:
        """HS256, whose key the client knows as well."""
        self.algorithm, self.signed_with = "HS256", OctKey.import_key(secret)

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.discovery

    def _token(self, form: dict[str, str]) -> dict[str, Any]:
        self.redeemed.append(form)
        challenge = urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if challenge != self.asked["code_challenge"] or self.asked["code_challenge_method"] != "S256":
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "someone", "aud": self.asked["client_id"], "iat": now, "exp": now + 300}
        claims = claims | {"nonce": self.asked["nonce"]} | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        return {
            "access_token": "an-access-token",
            "token_type": "Bearer",
            "id_token": self._signed(claims),
        } | self.answer

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.algorithm == "none":
            parts = ({"alg": "none", "typ": "JWT"}, claims)
            return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
        return jwt.encode({"alg": self.algorithm, "kid": "one"}, claims, self.signed_with, [self.algorithm])

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805  `self` is the request's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = {
                    "/.well-known/openid-configuration": provider._discovery,
                    "/jwks": lambda: {"keys": [provider.key.as_dict(private=False)]},
                }[self.path]()
                self._send(found)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._send(provider._token({name: value for name, (value,) in parse_qs(body).items()}))

            def _send(self, said: dict[str, Any]) -> None:
                data = json.dumps(said).encode()
                self.send_response(400 if "error" in said else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).is_success
    except httpx.TransportError:
        return False
