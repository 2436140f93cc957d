"""Search by words: BM25 over labels and texts (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).

It is computed in two ways that agree: plainly, for items in memory, and by the full-text index of LanceDB, for a table
on disk. A word is a run of letters and digits in lower case, without stemming, so that it means the same in every
language; words of 40 bytes or more are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

if TYPE_CHECKING:
    from lancedb.table import Table

    from .filters import Filter

K1, B = 1.2, 0.75  # how soon a repeated word counts no more, and how much long texts are held back: those of LanceDB
WORDS = "words"  # the column of a table whose words are searched: what `searched_words` returns
_WORD = re.compile(r"[^\W_]+")
_TOO_LONG = 40  # bytes


def searched_words(label: str | None, text: str | None) -> str:
    """What is searched by words of an item with this label and this text."""
    return "\n".join(part for part in (label, text) if part)


def words_in(text: str) -> list[str]:
    """The words of a text, in order."""
    return [word for word in _WORD.findall(text.lower()) if len(word.encode("utf-8", "replace")) < _TOO_LONG]


class PlainWords:
    """BM25 over documents in memory; they are split into words once."""

    def __init__(self, documents: Sequence[str]) -> None:
        self._counts = [Counter(words_in(document)) for document in documents]
        self._lengths = np.array([counts.total() for counts in self._counts], np.float64)

    def scores(self, query: str) -> Float32[np.ndarray, " n"]:
        """The score of every document [N]; 0 for one that has none of the words. Each word counts once."""
        total = np.zeros(len(self._counts))
        documents = int(np.count_nonzero(self._lengths)) or 1  # one without words is none
        mean = max(self._lengths.sum() / documents, 1.0)
        for word in dict.fromkeys(words_in(query)):
            count = np.array([counts[word] for counts in self._counts], np.float64)
            having = np.count_nonzero(count)
            rarity = np.log1p((documents - having + 0.5) / (having + 0.5))
            total += rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * self._lengths / mean))
        return total.astype(np.float32)


def index_words(table: Table) -> None:
    """Build the full-text index of a LanceDB table with the column `WORDS`."""
    from lancedb.index import FTS

    config = FTS(
        base_tokenizer="simple",
        max_token_length=_TOO_LONG,
        lower_case=True,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        with_position=False,
    )
    table.create_index(WORDS, config=config, replace=True)


def match_words(
    table: Table, query: str, k: int, *, key: str = "key", where: Filter | None = None
) -> tuple[list[str], Float32[np.ndarray, " n"]]:
    """The `k` rows of an indexed table that match the words best: the cells of the column `key`, and their scores."""
    from lancedb.query import MatchQuery

    asked = " ".join(dict.fromkeys(words_in(query)))  # LanceDB counts a word as often as it is asked
    if not asked:
        return [], np.zeros(0, np.float32)
    search = table.search(MatchQuery(asked, WORDS), query_type="fts")
    if where is not None:
        search = search.where(where.to_sql(), prefilter=True)
    found = search.select([key, "_score"]).limit(k).to_arrow()
    return found[key].to_pylist(), found["_score"].to_numpy().astype(np.float32)
