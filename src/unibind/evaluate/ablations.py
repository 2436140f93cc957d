"""Ablations: a declared grid of settings, each measured on a store's embeddings without encoding anything again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..align.centers import Scoring
from ..align.problem import FitConfig
from ..align.selection import select_centers
from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings
from ..data.store import Store
from ..errors import UnibindError
from ..knowledge import KnowledgeBase
from ..model import UniBind
from .fits import Recipe, fit_on
from .intervals import Group, Groups
from .methods import DESCRIPTIONS, TextSources
from .parts import TEST, TRAIN, Part, labeled, load_part, recognized_modalities, shared_names, take_inventory
from .recognition import answers_of
from .texts import class_texts


@dataclass(frozen=True)
class Cell:
    """One setting; whatever is not given is the default of the library.

    `texts` names a control or the descriptions, and `base_size` limits their number per class (drawn by seed). With
    `shots` 0 nothing is fitted, and `strategy`, `k` and `scoring` select centers, which see the training items without
    labels. Otherwise heads are fitted on so many labeled items per class, None for all of train and val, by `fit`
    and, with `unify`, of all modalities together.
    """

    texts: str = DESCRIPTIONS
    shots: int | None = 0
    base_size: int | None = None
    strategy: str | None = None
    k: int | None = None
    scoring: Scoring | None = None
    fit: FitConfig | None = None
    unify: bool = False
    seed: int = 0

    def __str__(self) -> str:
        return _words(self)


def _words(settings: Any) -> str:
    """The settings that are not the defaults."""
    found = []
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if value != entry.default:
            shown = f"({_words(value)})" if is_dataclass(value) and not isinstance(value, Scoring) else value
            found.append(f"{entry.name.replace('_', ' ')} {shown}")
    return ", ".join(found) or "defaults"


@dataclass(frozen=True, eq=False)
class Row:
    """The answers in one cell: the objects [N] of the measured items of each modality, and which are right [N]."""

    cell: Cell
    correct: dict[str, Group] = field(repr=False)

    @property
    def top1(self) -> dict[str, float]:
        """Share of right answers by modality."""
        return {m: float(np.mean(group.correct[str(self.cell)])) for m, group in self.correct.items()}

    @property
    def mean(self) -> float:
        """The average over modalities."""
        return float(np.mean(list(self.top1.values())))

    def to_json(self) -> dict[str, Any]:
        """The cell in words, top-1 by modality, and their mean, rounded to four digits."""
        return {
            "cell": str(self.cell),
            "top1": {m: round(share, 4) for m, share in self.top1.items()},
            "mean": round(self.mean, 4),
        }


def grid(**axes: Sequence[Any]) -> list[Cell]:
    """Every combination of the given values of the fields of a cell, the last one changing fastest."""
    return [Cell(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]


def groups_of_rows(rows: Iterable[Row]) -> Groups:
    """The answers of all rows as one group per modality, for intervals: the methods are the cells, in words.

    Raises UnibindError for rows of other items.
    """
    merged: dict[str, Group] = {}
    for row in rows:
        for modality, group in row.correct.items():
            known = merged.get(modality, Group(group.objects, {}))
            if list(known.objects) != list(group.objects):
                raise UnibindError(f"the cells were measured on different {modality} items; measure all on one store")
            merged[modality] = Group(group.objects, {**known.correct, **group.correct})
    return merged


def run_grid(
    cells: Iterable[Cell],
    store: Store,
    backbone: Backbone,
    knowledge: KnowledgeBase,
    *,
    texts: TextEmbeddings | None = None,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Measure every cell on the split "test" of a store, in the modalities whose towers are in the space of the texts.

    `texts` are the embeddings of the knowledge's descriptions where they are at hand. Controls have as many texts as
    there are descriptions. `progress` is called with each row. Raises UnibindError for a store without the splits
    "train" and "test", and what `select_centers` and `fit` raise.
    """
    inventory = take_inventory(store)
    if not {TRAIN, TEST} <= inventory.items.keys():
        raise UnibindError(f"an ablation needs the splits train and test, which {store.path} lacks; encode both")
    known = class_texts(knowledge, inventory.labels, backbone, leaking=store.non_train_ids(), texts=texts)
    parts = {m: load_part(store, m, inventory) for m in recognized_modalities(inventory)}
    parts = {m: part for m, part in parts.items() if part.measured.contract.in_anchor_space and len(part.train)}
    sources: dict[tuple[int | None, int], TextSources] = {}
    rows = []
    for cell in cells:
        drawn = (cell.base_size, cell.seed)
        if drawn not in sources:
            sources[drawn] = TextSources(backbone, known.drawn(*drawn), seed=cell.seed, full=True)
        rows.append(Row(cell, _measured(cell, store, parts, sources[drawn])))
        if progress is not None:
            progress(rows[-1])
    return rows


def _measured(cell: Cell, store: Store, parts: Mapping[str, Part], sources: TextSources) -> dict[str, Group]:
    models: dict[str, UniBind] = {}
    if cell.shots != 0:
        config = replace(cell.fit or FitConfig(), seed=cell.seed)
        recipe = Recipe(
            tuple(parts), cell.shots, hold_out_validation=cell.shots is not None, config=config, unify=cell.unify
        )
        models = fit_on(store, sources, cell.texts, recipe)
    found = {}
    for modality, part in parts.items():
        items = labeled(part.measured)
        if modality in models:
            model = models[modality]
            centers = model.centers[modality]
            vectors = model.centered(model.project(items).vectors, modality)
        else:
            centers = select_centers(
                sources.embedded(cell.texts, modality),
                strategy=cell.strategy,
                k=cell.k,
                scoring=cell.scoring,
                samples=part.centered(part.train).vectors,
            )
            vectors = part.centered(items).vectors
        right = answers_of(centers, vectors, items.known_labels()).correct
        found[modality] = Group(shared_names(items), {str(cell): right})
    return found
