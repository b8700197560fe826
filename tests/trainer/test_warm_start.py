"""Who starts from an earlier release inherits what it learned from, and may not when somebody was taken out of that."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch
from safetensors.torch import save_file

from tests.trainer.labelled import a_recipe, drawn
from trainer.data.split import Fold
from trainer.finetune import finetune, logits_of
from trainer.model import InitUnreadable, Screen, base_from_file, random_base
from trainer.prune import prune
from trainer.recipe import Pruning
from trainer.warm_start import AncestorRetracted, base_from_release, save

FOLD = Fold("", np.arange(16), np.arange(16, 24), np.arange(0))


def test_what_an_earlier_run_wrote_is_no_base_that_has_learned_from_nobody(tmp_path):
    save(a_release(0.0), tmp_path / "screen.safetensors", lineage=["sha256:a"], credit="Somebody.")
    with pytest.raises(InitUnreadable, match="--warm-start"):
        base_from_file(tmp_path / "screen.safetensors")


@pytest.mark.parametrize("pruned", [0.0, 0.5])
def test_it_begins_with_what_the_earlier_release_says(tmp_path, pruned):
    screen, photos = a_release(pruned), drawn(8, size=32)
    save(screen, tmp_path / "warm.safetensors", lineage=["sha256:b", "sha256:a", "sha256:b"], credit="Somebody.")
    base = base_from_release(tmp_path / "warm.safetensors", retracted=set())
    again = Screen(base, 0.0).eval()
    assert logits_of(again, photos.inputs).tolist() == logits_of(screen, photos.inputs).tolist()
    assert np.ptp(logits_of(again, photos.inputs)) > 0
    assert base.lineage == ("sha256:a", "sha256:b")
    assert base.credit == "Somebody."


def test_fine_tuning_goes_on_from_it_and_may_find_nothing_better(tmp_path):
    screen, photos = a_release(0.5), drawn(24, size=32)
    save(screen, tmp_path / "warm.safetensors", lineage=["sha256:a"], credit="")
    base = base_from_release(tmp_path / "warm.safetensors", retracted=set())
    recipe = replace(a_recipe(size=32, epochs=0, hard_negative_epochs=0), pruning=Pruning(share=0.5))
    learned = finetune(photos, FOLD, base, recipe, 1)
    assert logits_of(learned, photos.inputs).tolist() == logits_of(screen, photos.inputs).tolist()


def test_what_learned_from_a_snapshot_that_is_incomplete_now_is_refused(tmp_path):
    save(a_release(), tmp_path / "warm.safetensors", lineage=["sha256:a", "sha256:b"], credit="")
    with pytest.raises(AncestorRetracted, match="sha256:b"):
        base_from_release(tmp_path / "warm.safetensors", retracted={"sha256:b", "sha256:c"})
    assert base_from_release(tmp_path / "warm.safetensors", retracted={"sha256:c"}).lineage


def test_other_weights_have_another_name(tmp_path):
    names = []
    for seed in (0, 1):
        save(Screen(random_base(seed), 0.0), tmp_path / "warm.safetensors", lineage=["sha256:a"], credit="")
        names.append(base_from_release(tmp_path / "warm.safetensors", retracted=set()).name)
    assert names[0] != names[1]


def test_a_file_that_does_not_say_what_it_learned_from_is_refused(tmp_path):
    weights = {name: values.clone() for name, values in a_release().state_dict().items()}
    save_file(weights, tmp_path / "bare.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    for name in ("bare.safetensors", "broken.safetensors", "missing.safetensors"):
        with pytest.raises(InitUnreadable):
            base_from_release(tmp_path / name, retracted=set())


def a_release(pruned: float = 0.0) -> Screen:
    screen = Screen(random_base(0), 0.0).eval()
    prune(screen.features, pruned)
    torch.nn.init.normal_(screen.linear.weight, generator=torch.Generator().manual_seed(1))
    return screen
