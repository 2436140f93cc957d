"""A plain `Searchable` over a few items in memory, one loop per question, and searches in it."""

from dataclasses import asdict, replace

import numpy as np
import pyarrow

from unibind.data.encode import EmbeddedBatch
from unibind.retrieval import ItemSearch, SearchOptions
from unibind.retrieval.filters import COLUMNS
from unibind.retrieval.queries import composed, parts_of
from unibind.retrieval.searchable import Ranking, Row
from unibind.retrieval.words import PlainWords, searched_words


class PlainItems:
    """Rows of one or several modalities, in the order of their ids, with their vectors and contracts."""

    version = 1

    def __init__(self, rows, vectors, contracts, query_contract=None):
        self.items = {row.key: (row, vector) for row, vector in zip(rows, vectors, strict=True)}
        self.contracts = contracts
        self._query_contract, self.asked = query_contract, []

    @property
    def means(self):
        return {m: np.mean([v for r, v in self.items.values() if r.modality == m], axis=0) for m in self.contracts}

    def as_compared(self, vectors, modality):
        return vectors, self._query_contract or self.contracts[modality]

    def _kept(self, modality, where):
        rows = [row for row, _ in self.items.values() if row.modality == modality]
        kinds = {"string": pyarrow.string(), "number": pyarrow.float64()}
        table = pyarrow.table({n: pyarrow.array([asdict(r)[n] for r in rows], kinds[k]) for n, k in COLUMNS.items()})
        keep = [True] * len(rows) if where is None else where.matches(table).to_pylist()
        return [row for row, kept in zip(rows, keep, strict=True) if kept]

    def nearest(self, vectors, k, *, modality, where=None):
        self.asked.append((modality, k))
        scored = [[(r.key, float(self.items[r.key][1] @ v)) for r in self._kept(modality, where)] for v in vectors]
        return [ranking(sorted(pairs, key=lambda pair: -pair[1])[:k]) for pairs in scored]

    def matching(self, words, k, *, modality, where=None):
        scores = PlainWords([searched_words(r.label, r.text) for r, _ in self.items.values()]).scores(words)
        scored = dict(zip(self.items, scores.tolist(), strict=True))
        pairs = [(r.key, scored[r.key]) for r in self._kept(modality, where) if scored[r.key] > 0]
        return ranking(sorted(pairs, key=lambda pair: -pair[1])[:k])

    def rows(self, keys):
        return [self.items[k][0] for k in keys], np.array([self.items[k][1] for k in keys], np.float32)


def ranking(pairs):
    return Ranking([key for key, _ in pairs], np.array([score for _, score in pairs], np.float32))


def row(key, modality="image", **facts):
    """What is known about an item; its id is its key."""
    return replace(Row(key, key, modality, f"{key}.file", None, None, None, None), **facts)


def items_of(embeddings, query_contract=None):
    """The items of stored embeddings, by modality; keys are ids."""
    rows = [
        row(e.ids[i], m, uri=e.uris[i], label=e.labels[i], text=e.descriptions[i], content=e.contents[i])
        for m, e in embeddings.items()
        for i in range(len(e))
    ]
    contracts = {m: e.contract for m, e in embeddings.items() if len(e)}
    return PlainItems(rows, [v for e in embeddings.values() for v in e.vectors], contracts, query_contract)


def search_in(items, vectors, contract, k=10, **options):
    """The hits of plain queries [Q, D] with this contract; their names are "0", "1", ..."""
    items._query_contract = contract
    names = [str(i) for i in range(len(vectors))]
    parts = parts_of(EmbeddedBatch(list(range(len(vectors))), names, contract.modality, vectors), items)
    search = ItemSearch(items, SearchOptions(k, **options))
    return search.hits([composed(parts[i], (), ()) for i in range(len(vectors))])
