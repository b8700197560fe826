"""MobileNetV2 with one logit, its base weights, and the graph that a release carries.

The base decides how pixels are scaled, so the scaling is kept beside the weights and goes inside the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from pallor.digest import digest_of, sha256_of_file
from pallor.errors import Refused, Unavailable, shortened

CHANNELS = 1280  # of MobileNetV2's last block: what is pooled and weighted
EMBEDDING = 64

# torchvision's weights want (x / 255 - mean) / std: the same in units of 0..255.
_IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
_HALF = (127.5, 127.5, 127.5)


class InitUnreadable(Refused):
    """The file holds no MobileNetV2 in torchvision's names."""


class WeightsUnreachable(Unavailable):
    """torchvision's weights could not be downloaded."""


@dataclass(frozen=True, eq=False)
class Base:
    """Weights to start from. ``mean``, ``std``: of the pixel scaling they were trained with, in units of 0..255."""

    name: str
    credit: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Mapping[str, Tensor]


def torchvision_base() -> Base:
    """torchvision's own ImageNet weights, downloaded once into its cache.

    Raises:
        WeightsUnreachable: not in the cache, and the download failed.
    """
    chosen = MobileNet_V2_Weights.IMAGENET1K_V2
    try:
        weights = chosen.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WeightsUnreachable(f"{chosen.url} cannot be had: {error}; give a file with --init") from error
    return Base(
        name=f"torchvision MobileNet_V2_Weights.{chosen.name}",
        credit="MobileNetV2 pre-trained on ImageNet by the torchvision project (BSD 3-Clause).",
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        weights=weights,
    )


def base_from_file(path: Path) -> Base:
    """A ``.safetensors`` or ``.pth`` file of MobileNetV2 in torchvision's names.

    A safetensors header may name its ``source`` and its ``input``; ``x/127.5-1`` there scales pixels so, anything else
    is scaled as torchvision's own weights are. TensorFlow's padding, which some files emulate by kernels turned by 180
    degrees, is not emulated: the recipe's augmentation shows the network both ways up.

    Raises:
        InitUnreadable: missing, of another format or of another network.
    """
    try:
        weights, header = _read(path)
        mobilenet_v2(weights=None).features.load_state_dict(_features(weights))
    except (OSError, EOFError, SafetensorError, UnpicklingError, RuntimeError, ValueError) as error:
        raise InitUnreadable(
            f"no MobileNetV2 to start from: {shortened(error)}",
            field="init",
            value=path.name,
            remedy="Give a .safetensors or .pth file in torchvision's names, or leave --init out.",
        ) from error
    half = "x/127.5-1" in header.get("input", "").replace(" ", "")
    return Base(
        name=f"{path.name} {sha256_of_file(path)}",
        credit=_credit(header),
        mean=_HALF if half else _IMAGENET_MEAN,
        std=_HALF if half else _IMAGENET_STD,
        weights=weights,
    )


def random_base(seed: int) -> Base:
    """Untrained weights, for tests of everything that does not need to know anything."""
    torch.manual_seed(seed)
    weights = mobilenet_v2(weights=None).state_dict()
    digest = digest_of({"seed": seed})
    return Base(f"random {digest}", "Untrained.", _HALF, _HALF, weights)


class Screen(nn.Module):
    """Pixels in, logit out: the network that is fine-tuned."""

    mean: Tensor
    std: Tensor

    def __init__(self, base: Base, dropout: float) -> None:
        super().__init__()
        network = mobilenet_v2(weights=None, num_classes=1, dropout=dropout)
        network.features.load_state_dict(_features(base.weights))
        self.features, self.classifier = network.features, network.classifier
        self.register_buffer("mean", torch.tensor(base.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(base.std).view(1, 3, 1, 1))

    def maps(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, 1280, S/32, S/32) float32."""
        pixels = (rgb.permute(0, 3, 1, 2).float() - self.mean) / self.std
        maps: Tensor = self.features(pixels.contiguous(memory_format=torch.channels_last))
        return maps

    def forward(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N,) logits."""
        logits: Tensor = self.classifier(self.maps(rgb).mean(dim=(2, 3)))
        return logits.squeeze(1)


class Release(nn.Module):
    """The graph contract: pixels in; calibrated probability, class activation map and embedding out."""

    projection: Tensor

    def __init__(self, screen: Screen, temperature: float, embedding_seed: int) -> None:
        super().__init__()
        self.screen = screen
        self.temperature = temperature
        drawn = torch.randn(CHANNELS, EMBEDDING, generator=torch.Generator().manual_seed(embedding_seed))
        self.register_buffer("projection", torch.linalg.qr(drawn).Q)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 -> probability (N,), cam (N, S/32, S/32), embedding (N, 64), all float32.

        The mean of ``cam`` is the calibrated logit, exactly: pooling and one linear layer may change places.
        """
        maps = self.screen.maps(rgb)
        linear = self.screen.classifier[1]
        weights, bias = linear.weight.view(1, -1, 1, 1), linear.bias
        cam = ((maps * weights).sum(dim=1) + bias) / self.temperature
        return torch.sigmoid(cam.mean(dim=(1, 2))), cam, maps.mean(dim=(2, 3)) @ self.projection


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    return dict(torch.load(path, map_location="cpu", weights_only=True)), {}


def _features(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the classifier: a thousand classes are nothing to start from."""
    return {name.removeprefix("features."): w for name, w in weights.items() if name.startswith("features.")}


def _credit(header: Mapping[str, str]) -> str:
    source = header.get("source", "a file whose source it does not name")
    licence = " (Apache 2.0)" if source.startswith("google-coral/") else ""
    # Statistics taken from the very photos that are judged would be no secret of the labels, but it must be said.
    norms = f" Batch norms: {header['bn']}." if "bn" in header else ""
    return f"Base weights: {source}{licence}.{norms}"
