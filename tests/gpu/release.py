"""A release with every file a GPU may ask for; untrained: what its answers are worth is not the question.

python -m tests.gpu.release FOLDER
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from pallor.release.shelf import Release
from tests.trainer.evidence import findings
from tests.trainer.labelled import a_recipe, drawn
from trainer.golden import draw_golden
from trainer.model import Release as Network
from trainer.model import Screen, random_base
from trainer.pack import ModelFile, Parts, pack
from trainer.quantize.files import quantize

SIZE = 224


def make_release(folder: Path) -> Release:
    """Untrained, with batch statistics of some photos and a head that says something."""
    whole, train = a_recipe(size=SIZE), drawn(16, size=SIZE).inputs
    recipe = replace(whole, quantization=replace(whole.quantization, photos=16, aware_steps=4, aware_batch=4))
    screen = Screen(random_base(0), dropout=0.0).train()
    for module in screen.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        screen(torch.from_numpy(train))
        screen.linear.weight.copy_(
            torch.randn(screen.linear.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.01
        )
    made = quantize(Network(screen.eval(), temperature=1.0, embedding_seed=64).eval(), train, recipe).files
    models = [
        ModelFile(f"{name}.onnx", made[name], name.removesuffix("-trt"), needs)
        for name, needs in (("int8", ("cpu",)), ("fp16", ("cpu",)), ("int8-trt", ("gpu",)), ("fp16-trt", ("gpu",)))
    ]
    pack(Parts(findings(), datetime(2026, 11, 27, tzinfo=UTC), models, draw_golden(recipe.export)), recipe, folder)
    return Release.open(folder)


if __name__ == "__main__":
    make_release(Path(sys.argv[1]))
