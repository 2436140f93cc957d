"""Stores of random items of the toy backbone, and what a plain loop over all of them finds."""

import numpy as np

from tests.helpers.toys import DIM, ToyBackbone
from unibind import Item, Store
from unibind.data.file_facts import FileFacts
from unibind.retrieval.compared import Comparison

TOY = ToyBackbone()
LABELS = ("red", "green", None)


def random_vectors(count, seed, dim=DIM):
    """Unit vectors around a common offset."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32) + np.float32(0.3)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def add_items(store, modality, first, count, *, split=None):
    """Add items <modality>-<number> with labels in turn."""
    names = [f"{modality}-{number:06}" for number in range(first, first + count)]
    items = [Item(name, modality, uri=f"{name}.file", label=LABELS[i % 3], split=split) for i, name in enumerate(names)]
    facts = [FileFacts(1, 1, name) for name in names]
    store.add(items, random_vectors(count, [first, len(modality)]), TOY.contract(modality), facts)


def random_store(path, **counts):
    """A store with so many items of each modality."""
    store = Store.create(path)
    for modality, count in counts.items():
        add_items(store, modality, 0, count)
    return store


def plain_nearest(store, model, queries, k, modality, *, keep=lambda row: True, center=True):
    """For each query the ids and scores of the k nearest items, by a plain loop."""
    rows = {row.id: row for row in store.rows()}
    stored = store.vectors(modality)
    _, compared = Comparison(model, store, center=center).items(stored.vectors, modality)
    found = []
    for query in queries:
        scored = sorted((-float(vector @ query), name) for name, vector in zip(stored.ids, compared, strict=True))
        found.append([(name, -score) for score, name in scored if keep(rows[name])][:k])
    return found
