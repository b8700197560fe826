"""Commands for devices: phones, laboratory systems, the trainer, nodes."""

import argparse
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from backend.access.enrolment import KINDS, USUAL, qr_text, root_for
from backend.access.roles import DeviceKind, DeviceState
from backend.office.parts import OPERATOR, AddCommand, argument, open_database, print_table, takes_sites
from backend.services.enrol_device import make_code
from backend.services.manage_devices import Machine, add_device, confirm_device, list_devices, set_device_state
from backend.settings import DatabaseSettings, OfficeSettings
from pallor.clock import SystemClock, utc_text
from pallor.enrolment import Link, shown_code
from pallor.settings import number, url

_STATES = {
    "device-retire": (DeviceState.RETIRED, "let a device deliver what it had sealed until now, and nothing else"),
    "device-stolen": (DeviceState.STOLEN, "accept nothing more from a device; it wipes itself when it next asks"),
    "device-restore": (DeviceState.ACTIVE, "take a device's retirement back"),
}
_SAID = {
    DeviceState.RETIRED: "is retired: it delivers what it had sealed, and people sign in on another",
    DeviceState.STOLEN: "counts as stolen: nothing is accepted from it; see in device-list when it has wiped itself",
    DeviceState.ACTIVE: "is in use again; people who used it sign in anew",
}
_HERE_ALONE = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104  addresses that lead to oneself


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    what = "print a code, a link and its picture, by which one device enrols, once"
    code = command("enrol-code", _make_code, what, OfficeSettings)
    code.add_argument("kind", choices=[kind.value for kind in KINDS])
    code.add_argument("name", help="such as clinic-a-phone-1; it stands by all that the device changes, for ever")
    takes_sites(code)
    code.add_argument(
        "--minutes", type=argument(number(1, 1e6)), default=USUAL / timedelta(minutes=1), help="how long it works (60)"
    )
    code.add_argument(
        "--url",
        type=argument(url("http", "https")),
        help="where the device reaches this server (default: PALLOR_PUBLIC_URL, or PALLOR_BIND)",
    )
    device = command("device-add", _add, "make a device without a code, and print its token, once")
    device.add_argument("name", help="such as console-1; it stands by all that the device changes, for ever")
    device.add_argument("kind", choices=[kind.value for kind in DeviceKind])
    takes_sites(device)
    device.add_argument("--days", type=argument(number(0.01, 3650)), default=365, help="how long the token lasts (365)")
    command("device-list", _list, "every device, its fingerprint, and what it last told of itself")
    confirm = command("device-confirm", _confirm, "let a node in, once you compared its fingerprint")
    confirm.add_argument("name", help="the node's")
    confirm.add_argument(
        "--fingerprint", required=True, help="as read on the node's own screen (pallor-sync whoami), in quotes"
    )
    for name, (state, what) in _STATES.items():
        change = command(name, _set_state, what)
        change.add_argument("name", help="the device's")
        change.set_defaults(state=state)


def _make_code(settings: OfficeSettings, options: argparse.Namespace) -> int:
    kind, sites, lasts = DeviceKind(options.kind), frozenset(options.site), timedelta(minutes=options.minutes)
    address = (options.url or settings.address).rstrip("/")
    root = root_for(kind, settings.root_metadata)
    code = make_code(open_database(settings), SystemClock(), kind, options.name, sites, lasts, by=OPERATOR)
    link = Link(address, code.text, root)
    print(f"code  {shown_code(code.text)}")
    print(f"link  {link}")
    print(f"It enrols {options.name} ({kind}), once, until {utc_text(code.expires_at)}.")
    if urlsplit(address).hostname in _HERE_ALONE:
        print(f"Only this machine reaches {address}: for another, give --url or set PALLOR_PUBLIC_URL.")
    if kind is DeviceKind.NODE:
        print(f"On the node: pallor-sync enrol '{link}'; then compare its fingerprint here: device-confirm.")
    print(qr_text(link))
    return 0


def _add(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    lifetime = timedelta(days=options.days)
    kind, sites = DeviceKind(options.kind), frozenset(options.site)
    print(add_device(open_database(settings), SystemClock(), options.name, kind, sites, lifetime, by=OPERATOR).token)
    return 0


def _list(settings: DatabaseSettings, _options: argparse.Namespace) -> int:
    heads = ("name", "kind", "state", "sites", "unsent cases", "wiped", "fingerprint")
    print_table(heads, [_row(machine) for machine in list_devices(open_database(settings))])
    return 0


def _confirm(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    confirm_device(open_database(settings), SystemClock(), options.name, options.fingerprint, by=OPERATOR)
    print(f"{options.name} is let in: its key is the one that you read")
    return 0


def _set_state(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    set_device_state(open_database(settings), SystemClock(), options.name, options.state, by=OPERATOR)
    print(f"{options.name} {_SAID[options.state]}")
    return 0


def _row(machine: Machine) -> tuple[str | None, ...]:
    row, sites = machine.row, " ".join(machine.sites)
    unconfirmed = row.kind == DeviceKind.NODE and row.confirmed_at is None
    state = f"{row.state}, not confirmed" if unconfirmed else row.state
    unsent = f"{row.unsent_cases} at {_at(row.unsent_at)}" if row.unsent_at else None
    return row.name, row.kind, state, sites, unsent, _at(row.wiped_at), row.fingerprint


def _at(moment: datetime | None) -> str | None:
    return utc_text(moment) if moment else None
