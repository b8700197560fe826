"""A warm start: fine-tuning that goes on from an earlier release instead of from weights that know no eye.

It inherits what that release has learned from. Those snapshots travel with the weights, and once one of them is marked
incomplete (a retraction, an erasure), nothing may start from what remembers it. A base with a lineage has seen the
train sides of its snapshots, so only figures of the fixed test side can be honest about what comes of it.
"""

import json
from collections.abc import Sequence, Set
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from pallor.digest import sha256_of_file
from pallor.durable import write_whole
from pallor.errors import Refused, shortened
from trainer.checkpoint import weights_of
from trainer.model import PIXELS_PER_UNIT, SCREEN_FORMAT, ZERO_PIXEL, Base, InitUnreadable, Screen

_SCALE = ((ZERO_PIXEL,) * 3, (PIXELS_PER_UNIT,) * 3)  # of every network here


class AncestorRetracted(Refused):
    """An earlier release learned from a snapshot that somebody has been taken out of since."""


def save(screen: Screen, path: Path, *, lineage: Sequence[str], credit: str) -> None:
    """Keep a network for a later warm start.

    Args:
        lineage: digests of all snapshots it has learned from, its ancestors' included.
        credit: of its base.
    """
    header = {"format": SCREEN_FORMAT, "lineage": json.dumps(sorted(set(lineage))), "credit": credit}
    write_whole(path, to_bytes(weights_of(screen), header))


def base_from_release(path: Path, retracted: Set[str]) -> Base:
    """What ``save`` kept, as a base.

    Args:
        retracted: digests of snapshots that are marked incomplete.

    Raises:
        InitUnreadable: the file is none of ``save``.
        AncestorRetracted: it has learned from one of those.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != SCREEN_FORMAT:
                raise ValueError("it was not kept for a warm start")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            lineage = tuple(json.loads(header["lineage"]))
            base = Base(f"warm start {sha256_of_file(path)}", header["credit"], *_SCALE, weights, lineage)
        Screen(base, dropout=0.0)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise InitUnreadable(
            f"no release to start from: {shortened(error)}",
            field="init",
            value=path.name,
            remedy="Name the weights that an earlier run kept, or start from the base weights.",
        ) from error
    gone = sorted(retracted & set(lineage))
    if gone:
        raise AncestorRetracted(
            "somebody has been taken out of a snapshot that these weights, or their ancestors, learned from",
            field="init",
            value=gone[0],
            remedy="Start from the base weights, on a snapshot of today.",
        )
    return base
