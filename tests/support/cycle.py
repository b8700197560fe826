"""One round of the trainer, by its own command, on drawn photos: the shortest possible training."""

import json

from safetensors.torch import save_file

from tests.trainer.whole_round import shortest_recipe, write_dataset
from trainer.__main__ import main
from trainer.model import random_base


class Made:
    """A candidate that the command has made; its gate refuses it, for it learned from too few."""

    def __init__(self, folder):
        self.data, self.runs, self.recipe = folder / "data", folder / "runs", folder / "recipe.toml"
        self.run = self.runs / "run-0001"
        self.recipe.write_text(shortest_recipe())
        write_dataset(self.data)
        self.init = folder / "init.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in random_base(0).weights.items()}, self.init)
        assert main(self.command(self.runs)) == 3
        self.candidate = next(path for path in (self.run / "8-candidate").iterdir() if path.is_dir())
        refusals = json.loads((self.run / "7-gate" / "refusals.json").read_bytes())
        self.said = {"gate_passed": not refusals, "gate_refusals": [one["reason"] for one in refusals]}

    def command(self, runs) -> list[str]:
        places = ["--runs", str(runs), "--data", str(self.data), "--init", str(self.init), "--processes", "1"]
        return ["cycle", *places, "--recipe", str(self.recipe)]

    def begin_like_the_first(self, runs) -> None:
        """A candidate carries the day and the second its run was begun."""
        (runs / "run-0001").mkdir(parents=True)
        (runs / "run-0001" / "order.json").write_bytes((self.run / "order.json").read_bytes())
