"""The command that gives a site another key to seal to."""

import argparse

from backend.office.parts import OPERATOR, AddCommand, open_database
from backend.services.give_sealing_keys import rotate_sealing_key
from backend.settings import SealingSettings
from pallor.clock import SystemClock


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    rotate = command(
        "sealing-key-rotate", _rotate, "let phones seal to another key of a site; older ones are still opened",
        SealingSettings,
    )  # fmt: skip
    rotate.add_argument("code", help="the site's code")


def _rotate(settings: SealingSettings, options: argparse.Namespace) -> int:
    kid = rotate_sealing_key(
        open_database(settings), SystemClock(), options.code, settings.sealing_passphrase, by=OPERATOR
    )  # fmt: skip
    print(
        f"{options.code}: phones seal to {kid} from when they next ask. An older backup does not hold it: make one now"
    )
    return 0
