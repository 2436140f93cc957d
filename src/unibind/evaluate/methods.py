"""The methods that are compared, and the centers of those that need no fit.

Descriptions and every control get the same help: their texts are centered, and where unlabeled training items are at
hand, the same selection looks at these. Nothing is chosen on validation items, and nothing on those that are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..align.centers import Centers
from ..align.selection import select_centers
from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings
from ..knowledge.embedding import embed_descriptions
from .controls import CONTROLS, SHUFFLED, Request
from .parts import Part
from .texts import ClassTexts

DESCRIPTIONS, NEIGHBORS, PROBE = "descriptions", "nearest neighbors", "linear probe"
FITTED = "fitted UniBind"
FITTED_ON = {control: f"the same fit on {control}" for control in CONTROLS}  # a fit whose texts are those of a control
UNLEARNED = (*CONTROLS, DESCRIPTIONS)  # the methods that no label was learned for
METHODS = (*UNLEARNED, NEIGHBORS, PROBE, *FITTED_ON.values(), FITTED)

LEAST_TEXTS, FEW_TEXTS = 16, 1600  # of a control: per class, and in all, unless the evaluation is full


class TextSources:
    """The texts that can stand for classes: each control, and the descriptions where there are any.

    A control has as many texts per class as the class with the most descriptions; unless `full`, at most about 1,600 in
    all, but 16 per class. `count` is that number, 0 without descriptions.
    """

    def __init__(self, backbone: Backbone, texts: ClassTexts, *, seed: int = 0, full: bool = False) -> None:
        self.backbone = backbone
        self.classes = texts.classes
        self.descriptions = texts.descriptions
        self._texts = texts
        self._seed = seed
        described = max((len(each) for each in texts.by_class.values()), default=0)
        few = max(LEAST_TEXTS, FEW_TEXTS // max(1, len(texts.classes)))
        self.count = described if full else min(described, few)
        self._embedded: dict[tuple[str, str | None], TextEmbeddings] = {}

    def names(self) -> list[str]:
        """The controls that there are; one class cannot have another's descriptions."""
        usable = {name for name, control in CONTROLS.items() if self.count or not control.of_descriptions}
        if len(self._texts.by_class) < 2 or len(self._texts.by_class) < len(self.classes):
            usable.discard(SHUFFLED)
        return [name for name in CONTROLS if name in usable]

    def texts(self, name: str, modality: str) -> Mapping[str, Sequence[str]]:
        """The texts of a control, or the descriptions, by class."""
        if name == DESCRIPTIONS:
            return self._texts.by_class
        return CONTROLS[name].texts(Request(self.classes, modality, self.count, self._seed, self._texts.by_class))

    def embedded(self, name: str, modality: str) -> TextEmbeddings:
        """The embedded texts of a control, or the descriptions."""
        if name == DESCRIPTIONS:
            assert self.descriptions is not None
            return self.descriptions
        key = (name, modality if CONTROLS[name].by_modality else None)
        if key not in self._embedded:
            self._embedded[key] = embed_descriptions(self.texts(name, modality), self.backbone)
        return self._embedded[key]

    def centers(self, modality: str, part: Part) -> dict[str, Centers]:
        """The centers of every source; they see the training items of the modality without their labels."""
        samples = part.centered(part.train).vectors if len(part.train) else None
        sources = [*self.names(), *([] if self.descriptions is None else [DESCRIPTIONS])]
        return {name: select_centers(self.embedded(name, modality), samples=samples) for name in sources}
