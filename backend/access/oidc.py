"""An OpenID Connect provider by which people may sign in: authorization code with PKCE, and an ID token to be checked.

What the provider asks of a person before it sends them back, a second factor too, is its own business.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from backend.settings import Settings
from pallor.errors import Refused, Unavailable, Untrusted

# Signed by a key that the provider alone has: never `none`, never HS256, whose key is the secret we hold ourselves.
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_CLIENT_AUTHENTICATION = ("client_secret_basic", "client_secret_post")
_LEEWAY_SECONDS = 60
_PATIENCE_SECONDS = 5
_LONGEST_SUBJECT = 255


class ProviderAway(Unavailable):
    """The identity provider does not answer, or not as OpenID Connect has it."""


class ProviderUntrusted(Untrusted):
    """What came in the provider's name does not prove who signed in."""


class ProviderMissing(Refused):
    """This server signs in by password alone."""


class ProviderRefused(Refused):
    """The provider did not take the sign-in to its end."""


@dataclass(frozen=True)
class Begun:
    """A sign-in on its way to the provider; all but ``url`` is kept here until it comes back."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True)
class Provider:
    """One provider, as the settings name it; ``callback``: where it sends people back to."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    callback: str

    @classmethod
    def of(cls, settings: Settings, callback: str) -> Self | None:
        """The provider; None when the settings name none."""
        if not (settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret):
            return None
        address = f"{settings.address}{callback}"
        return cls(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, address)

    def begin(self) -> Begun:
        """Where to send the browser; raises ``ProviderAway`` or ``ProviderUntrusted``."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        at = self._discovered()
        with self._session(at) as session:
            url, _ = session.create_authorization_url(
                at["authorization_endpoint"], state=state, nonce=nonce, code_verifier=code_verifier
            )
        return Begun(url, state, nonce, code_verifier)

    def subject_of(self, code: str, nonce: str, code_verifier: str, now: datetime) -> str:
        """Who signed in, by the provider's own word for them.

        Args:
            nonce, code_verifier: as ``begin`` made them.

        Raises:
            ProviderAway, ProviderUntrusted
        """
        at = self._discovered()
        with self._session(at) as session:
            try:
                answer = session.fetch_token(
                    at["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=code_verifier,
                    timeout=_PATIENCE_SECONDS, allow_redirects=False,
                )  # fmt: skip
            except OAuthError as error:
                raise ProviderUntrusted("the identity provider does not know this sign-in") from error
            except (requests.RequestException, ValueError) as error:
                raise _away(error) from error
        return self._checked(answer, at, nonce, now)

    def _checked(self, answer: dict[str, Any], at: dict[str, Any], nonce: str, now: datetime) -> str:
        promised = at.get("id_token_signing_alg_values_supported", ["RS256"])
        registry = JWSRegistry(algorithms=[name for name in _SIGNATURES if name in promised], strict_check_header=False)
        expected = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
        }
        said = {"nonce": nonce, "client_id": self.client_id, "access_token": answer.get("access_token")}
        keys = _json(at["jwks_uri"])
        try:
            token = jwt.decode(answer["id_token"], KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
            claims = CodeIDToken(token.claims, token.header, expected, said)
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_SECONDS)
            subject = str(claims["sub"])
        except (JoseError, KeyError, TypeError, ValueError) as error:
            why = error.error if isinstance(error, JoseError) else type(error).__name__  # never what the token says
            raise ProviderUntrusted(f"the identity provider's token is not good: {why}") from error
        if not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise ProviderUntrusted("the identity provider's token names nobody")
        return subject

    def _discovered(self) -> dict[str, Any]:
        at = _json(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if at.get("issuer") != self.issuer:
            raise ProviderUntrusted("the identity provider calls itself otherwise than PALLOR_OIDC_ISSUER does")
        scheme = self.issuer.partition(":")[0]
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not str(at.get(name)).startswith(("https://", f"{scheme}://")):
                raise ProviderUntrusted(f"the identity provider names no good {name}")
        return at

    def _session(self, at: dict[str, Any]) -> OAuth2Session:
        offered = at.get("token_endpoint_auth_methods_supported", _CLIENT_AUTHENTICATION)
        method = next((name for name in _CLIENT_AUTHENTICATION if name in offered), _CLIENT_AUTHENTICATION[0])
        return OAuth2Session(
            self.client_id, self.client_secret, scope="openid", redirect_uri=self.callback,
            code_challenge_method="S256", token_endpoint_auth_method=method,
        )  # fmt: skip


def _json(url: str) -> dict[str, Any]:
    try:
        response = requests.get(url, timeout=_PATIENCE_SECONDS, allow_redirects=False)
        response.raise_for_status()
        found = response.json()
    except (requests.RequestException, ValueError) as error:
        raise _away(error) from error
    if not isinstance(found, dict):
        raise ProviderAway("the identity provider sent no JSON object")
    return found


def _away(error: Exception) -> ProviderAway:
    """Its name alone: a library's words may hold the address with what was put into it."""
    return ProviderAway(f"the identity provider does not answer as it should: {type(error).__name__}")
