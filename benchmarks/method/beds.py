"""Heptad's files and stores of a run, made where they are missing: WORK/data/seed201, WORK/stores/shipped/seed201.

Towers other than the shipped ones are read from WORK/towers, where `benchmarks/heptad_towers.py --out WORK/towers`
writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from unibind import heptad
from unibind.backbones import Backbone
from unibind.data.embeddings import Embeddings
from unibind.data.encode import encode_items
from unibind.data.intake import read_manifest
from unibind.data.opening import open_backbone
from unibind.data.rows import StoredItem
from unibind.data.store import Store
from unibind.heptad.write import FILE_FORMATS, MANIFEST

from .plan import Run, Towers

_FINISHED = "README.md"  # of towers, written last


class HeldStore(Store):
    """A store that is only read, and each part of it once: many fits learn from the same items."""

    def __init__(self, path: Path, version: int | None = None) -> None:
        self._held: dict[tuple[str | None, str | None], Embeddings] = {}
        super().__init__(path, version)

    def vectors(self, modality: str | None = None, split: str | None = None) -> Embeddings:
        """As of any store."""
        if (modality, split) not in self._held:
            self._held[modality, split] = super().vectors(modality, split)
        return self._held[modality, split]

    @cached_property
    def _held_rows(self) -> list[StoredItem]:
        return super().rows()

    def rows(self) -> list[StoredItem]:
        """As of any store."""
        return self._held_rows

    @cached_property
    def _held_ids(self) -> set[str]:
        return super().ids()

    def ids(self) -> set[str]:
        """As of any store."""
        return self._held_ids

    @cached_property
    def _held_non_train_ids(self) -> set[str]:
        return super().non_train_ids()

    def non_train_ids(self) -> set[str]:
        """As of any store."""
        return self._held_non_train_ids


def open_towers(work: Path, towers: Towers) -> Backbone | None:
    """The backbone with these towers; None while they are not trained."""
    if towers.shipped:
        return open_backbone("mini")
    folder = work / "towers" / towers.name
    return open_backbone("mini", weights=folder) if (folder / _FINISHED).is_file() else None


def store_of(work: Path, run: Run) -> Path:
    """The folder of a run's store."""
    return work / "stores" / run.towers.name / f"seed{run.data_seed}"


def is_encoded(path: Path, objects: Mapping[str, int]) -> bool:
    """Whether a store has every item of that many objects per category."""
    return Store.is_at(path) and len(Store.open(path).ids()) == sum(objects.values()) * len(heptad.CATEGORIES) * len(
        FILE_FORMATS
    )


def prepare(work: Path, run: Run, backbone: Backbone, objects: Mapping[str, int], workers: int) -> Path:
    """Generate the objects of a run and encode them, as far as that is not done; the folder of their store."""
    data, path = work / "data" / f"seed{run.data_seed}", store_of(work, run)
    if not is_encoded(path, objects):
        if not (data / MANIFEST).is_file():
            heptad.make(data, objects, seed=run.data_seed, workers=workers)
        path.parent.mkdir(parents=True, exist_ok=True)
        encode_items(list(read_manifest(data / MANIFEST)), backbone, Store.open_or_create(path), workers=workers)
    return path
