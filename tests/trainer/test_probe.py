"""The head is set before anything learns, from the texture alone."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch

from tests.trainer.labelled import drawn
from trainer.finetune import logits_of
from trainer.metrics import auroc
from trainer.model import DEEP, Screen, random_base
from trainer.probe import set_head

SIZE = 64


def test_the_probe_tells_pale_from_red_where_the_photos_do():
    learned, unseen = drawn(40, size=SIZE, seed=0), drawn(40, size=SIZE, seed=1)
    screen = probed(learned)
    assert auroc(unseen.anaemic, logits_of(screen, unseen.inputs)) > 0.8


def test_only_the_textures_part_of_the_head_is_set():
    linear = probed(drawn(12, size=SIZE)).linear
    assert not linear.weight[0, :DEEP].any()
    assert linear.weight[0, DEEP:].all()


def test_the_pooled_maps_end_with_the_texture():
    screen, rgb = Screen(random_base(0), 0.0).eval(), torch.from_numpy(drawn(3, size=SIZE).inputs)
    with torch.inference_mode():
        pooled = screen.maps(rgb).mean(dim=(2, 3))
        assert torch.allclose(pooled[:, DEEP:], screen.texture(rgb), rtol=1e-4, atol=1e-6)


def test_rows_without_weight_say_nothing():
    photos = drawn(24, size=SIZE)
    photos.anaemic[:12] = ~photos.anaemic[:12]
    weights = np.where(np.arange(24) < 12, 0.0, 1.0)
    screen = probed(photos, weights)
    alone = probed(photos.take(np.arange(12, 24)))
    ordered, others = (logits_of(one, photos.inputs[12:]) for one in (screen, alone))
    assert auroc(photos.anaemic[12:], ordered) == pytest.approx(auroc(photos.anaemic[12:], others), abs=0.1)
    assert auroc(photos.anaemic[12:], ordered) > 0.8


def probed(photos, weights=None) -> Screen:
    screen = Screen(random_base(0), 0.0).eval()
    set_head(screen, photos.inputs, photos.anaemic, np.ones(len(photos)) if weights is None else weights, 1.0)
    return screen
