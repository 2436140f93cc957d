"""What a store has for an evaluation: which items are measured, and which may be learned or chosen from.

The split "test" is measured; where there is none, "val"; where there is neither, all items. Whatever is measured is
never learned or chosen from.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..centering import Mean
from ..data.embeddings import Embeddings
from ..data.rows import PRESENT
from ..data.store import Store
from ..errors import UnibindError
from ..modalities import ANCHOR

TRAIN, VALIDATION, TEST = "train", "val", "test"
UNSPLIT = "no split"  # name of the items without a split, in counts

MOST_SAMPLED = 2000  # items per modality in what takes time or memory quadratic in their number: retrieval, maps


@dataclass(frozen=True)
class Inventory:
    """How many items a store has, and which of them are measured.

    `split` is the measured split, None where all items are. `items` and `classes` are counts of items and of distinct
    labels, by split and modality; `labels` are all labels of the store, sorted; `labeled` and `unlabeled` count the
    measured items with and without a label, by modality.
    """

    split: str | None
    items: dict[str, dict[str, int]]
    classes: dict[str, dict[str, int]]
    labels: tuple[str, ...]
    labeled: dict[str, int]
    unlabeled: dict[str, int]

    @property
    def measured_modalities(self) -> list[str]:
        """The modalities that have measured items."""
        return [m for m in self.labeled if self.labeled[m] + self.unlabeled[m]]

    @property
    def measured(self) -> str:
        """What is measured, in words."""
        return "all items" if self.split is None else f"the {self.split} split"


@dataclass(frozen=True, eq=False)
class Part:
    """The items of one modality: measured ones with and without label, and labeled ones to learn and to choose from.

    `train` also has the unlabeled training items; `train` and `validation` are empty where all such items are measured
    or there are none.
    """

    measured: Embeddings
    train: Embeddings
    validation: Embeddings

    @cached_property
    def mean(self) -> Mean:
        """The mean of the training items; nothing where there are none."""
        return Mean.of(self.train.vectors)

    def centered(self, embeddings: Embeddings) -> Embeddings:
        """Items of this modality as they are compared before a fit: without the mean of the training items."""
        return replace(
            embeddings,
            vectors=self.mean(embeddings.vectors),
            contract=embeddings.contract.centered_by(self.mean.fingerprint),
        )


def take_inventory(store: Store) -> Inventory:
    """Count the items of a store and decide what is measured; raises UnibindError for an empty store."""
    counts = _label_counts(store)
    if not counts:
        raise UnibindError(f"the store {store.path} is empty; encode some files first")
    splits = {split for _, split in counts}
    split = next((name for name in (TEST, VALIDATION) if name in splits), None)
    items: dict[str, dict[str, int]] = {}
    classes: dict[str, dict[str, int]] = {}
    for name in sorted(splits, key=_split_rank):
        rows = {modality: found for (modality, own), found in counts.items() if own == name}
        items[name or UNSPLIT] = {modality: sum(found.values()) for modality, found in rows.items()}
        classes[name or UNSPLIT] = {modality: len(found.keys() - {None}) for modality, found in rows.items()}
    labels = sorted({label for found in counts.values() for label in found if label is not None})
    labeled, unlabeled = {}, {}
    for modality in store.modalities():
        measured = [found for (m, own), found in counts.items() if m == modality and split in (None, own)]
        unlabeled[modality] = sum(found[None] for found in measured)
        labeled[modality] = sum(sum(found.values()) for found in measured) - unlabeled[modality]
    return Inventory(split, items, classes, tuple(labels), labeled, unlabeled)


def _label_counts(store: Store) -> dict[tuple[str, str | None], Counter[str | None]]:
    """How many items have each label (None: no label), by modality and split (None: no split)."""
    counts: dict[tuple[str, str | None], Counter[str | None]] = {}
    for row in store.rows():
        if row.state == PRESENT:
            counts.setdefault((row.modality, row.split), Counter())[row.label] += 1
    return counts


def _split_rank(split: str | None) -> tuple[int, str]:
    known = (TRAIN, VALIDATION, TEST)
    return (known.index(split) if split in known else len(known), split or "~")


def recognized_modalities(inventory: Inventory) -> list[str]:
    """The modalities with labeled measured items; texts, which usually give their class away, only if nothing else."""
    labeled = [modality for modality, count in inventory.labeled.items() if count]
    return [modality for modality in labeled if modality != ANCHOR] or labeled


def load_part(store: Store, modality: str, inventory: Inventory) -> Part:
    """The items of one modality, read from the store."""
    measured = store.vectors(modality, inventory.split)
    nothing = measured.take([])
    train = store.vectors(modality, TRAIN) if inventory.split is not None else nothing
    validation = labeled(store.vectors(modality, VALIDATION)) if inventory.split == TEST else nothing
    return Part(measured, train, validation)


def split_of(store: Store, split: str | None) -> dict[str, Embeddings]:
    """The embeddings of one split (None: of all items), by modality."""
    return {m: store.vectors(modality=m, split=split) for m in store.modalities()}


def store_name(store: Store) -> str:
    """The name of a store's folder, or of the folder around it where it is just called "store"."""
    path = store.path.resolve()
    return path.parent.name if path.name == "store" and path.parent.name else path.name


def labeled(embeddings: Embeddings) -> Embeddings:
    """The items that have a label."""
    rows = [row for row, label in enumerate(embeddings.labels) if label is not None]
    return embeddings if len(rows) == len(embeddings) else embeddings.take(rows)


def shared_names(embeddings: Embeddings) -> list[str]:
    """A name per item that all items of one object share, in all modalities; its own id for an item without object."""
    return [
        f"item {name}" if shared is None else f"object {shared}"
        for name, shared in zip(embeddings.ids, embeddings.objects, strict=True)
    ]


def sampled(embeddings: Embeddings, most: int = MOST_SAMPLED, *, seed: int = 0) -> Embeddings:
    """At most `most` items, chosen by seed and object, so that the samples of all modalities have the same objects."""
    if len(embeddings) <= most:
        return embeddings
    ranks = [(zlib.crc32(f"{seed} {name}".encode()), row) for row, name in enumerate(shared_names(embeddings))]
    return embeddings.take(sorted(row for _, row in sorted(ranks)[:most]))


def names(modalities: Sequence[str]) -> str:
    """Modalities in words."""
    return ", ".join(modality.replace("_", " ") for modality in modalities)
