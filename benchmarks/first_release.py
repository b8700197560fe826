"""How good is the recipe of the first release, judged leak-free, and what does the published split make of it?

    python -m benchmarks.first_release --data DIR --run DIR [--init FILE] [--recipe FILE] [--processes N] [--out FILE]

``--data``: CP-AnemiC as published, with ``same_photo_groups.csv`` beside its sheet. ``--run`` keeps finished folds: a
killed run goes on, and ``pallor-trainer release --run`` then makes a release around these very figures. The last line
is one JSON object; the card's tables go before it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.report import finish
from trainer.__main__ import cross_validate
from trainer.card import tables
from trainer.evaluate import figures_of
from trainer.inputs import add_options, read_inputs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_release", description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)  # as the trainer's own command does
    console = Console(stderr=True)
    evidence = cross_validate(read_inputs(asked, console), asked.run, asked.processes, console)
    print(tables(evidence["figures"]))
    facts = {
        key: evidence[key] for key in ("recipe_digest", "snapshot_digest", "base_weights", "data", "auroc_by_seed")
    }
    finish("first_release", facts | figures_of(evidence), asked.out)


if __name__ == "__main__":
    main()
