"""One round of the trainer, by its own command, on drawn photos: the shortest possible training."""

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
from safetensors.torch import save_file

from pallor.cp_anemic import SHEET
from pallor.image.synthetic import draw, render_bytes
from trainer.__main__ import main
from trainer.data.groups import GROUPS_FILE
from trainer.model import random_base

HEADER = "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL,CITY/TOWN,MUNICIPALITY/DISTRICT,REGION,COUNTRY"
PHOTOS = 48


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


def shortest_recipe() -> str:
    text = (files("trainer.recipes") / "standard.toml").read_text("utf-8")
    for old, new in {
        "epochs = 4\n": "epochs = 1\n",
        "batch = 16\n": "batch = 4\n",
        "golden_photos = 8": "golden_photos = 2",
        "bootstrap_draws = 1000": "bootstrap_draws = 20",
        "permutations = 200": "permutations = 5",
        "tolerance_int8 = 0.05": "tolerance_int8 = 0.1",
        "aware_steps = 60": "aware_steps = 1",
        "aware_batch = 16": "aware_batch = 4",
        "photos = 128": "photos = 8",
    }.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def write_dataset(folder) -> None:
    """Drawn photos in the published layout, each its own photograph."""
    rng = np.random.default_rng(0)
    lines, groups = [HEADER], ["IMAGE_ID,same_photo_group"]
    for number in range(PHOTOS):
        remark, hb = ("Anemic", 70.0 + number % 7) if number % 2 else ("Non-anemic", 130.0 + number % 5)
        name, site = f"Image_{number:03}", ("North", "South")[number // 2 % 2]
        (folder / remark).mkdir(parents=True, exist_ok=True)
        photo = render_bytes(replace(draw(rng, hb, signal=50.0), blur_px=0.4))
        (folder / remark / f"{name}.png").write_bytes(photo)
        lines.append(f"{name},{hb / 10},x,24,Male,{remark},{site},,,,Ghana")
        groups.append(f"{name},{number}")
    (folder / SHEET).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    (folder / GROUPS_FILE).write_text("\n".join(groups) + "\n")
