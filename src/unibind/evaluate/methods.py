"""The methods that are compared, and the centers of those that need no fit.

Strategy, K and scoring of descriptions and of their controls are chosen on validation items. Where there are none they
are fixed: nothing is chosen on the items that are measured.
"""

from __future__ import annotations

from ..align.centers import Centers, Scoring
from ..align.selection import CenterConfig, select_centers, tune_centers
from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings, Vectors
from ..knowledge.embedding import embed_descriptions
from .controls import class_names, random_words, templates
from .parts import Part
from .texts import ClassTexts

CLASS_NAME, TEMPLATE, RANDOM_WORDS = "class name", "prompt template", "random words"
DESCRIPTIONS, NEIGHBORS, PROBE = "descriptions", "nearest neighbors", "linear probe"
FITTED = "fitted UniBind"
METHODS = (CLASS_NAME, TEMPLATE, RANDOM_WORDS, DESCRIPTIONS, NEIGHBORS, PROBE, FITTED)
UNLEARNED = METHODS[:4]  # the methods that no label was learned for

_MEAN = Scoring("log_mean_exp", 1.0)  # near the mean over all texts of a class
_FIXED_K = 16  # of the descriptions that separate the classes best among unlabeled training items


class UnfittedMethods:
    """The centers of class names, templates, descriptions, and as many random words, for one modality at a time."""

    def __init__(self, backbone: Backbone, texts: ClassTexts, *, seed: int = 0) -> None:
        self.backbone = backbone
        self.texts = texts
        self.seed = seed
        self._names = embed_descriptions(class_names(texts.classes), backbone)
        self._noise = self._names.take([])

    def centers(self, modality: str, part: Part) -> dict[str, Centers]:
        """Centers by method; descriptions see the training items of the modality without their labels."""
        validation = None
        if len(part.validation):
            validation = part.centered(part.validation).vectors, part.validation.known_labels()
        controls = {
            CLASS_NAME: self._names,
            TEMPLATE: embed_descriptions(templates(self.texts.classes, modality), self.backbone),
        }
        described: dict[str, Centers] = {}
        if self.texts.descriptions is not None:
            samples = part.centered(part.train).vectors if len(part.train) else None
            selected = _selected(self.texts.descriptions, validation, samples)
            controls[RANDOM_WORDS] = self._random_words(max(selected.sizes))
            described[DESCRIPTIONS] = selected
        return {method: _all_of(control, validation) for method, control in controls.items()} | described

    def _random_words(self, count: int) -> TextEmbeddings:
        """`count` random texts per class; those of a smaller count are the first of a larger one."""
        if len(self._noise) < count * len(self.texts.classes):
            self._noise = embed_descriptions(random_words(self.texts.classes, count, self.seed), self.backbone)
        return _first_of_each(self._noise, count)


def _selected(texts: TextEmbeddings, validation: tuple[Vectors, list[str]] | None, samples: Vectors | None) -> Centers:
    if validation is not None:
        return tune_centers(texts, validation, samples=samples)[0]
    if samples is not None:
        return select_centers(texts, strategy="discriminative", k=_FIXED_K, scoring=_MEAN, samples=samples)
    return select_centers(texts, strategy="all", k=None, scoring=_MEAN)


def _all_of(texts: TextEmbeddings, validation: tuple[Vectors, list[str]] | None) -> Centers:
    if validation is not None:
        return tune_centers(texts, validation, config=CenterConfig(strategy="all"))[0]
    return select_centers(texts, strategy="all", k=None, scoring=_MEAN)


def _first_of_each(texts: TextEmbeddings, count: int) -> TextEmbeddings:
    """The first `count` texts of every category."""
    seen: dict[str, int] = {}
    rows = []
    for row, category in enumerate(texts.categories):
        seen[category] = seen.get(category, 0) + 1
        if seen[category] <= count:
            rows.append(row)
    return texts.take(rows)
