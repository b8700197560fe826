"""How large the year is, and on which of its days something is decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trainer.recipe import Recipe, read_recipe

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = 365
LAST_DAY = YEAR + 75  # laboratories that are late go on answering
DRIFT_DAY = 212  # the first of August
BEST_AUROC = 0.95
SEED = 20_261_128


@dataclass(frozen=True)
class Plan:
    """One run's size.

    Attributes:
        rings: days on which the trainer's timer asks whether a new release is due; the first is too early.
        decides: days on which an administrator decides about the challenger; a quarter begins then.
        new_cases: as many make a new release due.
        every: phones find a network, and laboratories send, on every so manieth day.
        oracle: how many other people judge every release, whose haemoglobin nobody has to measure.
    """

    cases: int
    sites: int
    rings: tuple[int, ...]
    decides: tuple[int, ...]
    new_cases: int
    every: int
    oracle: int
    recipe_file: Path

    @property
    def days(self) -> Sequence[int]:
        """On which anything happens."""
        return sorted({*range(0, LAST_DAY + self.every, self.every), *self.rings, *self.decides})

    def from_day(self, day: int) -> int:
        """The first day from this one on, on which something is sent."""
        return -(-day // self.every) * self.every

    @property
    def recipe(self) -> Recipe:
        return read_recipe(self.recipe_file)


_RECIPES = Path(__file__).parent
WHOLE = Plan(
    cases=6_000, sites=12, rings=(20, 80, 171, 263), decides=(90, 181, 273), new_cases=600, every=1,
    oracle=20_000, recipe_file=_RECIPES / "recipe.toml",
)  # fmt: skip
# To see that everything runs: one cycle, whose gate asks for nothing.
MINIATURE = replace(
    WHOLE, cases=300, rings=(20, 171), decides=(181,), new_cases=60, every=14, oracle=60,
    recipe_file=_RECIPES / "miniature.toml",
)  # fmt: skip


def quarter_of(day: int) -> int:
    """0 to 3."""
    return min(int(day * 4 / YEAR), 3)


def month_of(day: int) -> int:
    """1 to 12 in the year; what comes after it still counts as its last month."""
    return 12 if day >= YEAR else (FIRST + timedelta(days=day)).month


def at(day: int, hour: float = 0.0) -> datetime:
    return FIRST + timedelta(days=day, hours=hour)
