"""Distillation: a larger network learns the same photos first, then the small one learns what it says of each.

The teacher sees the very pixels that its pupil sees, whatever the augmentation made of them (Beyer et al. 2022, "a good
teacher is patient and consistent").
"""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision import models
from torchvision.models import get_model, get_model_weights, list_models

from pallor.digest import sha256_of_file
from pallor.errors import Refused, shortened
from trainer.model import Base, InitUnreadable, WeightsUnreachable, credit_of, read_weights, scale_of
from trainer.recipe import Distillation


class TeacherUnknown(Refused):
    """torchvision has no classification network of that name."""


class TeacherMissing(Refused):
    """A recipe that distils needs a teacher's base weights beside its own."""


class Teacher(nn.Module):
    """A classification network of torchvision with one logit: pixels in, logit out."""

    mean: Tensor
    std: Tensor

    def __init__(self, base: Base, network: str) -> None:
        super().__init__()
        self.network = _network(network)
        head = _head(self.network)
        own = {name: values for name, values in self.network.state_dict().items() if name.startswith(f"{head}.")}
        self.network.load_state_dict({name: w for name, w in base.weights.items() if name not in own} | own)
        for name, numbers in (("mean", base.mean), ("std", base.std)):
            self.register_buffer(name, torch.tensor(numbers).view(1, 3, 1, 1))

    def forward(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N,) logits."""
        pixels = (rgb.permute(0, 3, 1, 2).float() - self.mean) / self.std
        logits: Tensor = self.network(pixels.contiguous(memory_format=torch.channels_last))
        return logits.squeeze(1)

    @torch.no_grad()
    def say(self, rgb: Tensor) -> Tensor:
        """Its logits as a target."""
        logits: Tensor = self(rgb)
        return logits


def with_teacher(base: Base, how: Distillation, init: Path | None = None) -> Base:
    """A base that brings the recipe's teacher.

    Args:
        init: the teacher's own base weights, .safetensors or .pth in torchvision's names; without it they are
            downloaded once into torchvision's cache.

    Raises:
        TeacherUnknown: the recipe names no classification network of torchvision.
        InitUnreadable: the file is of another network.
        WeightsUnreachable: the download failed.
    """
    teacher = _from_file(how.teacher, init) if init else _downloaded(how.teacher)
    return replace(
        base,
        name=f"{base.name}, taught by {teacher.name}",
        credit=f"{base.credit} Teacher: {teacher.credit}",
        teacher=teacher,
    )


def teacher_of(base: Base, how: Distillation) -> Teacher:
    """The network that the recipe names, with its base weights and a head that knows nothing yet.

    Raises:
        TeacherMissing: the base brings none.
    """
    if base.teacher is None:
        raise TeacherMissing(
            "the recipe distils, but the base weights come without a teacher's",
            field="teacher",
            value=how.teacher,
            remedy="Give the teacher's base weights, too.",
        )
    return Teacher(base.teacher, how.teacher)


def loss_with_teacher(logits: Tensor, targets: Tensor, said: Tensor, how: Distillation) -> Tensor:
    """(N,): ``weight`` of the way from the label's loss to the teacher's.

    The teacher's is taken at a temperature and multiplied by its square, so that its gradients keep their size
    (Hinton et al. 2015).
    """
    from_label = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    warm = how.temperature
    softened = torch.sigmoid(said / warm)
    from_teacher = binary_cross_entropy_with_logits(logits / warm, softened, reduction="none") * warm**2
    return (1 - how.weight) * from_label + how.weight * from_teacher


def _from_file(network: str, path: Path) -> Base:
    try:
        weights, header = read_weights(path)
        mean, std = scale_of(header)
        base = Base(f"{network} {path.name} {sha256_of_file(path)}", credit_of(header), mean, std, weights)
        Teacher(base, network)
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise InitUnreadable(
            f"no {network} to start a teacher from: {shortened(error)}",
            field="teacher-init",
            value=path.name,
            remedy="Give a .safetensors or .pth file of the recipe's teacher in torchvision's names, or leave it out.",
        ) from error
    return base


def _downloaded(network: str) -> Base:
    _network(network)
    chosen = get_model_weights(network).DEFAULT
    try:
        weights = chosen.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WeightsUnreachable(f"{chosen.url} cannot be had: {error}; give a file instead") from error
    seen = chosen.transforms()
    return Base(
        name=f"torchvision {chosen}",
        credit=f"{network} pre-trained on ImageNet by the torchvision project (BSD 3-Clause).",
        mean=tuple(255 * value for value in seen.mean),
        std=tuple(255 * value for value in seen.std),
        weights=weights,
    )


def _network(name: str) -> nn.Module:
    if name not in list_models(module=models):  # without those that find or segment things
        raise TeacherUnknown(
            "torchvision has no classification network of that name",
            field="teacher",
            value=name,
            remedy="Name one, such as resnet50 or efficientnet_b0.",
        )
    network: nn.Module = get_model(name, weights=None, num_classes=1)
    return network


def _head(network: nn.Module) -> str:
    linear: list[str] = [name for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    return linear[-1]
