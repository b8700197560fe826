"""Pruning makes convolutions smaller, takes what matters least, and leaves a network that is served like any."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.labelled import a_recipe, drawn
from trainer.data.split import Fold
from trainer.export import ask, ask_torch, compare, export, serve
from trainer.finetune import finetune, logits_of
from trainer.model import Release, Screen, random_base
from trainer.prune import cut_to_fit, prune, weight_of_channels
from trainer.recipe import Pruning, read_recipe

BASE = random_base(0)
PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


def test_a_quarter_of_the_hidden_channels_go_and_the_blocks_are_as_wide_as_before():
    whole, pruned = a_screen(), a_screen()
    prune(pruned.features, 0.25)
    for before, after in zip(hidden(whole), hidden(pruned), strict=True):
        assert after == pytest.approx(0.75 * before, abs=4)
        assert after % 8 == 0
    assert pruned.maps(torch.from_numpy(PHOTOS)).shape == whole.maps(torch.from_numpy(PHOTOS)).shape
    assert weights_in(pruned) < 0.87 * weights_in(whole)
    assert operations(pruned) < 0.82 * operations(whole)


def test_channels_that_say_nothing_go_first_and_nobody_notices():
    screen = a_screen()
    torch.nn.init.normal_(screen.linear.weight, generator=torch.Generator().manual_seed(0))
    for block in expanding(screen):
        silent = torch.arange(block.conv[2].in_channels) % 4 == 1
        block.conv[2].weight.data[:, silent] = 0
    before = logits_of(screen, PHOTOS)
    prune(screen.features, 0.25)
    assert logits_of(screen, PHOTOS) == pytest.approx(before, rel=1e-4, abs=1e-6)
    prune(screen.features, 0.5)
    assert logits_of(screen, PHOTOS) != pytest.approx(before, rel=1e-4, abs=1e-6)


def test_rescaled_kernels_are_weighed_by_what_they_do():
    block = next(expanding(a_screen()))
    before = weight_of_channels(block)
    factors = torch.linspace(0.1, 10, len(block.conv[2].weight))
    block.conv[2].weight.data *= factors[:, None, None, None]
    block.conv[3].running_var.copy_((block.conv[3].running_var + 1e-5) * factors**2 - 1e-5)
    assert torch.allclose(weight_of_channels(block), before, rtol=1e-4)


def test_the_same_share_cut_twice_is_cut_once():
    screen = a_screen()
    prune(screen.features, 0.25)
    once = screen.state_dict()
    prune(screen.features, 0.25)
    assert all(torch.equal(once[name], weights) for name, weights in screen.state_dict().items())


def test_weights_of_a_pruned_network_can_be_started_from():
    pruned = a_screen()
    prune(pruned.features, 0.5)
    again = a_screen()
    features = {name.removeprefix("features."): w for name, w in pruned.state_dict().items() if "linear" not in name}
    cut_to_fit(again.features, features)
    again.features.load_state_dict(features)
    assert logits_of(again, PHOTOS) == pytest.approx(logits_of(pruned, PHOTOS))


def test_a_recipe_that_prunes_gives_a_smaller_network_that_has_learned():
    photos = drawn(24, size=32)
    fold = Fold("", np.arange(16), np.arange(16, 24), np.arange(0))
    recipe = replace(a_recipe(size=32, epochs=1, batch=8), pruning=Pruning(share=0.5))
    screen = finetune(photos, fold, BASE, recipe, seed=1)
    unlearned = a_screen()
    prune(unlearned.features, 0.5)
    assert hidden(screen) == hidden(unlearned)
    assert screen.linear.weight.any()


def test_a_pruned_network_is_served_like_any_and_its_file_is_smaller():
    sizes = []
    for share in (0.0, 0.25):
        screen = a_screen()
        prune(screen.features, share)
        torch.nn.init.normal_(screen.linear.weight, generator=torch.Generator().manual_seed(0))
        release = Release(screen, temperature=1.5, embedding_seed=1)
        model = export(release, 224, read_recipe().export.opset)
        photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
        parity = compare(ask(serve(model, 224), photos), ask_torch(release, photos))
        assert parity.max_abs_dp < 1e-3
        sizes.append(len(model))
    assert sizes[1] < 0.87 * sizes[0]


def a_screen():
    return Screen(BASE, 0.0).eval()


def expanding(screen):
    return (block for block in screen.features[2:18])


def hidden(screen):
    return [block.conv[2].in_channels for block in expanding(screen)]


def weights_in(network):
    return sum(weights.numel() for weights in network.parameters())


def operations(network):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.from_numpy(PHOTOS))
    return counter.get_total_flops()
