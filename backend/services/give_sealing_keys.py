"""The keys that phones seal to: one pair a site, made when it is first asked for; the newest is given out."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from backend.access.sealing import SealedUnreadable, kid_of, new_sealing_key, open_sealed
from backend.db.engine import Database
from backend.db.tables import sealing_keys
from backend.services.audit import write_audit
from backend.services.manage_sites import check_sites
from pallor.clock import Clock

PublicKey = tuple[str, dict[str, Any]]  # the site's code, and the JWK


def give_sealing_keys(
    database: Database, clock: Clock, sites: frozenset[str], passphrase: str | None, *, by: str
) -> list[PublicKey]:
    """The key to seal to for each of these sites, by their codes."""
    with database.read() as connection:
        found = _newest(connection, sites)
    if missing := sorted(sites - found.keys()):
        with database.write() as tx:
            found |= _newest(tx, sites)
            for site in missing:
                if site not in found:
                    found[site] = _make(tx, clock, site, passphrase, by)
    return sorted(found.items())


def rotate_sealing_key(database: Database, clock: Clock, site: str, passphrase: str | None, *, by: str) -> str:
    """Make a new key for a site, which phones get when they next ask; its id. What the old ones sealed is still opened.

    Raises:
        SiteUnknown
    """
    with database.write() as tx:
        check_sites(tx, frozenset({site}), "site")
        return str(_make(tx, clock, site, passphrase, by)["kid"])


def open_blob(connection: Connection, site: str, blob: bytes, passphrase: str | None) -> bytes:
    """What was sealed to any key of a site.

    Raises:
        SealedUnreadable, SealingKeyLocked
    """
    pem = connection.execute(_PEM, {"kid": kid_of(blob), "site": site}).scalar()
    if pem is None:
        raise SealedUnreadable(
            "this was sealed to a key that this site does not have", field="body", value="(sealed)",
            remedy="Keep it; ask for the sealing keys again. Tell an administrator, who may have restored a backup.",
        )  # fmt: skip
    return open_sealed(blob, pem, passphrase)


def _newest(connection: Connection, sites: frozenset[str]) -> dict[str, dict[str, Any]]:
    query = select(sealing_keys).where(sealing_keys.c.site.in_(sites)).order_by(sealing_keys.c.made_at)
    rows: list[Row[Any]] = list(connection.execute(query))
    return {row.site: row.public_jwk for row in rows}  # of each site the last one stands


def _make(tx: Connection, clock: Clock, site: str, passphrase: str | None, by: str) -> dict[str, Any]:
    key = new_sealing_key(passphrase)
    tx.execute(
        sealing_keys.insert().values(
            kid=key.kid,
            site=site,
            public_jwk=key.public_jwk,
            private_pem=key.private_pem,
            made_at=clock.now(),
            made_by=by,
        )
    )
    write_audit(tx, clock, by, "sealing-key.make", key.kid, new={"site": site})
    return key.public_jwk


# Built once: every submission asks it.
_PEM = select(sealing_keys.c.private_pem).where(
    sealing_keys.c.kid == bindparam("kid"), sealing_keys.c.site == bindparam("site")
)
