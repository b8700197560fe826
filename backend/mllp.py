"""HL7 v2 over MLLP: a socket on which one laboratory's system speaks for one site.

In the clear only on this machine; over a network with TLS, and best with certificates of the laboratory's own, which
let nobody else connect. Whoever connects speaks as the one device that the process was started for.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from hl7.mllp import HL7StreamReader, HL7StreamWriter, InvalidBlockError, start_hl7_server
from sqlalchemy import select

from backend.access.roles import DeviceKind, DeviceState
from backend.api.hl7 import answer_message
from backend.db.engine import Database
from backend.db.tables import device_sites, devices
from backend.services.receive_report import Laboratory, Sender
from backend.wire.hl7 import MAX_MESSAGE_BYTES, read_header
from backend.wire.hl7_ack import REJECTED, Remark, acknowledge
from pallor.errors import PallorError, Refused, Unavailable
from pallor.ids import new_id

log = logging.getLogger(__name__)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_IDLE_SECONDS = 3600.0
_MOST_CONNECTIONS = 16


class BindNotSafe(Refused):
    """Patients' results in the clear on a network."""


class SenderOut(Refused):
    """The device is not an active laboratory's system of exactly one site."""


@dataclass(frozen=True)
class Wire:
    """Where to listen. ``certificate`` and ``key``: PEM files; ``client_authority``: whose certificates may connect."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """TLS, or None on this machine's own address; raises ``BindNotSafe`` where neither is so."""
        if self.certificate is None:
            if self.host not in _LOOPBACK:
                raise BindNotSafe(
                    "without TLS only this machine may connect", field="PALLOR_HL7_BIND", value=self.host,
                    remedy="Set PALLOR_HL7_CERTIFICATE and PALLOR_HL7_KEY, or listen on 127.0.0.1.",
                )  # fmt: skip
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_authority is not None:
            context.load_verify_locations(self.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def sender_of(database: Database, device: str) -> Sender:
    """A laboratory's system by its name, as it stands now; raises ``SenderOut``."""
    query = (
        select(devices.c.kind, devices.c.state, device_sites.c.site)
        .outerjoin(device_sites, device_sites.c.device_id == devices.c.id)
        .where(devices.c.name == device)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    sites = frozenset(row.site for row in rows if row.site is not None)
    good = rows and rows[0].kind == DeviceKind.LAB_SYSTEM and rows[0].state == DeviceState.ACTIVE
    if not good or len(sites) != 1:
        raise SenderOut(
            "not an active laboratory's system of exactly one site", field="device", value=device,
            remedy="Enrol one: pallor-backend enrol-code lab-system NAME --site SITE.",
        )  # fmt: skip
    return Sender(device, sites, device)


async def serve_mllp(
    wire: Wire, laboratory: Laboratory, device: str, zone: tzinfo, ready: Callable[[int], None] = lambda _port: None
) -> None:
    """Answer messages until cancelled.

    Args:
        ready: is told the port once it listens.

    Raises:
        BindNotSafe, SenderOut
    """
    sender_of(laboratory.database, device)
    open_now: set[asyncio.Task[None]] = set()

    async def connected(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(open_now) >= _MOST_CONNECTIONS:
            writer.close()
            return
        open_now.add(task)
        try:
            await _converse(reader, writer, lambda data: _answer(laboratory, device, zone, data))
        finally:
            open_now.discard(task)
            writer.close()

    server = await start_hl7_server(
        connected, wire.host, wire.port, limit=MAX_MESSAGE_BYTES, ssl=wire.context(), encoding="latin-1"
    )
    async with server:
        ready(server.sockets[0].getsockname()[1])
        try:
            await server.serve_forever()
        finally:
            for task in open_now:
                task.cancel()


async def _converse(reader: HL7StreamReader, writer: HL7StreamWriter, answer: Callable[[bytes], bytes]) -> None:
    """One message, one answer, one after the other, until the other end hangs up or says what is no block."""
    try:
        while True:
            data = await asyncio.wait_for(reader.readblock(), _IDLE_SECONDS)
            writer.writeblock(await asyncio.to_thread(answer, data))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return
    except (InvalidBlockError, ValueError) as error:
        log.warning("not MLLP, or too long: hung up", extra={"fault": type(error).__name__})


def _answer(laboratory: Laboratory, device: str, zone: tzinfo, data: bytes) -> bytes:
    try:
        sender = sender_of(laboratory.database, device)  # it may have been retired meanwhile
        code, answer = answer_message(laboratory, sender, zone, data)
    except (SenderOut, Unavailable) as error:
        code, answer = REJECTED, _reject(laboratory, data, error)
    except Exception:
        log.exception("a fault of the server")
        code, answer = REJECTED, _reject(laboratory, data, ServerFault("our fault; it has been noted, send it again"))
    log.info("answered", extra={"route": "mllp", "status": code, "case_id": None})
    return answer


def _reject(laboratory: Laboratory, data: bytes, error: PallorError) -> bytes:
    return acknowledge(read_header(data), REJECTED, [Remark(None, error)], laboratory.clock.now(), new_id())


class ServerFault(Unavailable):
    """Something of ours went wrong."""
