"""The doors: people sign in and out, choose a password and a second factor; devices renew tokens, tell of queues."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from flask import Response, redirect, request
from flask_openapi import APIBlueprint

from backend.access.oidc import Provider, ProviderMissing
from backend.access.passwords import PasswordWrong, check_password
from backend.access.roles import ROLES_OF_PEOPLE, DeviceKind, Role
from backend.access.second_factor import SecondFactorCodeNeeded, picture_of, uri_of
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import (
    Caller,
    Reach,
    Rule,
    Shown,
    SignInNeeded,
    allow,
    allow_anyone,
    caller_of,
    check_rule,
    cookie_name,
)
from backend.services.change_password import change_password
from backend.services.own_session import end_session, read_session
from backend.services.report_queue import report_queue
from backend.services.rotate_token import rotate_token
from backend.services.second_factor import begin_second_factor, confirm_second_factor
from backend.services.sign_in import Credentials, DeviceTokenNeeded, Phone, SignedIn, sign_in
from backend.services.sign_in_by_oidc import LASTS, begin_oidc, end_oidc, sign_in_not_begun
from backend.wire import doors
from pallor.errors import Refused, Unavailable

_SIGNS_IN = "sign-in"
_SIGNS_IN_BY_OIDC = "sign-in-oidc"
_CALLBACK = "/api/v1/sign-in/oidc/callback"
_ON_A_PHONE = Rule(frozenset({Role.FIELD}), Reach.NONE, unfinished=True)


def doors_api(parts: Parts) -> APIBlueprint:
    """The routes by which people come in and go out."""
    bp = APIBlueprint("doors", __name__, url_prefix="/api/v1", abp_tags=[{"name": "doors"}])
    database, clock, settings = parts.database, parts.clock, parts.settings
    in_browser, on_phone = timedelta(hours=settings.session_hours), timedelta(days=settings.phone_session_days)

    @bp.post("/sign-in", responses=answers({200: doors.SignInOut}, 429), security=[{}, {"token": []}])
    @allow_anyone()
    def post_sign_in(body: doors.SignInIn) -> Response:
        """Sign in: in a browser, which gets a cookie; or on a phone, which shows its own token and gets another

        401 `second-factor-code-needed` asks for the same again with `code`; every other 401 here is one and the same.
        Administrators sign in in a browser: on a phone they get 403 `browser-needed`.
        """
        phone, name = _phone(parts), body.name.strip().lower()
        typed = Credentials(name, body.password, body.code)
        with _slowed(parts, name):
            signed_in = sign_in(database, clock, typed, on_phone if phone else in_browser, phone=phone)
        issued = signed_in.issued
        said = doors.SignInOut(
            person=signed_in.person,
            role=signed_in.role,
            expires_at=issued.expires_at,
            token=issued.token if phone else None,
            csrf_token=issued.csrf,
        )
        response = shown(said)
        if phone is None:
            _give_cookie(parts, response, signed_in)
        return response

    @bp.get("/session", responses=answers({200: doors.SessionOut}), security=TOKEN_OR_SESSION)
    @allow(*Role, reach=Reach.NONE, unfinished=True, last_word=True)
    def get_session() -> Response:
        """Who you are here, what you reach, and what you have to do first"""
        who = caller()
        session = read_session(database, who.token_id, who.sites)
        return shown(
            doors.SessionOut(
                person=who.person,
                device=who.device if who.device_id else None,
                role=who.role,
                kind=who.kind,
                state=who.state,
                sites=None if who.sites is None else sorted(who.sites),
                practice_sites=list(session.practice_sites),
                world=settings.world,
                expires_at=session.expires_at,
                needs=[need.code() for need in who.needs],  # type: ignore[misc]
            )
        )

    @bp.delete("/session", responses=answers({}) | {"204": None}, security=TOKEN_OR_SESSION)
    @allow(*Role, reach=Reach.NONE, unfinished=True)
    def delete_session() -> Response:
        """Sign out; a device by itself stays, until an administrator retires it"""
        who, _ = _person("end")
        end_session(database, clock, who.token_id, by=who.actor)
        response = Response(status=204)
        name, secure = cookie_name(settings.secure), settings.secure
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="Strict")
        return response

    @bp.put("/session/password", responses=answers({200: doors.DoneOut}, 429), security=TOKEN_OR_SESSION)
    @allow(*ROLES_OF_PEOPLE, reach=Reach.NONE, unfinished=True)
    def put_password(body: doors.PasswordIn) -> Response:
        """Choose a password; every other sign-in of yours ends"""
        who, person_id = _person("change")
        check_password(body.new, who.person or "", field="new")
        with _slowed(parts, who.person or ""):
            change_password(database, clock, person_id, body.old, body.new, token_id=who.token_id, by=who.actor)
        return shown(doors.DoneOut())

    @bp.post("/session/second-factor", responses=answers({200: doors.SecondFactorOut}, 429), security=TOKEN_OR_SESSION)
    @allow(*ROLES_OF_PEOPLE, reach=Reach.NONE, unfinished=True)
    def post_second_factor(body: doors.SecondFactorIn) -> Response:
        """Get a secret for your app; it counts once you have sent a first code"""
        who, person_id = _person("change")
        proof = {"password": body.password, "code": body.code}
        # Never forgiven: without a second factor any proof is good, and wipes no count away.
        with _counted(parts, who.person or "") if any(proof.values()) else nullcontext():
            secret = begin_second_factor(database, clock, person_id, **proof, by=who.actor)
        uri = uri_of(secret, who.person or "")
        return shown(doors.SecondFactorOut(secret=secret, uri=uri, qr_svg=picture_of(uri)))

    @bp.put("/session/second-factor", responses=answers({200: doors.DoneOut}, 409), security=TOKEN_OR_SESSION)
    @allow(*ROLES_OF_PEOPLE, reach=Reach.NONE, unfinished=True)
    def put_second_factor(body: doors.SecondFactorCodeIn) -> Response:
        """Send the first code of your app; from now on every sign-in asks for one"""
        who, person_id = _person("change")
        confirm_second_factor(database, clock, person_id, body.code, by=who.actor)
        return shown(doors.DoneOut())

    @bp.post("/session/rotation", responses=answers({200: doors.RotationOut}), security=[{"token": []}])
    @allow(*Role, reach=Reach.NONE, unfinished=True)
    def post_rotation(body: doors.RotationIn) -> Response:  # noqa: ARG001  read from here
        """Get another bearer token; the old one ends when the new one is first used, so a lost answer costs nothing"""
        who = caller()
        lifetime = timedelta(days=settings.device_token_days) if who.person_id is None else on_phone
        issued = rotate_token(database, clock, who.token_id, lifetime, by=who.actor)
        return shown(doors.RotationOut(token=issued.token, expires_at=issued.expires_at))

    @bp.put("/device/queue", responses=answers({200: doors.QueueOut}), security=[{"token": []}])
    @allow(*Role, reach=Reach.NONE, unfinished=True, last_word=True)
    def put_queue(body: doors.QueueIn) -> Response:
        """Tell how many cases wait on this device; from a stolen one it is the last that is heard"""
        who = caller()
        if who.device_id is None:
            raise _device_needed()
        said = {"wiped": body.wiped, "by": who.actor}
        state = report_queue(database, clock, who.device_id, body.unsent_cases, **said)  # type: ignore[arg-type]
        return shown(doors.QueueOut(unsent_cases=body.unsent_cases, state=state))

    return bp


def oidc_api(parts: Parts) -> APIBlueprint:
    """The way in by an identity provider, where the settings name one."""
    bp = APIBlueprint("oidc", __name__, url_prefix="/api/v1/sign-in/oidc", abp_tags=[{"name": "doors"}])
    database, clock, settings = parts.database, parts.clock, parts.settings
    known = Provider.of(settings, _CALLBACK)
    state_cookie = f"{cookie_name(settings.secure)}-oidc"
    problems = (404, 429, 502)

    @bp.get("", responses=answers({}, *problems) | {"302": {"description": "To the identity provider"}})
    @allow_anyone()
    def get_oidc() -> Response:
        """Sign in by the identity provider; to be opened by a browser"""
        provider = _configured(known)
        parts.throttle.attempt(_SIGNS_IN_BY_OIDC, _address())
        begun = begin_oidc(database, clock, provider)
        response: Any = redirect(begun.url)
        # Lax, since it has to come along when the provider sends the browser back.
        response.set_cookie(
            state_cookie, begun.state, max_age=LASTS, secure=settings.secure, httponly=True, samesite="Lax"
        )
        return Response(response=b"", status=302, headers=response.headers)

    @bp.get("/callback", responses=answers({}, *problems) | {"200": _PAGE})
    @allow_anyone()
    def get_callback(query: doors.CallbackQuery) -> Response:
        """Where the provider sends the browser back to; it goes on to the page, signed in"""
        provider = _configured(known)
        parts.throttle.attempt(_SIGNS_IN_BY_OIDC, _address())
        if not hmac.compare_digest(query.state.encode(), request.cookies.get(state_cookie, "").encode()):
            raise sign_in_not_begun()
        lifetime = timedelta(hours=settings.session_hours)
        signed_in = end_oidc(database, clock, provider, query.state, query.code, query.iss, lifetime)
        parts.throttle.forgive(_SIGNS_IN_BY_OIDC, _address())
        # A page of our own, not a redirect: the browser withholds a Strict cookie on the way that began elsewhere, and
        # sends it on the way that begins here. What follows the # is sent to no server and kept in no log.
        on = f"/#csrf={signed_in.issued.csrf}"
        page = (
            f'<!doctype html><title>Pallor</title><meta http-equiv="refresh" content="0;url={on}"><a href="{on}">On</a>'
        )
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        response.headers["Referrer-Policy"] = "no-referrer"  # this address still holds the provider's code
        response.delete_cookie(state_cookie, secure=settings.secure, httponly=True, samesite="Lax")
        _give_cookie(parts, response, signed_in)
        return response

    return bp


_PAGE = {"description": "Signed in", "content": {"text/html": {"schema": {"type": "string"}}}}


def _address() -> str:
    return request.remote_addr or ""


@contextmanager
def _counted(parts: Parts, name: str) -> Iterator[None]:
    """Count a try at somebody's password or code, unless it could not be judged."""
    parts.throttle.attempt(_SIGNS_IN, _address(), name)
    try:
        yield
    except Unavailable:
        parts.throttle.take_back(_SIGNS_IN, _address(), name)
        raise


@contextmanager
def _slowed(parts: Parts, name: str) -> Iterator[None]:
    """Count a try at somebody's password or code, unless it could not be judged or turns out to be right."""
    with _counted(parts, name):
        try:
            yield
        except (PasswordWrong, SecondFactorCodeNeeded):
            raise
        except Refused:  # for another reason: the password was right
            parts.throttle.forgive(_SIGNS_IN, _address(), name)
            raise
    parts.throttle.forgive(_SIGNS_IN, _address(), name)


def _phone(parts: Parts) -> Phone | None:
    """The phone on which somebody signs in; None for a browser, which shows no token."""
    authorization = request.headers.get("Authorization")
    if authorization is None:
        return None
    shows = Shown(authorization, cookie=None, csrf=None, changes=True)
    found = caller_of(parts.database, parts.clock, shows, second_factor=parts.settings.second_factor)
    check_rule(found, _ON_A_PHONE, None)
    if found.kind is not DeviceKind.PHONE or found.device_id is None or found.person_id is not None:
        raise _device_needed()
    return Phone(found.device_id, found.device, found.sites or frozenset())


def _person(what: str) -> tuple[Caller, str]:
    """The caller and the id of their person; raises ``SignInNeeded`` for a device by itself."""
    who = caller()
    if who.person_id is None:
        raise SignInNeeded(
            f"nobody is signed in: a device by itself has nothing of this to {what}", field="Authorization",
            value=who.device, remedy="Sign in first; a device's own token ends when an administrator retires it.",
        )  # fmt: skip
    return who, who.person_id


def _device_needed() -> DeviceTokenNeeded:
    return DeviceTokenNeeded(
        "this takes a device's own token", field="Authorization", value="(hidden)",
        remedy="Send the token that the phone got when it was enrolled.",
    )  # fmt: skip


def _configured(provider: Provider | None) -> Provider:
    if provider is None:
        raise ProviderMissing(
            "no identity provider is set up here", field="path", value=request.path,
            remedy="Sign in by password: POST /api/v1/sign-in.",
        )  # fmt: skip
    return provider


def _give_cookie(parts: Parts, response: Response, signed_in: SignedIn) -> None:
    """The session in a cookie that no script reads and no other site's page sends."""
    secure, lifetime = parts.settings.secure, timedelta(hours=parts.settings.session_hours)
    response.set_cookie(
        cookie_name(secure), signed_in.issued.token, max_age=lifetime, secure=secure, httponly=True, samesite="Strict"
    )
