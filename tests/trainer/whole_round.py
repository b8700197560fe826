"""What a whole round is made from in tests: drawn photos in the published layout, the shortest recipe; and kills."""

from dataclasses import replace
from importlib.resources import files

import numpy as np

from pallor.cp_anemic import SHEET
from pallor.image.synthetic import draw, render_bytes
from trainer import steps
from trainer.data.groups import GROUPS_FILE

HEADER = "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL,CITY/TOWN,MUNICIPALITY/DISTRICT,REGION,COUNTRY"
PHOTOS = 48


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class Kill:
    def __init__(self, monkeypatch):
        self._step = self._at = None
        note, sync = steps.Steps._note, steps.sync_folder

        def noting(own, name, word):
            note(own, name, word)
            if (self._step, self._at, word) == (name, "begun", "begun"):
                raise Killed

        def syncing(folder):
            sync(folder)
            if self._at == "renamed" and (folder / self._step).is_dir():
                raise Killed

        monkeypatch.setattr(steps.Steps, "_note", noting)
        monkeypatch.setattr(steps, "sync_folder", syncing)

    def when(self, step, at):
        self._step, self._at = step, at

    def never(self):
        self._step = self._at = None


def shortest_recipe() -> str:
    text = (files("trainer.recipes") / "standard.toml").read_text("utf-8")
    for old, new in {
        "size = 224\n": "size = 64\n",
        "epochs = 4\n": "epochs = 1\n",
        "batch = 16\n": "batch = 4\n",
        "golden_photos = 8": "golden_photos = 2",
        "bootstrap_draws = 1000": "bootstrap_draws = 100",
        "permutations = 200": "permutations = 20",
        "tolerance_int8 = 0.05": "tolerance_int8 = 0.1",
        "aware_steps = 60": "aware_steps = 1",
        "aware_batch = 16": "aware_batch = 4",
        "photos = 128": "photos = 8",
    }.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def write_dataset(folder, photos=PHOTOS) -> None:
    """Drawn photos in the published layout, each its own photograph."""
    rng = np.random.default_rng(0)
    lines, groups = [HEADER], ["IMAGE_ID,same_photo_group"]
    for number in range(photos):
        remark, hb = ("Anemic", 70.0 + number % 7) if number % 2 else ("Non-anemic", 130.0 + number % 5)
        name, site = f"Image_{number:03}", ("North", "South")[number // 2 % 2]
        (folder / remark).mkdir(parents=True, exist_ok=True)
        photo = render_bytes(replace(draw(rng, hb, signal=50.0), blur_px=0.4))
        (folder / remark / f"{name}.png").write_bytes(photo)
        lines.append(f"{name},{hb / 10},x,24,Male,{remark},{site},,,,Ghana")
        groups.append(f"{name},{number}")
    (folder / SHEET).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    (folder / GROUPS_FILE).write_text("\n".join(groups) + "\n")
