"""Timing work on a device, and what it computes, for the benchmarks."""

import statistics
import time
from collections.abc import Callable

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

_GROUP_S = 0.005  # short work is repeated so long between two looks at the clock
_SLOW_S = 0.5  # from here on, one measurement must do


def synchronize(device: str) -> None:
    """Wait for everything that was started on a device."""
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).synchronize()


def median_seconds(work: Callable[[], object], device: str, budget: float = 0.1) -> float:
    """Median seconds of one call, after two to warm up: of 3 to 25 measurements, in `budget` seconds if they fit.

    Work of more than half a second is warmed up and measured once.
    """

    def measured(repeats: int) -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            work()
        synchronize(device)
        return (time.perf_counter() - started) / repeats

    first = measured(1)
    second = measured(1)
    if min(first, second) > _SLOW_S:
        return second
    repeats = max(1, round(_GROUP_S / max(second, 1e-6)))
    rounds = max(3, min(25, round(budget / (repeats * second))))
    return statistics.median(measured(repeats) for _ in range(rounds))


def product_rate(size: int, device: str) -> float:
    """Floating-point operations per second of a bare product of two square matrices in bfloat16."""
    matrix = torch.randn(size, size, device=device).bfloat16()
    return 2 * size**3 / median_seconds(lambda: matrix @ matrix, device)


def operations(tower: torch.nn.Module, item: torch.Tensor) -> int:
    """Floating-point operations of a tower's matrix products, convolutions and attention for one item [...].

    Nothing is computed: the tower runs on tensors that know only their shape, so fused kernels are counted as what they
    replace, on every device.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def shape(tensor: torch.Tensor) -> FakeTensor:
        return FakeTensor(mode, tensor.detach().to("meta"), torch.device("meta"))

    state = {name: shape(tensor) for name, tensor in [*tower.named_parameters(), *tower.named_buffers()]}
    batch = shape(item[None])
    with mode, torch.no_grad(), FlopCounterMode(display=False) as counter:
        torch.func.functional_call(tower, state, (batch,))
    return int(counter.get_total_flops())
