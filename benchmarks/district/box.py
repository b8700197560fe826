"""What stands before the year begins: database, keys, a first release that knows nothing, and who may call."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from securesystemslib.signer import Signer
from sqlalchemy import select, update

from backend.access.roles import DeviceKind, Role
from backend.api.parts import Parts
from backend.db.migrate import migrate
from backend.db.tables import device_people, devices, people
from backend.services.manage_devices import add_device
from backend.services.manage_people import add_person
from backend.services.manage_sites import put_site
from backend.services.sessions import issue_token
from backend.services.set_world import set_world
from benchmarks.district.knows_nothing import KNOWS_NOTHING, make_first_release
from benchmarks.district.plan import FIRST, Plan
from benchmarks.district.server import WORLD, clock_of, parts_of
from benchmarks.district.world import site_name
from pallor.onebox.folder import DataFolder
from pallor.onebox.signing import own_keys
from pallor.release.repository import contents
from pallor.release.repository.keys import open_key

_LASTS = timedelta(days=600)
_BY = "operator"


@dataclass(frozen=True)
class Tokens:
    """Of everybody who calls; nurses, laboratories and technicians by site."""

    admin: str = field(repr=False)
    trainer: str = field(repr=False)
    nurses: list[str] = field(repr=False)
    laboratories: list[str] = field(repr=False)
    technicians: list[str] = field(repr=False)


def set_up(folder: DataFolder, plan: Plan) -> Tokens:
    """Make everything, once; a folder where that was done is left as it is."""
    kept = folder.root / "tokens.json"
    if kept.exists():
        return Tokens(**json.loads(kept.read_bytes()))
    parts = _founded(folder)
    first = make_first_release(folder.root / KNOWS_NOTHING, plan.recipe)
    contents.offer(parts.repository, first, signer_of(folder, "development-trainer"))
    publish(folder, parts, KNOWS_NOTHING)
    tokens = _let_in(parts, plan.sites)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(asdict(tokens), file)
    parts.database.close()
    return tokens


def passphrase_of(folder: DataFolder) -> str:
    return (folder.keys / "passphrase").read_text().strip()


def _founded(folder: DataFolder) -> Parts:
    folder.root.mkdir(parents=True, exist_ok=True)
    parts = parts_of(folder)
    clock_of(folder).turn_to(FIRST)
    own_keys(folder, WORLD, parts.clock, {})
    migrate(parts.database)
    set_world(parts.database, WORLD)
    return parts


def publish(folder: DataFolder, parts: Parts, release_id: str) -> int:
    """Sign a candidate as the person does who keeps the key of releases; its number."""
    return contents.publish(parts.repository, release_id, signer_of(folder, "development-release"))


def signer_of(folder: DataFolder, name: str) -> Signer:
    return open_key(folder.keys / f"{name}.key", lambda: passphrase_of(folder))


def _let_in(parts: Parts, sites: int) -> Tokens:
    database, clock = parts.database, parts.clock
    nurses, laboratories, technicians = [], [], []
    for name in map(site_name, range(sites)):
        put_site(database, clock, name, practice=False, retention_days=None, altitude_m=0, by=_BY)
        here = frozenset({name})
        add_device(database, clock, f"phone-{name}", DeviceKind.PHONE, here, _LASTS, by=_BY)
        laboratories.append(
            add_device(database, clock, f"lab-{name}", DeviceKind.LAB_SYSTEM, here, _LASTS, by=_BY).token
        )
        nurses.append(_signed_in(parts, f"nurse-{name}", Role.FIELD, here, f"phone-{name}"))
        technicians.append(_signed_in(parts, f"technician-{name}", Role.LAB, here, f"lab-{name}"))
    console, trainer = (
        add_device(database, clock, kind.value, kind, frozenset(), _LASTS, by=_BY).token
        for kind in (DeviceKind.CONSOLE, DeviceKind.TRAINER)
    )
    return Tokens(console, trainer, nurses, laboratories, technicians)


def _signed_in(parts: Parts, name: str, role: Role, here: frozenset[str], device: str) -> str:
    """Somebody with an account who has signed in on a device and chosen a password."""
    add_person(parts.database, parts.clock, name, role, here, by=_BY)
    with parts.database.write() as tx:
        tx.execute(update(people).where(people.c.name == name).values(one_time_until=None))
        person = tx.execute(select(people.c.id).where(people.c.name == name)).scalar_one()
        machine = tx.execute(select(devices.c.id).where(devices.c.name == device)).scalar_one()
        if role is Role.FIELD:
            tx.execute(device_people.insert().values(device_id=machine, person_id=person, since=parts.clock.now()))
        return issue_token(tx, parts.clock, _LASTS, person_id=person, device_id=machine).token
