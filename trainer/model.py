"""MobileNetV2 with one logit, its base weights, and the graph that a release carries.

The base decides how pixels are scaled, so the scaling is kept beside the weights and goes inside the graph.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from pallor.digest import digest_of, sha256_of_file
from pallor.errors import Refused, Unavailable, shortened
from trainer.prune import cut_to_fit
from worker.engines.port import CAM_SIDE

# What is pooled and weighted: the channels of MobileNetV2's last block, then the energy of an early block's channels.
# The energy (the mean square) tells of colour contrast and fine texture, such as vessels, which the last block has
# unlearned for ImageNet; of all that was tried on CP-AnemiC, leak-free, nothing else told as much (docs/adr/0010).
DEEP, TEXTURE = 1280, 24
CHANNELS = DEEP + TEXTURE
TEXTURE_BLOCK, TEXTURE_POOL = 2, 8  # 24 channels at a quarter of the side, pooled to the last block's 1/32
EMBEDDING = 64
SCREEN_FORMAT = "pallor-screen-1"  # in the header of a file that a run of ours has written
# What every network sees of a byte: (x - 128) / 127.5. The zero is a byte, and the neutral ground's, so that an INT8
# engine eats the photo as it is and the padding of every convolution is neutral ground, too.
ZERO_PIXEL, PIXELS_PER_UNIT = 128.0, 127.5

# torchvision's weights want (x / 255 - mean) / std: the same in units of 0..255.
_IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
_HALF = (127.5, 127.5, 127.5)
Triple = tuple[float, float, float]


class InitUnreadable(Refused):
    """The file holds no MobileNetV2 in torchvision's names."""


class WeightsUnreachable(Unavailable):
    """torchvision's weights could not be downloaded."""


@dataclass(frozen=True, eq=False)
class Base:
    """Weights to start from.

    Attributes:
        mean, std: of the pixel scaling they were trained with, in units of 0..255.
        lineage: snapshots that an earlier release, whose weights these are, has learned from (``trainer.warm_start``).
        teacher: of another network, for distillation (``trainer.distil``).
    """

    name: str
    credit: str
    mean: Triple
    std: Triple
    weights: Mapping[str, Tensor]
    lineage: tuple[str, ...] = ()
    teacher: Self | None = None


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
        InitUnreadable: missing, of another format or of another network; or it has learned from cases already, which
            only ``--warm-start`` keeps in mind.
    """
    try:
        weights, header = read_weights(path)
        if header.get("format") == SCREEN_FORMAT:
            raise ValueError("an earlier run has written this file; name it by --warm-start")
        mobilenet_v2(weights=None).features.load_state_dict(_features(weights))
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise InitUnreadable(
            f"no MobileNetV2 to start from: {shortened(error)}",
            field="init",
            value=path.name,
            remedy="Give a .safetensors or .pth file in torchvision's names, or leave --init out.",
        ) from error
    mean, std = scale_of(header)
    return Base(f"{path.name} {sha256_of_file(path)}", credit_of(header), mean, std, weights)


def random_base(seed: int) -> Base:
    """Untrained weights, for tests of everything that does not need to know anything."""
    torch.manual_seed(seed)
    weights = mobilenet_v2(weights=None).state_dict()
    digest = digest_of({"seed": seed})
    return Base(f"random {digest}", "Untrained.", _HALF, _HALF, weights)


class Screen(nn.Module):
    """Pixels in, logit out: the network that is fine-tuned."""

    def __init__(self, base: Base, dropout: float) -> None:
        super().__init__()
        network = mobilenet_v2(weights=None)
        start = _features(base.weights)
        cut_to_fit(network.features, start)
        network.features.load_state_dict(start)
        self.features = network.features
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(CHANNELS, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        if "linear.weight" in base.weights:  # an earlier release goes on with the head it had
            self.linear.load_state_dict({name: base.weights[f"linear.{name}"] for name in ("weight", "bias")})
        _take_in_scale(self.features[0], base)

    def maps(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, 1304, S/32, S/32) float32."""
        early = self._early(rgb)
        deep = self.features[TEXTURE_BLOCK + 1 :](early)
        return torch.cat([deep, nn.functional.avg_pool2d(early * early, TEXTURE_POOL)], dim=1)

    def texture(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, 24): the last channels of ``maps``, pooled, without computing the others."""
        return (self._early(rgb) ** 2).mean(dim=(2, 3))

    def forward(self, rgb: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N,) logits."""
        pooled = self.maps(rgb).mean(dim=(2, 3))
        logits: Tensor = self.linear(torch.cat([self.dropout(pooled[:, :DEEP]), pooled[:, DEEP:]], dim=1))
        return logits.squeeze(1)

    def _early(self, rgb: Tensor) -> Tensor:
        pixels = (rgb.permute(0, 3, 1, 2).float() - ZERO_PIXEL) / PIXELS_PER_UNIT
        early: Tensor = self.features[: TEXTURE_BLOCK + 1](pixels.contiguous(memory_format=torch.channels_last))
        return early


class Release(nn.Module):
    """The graph contract: pixels in; calibrated probability, class activation map and embedding out."""

    projection: Tensor

    def __init__(self, screen: Screen, temperature: float, embedding_seed: int, shift: float = 0.0) -> None:
        """``temperature`` divides the logits; ``shift`` is added then, and goes into a copy of the network's bias."""
        super().__init__()
        self.screen = copy.deepcopy(screen)
        with torch.no_grad():
            self.screen.linear.bias.add_(shift * temperature)
        self.temperature = temperature
        drawn = torch.randn(CHANNELS, EMBEDDING, generator=torch.Generator().manual_seed(embedding_seed))
        self.register_buffer("projection", torch.linalg.qr(drawn).Q)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 -> probability (N,), cam (N, 7, 7), embedding (N, 64), all float32.

        The mean of ``cam`` is the calibrated logit, exactly: pooling and one linear layer may change places.
        """
        maps = self.screen.maps(rgb)
        weights, bias = self.screen.linear.weight.view(1, -1, 1, 1), self.screen.linear.bias
        cam = ((maps * weights).sum(dim=1) + bias) / self.temperature
        if (side := cam.shape[-1]) != CAM_SIDE:
            cam = (cam.flatten(1) @ torch.from_numpy(onto_cam(side))).view(-1, CAM_SIDE, CAM_SIDE)
        return torch.sigmoid(cam.mean(dim=(1, 2))), cam, maps.mean(dim=(2, 3)) @ self.projection


def onto_cam(side: int) -> NDArray[np.float32]:
    """(side * side, 49): what each place of a smaller input's map gives to each of 7 x 7 equal tiles; means stay."""
    fine = np.repeat(np.eye(side), CAM_SIDE, axis=0)  # each place in as many parts as there are tiles
    tiles = fine.reshape(CAM_SIDE, side, side).mean(axis=1)
    return np.kron(tiles, tiles).T.astype(np.float32)


def _take_in_scale(first: nn.Sequential, base: Base) -> None:
    """Make the first block see pixels as every network here does, and say what it said of the base's own scale.

    w * (x - mean) / std = w * (127.5 / std) * (x - 128) / 127.5 + the sum of w * (128 - mean) / std, and that constant
    goes into the running mean of the batch norm behind. Exact but for the one-pixel border, which is padded with
    neutral ground instead of the base's mean colour.
    """
    convolution, norm = first[0], first[1]
    if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None):
        raise TypeError("MobileNetV2 begins with a convolution and a batch norm")
    kernels = convolution.weight
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (base.mean, base.std))
    with torch.no_grad():
        norm.running_mean.sub_((kernels * (ZERO_PIXEL - mean) / std).sum(dim=(1, 2, 3)))
        kernels.mul_(PIXELS_PER_UNIT / std)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a ``.safetensors`` or ``.pth`` file, and what its header says of them.

    Raises:
        OSError, SafetensorError, ValueError: it holds none.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # bytes that never were a pickle may make its reader raise anything
        raise ValueError(f"torch cannot read it: {shortened(error)}") from error
    if not isinstance(kept, dict) or not all(isinstance(n, str) and isinstance(t, Tensor) for n, t in kept.items()):
        raise ValueError("it does not hold tensors by their names")
    return kept, {}


def _features(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the classifier: a thousand classes are nothing to start from."""
    return {name.removeprefix("features."): w for name, w in weights.items() if name.startswith("features.")}


def scale_of(header: Mapping[str, str]) -> tuple[Triple, Triple]:
    """Mean and standard deviation of the pixels, in units of 0..255."""
    half = "x/127.5-1" in header.get("input", "").replace(" ", "")
    return (_HALF, _HALF) if half else (_IMAGENET_MEAN, _IMAGENET_STD)


def credit_of(header: Mapping[str, str]) -> str:
    """Whom to name for the weights of a file."""
    source = header.get("source", "a file whose source it does not name")
    licence = " (Apache 2.0)" if source.startswith("google-coral/") else ""
    # Statistics taken from the very photos that are judged would be no secret of the labels, but it must be said.
    norms = f" Batch norms: {header['bn']}." if "bn" in header else ""
    return f"Base weights: {source}{licence}.{norms}"
