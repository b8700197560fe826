"""The trainer's timer: ``pallor-trainer cycle --if-due`` on the year's own time."""

import argparse
import os
from pathlib import Path

import torch

from benchmarks.district.box import passphrase_of
from benchmarks.district.knows_nothing import KNOWS_NOTHING
from benchmarks.district.plan import Plan
from pallor.clock import Clock
from pallor.onebox.folder import DataFolder
from trainer.progress import no_bars
from trainer.rounds import Ended, go_round


def made_in(folder: DataFolder, release_id: str) -> Path:
    """The whole folder of a release, as it was made; a node fetches only what fits it."""
    if release_id == KNOWS_NOTHING:
        return folder.root / KNOWS_NOTHING
    (found,) = (folder.root / "runs").glob(f"run-*/8-candidate/{release_id}")
    return found


def ring(
    plan: Plan, folder: DataFolder, url: str, token: str, clock: Clock, init: Path | None, champion: Path
) -> Ended:
    """What the command does; a run that was killed goes on.

    Args:
        init: base weights; None: torchvision's.
        champion: folder of the release in use.
    """
    torch.set_num_threads(1)  # as the command does
    runs = folder.root / "runs"
    runs.mkdir(exist_ok=True)
    os.environ |= {"PALLOR_TRAINER_TOKEN": token, "PALLOR_KEY_PASSPHRASE": passphrase_of(folder)}
    asked = argparse.Namespace(
        runs=runs, api=url, store=folder.store_url, data=None, snapshot=None, groups=None,
        every_photo_its_own_group=True,  # as they were drawn: finding it out would take longer than the year
        init=init, warm_start=None, teacher_init=None, recipe=plan.recipe_file, champion=champion,
        key=folder.keys / "development-trainer.key", if_due=True, new_cases=plan.new_cases, days=30, processes=1,
    )  # fmt: skip
    return go_round(asked, clock, no_bars)
