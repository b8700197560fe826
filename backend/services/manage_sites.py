"""Sites: where people and devices belong, and where cases lie."""

import re
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.db.engine import Database
from backend.db.tables import sites
from backend.services.audit import write_audit
from pallor.clock import Clock
from pallor.errors import Refused

_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MOST_DAYS = 100 * 366


class SiteUnfit(Refused):
    """The code, or for how long the site is to keep cases, cannot be."""


class SiteTaken(Refused):
    """There is a site of this code, and it is of the other kind."""


class SiteUnknown(Refused):
    """There is no such site."""


def put_site(
    database: Database,
    clock: Clock,
    code: str,
    *,
    practice: bool,
    retention_days: int | None,
    altitude_m: int | None = None,
    by: str,
) -> bool:
    """Make a site, or change how long it keeps cases and how high it lies; True when it is new.

    Args:
        practice: its cases teach people and never count; fixed when the site is made.
        retention_days: cases older than this are erased by the sweeper; None keeps them.
        altitude_m: for those who say that they live there; None changes nothing.

    Raises:
        SiteUnfit
        SiteTaken: ``practice`` is not what it was made with.
    """
    _check(code, retention_days)
    row = {"code": code, "practice": practice, "retention_days": retention_days, "altitude_m": altitude_m}
    with database.write() as tx:
        if database.insert_once(tx, sites, {**row, "made_at": clock.now(), "made_by": by}):
            write_audit(tx, clock, by, "site.create", code, new=row)
            return True
        there = tx.execute(select(sites).where(sites.c.code == code)).one()
        if there.practice != practice:
            raise SiteTaken(
                f"this is {'a' if there.practice else 'no'} practice site, and stays so",
                field="practice", value=practice,
                remedy="Make another site with a code of its own.",
            )  # fmt: skip
        said = {"retention_days": retention_days} | ({} if altitude_m is None else {"altitude_m": altitude_m})
        if changed := {name: value for name, value in said.items() if there._mapping[name] != value}:
            tx.execute(update(sites).where(sites.c.code == code).values(changed))
            old = {name: there._mapping[name] for name in changed}
            write_audit(tx, clock, by, "site.change", code, old=old, new=changed)
        return False


def list_sites(database: Database) -> list[Row[Any]]:
    """Every site by its code."""
    with database.read() as connection:
        return list(connection.execute(select(sites).order_by(sites.c.code)))


def show_site(database: Database, code: str) -> Row[Any]:
    """One site; raises ``SiteUnknown``."""
    with database.read() as connection:
        check_sites(connection, frozenset({code}), "site")
        return connection.execute(select(sites).where(sites.c.code == code)).one()


def check_sites(tx: Connection, codes: frozenset[str], field: str = "sites") -> None:
    """Raise ``SiteUnknown`` unless every one of ``codes`` is a site."""
    known = set(tx.execute(select(sites.c.code).where(sites.c.code.in_(codes))).scalars())
    if missing := sorted(codes - known):
        raise SiteUnknown(
            f"no site has the code {missing[0]}", field=field, value=", ".join(missing),
            remedy="See the list: pallor-backend site-list; a new one is made by site-add.",
        )  # fmt: skip


def _check(code: str, retention_days: int | None) -> None:
    if not _CODE.fullmatch(code):
        raise SiteUnfit(
            "not a site's code", field="code", value=code,
            remedy="Use up to 32 lower-case letters, digits and hyphens, such as kumasi-1.",
        )  # fmt: skip
    if retention_days is not None and not 1 <= retention_days <= _MOST_DAYS:
        raise SiteUnfit(
            "cases cannot be kept that long or that short", field="retention_days", value=retention_days,
            remedy="Name at least one day, or leave it out: then they are kept.",
        )  # fmt: skip
