"""What laboratories need at the shell: the socket on which HL7 comes in, and sheets of specimen labels."""

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from backend.mllp import Wire, serve_mllp
from backend.office.parts import AddCommand, open_database, write_file
from backend.services.label_sheet import label_sheet
from backend.services.receive_report import Laboratory
from backend.services.specimen_barcode import new_barcode
from backend.settings import DatabaseSettings, Hl7Settings
from pallor.clock import SystemClock


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    hl7 = command("hl7", _hl7, "take HL7 v2 results over MLLP from one laboratory's system", Hl7Settings)
    hl7.add_argument("device", help="the name under which that system was enrolled; it belongs to one site")
    labels = command("specimen-labels", _labels, "write a PDF of fresh specimen labels, A4, 3 by 8")
    labels.add_argument("file", type=Path, help="the PDF to write")
    labels.add_argument("--count", type=int, default=8, help="numbers, each on three labels (default 8: one sheet)")


def _hl7(settings: Hl7Settings, options: argparse.Namespace) -> int:
    laboratory = Laboratory(open_database(settings), SystemClock(), settings.label_table)
    host, port = settings.hl7_bind
    wire = Wire(host, port, settings.hl7_certificate, settings.hl7_key, settings.hl7_client_authority)
    wire.context()  # name what is wrong before anything listens

    async def run() -> None:
        serving = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)  # type: ignore[union-attr]
        await serve_mllp(wire, laboratory, options.device, settings.lab_time_zone, _say)

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run())
    return 0


def _say(port: int) -> None:
    print(f"listening for HL7 on port {port}", flush=True)


def _labels(_settings: DatabaseSettings, options: argparse.Namespace) -> int:
    write_file(options.file, label_sheet([new_barcode() for _ in range(options.count)]))
    print(f"{options.file}: {options.count} numbers; print it at its own size, not fitted to the page")
    return 0
