"""The doors of a new machine, opened over HTTP as an administrator does it: sites, a nurse on an enrolled phone, and a
laboratory's system.

Nobody's password is known afterwards: the nurse's is chosen by chance and forgotten, the phone keeps its token.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pallor.ids import new_id
from pallor.onebox.client import Client

Json = dict[str, Any]


@dataclass(frozen=True)
class Staff:
    """Bearer tokens: of a nurse signed in on a phone, and of a laboratory's system."""

    nurse: str = field(repr=False)
    laboratory: str = field(repr=False)


def open_doors(url: str, admin: Client, sites: Iterable[str]) -> Staff:
    """Let a nurse and a laboratory in at these sites, each under a name that nobody had before.

    Raises:
        RequestRefused, ServerAway
    """
    here = sorted(set(sites))
    for site in here:
        admin.put(f"/sites/{site}", {"practice": False, "retention_days": None})
    suffix = new_id()[:8]
    phone = _enrol(url, admin, "phone", f"phone-{suffix}", here)
    lab = _enrol(url, admin, "lab-system", f"laboratory-{suffix}", here)
    return Staff(_signed_in(url, admin, phone, f"nurse-{suffix}", here), lab)


def _enrol(url: str, admin: Client, kind: str, name: str, sites: list[str]) -> str:
    code = admin.post("/enrolment-codes", {"kind": kind, "device_name": name, "sites": sites, "minutes": 5})["code"]
    with Client(url) as stranger:
        return str(stranger.post("/enrolments", {"code": code})["token"])


def _signed_in(url: str, admin: Client, phone: str, name: str, sites: list[str]) -> str:
    given = admin.put(f"/people/{name}", {"role": "field", "sites": sites})["one_time_password"]
    with Client(url, phone) as device:
        token = str(device.post("/sign-in", {"name": name, "password": given})["token"])
    with Client(url, token) as nurse:
        nurse.put("/session/password", {"old": given, "new": secrets.token_urlsafe(18)})
    return token
