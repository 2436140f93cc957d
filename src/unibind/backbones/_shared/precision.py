"""Precisions: which one the hardware is fast in, and linear layers that compute in it.

float32 is the reference. bfloat16 rounds weights and activations to 8 bits of mantissa. int8 stores weights as bytes
with one scale per output, and activations as bytes with one scale per call (dynamic quantization). Both are lossy, so
the precision is part of every contract.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...errors import UnibindError, UnknownNameError

PRECISIONS = ("float32", "bfloat16", "int8")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}  # precisions in which a whole module can be


def resolve_precision(precision: str, device: str, supported: Collection[str] = PRECISIONS) -> str:
    """Return the precision, where "auto" is bfloat16 if the device computes in it natively, and float32 otherwise.

    "auto" never chooses int8. Raises UnknownNameError for a precision that is not supported, and UnibindError for int8
    on another device than a CPU.
    """
    if precision == "auto":
        return "bfloat16" if has_native_bfloat16(device) else "float32"
    if precision not in supported:
        raise UnknownNameError("precision", precision, ("auto", *supported))
    if precision == "int8" and torch.device(device).type != "cpu":
        raise UnibindError(f"int8 runs on CPUs, not on {device}; use bfloat16 there")
    return precision


def has_native_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if torch.device(device).type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public names for these
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute float32 convolutions in float32; cuDNN rounds their inputs to the 10 bits of TF32 otherwise.

    Matrix products are exact unless somebody calls `torch.set_float32_matmul_precision`.
    """
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


class Linear(nn.Linear):
    """y = x W^T + b, then the exact GELU if `gelu`; one layer, because lower precisions compute both in one pass."""

    def __init__(self, width_in: int, width_out: int, *, gelu: bool = False) -> None:
        super().__init__(width_in, width_out)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return torch.ops.aten.gelu_(y) if self.gelu else y  # in place, because towers are frozen


class PackedLinear(nn.Module):
    """A `Linear` in bfloat16 whose weight is stored in the memory layout that oneDNN multiplies in."""

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().bfloat16())
        self.register_buffer("weight", weight)
        self.register_buffer("bias", linear.bias.detach().bfloat16())
        self.activation = "gelu" if linear.gelu else "none"

    def forward(self, x: Tensor) -> Tensor:
        exact = "none"  # not GELU's tanh approximation
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, self.activation, [], exact)


class Int8Linear(nn.Module):
    """A `Linear` whose weight is stored as bytes with one scale per output; takes and returns bfloat16.

    Activations are quantized too, with one scale and zero point per call that cover their range.
    """

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.long))
        self.register_buffer("bias", linear.bias.detach().float().clone())  # a copy: releases a mapped file
        rounded = torch.round(weight / scale[:, None]).to(torch.int8)
        self.register_buffer("weight", torch.ops.onednn.qlinear_prepack(rounded, None))
        self.activation = "gelu" if linear.gelu else "none"

    def forward(self, x: Tensor) -> Tensor:
        low, high = _range(x)
        scale = max(high - low, 1e-12) / 254  # one step fewer than 255: rounding stays in range
        zero = round(-low / scale)
        weight = (self.weight, self.scale, self.zero, self.bias)
        to = (1.0, 0, torch.bfloat16)  # scale and zero point of the output, which is not quantized
        return torch.ops.onednn.qlinear_pointwise(
            _bytes(x, scale, zero), scale, zero, *weight, *to, self.activation, [], "none"
        )


def _range(x: Tensor) -> tuple[float, float]:
    """Smallest and largest value, zero included."""
    low, high = torch.aminmax(x)
    return min(float(low), 0.0), max(float(high), 0.0)


def _bytes(x: Tensor, scale: float, zero: int) -> Tensor:
    """round(x / scale) + zero as uint8, by way of int8, to which torch converts several times faster."""
    shifted = x.float().mul_(1 / scale).add_(zero - 128).round_().to(torch.int8)
    return shifted.view(torch.uint8).bitwise_xor_(128)


def to_precision(module: nn.Module, precision: str, device: str = "cpu") -> nn.Module:
    """Convert a module in place to a precision and move it to a device; converted layers take and return bfloat16.

    Parameters become bfloat16, except those that a module names in `keep_float32`. On a CPU, every `Linear` is replaced
    by its fast form, if the CPU supports it.
    """
    if precision != "float32":
        if precision == "int8":
            _pack(module, Int8Linear)
        elif torch.device(device).type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            _pack(module, PackedLinear)
        for part in module.modules():
            for name, parameter in part.named_parameters(recurse=False):
                if name not in getattr(part, "keep_float32", ()):
                    parameter.data = parameter.data.bfloat16()
    return module.to(device)


def _pack(module: nn.Module, fast: Callable[[Linear], nn.Module]) -> None:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Linear):
                setattr(parent, name, fast(child))
