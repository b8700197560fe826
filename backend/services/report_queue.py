"""A device tells how much waits on it; from a retired or a stolen one that is its last word."""

from sqlalchemy import select, update

from backend.access.roles import DeviceState
from backend.db.engine import Database
from backend.db.tables import devices
from backend.services.audit import write_audit
from pallor.clock import Clock


def report_queue(
    database: Database, clock: Clock, device_id: str, unsent_cases: int, *, wiped: bool, by: str
) -> DeviceState:
    """Keep how many cases a device has not sent; the device's state.

    Args:
        wiped: it has deleted everything on it; heard from a stolen device alone.
    """
    with database.write() as tx:
        there = tx.execute(select(devices).where(devices.c.id == device_id)).one()
        state = DeviceState(there.state)
        wiped_at = clock.now() if wiped and state is DeviceState.STOLEN and not there.wiped_at else there.wiped_at
        new = {"unsent_cases": unsent_cases, "wiped_at": wiped_at}
        tx.execute(update(devices).where(devices.c.id == device_id).values(**new, unsent_at=clock.now()))
        told = there.unsent_at is not None and there.ended_at is not None and there.unsent_at > there.ended_at
        same = told and (there.unsent_cases, there.wiped_at) == (unsent_cases, wiped_at)
        if state is not DeviceState.ACTIVE and not same:
            said = {"unsent_cases": unsent_cases, "wiped": wiped_at is not None}
            write_audit(tx, clock, by, "device.last-word", device_id, new=said)
        return state
