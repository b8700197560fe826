"""A teacher learns first, its pupil learns what it says, and both survive a kill."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from tests.trainer.labelled import a_recipe, drawn
from trainer.data.split import Fold
from trainer.distil import (
    Teacher,
    TeacherMissing,
    TeacherUnknown,
    loss_with_teacher,
    teacher_of,
    with_teacher,
)
from trainer.finetune import count_steps, finetune
from trainer.model import InitUnreadable, random_base
from trainer.recipe import Distillation

SMALL = Distillation(teacher="mobilenet_v3_small", weight=0.5, temperature=2.0)
FOLD = Fold("", np.arange(16), np.arange(16, 24), np.arange(0))


class Interrupted(Exception): ...


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A base with a teacher whose weights know nothing, read from a file as anyone's would be."""
    return with_teacher(random_base(0), SMALL, a_file(tmp_path_factory.mktemp("teacher"), SMALL.teacher))


def test_a_teacher_keeps_its_base_weights_but_for_the_head(taught):
    teacher = teacher_of(taught, SMALL)
    now = teacher.network.state_dict()
    changed = {name for name, weights in taught.teacher.weights.items() if not torch.equal(weights, now[name])}
    assert changed == {"classifier.3.weight", "classifier.3.bias"}
    assert teacher.eval()(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)).shape == (2,)


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_b0", "densenet121", "convnext_tiny"])
def test_a_teacher_may_be_any_classification_network(network):
    weights = get_model(network, weights=None).state_dict()
    base = replace(random_base(0), weights=weights, mean=(120.0, 110.0, 100.0), std=(60.0, 60.0, 60.0))
    assert Teacher(base, network).eval()(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1,)


def test_a_teacher_sees_pixels_on_the_scale_that_it_was_trained_with(taught):
    base = replace(taught.teacher, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))
    teacher, seen = Teacher(base, SMALL.teacher).eval(), []
    teacher.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    teacher(torch.full((1, 32, 32, 3), 50, dtype=torch.uint8))
    assert seen[0][0, :, 0, 0].tolist() == [20.0, 7.5, 2.5]


def test_a_base_says_who_taught_and_whom_to_credit(taught):
    assert SMALL.teacher in taught.name
    assert taught.name.startswith(random_base(0).name)
    assert "Teacher" in taught.credit


def test_the_loss_goes_from_the_labels_to_the_teachers_by_its_weight():
    logits, targets, said = torch.tensor([0.3, -1.0]), torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.5])
    alone = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    assert torch.allclose(loss_with_teacher(logits, targets, said, replace(SMALL, weight=0.0)), alone)
    for pupil, pulled in ((said, [0, 0]), (said + 1e-3, [1, 1]), (said - 1e-3, [-1, -1])):
        pupil = pupil.clone().requires_grad_(True)
        loss_with_teacher(pupil, targets, said, replace(SMALL, weight=1.0)).sum().backward()
        # Towards the teacher's logit, and by a step that no temperature makes smaller: sigmoid' of said / 2.
        slope = torch.sigmoid(said / 2) * torch.sigmoid(-said / 2)
        assert torch.allclose(pupil.grad, torch.tensor(pulled) * 1e-3 * slope, rtol=1e-2, atol=1e-6)


def test_a_pupil_learns_what_its_teacher_says_whatever_the_labels_are(tmp_path, taught):
    photos, recipe = drawn(24, size=32), replace(short(), distillation=replace(SMALL, weight=1.0))
    finetune(photos, FOLD, taught, recipe, 1, keep=tmp_path)
    learned = []
    for opinion in (5.0, -5.0):
        (tmp_path / "screen.pt").unlink()
        kept = torch.load(tmp_path / "teacher.pt", weights_only=True)
        kept["state"]["best"]["network.classifier.3.weight"][:] = 0
        kept["state"]["best"]["network.classifier.3.bias"][:] = opinion
        torch.save(kept, tmp_path / "teacher.pt")
        learned.append(finetune(photos, FOLD, taught, recipe, 1, keep=tmp_path).linear.bias.item())
    assert learned[0] > 0 > learned[1]


@pytest.mark.parametrize("steps", [3, 9])  # of 12: six of the teacher's, six of the pupil's
def test_an_interrupted_distillation_ends_with_the_weights_of_an_undisturbed_one(tmp_path, taught, steps):
    photos = drawn(24, size=32)
    recipe = replace(short(), distillation=SMALL)
    made = []

    def stepped():
        made.append(1)
        if len(made) == steps:
            raise Interrupted

    with pytest.raises(Interrupted):
        finetune(photos, FOLD, taught, recipe, 1, keep=tmp_path, stepped=stepped)
    made.clear()
    made.extend([1] * steps)
    again = finetune(photos, FOLD, taught, recipe, 1, keep=tmp_path, stepped=stepped).state_dict()
    undisturbed = finetune(photos, FOLD, taught, recipe, 1).state_dict()
    assert all(torch.equal(undisturbed[name], weights) for name, weights in again.items())
    assert len(made) - steps == count_steps(16, recipe) == 12


def test_a_recipe_that_distils_wants_a_teacher():
    recipe = replace(a_recipe(size=32), distillation=SMALL)
    with pytest.raises(TeacherMissing):
        finetune(drawn(24, size=32), FOLD, random_base(0), recipe, 1)


@pytest.mark.parametrize("name", ["resnet51", "fasterrcnn_resnet50_fpn", "lraspp_mobilenet_v3_large"])
def test_a_teacher_that_is_no_classification_network_is_refused(name):
    with pytest.raises(TeacherUnknown):
        with_teacher(random_base(0), replace(SMALL, teacher=name))


def test_a_file_of_another_network_is_refused(tmp_path):
    with pytest.raises(InitUnreadable):
        with_teacher(random_base(0), SMALL, a_file(tmp_path, "squeezenet1_1"))
    with pytest.raises(InitUnreadable):
        with_teacher(random_base(0), SMALL, tmp_path / "nothing.safetensors")


def a_file(folder, network):
    torch.manual_seed(0)
    save_file(get_model(network, weights=None).state_dict(), folder / f"{network}.safetensors")
    return folder / f"{network}.safetensors"


def short():
    return a_recipe(size=32, epochs=2, batch=8, frozen_blocks=15, hard_negative_epochs=1, probe_strength=0.0)
