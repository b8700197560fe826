"""The roles, the kinds of device, and the names that people and devices go by."""

import re
from enum import StrEnum

from pallor.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,30}")


class Role(StrEnum):
    """What somebody is here for. Field staff, laboratories and nodes belong to sites; the others reach all of them."""

    FIELD = "field"
    LAB = "lab"
    ADMIN = "admin"
    TRAINER = "trainer"
    NODE = "node"


class DeviceKind(StrEnum):
    """``console``: a script of the administrator's own, made at the server's shell alone."""

    PHONE = "phone"
    LAB_SYSTEM = "lab-system"
    TRAINER = "trainer"
    NODE = "node"
    CONSOLE = "console"


class DeviceState(StrEnum):
    """``retired``: may still deliver what it had sealed. ``stolen``: nothing but its last word."""

    ACTIVE = "active"
    RETIRED = "retired"
    STOLEN = "stolen"


class PersonState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


ROLE_OF = {
    DeviceKind.PHONE: Role.FIELD,
    DeviceKind.LAB_SYSTEM: Role.LAB,
    DeviceKind.TRAINER: Role.TRAINER,
    DeviceKind.NODE: Role.NODE,
    DeviceKind.CONSOLE: Role.ADMIN,
}
ROLES_OF_PEOPLE = (Role.FIELD, Role.LAB, Role.ADMIN)
ROLES_WITH_SITES = (Role.FIELD, Role.LAB, Role.NODE)


class NameUnfit(Refused):
    """A name that the audit trail could not tell apart from another."""


def check_name(name: str, field: str = "name") -> str:
    """The name itself, of a person's account or a device; raises ``NameUnfit``."""
    if not _NAME.fullmatch(name):
        raise NameUnfit(
            "not a name for an account or a device", field=field, value=name,
            remedy="Use 2 to 31 lower-case letters, digits, '.', '_' or '-', such as nurse-12 or clinic-a-phone-1.",
        )  # fmt: skip
    return name
