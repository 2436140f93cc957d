"""Golden checks: does this machine compute what the reference computed? `unibind doctor` runs those that there are."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GoldenCheck:
    """What one check found: the largest difference to the golden numbers, and how large it may be."""

    what: str
    difference: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is small enough (not a number is not)."""
        return self.difference <= self.allowed


def rule_normal(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers that are the same everywhere: NumPy's legacy stream, seeded by the CRC-32 of a name."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def rule_weight(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A weight by rule, of a trained one's scale: matrices about 0, gains and variances about 1, biases about 0."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        return np.abs(1 + 0.02 * noise).astype(np.float32)
    if name.endswith("weight") and len(shape) == 1:
        return (1 + 0.05 * noise).astype(np.float32)
    scale = float(np.prod(shape[1:])) ** -0.5 if len(shape) >= 2 else 0.05
    return (scale * noise).astype(np.float32)
