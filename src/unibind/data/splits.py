"""Training and validation items of a store, split automatically if the manifest had no splits, and few-shot subsets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UnibindError
from ..modalities import ANCHOR
from .embeddings import Embeddings
from .store import Store

Side = Literal["train", "val"]


def stratified_split(labels: Sequence[Hashable], *, validation_fraction: float = 0.2, seed: int = 0) -> list[Side]:
    """Assign every item to "train" or "val" at random, in equal proportions for every label.

    Of a label with at least two items, at least one item goes to each side; a single item goes to "train". The same
    labels and seed give the same split. Raises UnibindError for a fraction outside (0, 1).
    """
    if not 0 < validation_fraction < 1:
        raise UnibindError(f"the validation fraction must be between 0 and 1, not {validation_fraction}")
    rng = np.random.default_rng(seed)
    sides: list[Side] = ["train"] * len(labels)
    for rows in _rows_by_label(labels).values():
        if len(rows) > 1:
            count = min(max(1, round(validation_fraction * len(rows))), len(rows) - 1)
            for row in rng.permutation(rows)[:count]:
                sides[row] = "val"
    return sides


def stratified_folds(labels: Sequence[Hashable], count: int, seed: int = 0) -> NDArray[np.intp]:
    """A fold in 0 .. `count` - 1 for every item, [N], at random and in equal proportions for every label.

    An item that is alone with its label gets fold -1: it is never held out, so that its label can always be learned.
    Folds of different labels start at different numbers, so that all folds have about the same size.
    """
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1, np.intp)
    next_fold = 0
    for rows in _rows_by_label(labels).values():
        if len(rows) > 1:
            folds[rng.permutation(rows)] = (next_fold + np.arange(len(rows))) % count
            next_fold += len(rows)
    return folds


def few_shot(embeddings: Embeddings, per_class: int, seed: int = 0) -> Embeddings:
    """A random subset with at most `per_class` items per label, in the order of `embeddings`.

    Raises UnibindError if an item has no label or `per_class` is less than 1.
    """
    if per_class < 1:
        raise UnibindError(f"a few-shot subset needs at least 1 item per class, not {per_class}")
    rng = np.random.default_rng(seed)
    by_label = _rows_by_label(embeddings.known_labels())
    return embeddings.take(np.sort(np.concatenate([rng.permutation(rows)[:per_class] for rows in by_label.values()])))


@dataclass(frozen=True)
class SplitReport:
    """Item counts per modality, and the classes of each modality that have training items but no validation items.

    `automatic` says whether the split was made here, with `seed`, or came with the manifest.
    """

    automatic: bool
    seed: int
    train_items: dict[str, int]
    validation_items: dict[str, int]
    classes_without_validation: dict[str, tuple[str, ...]]

    @property
    def message(self) -> str:
        """One line about an automatic split and classes without validation items; empty if there is neither."""
        parts = []
        if self.automatic:
            train, validation = sum(self.train_items.values()), sum(self.validation_items.values())
            parts.append(
                f"there is no validation split: {train} items are used for training and {validation} for validation, "
                f"stratified by label (seed {self.seed})"
            )
        if self.classes_without_validation:
            names = [f"{', '.join(names)} ({m})" for m, names in self.classes_without_validation.items()]
            parts.append(f"classes without validation items: {'; '.join(names)}")
        return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class Split:
    """Training and validation embeddings by modality.

    `non_train_ids` are all stored items outside the training split: their descriptions must not be learned from.
    """

    train: dict[str, Embeddings]
    validation: dict[str, Embeddings]
    non_train_ids: frozenset[str]
    report: SplitReport

    @property
    def message(self) -> str:
        """One line about the split for people; see `SplitReport.message`."""
        return self.report.message


def train_and_validation(
    store: Store, modalities: Sequence[str] | None = None, *, validation_fraction: float = 0.2, seed: int = 0
) -> Split:
    """The training and validation items of a store, for `modalities` (by default all but text).

    The splits "train" and "val" of the manifest are used as they are. If no item of these modalities is in "val", the
    training items (or all items, if none has a split) are split here, stratified by label; the items of one object stay
    together on one side in all modalities. Raises UnibindError if there are no modalities, or one has no training or
    no validation items.
    """
    modalities = [m for m in store.modalities() if m != ANCHOR] if modalities is None else list(modalities)
    if not modalities:
        raise UnibindError(f"the store {store.path} contains no modality to fit other than {ANCHOR}; encode some files")
    splits = set[str | None]().union(*(store.splits().get(m, set()) for m in modalities))
    automatic = "val" not in splits and ("train" in splits or splits == {None})
    if automatic:
        pool = "train" if "train" in splits else None
        train, validation, non_train_ids = _automatic(store, modalities, pool, validation_fraction, seed)
        non_train_ids |= store.non_train_ids() if pool else set()
    else:
        train = {m: store.vectors(m, "train") for m in modalities}
        validation = {m: store.vectors(m, "val") for m in modalities}
        non_train_ids = frozenset(store.non_train_ids())
    _check_complete(train, validation, automatic)
    return Split(train, validation, non_train_ids, _report(train, validation, automatic, seed))


def _rows_by_label(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    rows: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return rows


def _automatic(
    store: Store, modalities: Sequence[str], pool: str | None, validation_fraction: float, seed: int
) -> tuple[dict[str, Embeddings], dict[str, Embeddings], frozenset[str]]:
    """Training and validation items of the split `pool` (None: of all items), and the ids of the latter in all stored
    modalities.
    """
    stored = {m: store.vectors(m, pool) for m in store.modalities()}
    validation_objects = _validation_objects(stored, validation_fraction, seed)
    rows: dict[str, dict[bool, list[int]]] = {m: {False: [], True: []} for m in stored}
    for m, embeddings in stored.items():
        for row, name in enumerate(_object_ids(embeddings)):
            rows[m][name in validation_objects].append(row)
    train = {m: stored[m].take(rows[m][False]) for m in modalities}
    validation = {m: stored[m].take(rows[m][True]) for m in modalities}
    return train, validation, frozenset(e.ids[row] for m, e in stored.items() for row in rows[m][True])


def _validation_objects(stored: Mapping[str, Embeddings], validation_fraction: float, seed: int) -> set[Hashable]:
    """The objects chosen for validation, stratified by label and by the modalities that the object has."""
    labels: dict[Hashable, str | None] = {}
    modalities: dict[Hashable, list[str]] = {}
    for m, embeddings in stored.items():
        for name, label in zip(_object_ids(embeddings), embeddings.labels, strict=True):
            labels[name] = labels.get(name) or label
            modalities.setdefault(name, []).append(m)
    strata = [(label, *modalities[name]) for name, label in labels.items()]
    sides = stratified_split(strata, validation_fraction=validation_fraction, seed=seed)
    return {name for name, side in zip(labels, sides, strict=True) if side == "val"}


def _object_ids(embeddings: Embeddings) -> list[Hashable]:
    """An id per item that all items of one object share; an item without an object shares its content at most."""
    facts = zip(embeddings.ids, embeddings.objects, embeddings.contents, strict=True)
    return [("object", shared) if shared else ("content", content) if content else ("item", name)
            for name, shared, content in facts]  # fmt: skip


def _check_complete(train: Mapping[str, Embeddings], validation: Mapping[str, Embeddings], automatic: bool) -> None:
    for split, embeddings in (("train", train), ("val", validation)):
        empty = [m for m, e in embeddings.items() if not len(e)]
        if empty and automatic:
            raise UnibindError(
                f"no class has two {' or '.join(empty)} items, so none can be used for validation; add items, or a "
                "split column to the manifest"
            )
        if empty:
            raise UnibindError(
                f"the store has no {split} items of {', '.join(empty)}; encode a manifest whose split column contains "
                f"{split}"
            )


def _report(
    train: Mapping[str, Embeddings], validation: Mapping[str, Embeddings], automatic: bool, seed: int
) -> SplitReport:
    missing = {
        m: tuple(dict.fromkeys(str(label) for label in e.labels if label not in set(validation[m].labels)))
        for m, e in train.items()
    }
    return SplitReport(
        automatic,
        seed,
        {m: len(e) for m, e in train.items()},
        {m: len(e) for m, e in validation.items()},
        {m: names for m, names in missing.items() if names},
    )
