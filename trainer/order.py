"""What a run is to make; it goes on with what it was begun with, or not at all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pallor.clock import Clock, parse_utc, utc_text
from pallor.digest import digest_of
from pallor.store.port import ObjectStore
from trainer.champion import Champion
from trainer.inputs import Source
from trainer.model import Base
from trainer.post import Api
from trainer.recipe import Recipe
from trainer.steps import RunBroken, RunDiffers, read_json, write_json

ORDER = "order.json"  # in a run's folder


@dataclass(frozen=True, eq=False)
class Order:
    """What a run is to make; nothing else shapes the candidate.

    Attributes:
        snapshot: gives the snapshot's digest; asked once, when the run begins.
        groups: finds or reads who shows the same photograph, with its report in the folder.
        named: what the command line says of both, and of the store; None for what it leaves out.
        champion: the release in use, which the candidate must not fall behind.
        formerly: the side of each photo in the rounds before.
        api: where the candidate is posted; None keeps it here. ``exported``: it has made the snapshot, so it is told
            who shows the same photograph.
    """

    store: ObjectStore
    snapshot: Callable[[], str]
    groups: Callable[[Source, Path], Mapping[str, str]]
    named: Mapping[str, str | None]
    base: Base
    recipe: Recipe
    champion: Champion | None
    formerly: Mapping[str, int]
    api: Api | None
    exported: bool
    processes: int


@dataclass(frozen=True)
class Begun:
    """When a run was begun, and the digest of that and of all that it was begun with."""

    at: datetime
    digest: str


def begin(order: Order, run: Path, clock: Clock) -> Begun:
    """Write down what a run is begun with, or read what it was.

    Raises:
        RunDiffers: it was begun with something else.
        RunBroken: nobody can read what it was begun with.
    """
    champion = order.champion.manifest.digest() if order.champion else None
    asked = {"recipe": order.recipe.digest(), "base": order.base.name, "champion": champion, **order.named}
    if not (run / ORDER).exists():
        write_json(run / ORDER, {**asked, "begun": utc_text(clock.now())})
    known = read_json(run / ORDER, dict)
    begun = Begun(begun_at(run), digest_of(known))
    differing = [name for name in asked if asked[name] != known.get(name)]
    if differing:
        raise RunDiffers(
            "an unfinished run was begun with something else", field="runs", value=", ".join(differing),
            remedy=f"Finish it with what {ORDER} in {run.name} says, or remove that folder.",
        )  # fmt: skip
    return begun


def begun_at(run: Path) -> datetime:
    """When a run was begun; raises ``RunBroken``."""
    try:
        return parse_utc(read_json(run / ORDER, dict)["begun"])
    except (LookupError, TypeError, ValueError) as error:
        raise RunBroken.of(run / ORDER, "it does not say when the run was begun") from error
