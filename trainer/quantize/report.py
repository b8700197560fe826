"""What became of each weight: nobody should call a network INT8 or INT4 without this list."""

from typing import Any

from torch import nn

from trainer.model import Release

NodeRow = dict[str, Any]
_WHOLE = 32
_POINTWISE = ".linear"


def node_rows(simulated: Release, precision: str) -> list[NodeRow]:
    """Every convolution and linear layer: bits of its weights and of what comes in, and the range of the weights.

    ``name`` and ``op`` are those of the node in the file, where what is ``Pointwise`` here is a convolution again.
    ``activation_bits`` is 32 where the input is read as floating point.
    """
    rows = []
    for name, layer in simulated.screen.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        quantizer: Any = getattr(layer, "weight_quantizer", None)
        at_work = quantizer is not None and quantizer.is_enabled
        weights = layer.weight.detach()
        amax = quantizer.amax.detach() if at_work else weights.abs().amax().reshape(1)
        rows.append(
            {
                "precision": precision,
                "name": name.removesuffix(_POINTWISE),
                "op": "Conv" if isinstance(layer, nn.Conv2d) or name.endswith(_POINTWISE) else "MatMul",
                "weight_bits": quantizer.num_bits if at_work else _WHOLE,
                "activation_bits": 8 if at_work and precision.startswith("int8") else _WHOLE,
                "amax_low": float(amax.min()),
                "amax_high": float(amax.max()),
            }
        )
    return rows
