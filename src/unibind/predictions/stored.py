"""Answers for the items of a store as tables: a block of items at a time, without an object for each.

A table has the columns `id`, `modality`, `uri`, `stored_label` (what the store says), `label` (the most likely class),
`probability`, `none_probability` (null where it is not known), `accepted` (false where the answer is "none of these")
and `description_id` (the nearest text of the label); `label_2` and `probability_2` and so on are further candidates,
and `labels` are all that apply, if any number may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.embeddings import BLOCK
from ..data.lance_tables import VECTOR
from ..data.rows import VECTOR_SUM
from ..data.store import Store
from ..data.stored_text import all_stored, cells
from .answers import Answering
from .classification import Judged

if TYPE_CHECKING:
    import pyarrow

OF_STORE = ("id", "location", "uri", "modality", "label", VECTOR, VECTOR_SUM)  # the columns of the store that it needs
_FEWEST, _MOST, _ARRAYS = 64, 8192, 4  # items at once; arrays of probabilities that are held of them


def block_size(classes: int) -> int:
    """How many items are answered at once."""
    return max(_FEWEST, min(_MOST, BLOCK // (_ARRAYS * classes)))


def answer_columns(answering: Answering) -> list[str]:
    """The columns of the tables, in order."""
    further = [f"{name}_{rank}" for rank in range(2, answering.top + 1) for name in ("label", "probability")]
    several = ["labels"] if answering.multi_label else []
    known = ["id", "modality", "uri", "stored_label", "label", "probability", "none_probability", "accepted"]
    return [*known, *several, *further, "description_id"]


def answer_table(
    store: Store, items: pyarrow.Table, judged: Judged, labels: Sequence[str], answering: Answering
) -> pyarrow.Table:
    """The answers for some items of the store with the columns `OF_STORE`; `labels` are those of the classes."""
    import pyarrow

    places = [store.place(*p) for p in zip(*(cells(items[name]) for name in ("id", "location", "uri")), strict=True)]
    ranking = _ranking(judged, answering.top)
    ranked = np.take_along_axis(judged.probabilities, ranking, axis=1)
    text, number = pyarrow.string(), pyarrow.float64()
    classes = pyarrow.array(all_stored(labels), text)
    columns: dict[str, Any] = {
        "id": pyarrow.array(all_stored([name for name, _ in places]), text),
        "modality": items["modality"],
        "uri": pyarrow.array(all_stored([uri for _, uri in places]), text),
        "stored_label": items["label"],
        "label": classes.take(pyarrow.array(ranking[:, 0])),
        "probability": pyarrow.array(ranked[:, 0]),
        "none_probability": pyarrow.nulls(len(items), number) if judged.none is None else pyarrow.array(judged.none),
        "accepted": pyarrow.array(judged.accepted),
        "description_id": pyarrow.array(all_stored(judged.nearest), text),
    }
    if answering.multi_label:
        applying = (judged.probabilities > answering.threshold) & judged.accepted[:, None]
        columns["labels"] = pyarrow.array([[labels[int(c)] for c in np.flatnonzero(row)] for row in applying])
        columns["accepted"] = pyarrow.array(applying.any(axis=1))
    for rank in range(2, answering.top + 1):
        there = rank <= len(labels)
        column = ranking[:, rank - 1] if there else None
        columns[f"label_{rank}"] = classes.take(pyarrow.array(column)) if there else pyarrow.nulls(len(items), text)
        columns[f"probability_{rank}"] = (
            pyarrow.array(ranked[:, rank - 1]) if there else pyarrow.nulls(len(items), number)
        )
    return pyarrow.table({name: columns[name] for name in answer_columns(answering)})


def _ranking(judged: Judged, count: int) -> np.ndarray:
    """The classes of the `count` largest probabilities of each row [N, count], equal ones in order."""
    if count == 1:
        return judged.best[:, None]
    return np.argsort(-judged.probabilities, axis=1, kind="stable")[:, :count]
