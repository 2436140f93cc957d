"""What heads learn after their start, in a fixed number of steps over batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..affine import AffineMap
from ..errors import UnibindError

_LEARNING_RATE = 0.08  # of an output for an input of unit length; Adam moves each of D weights by its own share
_WARM_UP = 0.15  # of the steps
_LOGIT_SCALE, _MAX_LOGIT_SCALE = 20.0, 100.0
_INPUT_NOISE = 0.02


@dataclass(frozen=True, eq=False)
class Change:
    """What a head does after its start, to which it decays: z = unit(x + residual @ x + bias)."""

    residual: Float[Tensor, "d d"]
    bias: Float[Tensor, " d"]

    @classmethod
    def nothing(cls, dim: int) -> Change:
        """A head that is its start."""
        return cls(torch.zeros(dim, dim, requires_grad=True), torch.zeros(dim, requires_grad=True))

    def __call__(self, x: Float[Tensor, "b d"], generator: torch.Generator) -> Float[Tensor, "b d"]:
        """Unit vectors for started vectors with a little noise, which keeps a head from relying on fine detail."""
        x = x + _INPUT_NOISE * torch.randn(x.shape, generator=generator)
        return functional.normalize(x + x @ self.residual.T + self.bias, dim=-1)

    def after(self, start: AffineMap, share: float = 1.0) -> AffineMap:
        """The start and then a share of the change, as one map."""
        residual, bias = (share * t.detach().numpy() for t in (self.residual, self.bias))
        weight = start.weight + residual @ start.weight
        return AffineMap(weight.astype("float32"), (start.bias + residual @ start.bias + bias).astype("float32"))


def learn(
    changes: Iterable[Change],
    loss_of: Callable[[Float[Tensor, ""]], Tensor],
    *,
    decay: float,
    steps: int,
    report: Callable[[int], None],
) -> None:
    """Minimize the loss, a function of the learned logit scale that draws a batch at every call, by AdamW.

    `decay` is the share of the changes that a full step takes back. `report` is called with 1 after every step. Raises
    UnibindError where the loss is not finite.
    """
    learned = [parameter for change in changes for parameter in (change.residual, change.bias)]
    log_scale = torch.tensor(math.log(_LOGIT_SCALE), requires_grad=True)
    rate = _LEARNING_RATE / math.sqrt(learned[0].shape[0])
    settings: list[dict[str, Any]] = [
        {"params": learned, "weight_decay": decay / rate},
        {"params": [log_scale], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(settings, lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=_WARM_UP)
    for _ in range(steps):
        loss = loss_of(log_scale.exp())
        if not math.isfinite(loss.item()):
            raise UnibindError(f"the fit diverged (its loss is {loss.item()}); check the stored vectors")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            log_scale.clamp_(0.0, math.log(_MAX_LOGIT_SCALE))
        report(1)
