"""The office: administrators look after sites, people and devices; a device comes in by the code they give it."""

from datetime import timedelta
from typing import Any

from flask import Response, request
from flask_openapi import APIBlueprint
from sqlalchemy import Row

from backend.access.actor import parts_of
from backend.access.enrolment import ShownKey, qr_svg, root_for
from backend.access.roles import DeviceKind, Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow, allow_anyone
from backend.services import manage_devices, manage_people, manage_sites
from backend.services.enrol_device import enrol_device, make_code
from backend.services.read_trail import list_trail
from backend.wire import cursors, office, received
from pallor.enrolment import Link, shown_code
from pallor.errors import Unavailable


def office_api(parts: Parts) -> APIBlueprint:
    """The routes of the office."""
    bp = APIBlueprint(
        "office",
        __name__,
        url_prefix="/api/v1",
        abp_tags=[{"name": "office"}],
        abp_security=TOKEN_OR_SESSION,
    )
    database, clock, settings = parts.database, parts.clock, parts.settings

    @bp.get("/sites", responses=answers({200: office.SitePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_sites() -> Response:
        """Every site"""
        return shown(office.SitePage(items=[_site(row) for row in manage_sites.list_sites(database)]))

    @bp.put("/sites/<site>", responses=answers({200: office.SiteOut, 201: office.SiteOut}, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_site(path: office.SitePath, body: office.SiteIn) -> Response:
        """Make a site, or change how long it keeps cases"""
        new = manage_sites.put_site(database, clock, path.site, **dict(body), by=caller().actor)
        return shown(_site(manage_sites.show_site(database, path.site)), 201 if new else 200)

    @bp.get("/people", responses=answers({200: office.PeoplePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_people() -> Response:
        """Every account"""
        return shown(office.PeoplePage(items=[_person(account) for account in manage_people.list_people(database)]))

    @bp.get("/people/<name>", responses=answers({200: office.PersonOut}, 404))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_person(path: office.NamePath) -> Response:
        """One account"""
        return shown(_person(manage_people.show_person(database, path.name)))

    @bp.put("/people/<name>", responses=answers({200: office.PersonPut, 201: office.PersonPut}, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_person(path: office.NamePath, body: office.PersonIn) -> Response:
        """Make an account, which shows its one-time password once, or let it belong to other sites

        When its subject at the identity provider changes or is taken away (`unlink_oidc`), the sign-ins by it end.
        """
        role, sites, by = Role(body.role), frozenset(body.sites), caller().actor
        link: dict[str, Any] = {"oidc_subject": body.oidc_subject, "unlink": body.unlink_oidc}
        password = manage_people.put_person(database, clock, path.name, role, sites, **link, by=by)
        person = dict(_person(manage_people.show_person(database, path.name)))
        return shown(office.PersonPut(**person, one_time_password=password), 201 if password else 200)

    @bp.post("/people/<name>/password-reset", responses=answers({200: office.PasswordOut}, 404))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def reset_password(path: office.NamePath, body: office.NothingIn) -> Response:  # noqa: ARG001  read from here
        """Give somebody a new one-time password; every sign-in of theirs and the second factor end

        Their subject at the identity provider stays: PUT /people/{name} with `unlink_oidc` takes it away.
        """
        password = manage_people.reset_password(database, clock, path.name, by=caller().actor)
        return shown(office.PasswordOut(one_time_password=password))

    @bp.put("/people/<name>/state", responses=answers({200: office.PersonOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_person_state(path: office.NamePath, body: office.PersonStateIn) -> Response:
        """Disable an account, which ends its sign-ins at once, or enable it again"""
        manage_people.set_person_state(database, clock, path.name, body.state, by=caller().actor)
        return shown(_person(manage_people.show_person(database, path.name)))

    @bp.get("/devices", responses=answers({200: office.DevicePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_devices() -> Response:
        """Every device, and what it last told of itself"""
        return shown(office.DevicePage(items=[_device(machine) for machine in manage_devices.list_devices(database)]))

    @bp.put("/devices/<name>/state", responses=answers({200: office.DeviceOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_device_state(path: office.NamePath, body: office.DeviceStateIn) -> Response:
        """Retire a device, which may still deliver what it had sealed, take that back, or report it stolen"""
        manage_devices.set_device_state(database, clock, path.name, body.state, by=caller().actor)
        return shown(_device(manage_devices.show_device(database, path.name)))

    @bp.put("/devices/<name>/confirmation", responses=answers({200: office.DeviceOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_confirmation(path: office.NamePath, body: office.ConfirmationIn) -> Response:
        """Let a node in whose fingerprint you have read off the node itself"""
        manage_devices.confirm_device(database, clock, path.name, body.fingerprint, by=caller().actor)
        return shown(_device(manage_devices.show_device(database, path.name)))

    @bp.post("/enrolment-codes", responses=answers({201: office.EnrolmentCodeOut}, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def post_code(body: office.EnrolmentCodeIn) -> Response:
        """Make a code by which one device enrols, once"""
        kind, sites, lasts = DeviceKind(body.kind), frozenset(body.sites), timedelta(minutes=body.minutes)
        root = root_for(kind, settings.root_metadata)
        code = make_code(database, clock, kind, body.device_name, sites, lasts, by=caller().actor)
        link = Link(settings.address, code.text, root)
        said = {"code": shown_code(code.text), "link": str(link), "qr_svg": qr_svg(link)}
        return shown(office.EnrolmentCodeOut(**said, expires_at=code.expires_at), 201)

    @bp.get("/audit", responses=answers({200: office.TrailPage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_audit(query: received.PageQuery) -> Response:
        """The audit trail, oldest first"""
        rows = list_trail(database, query.limit + 1, cursors.read_number_cursor(query.cursor))
        page, after = cursors.cut(rows, query.limit, lambda row: (row.seq,))
        return shown(office.TrailPage(items=[_trail_row(row) for row in page], next=after))

    return bp


def enrolment_api(parts: Parts) -> APIBlueprint:
    """The door by which a device comes in; it has no token yet."""
    bp = APIBlueprint("enrolment", __name__, url_prefix="/api/v1", abp_tags=[{"name": "doors"}])

    @bp.post("/enrolments", responses=answers({201: office.EnrolmentOut}, 409, 429))
    @allow_anyone()
    def post_enrolment(body: office.EnrolmentIn) -> Response:
        """Show a code and get this device's token; a node shows its own key as well"""
        address = request.remote_addr or ""
        parts.throttle.attempt("enrol", address)
        lifetime = timedelta(days=parts.settings.device_token_days)
        try:
            device = enrol_device(parts.database, parts.clock, body.code, _key(body), lifetime)
        except Unavailable:
            parts.throttle.take_back("enrol", address)
            raise
        parts.throttle.forgive("enrol", address)  # a clinic enrols many phones from behind one address
        return shown(
            office.EnrolmentOut(
                token=device.token,
                device=device.name,
                kind=device.kind,
                sites=list(device.sites),
                world=parts.settings.world,
                url=parts.settings.address,
            ),
            201,
        )

    return bp


def _key(body: office.EnrolmentIn) -> ShownKey | None:
    if body.public_key is None and body.signature is None:
        return None
    return ShownKey(body.public_key or "", body.signature or "")


def _site(row: Row[Any]) -> office.SiteOut:
    return office.SiteOut(**{name: row._mapping[name] for name in office.SiteOut.model_fields})


def _person(account: manage_people.Account) -> office.PersonOut:
    row = account.row
    return office.PersonOut(
        name=row.name,
        role=row.role,
        state=row.state,
        sites=list(account.sites),
        password_change_needed=row.one_time_until is not None,
        second_factor=row.totp_since is not None,
        oidc_subject=row.oidc_subject,
        made_at=row.made_at,
        made_by=row.made_by,
    )


def _device(machine: manage_devices.Machine) -> office.DeviceOut:
    row = machine.row
    confirmed = None if row.fingerprint is None else row.confirmed_at is not None
    kept = {name: row._mapping[name] for name in office.DeviceOut.model_fields if name in row._mapping}
    return office.DeviceOut(**kept, sites=list(machine.sites), confirmed=confirmed)


def _trail_row(row: Row[Any]) -> office.TrailRowOut:
    person, device, claimed = parts_of(row.actor)
    kept = {name: row._mapping[name] for name in office.TrailRowOut.model_fields if name in row._mapping}
    return office.TrailRowOut(**kept, person=person, device=device, claimed=claimed)
