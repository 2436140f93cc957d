"""The runs that are declared in plan.toml, and the folders of their files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
SHIPPED_NAMED, SHIPPED_OBJECTS = 0.35, 128  # what mini's own towers were trained on, from seed 0


@dataclass(frozen=True, order=True)
class Towers:
    """Towers of mini by how they were trained: share of captions that name the category, objects per category, seed."""

    named: float = SHIPPED_NAMED
    objects: int = SHIPPED_OBJECTS
    seed: int = 0

    @property
    def shipped(self) -> bool:
        """Whether these are mini's own."""
        return self == Towers()

    @property
    def name(self) -> str:
        """The name of their folders, as benchmarks/heptad_towers.py writes them."""
        return "shipped" if self.shipped else f"named{self.named:g}-objects{self.objects}-seed{self.seed}"


@dataclass(frozen=True, order=True)
class Run:
    """One measurement on Heptad: the towers, and the seed of the objects."""

    towers: Towers
    data_seed: int

    @property
    def name(self) -> str:
        """The stem of its file."""
        return f"heptad-{self.towers.name}-data{self.data_seed}"


class Plan:
    """What a file of the form of plan.toml declares."""

    def __init__(self, path: Path = RESULTS / "plan.toml") -> None:
        self.declared: dict[str, Any] = tomllib.loads(path.read_text())

    @cached_property
    def main(self) -> list[Run]:
        """The runs over tower seeds and data seeds."""
        part = self.declared["heptad"]
        return [Run(Towers(seed=s), d) for s in part["tower_seeds"] for d in part["data_seeds"]]

    @cached_property
    def grid(self) -> list[Run]:
        """The runs over captions and sizes of the pretraining; those of the shipped towers are also in main."""
        part = self.declared["grid"]
        cells = [Towers(float(n), o) for n in part["named"] for o in part["objects"]]
        return [Run(towers, d) for towers in cells for d in part["data_seeds"]]

    @property
    def varied(self) -> list[Run]:
        """The runs of which ablations are measured: those that are both in main and in the grid."""
        return [run for run in self.main if run in self.grid]

    def __iter__(self) -> Iterator[Run]:
        """All runs, each once, those of the most weight first."""
        yield from dict.fromkeys([*self.main, *self.grid])

    @property
    def objects(self) -> dict[str, int]:
        """Objects per category, by split."""
        return dict(self.declared["objects"])
