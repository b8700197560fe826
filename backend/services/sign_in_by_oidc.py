"""A person signs in by an identity provider: sent there with a state, and known again by it when they come back."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, select

from backend.access.oidc import Begun, Provider, ProviderRefused, ProviderUntrusted
from backend.access.roles import PersonState
from backend.access.tokens import hash_of
from backend.db.engine import Database
from backend.db.tables import oidc_sign_ins, people
from backend.services.sign_in import SignedIn, begin_session
from pallor.clock import Clock
from pallor.errors import Refused

LASTS = timedelta(minutes=10)


class SignInNotBegun(Refused):
    """No sign-in by the provider was begun in this browser, or it took too long, or it came back already."""


class AccountUnknown(Refused):
    """The provider knows this person, and no account here is theirs."""


def begin_oidc(database: Database, clock: Clock, provider: Provider) -> Begun:
    """Begin a sign-in; raises ``ProviderAway`` or ``ProviderUntrusted``."""
    begun, now = provider.begin(), clock.now()
    with database.write() as tx:
        tx.execute(delete(oidc_sign_ins).where(oidc_sign_ins.c.begun_at < now - LASTS))
        kept = {"nonce": begun.nonce, "code_verifier": begun.code_verifier, "begun_at": now}
        tx.execute(oidc_sign_ins.insert().values(state_sha256=hash_of(begun.state), **kept))
    return begun


def end_oidc(
    database: Database, clock: Clock, provider: Provider, state: str, code: str | None, issuer: str | None,
    lifetime: timedelta,
) -> SignedIn:  # fmt: skip
    """Let in whom the provider sent back.

    Args:
        state: known to come from the browser in which it was begun. code: None when the provider refused.
        issuer: who says it is the provider, where it says so (RFC 9207).

    Raises:
        SignInNotBegun, ProviderRefused, AccountUnknown, ProviderAway, ProviderUntrusted
    """
    begun = _taken(database, clock, state)
    if code is None:
        raise ProviderRefused(
            "the identity provider did not sign you in", field="code", value=None,
            remedy="Begin again (GET /api/v1/sign-in/oidc), or sign in by password.",
        )  # fmt: skip
    if issuer not in (None, provider.issuer):
        raise ProviderUntrusted("another identity provider answered than was asked")
    subject = provider.subject_of(code, begun.nonce, begun.code_verifier, clock.now())
    with database.write() as tx:
        theirs = (people.c.oidc_subject == subject) & (people.c.state == PersonState.ACTIVE.value)
        person = tx.execute(select(people).where(theirs)).first()
        if person is None:
            raise AccountUnknown(
                "the identity provider knows you, and no account here is yours", field="code", value="(hidden)",
                remedy="Ask an administrator to enter your subject at the identity provider into your account.",
            )  # fmt: skip
        vouched: dict[str, Any] = {"shown": "the identity provider's word", "vouched_for": True}
        return begin_session(database, tx, clock, person, lifetime, phone=None, **vouched)


def _taken(database: Database, clock: Clock, state: str) -> Row[Any]:
    """What was kept of a sign-in, which from now on cannot come back again; raises ``SignInNotBegun``."""
    this = oidc_sign_ins.c.state_sha256 == hash_of(state)
    with database.write() as tx:
        begun = tx.execute(select(oidc_sign_ins).where(this)).first()
        tx.execute(delete(oidc_sign_ins).where(this))
    if begun is None or begun.begun_at < clock.now() - LASTS:
        raise sign_in_not_begun()
    return begun


def sign_in_not_begun() -> SignInNotBegun:
    return SignInNotBegun(
        "this sign-in was not begun in this browser, or is over", field="state", value="(hidden)",
        remedy="Begin again: GET /api/v1/sign-in/oidc.",
    )  # fmt: skip
