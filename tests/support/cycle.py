"""One round of the trainer, by its own command, on drawn photos: the shortest possible training."""

import fcntl
import json
import os

from safetensors.torch import save_file

from tests.trainer.whole_round import shortest_recipe, write_dataset
from trainer.__main__ import main
from trainer.model import random_base


class Made:
    """A candidate that the command has made; its gate refuses it, for it learned from too few."""

    def __init__(self, folder):
        self.data, self.runs, self.recipe = folder / "data", folder / "runs", folder / "recipe.toml"
        self.run = self.runs / "run-0001"
        self.init = folder / "init.safetensors"
        if not (folder / "made").exists():
            self._make()
            (folder / "made").touch()
        self.candidate = next(path for path in (self.run / "8-candidate").iterdir() if path.is_dir())
        refusals = json.loads((self.run / "7-gate" / "refusals.json").read_bytes())
        self.said = {"gate_passed": not refusals, "gate_refusals": [one["reason"] for one in refusals]}

    def _make(self) -> None:
        self.recipe.write_text(shortest_recipe())
        write_dataset(self.data)
        save_file({name: tensor.contiguous() for name, tensor in random_base(0).weights.items()}, self.init)
        assert main(self.command(self.runs)) == 3

    def command(self, runs) -> list[str]:
        places = ["--runs", str(runs), "--data", str(self.data), "--init", str(self.init), "--processes", "1"]
        return ["cycle", *places, "--recipe", str(self.recipe)]

    def begin_like_the_first(self, runs) -> None:
        """A candidate carries the day and the second its run was begun."""
        (runs / "run-0001").mkdir(parents=True)
        (runs / "run-0001" / "order.json").write_bytes((self.run / "order.json").read_bytes())


def made_once(tmp_path_factory) -> Made:
    """The same candidate for every test of this run of pytest, to be read alone: whoever comes first makes it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # each of its processes has a folder of its own in there
    folder = shared / "cycle"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Made(folder)
