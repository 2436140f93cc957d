"""The same fit on the texts of a control: what labels gain whatever stands for the classes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..align.problem import FitConfig
from ..data.store import Store
from ..fitting import fit
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind
from .controls import CONTROLS
from .methods import DESCRIPTIONS, TextSources
from .parts import TRAIN


@dataclass(frozen=True)
class Recipe:
    """How heads are fitted, apart from the texts.

    `few_shot` is the number of items per class, None for all; `hold_out_validation` keeps the split val from learning,
    and `unify` fits all modalities together.
    """

    modalities: tuple[str, ...]
    few_shot: int | None = None
    hold_out_validation: bool = False
    config: FitConfig = field(default_factory=FitConfig)
    unify: bool = False

    @classmethod
    def of(cls, model: UniBind, store: Store, *, seed: int = 0) -> Recipe:
        """The recipe of a fitted model, as far as its summary tells: its items per class are drawn anew."""
        if model.summary is None:
            return cls(tuple(m for m in model.heads if m != ANCHOR), config=FitConfig(seed=seed))
        learned = {m: counts for m, counts in model.summary.class_items.items() if m != ANCHOR}
        held_out = "validation" in model.summary.measured_on.values()
        used = max(max(counts.values()) for counts in learned.values())
        labels = (store.vectors(m, TRAIN).labels for m in learned)
        stored = max(max(Counter(each).values(), default=0) for each in labels)
        unify = model.unified is not None
        config = FitConfig(seed=seed) if unify else FitConfig(method=model.summary.method, seed=seed)
        return cls(tuple(learned), used if held_out and used < stored else None, held_out, config, unify)


def fit_on(store: Store, sources: TextSources, name: str, recipe: Recipe) -> dict[str, UniBind]:
    """Models whose heads are fitted on the texts of a source, by modality: one for all where the texts are the same.

    A fit that unifies is always of all modalities; templates are then the neutral ones of texts.

    Raises what `fit` raises.
    """
    by_modality = name != DESCRIPTIONS and CONTROLS[name].by_modality and not recipe.unify
    models: dict[str, UniBind] = {}
    for group in [[m] for m in recipe.modalities] if by_modality else [list(recipe.modalities)]:
        suited_to = ANCHOR if recipe.unify else group[0]
        with _quiet():
            model = fit(
                store,
                knowledge=KnowledgeBase.open(sources.texts(name, suited_to)),
                modalities=group,
                classes=sources.classes,
                few_shot=recipe.few_shot,
                hold_out_validation=recipe.hold_out_validation,
                config=recipe.config,
                unify=recipe.unify,
                backbone=sources.backbone,
                texts=sources.embedded(name, suited_to),
                allow_duplicates=True,
                progress=False,
            )
        models |= dict.fromkeys(group, model)
    return models


def fit_again(store: Store, model: UniBind, classes: Sequence[str], recipe: Recipe) -> UniBind:
    """The fit of a model done again for some of its classes only; raises what `fit` raises."""
    with _quiet():
        return fit(
            store,
            knowledge=model.knowledge,
            modalities=recipe.modalities,
            classes=classes,
            few_shot=recipe.few_shot,
            hold_out_validation=recipe.hold_out_validation,
            config=recipe.config,
            unify=recipe.unify,
            backbone=model.backbone,
            allow_duplicates=True,
            progress=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of fits that nobody will use."""
    logger = logging.getLogger("unibind")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
