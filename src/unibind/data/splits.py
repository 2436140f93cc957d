"""Training and validation items of a store, split automatically if the manifest had no splits, and few-shot subsets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import NoLabelsError, UnibindError
from ..modalities import ANCHOR
from .embeddings import Embeddings, joined
from .store import Store

Side = Literal["train", "val"]
Validation = Literal["learn", "hold out", "make"]


def stratified_split(labels: Sequence[Hashable], *, validation_fraction: float = 0.2, seed: int = 0) -> list[Side]:
    """Assign every item to "train" or "val" at random, in equal proportions for every label.

    Of a label with at least two items, at least one item goes to each side; a single item goes to "train". The same
    labels and seed give the same split. Raises UnibindError for a fraction outside (0, 1).
    """
    if not 0 < validation_fraction < 1:
        raise UnibindError(f"the validation fraction must be between 0 and 1, not {validation_fraction}")
    rng = np.random.default_rng(seed)
    sides: list[Side] = ["train"] * len(labels)
    for rows in _rows_by(labels).values():
        if len(rows) > 1:
            count = min(max(1, round(validation_fraction * len(rows))), len(rows) - 1)
            for row in rng.permutation(rows)[:count]:
                sides[row] = "val"
    return sides


def stratified_folds(
    labels: Sequence[Hashable], count: int, seed: int = 0, groups: Sequence[Hashable] | None = None
) -> NDArray[np.intp]:
    """A fold in 0 .. `count` - 1 for every item, [N], at random and in equal proportions for every label.

    An item that is alone with its label gets fold -1: it is never held out, so that its label can always be learned.
    Folds of different labels start at different numbers, so that all folds have about the same size. Items of one of
    the `groups` [N] get the same fold; their label is that of the first.
    """
    rows_by_group = _rows_by(range(len(labels)) if groups is None else groups)
    members = list(rows_by_group.values())
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1, np.intp)
    next_fold = 0
    for chosen in _rows_by([labels[rows[0]] for rows in members]).values():
        if len(chosen) > 1:
            for group in rng.permutation(chosen):
                folds[members[group]] = next_fold % count
                next_fold += 1
    return folds


def few_shot(embeddings: Embeddings, per_class: int, seed: int = 0) -> Embeddings:
    """A random subset with at most `per_class` items per label, in the order of `embeddings`.

    Raises UnibindError if an item has no label or `per_class` is less than 1.
    """
    if per_class < 1:
        raise UnibindError(f"a few-shot subset needs at least 1 item per class, not {per_class}")
    rng = np.random.default_rng(seed)
    by_label = _rows_by(embeddings.known_labels())
    return embeddings.take(np.sort(np.concatenate([rng.permutation(rows)[:per_class] for rows in by_label.values()])))


@dataclass(frozen=True)
class SplitReport:
    """What was done with the items of each modality.

    `automatic` says whether a validation split was made here, with `seed`. `classes` counts the training items of every
    label. `unlabeled_items` and the modalities `left_out` (with the reason) take no part.
    `classes_without_validation` have training items but no held-out ones, where some are held out.
    """

    automatic: bool
    seed: int
    classes: dict[str, dict[str, int]]
    validation_items: dict[str, int]
    unlabeled_items: dict[str, int]
    left_out: dict[str, str]
    classes_without_validation: dict[str, tuple[str, ...]]

    @property
    def train_items(self) -> dict[str, int]:
        """Number of training items per modality."""
        return {m: sum(counts.values()) for m, counts in self.classes.items()}

    @property
    def message(self) -> str:
        """One line about what a person did not say or may not expect; empty if there is nothing."""
        parts = []
        if self.automatic:
            train, validation = sum(self.train_items.values()), sum(self.validation_items.values())
            parts.append(
                f"there is no validation split: {train} items are used for training and {validation} for validation, "
                f"stratified by label (seed {self.seed})"
            )
        if self.unlabeled_items:
            counts = ", ".join(f"{count} {m}" for m, count in self.unlabeled_items.items())
            parts.append(f"items without a label take no part: {counts}")
        parts += [f"{m} is left out: {reason}" for m, reason in self.left_out.items()]
        if self.classes_without_validation:
            names = [f"{', '.join(names)} ({m})" for m, names in self.classes_without_validation.items()]
            parts.append(f"classes without validation items: {'; '.join(names)}")
        return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class Split:
    """Labeled training and validation embeddings by modality; `validation` has no entry where nothing is held out.

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

    def of_classes(self, classes: Collection[str]) -> Split:
        """The items with these labels; raises UnibindError for a modality without training items of two of them."""
        sides = [
            {m: e.take([row for row, label in enumerate(e.labels) if label in classes]) for m, e in side.items()}
            for side in (self.train, self.validation)
        ]
        few = [m for m, e in sides[0].items() if len(set(e.labels)) < 2]
        if few:
            raise UnibindError(f"fewer than two of the classes have training items of {few[0]}; name other classes")
        return replace(self, train=sides[0], validation={m: e for m, e in sides[1].items() if len(e)})


def train_and_validation(
    store: Store,
    modalities: Sequence[str] | None = None,
    *,
    validation: Validation = "hold out",
    validation_fraction: float = 0.2,
    seed: int = 0,
    texts: bool = False,
) -> Split:
    """The labeled training and validation items of a store, for `modalities` (by default all but text).

    With `texts`, text joins them where the store has labeled training texts.

    Training items are those of the split "train", or all items if none has a split. Those of "val" are held out, or
    with `validation="learn"` join the training items, so that no label is wasted. With `validation="make"`, training
    items are held out where no item of these modalities is in "val", stratified by label; the items of one object stay
    together on one side in all modalities.

    Raises UnibindError if there are no modalities, or if a modality that was asked for by name, or every one, has no
    training items of at least two classes; NoLabelsError if none of them has a label.
    """
    asked = modalities is not None
    modalities = [m for m in store.modalities() if m != ANCHOR] if modalities is None else list(modalities)
    if not modalities:
        raise UnibindError(f"the store {store.path} contains no modality to fit other than {ANCHOR}; encode some files")
    if texts and ANCHOR in store.modalities():
        modalities = list(dict.fromkeys([*modalities, ANCHOR]))
    splits = set[str | None]().union(*(store.splits().get(m, set()) for m in modalities))
    pool = None if splits == {None} else "train"
    non_train_ids = frozenset(store.non_train_ids() if pool else ())
    automatic = validation == "make" and "val" not in splits and (pool is None or pool in splits)
    if automatic:
        train, held_out, held_out_ids = _automatic(store, modalities, pool, validation_fraction, seed)
        non_train_ids |= held_out_ids
    else:
        train = {m: store.vectors(m, pool) for m in modalities}
        held_out = {m: store.vectors(m, "val") for m in modalities} if "val" in splits else {}
    if validation == "learn":
        train = {m: joined(e, held_out[m]) if len(e) and m in held_out else e for m, e in train.items()}
        held_out = {}
    labeled = {m: _labeled(e) for m, e in train.items()}
    left_out = _left_out(labeled, asked, {ANCHOR} if texts else set())
    learned = {m: e for m, e in labeled.items() if m not in left_out}
    validated = {m: e for m in learned if m in held_out and len(e := _labeled(held_out[m]))}
    unlabeled = {m: len(train[m]) - len(e) for m, e in learned.items() if len(e) < len(train[m])}
    report = _report(learned, validated, unlabeled, left_out, automatic, seed)
    return Split(learned, validated, non_train_ids, report)


def training_items(store: Store, modality: str) -> Embeddings:
    """The items of the splits "train" and "val" of a modality, labeled or not, or all of a store without splits."""
    if set[str | None]().union(*store.splits().values()) == {None}:
        return store.vectors(modality)
    train, validation = (store.vectors(modality, split) for split in ("train", "val"))
    return joined(train, validation) if len(train) and len(validation) else train if len(train) else validation


def _rows_by(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
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
        for row, name in enumerate(object_ids(embeddings)):
            rows[m][name in validation_objects].append(row)
    train = {m: stored[m].take(rows[m][False]) for m in modalities}
    validation = {m: stored[m].take(rows[m][True]) for m in modalities}
    return train, validation, frozenset(e.ids[row] for m, e in stored.items() for row in rows[m][True])


def _validation_objects(stored: Mapping[str, Embeddings], validation_fraction: float, seed: int) -> set[Hashable]:
    """The objects chosen for validation, stratified by label and by the modalities that the object has."""
    labels: dict[Hashable, str | None] = {}
    modalities: dict[Hashable, list[str]] = {}
    for m, embeddings in stored.items():
        for name, label in zip(object_ids(embeddings), embeddings.labels, strict=True):
            labels[name] = labels.get(name) or label
            modalities.setdefault(name, []).append(m)
    strata = [(label, *modalities[name]) for name, label in labels.items()]
    sides = stratified_split(strata, validation_fraction=validation_fraction, seed=seed)
    return {name for name, side in zip(labels, sides, strict=True) if side == "val"}


def object_ids(embeddings: Embeddings) -> list[Hashable]:
    """An id per item that all items of one object share; an item without an object shares its content at most."""
    facts = zip(embeddings.ids, embeddings.objects, embeddings.contents, strict=True)
    return [("object", shared) if shared else ("content", content) if content else ("item", name)
            for name, shared, content in facts]  # fmt: skip


def _labeled(embeddings: Embeddings) -> Embeddings:
    rows = [row for row, label in enumerate(embeddings.labels) if label is not None]
    return embeddings if len(rows) == len(embeddings) else embeddings.take(rows)


def _left_out(train: Mapping[str, Embeddings], asked: bool, optional: Collection[str]) -> dict[str, str]:
    """The modalities that cannot be fitted, and why; raises UnibindError if they were asked for or no other remains.

    For `optional` ones it does not matter.
    """
    reasons = {}
    for m, embeddings in train.items():
        labels = set(embeddings.known_labels())
        if not labels:
            reasons[m] = f"the store has no labeled train items of {m}"
        elif len(labels) == 1:
            reasons[m] = f"all {len(embeddings)} labeled {m} items have the same label, {labels.pop()}"
    fatal = {m: reason for m, reason in reasons.items() if m not in optional}
    if fatal and (asked or len(fatal) == len(train.keys() - optional)):
        labeled = any(label is not None for m, e in train.items() if m not in optional for label in e.labels)
        raise (UnibindError if labeled else NoLabelsError)(
            f"{'; '.join(fatal.values())}; a fit needs training items of at least two classes (with a split column, "
            "those of train), or descriptions of items to learn from without labels"
        )
    return reasons


def _report(
    train: Mapping[str, Embeddings],
    validation: Mapping[str, Embeddings],
    unlabeled: dict[str, int],
    left_out: dict[str, str],
    automatic: bool,
    seed: int,
) -> SplitReport:
    classes = {m: dict(sorted(Counter(e.known_labels()).items())) for m, e in train.items()}
    missing = {m: tuple(c for c in classes[m] if c not in set(e.labels)) for m, e in validation.items()}
    return SplitReport(
        automatic,
        seed,
        classes,
        {m: len(e) for m, e in validation.items()},
        unlabeled,
        left_out,
        {m: names for m, names in missing.items() if names},
    )
