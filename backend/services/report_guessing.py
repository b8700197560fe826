"""Somebody tries many passwords or codes: the log and the audit trail say so, once in each window of a limit."""

import logging

from backend.db.engine import Database
from backend.services.audit import write_audit
from pallor.clock import Clock

log = logging.getLogger(__name__)


def report_guessing(database: Database, clock: Clock, what: str, who: str) -> None:
    """Put on record that a limit was met.

    Args:
        what: the door, ``sign-in`` or ``enrol``. who: by what the tries were counted (``backend.access.throttle``).
            Neither the name nor the address is written: what was typed as a name may be a password.
    """
    log.warning("too many tries at a door; they are slowed", extra={"code": f"{what} by {who}"})
    with database.write() as tx:
        write_audit(tx, clock, "throttle", f"{what}.slowed", "door", new={"counted_by": who})
