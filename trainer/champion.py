"""The release in use: whoever wants its place is held against it, on the same photos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pallor.errors import Refused, Untrusted
from pallor.image.spec import PreprocessSpec
from pallor.release.manifest import Manifest
from pallor.release.shelf import Release
from trainer.calibrate import Cutoffs
from trainer.export import ask
from worker.engines.plan import on_cpu

_EXACT = "fp16"  # as the candidate is judged; every release carries it


class ChampionUnfit(Refused):
    """The release cannot be held against the candidate."""


@dataclass(frozen=True, eq=False)
class Champion:
    """A release, opened."""

    release: Release

    @property
    def manifest(self) -> Manifest:
        return self.release.manifest

    @property
    def cutoffs(self) -> Cutoffs:
        """On its probabilities, which are calibrated inside of its graph."""
        found = self.manifest
        return Cutoffs(1.0, found.threshold, found.refer_low, found.refer_high)

    def scores(self, inputs: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float64]:
        """(n,) probabilities of laid-out photos, by its most exact file.

        Raises:
            ChampionUnfit: it wants photos laid out in another way.
        """
        if PreprocessSpec.from_json(dict(self.manifest.preprocess)) != spec:
            raise ChampionUnfit(
                "the release in use wants photos laid out in another way than this recipe does", field="champion",
                value=self.manifest.release_id, remedy="Use a recipe with its [preprocess], or leave --champion out.",
            )  # fmt: skip
        return ask(on_cpu(self.release, precision=_EXACT), inputs).probability.astype(np.float64)


def open_champion(folder: Path) -> Champion:
    """Open a release folder.

    Raises:
        ChampionUnfit: there is none, or its files are not those its manifest names.
    """
    try:
        return Champion(Release.open(folder))
    except Untrusted as error:
        raise ChampionUnfit(
            f"this is no whole release: {error}", field="champion", value=folder.name,
            remedy="Name the folder of a release, with manifest.json in it.",
        ) from error  # fmt: skip
