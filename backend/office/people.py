"""Commands for sites and for the accounts of people."""

import argparse

from backend.access.passwords import ONE_TIME_LASTS
from backend.access.roles import ROLES_OF_PEOPLE, PersonState, Role
from backend.office.parts import OPERATOR, AddCommand, argument, open_database, print_table, takes_sites
from backend.services.manage_people import (
    add_first_admin,
    add_person,
    list_people,
    move_person,
    reset_password,
    set_person_state,
)
from backend.services.manage_sites import list_sites, put_site, show_site
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock
from pallor.settings import whole
from pallor.subject import MAX_ALTITUDE_M, MIN_ALTITUDE_M


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    site = command("site-add", _add_site, "make a site")
    site.add_argument("code", help="lower-case letters, digits and hyphens, such as kumasi-1")
    site.add_argument("--practice", action="store_true", help="its cases teach people and never count; fixed for ever")
    site.add_argument(
        "--retention-days", type=argument(whole(1)), help="erase cases so many days after they arrived (default: never)"
    )
    site.add_argument(
        "--altitude-m", type=argument(whole(MIN_ALTITUDE_M, MAX_ALTITUDE_M)),
        help="how high it lies, for those who say that they live there",
    )  # fmt: skip
    keep = command("site-keep", _keep, "change how long a site keeps cases; the sweeper looks every hour")
    keep.add_argument("code", help="the site's code")
    keep.add_argument("days", type=_days, metavar="DAYS|for-ever", help="counted from when a case arrived")
    command("site-list", _list_sites, "every site, and how long it keeps cases")
    first = command("first-admin", _first_admin, "make the first administrator's account and print its first password")
    first.add_argument("name", help="what they sign in with; letters of an office, not of a person, such as admin-1")
    person = command("person-add", _add_person, "make an account and print its first password, once")
    person.add_argument("name", help="what they sign in with, for ever: a staff code such as nurse-12, no real name")
    person.add_argument(
        "role", choices=[role.value for role in ROLES_OF_PEOPLE], help="for ever, too; an admin takes no site"
    )
    takes_sites(person)
    command("person-list", _list_people, "every account, with its sites and what it still has to do")
    move = command("person-move", _move_person, "let somebody belong to these sites and to no others, from now on")
    takes_sites(move)
    reset = command("person-reset", _reset, "print a new first password; every sign-in and the second factor end")
    disable = command("person-disable", _disable, "close an account: its sign-ins end at once, its name stays taken")
    enable = command("person-enable", _enable, "open a closed account again")
    for one in (move, reset, disable, enable):
        one.add_argument("name", help="the account's")


def _add_site(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database, code = open_database(settings), options.code
    there = {site.code: site for site in list_sites(database)}.get(code)
    if there is not None:
        days = there.retention_days if options.retention_days is None else options.retention_days
        facts = {"practice": options.practice, "retention_days": days, "altitude_m": options.altitude_m}
        put_site(database, SystemClock(), code, **facts, by=OPERATOR)
        print(f"{code} was there already; {_what_it_keeps(days, there.retention_days)}")
        return 0
    facts = {
        "practice": options.practice,
        "retention_days": options.retention_days,
        "altitude_m": options.altitude_m,
    }
    put_site(database, SystemClock(), code, **facts, by=OPERATOR)
    print(f"{code} is made; {_what_it_keeps(options.retention_days, options.retention_days)}")
    return 0


def _keep(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    there = show_site(database, options.code)
    put_site(
        database, SystemClock(), options.code, practice=there.practice, retention_days=options.days, by=OPERATOR
    )  # fmt: skip
    print(f"{options.code}: {_what_it_keeps(options.days, there.retention_days)}")
    return 0


def _list_sites(settings: DatabaseSettings, _options: argparse.Namespace) -> int:
    rows = [
        (site.code, "practice" if site.practice else "real cases", _kept(site.retention_days))
        for site in list_sites(open_database(settings))
    ]
    print_table(("site", "for", "keeps cases"), rows)
    return 0


def _first_admin(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    _print_password(options.name, add_first_admin(open_database(settings), SystemClock(), options.name, by=OPERATOR))
    return 0


def _add_person(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    sites = frozenset(options.site)
    password = add_person(open_database(settings), SystemClock(), options.name, Role(options.role), sites, by=OPERATOR)
    _print_password(options.name, password)
    return 0


def _list_people(settings: DatabaseSettings, _options: argparse.Namespace) -> int:
    rows = []
    for account in list_people(open_database(settings)):
        row = account.row
        to_do = "chooses a password of their own" if row.one_time_until else ""
        rows.append((row.name, row.role, row.state, " ".join(account.sites), to_do))
    print_table(("name", "role", "state", "sites", "still to do"), rows)
    return 0


def _move_person(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    move_person(open_database(settings), SystemClock(), options.name, frozenset(options.site), by=OPERATOR)
    print(f"{options.name} belongs to {', '.join(sorted(set(options.site))) or 'no site'}")
    return 0


def _reset(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    _print_password(options.name, reset_password(open_database(settings), SystemClock(), options.name, by=OPERATOR))
    return 0


def _disable(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    set_person_state(open_database(settings), SystemClock(), options.name, PersonState.DISABLED, by=OPERATOR)
    print(f"{options.name} cannot sign in any more")
    return 0


def _enable(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    set_person_state(open_database(settings), SystemClock(), options.name, PersonState.ACTIVE, by=OPERATOR)
    print(f"{options.name} can sign in again")
    return 0


def _print_password(name: str, password: str) -> None:
    """The password is the last word, and alone on its line."""
    print(f"{name} signs in with this password within {ONE_TIME_LASTS.days} days and then chooses another:")
    print(password)


def _days(text: str) -> int | None:
    return None if text == "for-ever" else argument(whole(1))(text)


def _what_it_keeps(days: int | None, before: int | None) -> str:
    return f"it keeps cases {_kept(days)}" + ("" if days == before else f" (was: {_kept(before)})")


def _kept(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"
