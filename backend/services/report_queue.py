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

    A stolen device is not heard any more once it has said that it is wiped. The trail holds the first word after the
    end and that of the wiping: whoever has the phone could write there without end.

    Args:
        wiped: it has deleted everything on it; heard from a stolen device alone.
    """
    with database.write() as tx:
        there = tx.execute(select(devices).where(devices.c.id == device_id)).one()
        state = DeviceState(there.state)
        if there.wiped_at is not None:
            return state
        now, wipes = clock.now(), wiped and state is DeviceState.STOLEN
        new = {"unsent_cases": unsent_cases, "unsent_at": now, "wiped_at": now if wipes else None}
        tx.execute(update(devices).where(devices.c.id == device_id).values(**new))
        told = there.unsent_at is not None and there.ended_at is not None and there.unsent_at > there.ended_at
        if state is not DeviceState.ACTIVE and (wipes or not told):
            said = {"unsent_cases": unsent_cases, "wiped": wipes}
            write_audit(tx, clock, by, "device.last-word", device_id, new=said)
        return state
