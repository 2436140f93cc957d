"""Compiling towers by torch.compile: the option `compile` of every backbone.

A compiled tower computes the same up to the rounding of its precision, as another device does. So whether a tower is
compiled is in no contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...errors import UnibindError
from .precision import Int8Linear, PackedLinear


def prepare_compilation(name: str, tower: nn.Module) -> None:
    """Have a tower compiled when it is first called; `name` is what messages call it.

    A tower with parts that should not be compiled, such as a long loop that would be unrolled, lists those that should
    in `to_compile`. Raises UnibindError for the packed layers of CPUs, which torch.compile cannot take.
    """
    if any(isinstance(layer, PackedLinear | Int8Linear) for layer in tower.modules()):
        raise UnibindError(
            f"the {name} tower cannot be compiled in bfloat16 or int8 on a CPU, where its layers are packed already; "
            "use float32, or leave out compile"
        )
    for part in getattr(tower, "to_compile", (tower,)):
        part.compile()


def any_size(batch: Tensor) -> Tensor:
    """The batch, marked so that one compilation serves all sizes from 2 and, for texts, all lengths."""
    from torch._dynamo import maybe_mark_dynamic

    maybe_mark_dynamic(batch, 0)
    if not batch.is_floating_point() and batch.ndim == 2:  # token ids
        maybe_mark_dynamic(batch, 1)
    return batch


def at_least_two(batch: Tensor) -> Tensor:
    """The batch, an item alone doubled: a size of 1 would be compiled anew."""
    return torch.cat([batch, batch]) if len(batch) == 1 else batch


@contextmanager
def compilation_errors(name: str) -> Iterator[None]:
    """Turn errors of torch.compile, such as a missing C++ compiler, into one sentence."""
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        cause = getattr(error, "inner_exception", error)  # what the backend raised
        reason = f"{type(cause).__name__}: {cause}".strip().split("\n")[0].rstrip(".")[:200]
        raise UnibindError(
            f"the {name} tower cannot be compiled here ({reason}); "
            "install a C++ compiler (and Triton for a GPU), or leave out compile"
        ) from error
