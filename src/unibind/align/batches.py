"""Fitting a head by AdamW in steps over batches, for losses that see all descriptions or random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..affine import AffineMap
from ..errors import UnibindError
from .heads import Head
from .losses import LOSSES, Batch
from .problem import FitConfig, FittedHead, Problem

_NOTED_STEPS = 20  # between two rows of the history


def fit_by_batches(problem: Problem) -> FittedHead:
    """The head after a fixed number of steps on a loss of `LOSSES`; nothing is chosen, and validation only calibrates.

    It starts as the unfitted head, to which weight decay pulls it back. `config.rank` does not apply outside the anchor
    space, which a head has to leave. Runs on the CPU and is deterministic for `config.seed`. Raises UnibindError if the
    fit diverges.
    """
    config, samples = problem.config, problem.train
    loss_of = LOSSES[config.loss]
    generator = torch.Generator().manual_seed(config.seed)
    head = _ResidualHead(problem.start, None if problem.outside_anchor_space else config.rank, generator)
    log_scale = nn.Parameter(torch.tensor(math.log(config.logit_scale)))
    optimizer, schedule = _optimizer(head, log_scale, config)
    data, history = _TrainingData.of(problem, generator), list[dict[str, float]]()
    for step, rows in enumerate(_batches(len(samples.vectors), config, generator), start=1):
        loss = loss_of(data.batch(rows, head, log_scale.exp()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        _clamp(log_scale, config.logit_scale_bounds)
        if problem.progress is not None:
            problem.progress(step)
        if step % _NOTED_STEPS == 0 or step == config.step_count:
            _check_finite(loss, step)
            history.append({"step": step, "loss": loss.item(), "logit_scale": log_scale.exp().item()})
    learned_parameters = sum(p.numel() for p in head.parameters()) + 1
    merged = head.merged()
    return FittedHead(merged, learned_parameters, problem.calibrating(merged), history=history)


class _ResidualHead(nn.Module):
    """W = W0 + up @ down (or W0 + R), b = b0 + c, where (W0, b0) is the start, so weight decay pulls toward it."""

    def __init__(self, start: AffineMap, rank: int | None, generator: torch.Generator) -> None:
        super().__init__()
        dim = start.dim_in
        self.bias = nn.Parameter(torch.zeros(dim))
        if rank is None:
            self.residual = nn.Parameter(torch.zeros(dim, dim))
        else:
            self.down = nn.Parameter(torch.randn(rank, dim, generator=generator) * dim**-0.5)
            self.up = nn.Parameter(torch.zeros(dim, rank))
        self.rank = rank
        self.start = torch.from_numpy(start.weight), torch.from_numpy(start.bias)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Unit-length outputs for unit-length inputs [B, D]."""
        change = x @ self.residual.T if self.rank is None else (x @ self.down.T) @ self.up.T
        weight, bias = self.start
        return functional.normalize(x @ weight.T + bias + change + self.bias, dim=-1)

    def merged(self) -> Head:
        """The head with start and change added up."""
        change = self.residual if self.rank is None else self.up @ self.down
        weight, bias = self.start[0] + change.detach(), self.start[1] + self.bias.detach()
        return Head(AffineMap(weight.numpy().astype(np.float32), bias.numpy()))


@dataclass(frozen=True, eq=False)
class _TrainingData:
    """Training samples and descriptions as tensors, from which batches with noise are made."""

    x: Float[Tensor, "n d"]
    category_index: Tensor
    own_descriptions: Tensor | None
    texts: Float[Tensor, "m d"]
    text_category_index: Tensor
    input_noise: float
    generator: torch.Generator

    @classmethod
    def of(cls, problem: Problem, generator: torch.Generator) -> _TrainingData:
        train = problem.train
        return cls(
            torch.from_numpy(train.vectors),
            torch.from_numpy(train.category_index),
            None if train.own_descriptions is None else torch.from_numpy(train.own_descriptions),
            torch.from_numpy(problem.texts),
            torch.from_numpy(problem.category_index),
            problem.config.input_noise,
            generator,
        )

    def batch(self, rows: Tensor, head: nn.Module, logit_scale: Tensor) -> Batch:
        noise = torch.randn(len(rows), self.x.shape[1], generator=self.generator) * self.input_noise
        return Batch(
            head(functional.normalize(self.x[rows] + noise, dim=-1)),
            self.category_index[rows],
            None if self.own_descriptions is None else self.own_descriptions[rows],
            self.texts,
            self.text_category_index,
            logit_scale,
            self.generator,
        )


def _optimizer(head: nn.Module, log_scale: nn.Parameter, config: FitConfig) -> tuple[Any, Any]:
    """AdamW and its one-cycle schedule; the logit scale has no weight decay."""
    groups: list[dict[str, Any]] = [
        {"params": head.parameters(), "weight_decay": config.weight_decay},
        {"params": [log_scale]},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=0.0)
    warm_up = (
        0.1 if config.step_count > 10 else 0.05
    )  # OneCycleLR divides by zero where the warm-up is exactly one step
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.lr, total_steps=config.step_count, pct_start=warm_up
    )
    return optimizer, schedule


@torch.no_grad()
def _clamp(log_scale: Tensor, bounds: tuple[float, float]) -> None:
    log_scale.clamp_(math.log(bounds[0]), math.log(bounds[1]))


def _check_finite(loss: Tensor, step: int) -> None:
    if not math.isfinite(loss.item()):
        raise UnibindError(f"the fit diverged (the loss at step {step} is {loss.item()}); lower the learning rate")


def _batches(count: int, config: FitConfig, generator: torch.Generator) -> Sequence[Tensor]:
    """One tensor of row numbers per step, reshuffled every epoch; an incomplete batch at the end is dropped."""
    size, batches = min(config.batch_size, count), list[Tensor]()
    while len(batches) < config.step_count:
        batches += [rows for rows in torch.randperm(count, generator=generator).split(size) if len(rows) == size]
    return batches[: config.step_count]
