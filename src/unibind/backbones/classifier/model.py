"""The backbone `classifier`: a classifier's probabilities mix the vectors of texts about its classes.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), arXiv 1312.5650. The tower is
in the space of the anchor's texts without any training, so its items are compared with any text, not only with labels.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from ...errors import UnibindError
from ...modalities import ANCHOR, check_modality
from ...modalities.spec import Raw
from .._shared.class_mixture import ClassMixture
from .._shared.class_texts import ClassTexts, Knowledge, class_texts
from .._shared.class_vectors import class_vectors
from .._shared.towers import FrozenTowers, check_item, select_modalities
from ..contract import Contract
from ..protocol import Backbone
from ..registry import create_backbone
from ..spec import License, combined_license
from .labels import check_meaningful

_log = logging.getLogger(__name__)

ANCHOR_BACKBONE = "mini"  # the backbone with the text tower MiniLM, which is always installed
KEPT = 10  # as in photo: many improbable classes would outweigh the probable ones
UNKNOWN = License("unknown", commercial=False)
_TOWER = "classifier"


class ItemInput(Protocol):
    """What one modality's raw items become before they are classified."""

    def __call__(self, raw: Any, /) -> Tensor:
        """The tensor of one raw item, on the CPU, without a batch axis."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters in the contract, as JSON."""
        ...


class Classifier(Protocol):
    """What ClassifierBackbone needs of a classifier."""

    architecture: str  # in contracts
    labels: tuple[str, ...]
    modalities: tuple[str, ...]  # that it reads
    license: License
    precision: str
    device: str  # of the tower

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What decides the probabilities beside the weights and the inputs, as JSON."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        ...

    def make_input(self, modality: str) -> ItemInput:
        """The input of one modality."""
        ...

    def load(self, mixture: nn.Module) -> nn.Module:
        """The tower: batches of inputs [B, ...] -> embeddings [B, D] of `mixture`, which takes log probabilities."""
        ...


class ClassifierBackbone:
    """A classifier and the texts of its classes as a backbone; see `unibind.backbones.Backbone` for the protocol.

    An item's embedding is unit(sum over classes of p(class) * vector(class)), where p is the classifier's distribution
    at `temperature`, over the `kept` most probable classes, and vector(class) the mean of the unit vectors
    of the class's `texts` in the tower of `anchor`. Texts are embedded by the anchor, unchanged.

    `create_backbone("classifier:REPO_OR_DIR")` and `from_callable` make one.
    """

    def __init__(
        self,
        classifier: Classifier,
        texts: ClassTexts,
        anchor: Backbone,
        *,
        name: str,
        options: Mapping[str, Any],
        modalities: Sequence[str] | None = None,
        temperature: float = 1.0,
        kept: int = KEPT,
        compile: bool = False,
    ) -> None:
        self.name, self.options = name, options
        self.dim, self.logit_scale = anchor.dim, anchor.logit_scale
        self.license = combined_license([classifier.license, anchor.license])
        self.modalities = select_modalities(modalities, (ANCHOR, *classifier.modalities))
        self.texts = texts
        self.temperature, self.kept = _checked(temperature, kept)
        self.device = classifier.device
        self._anchor, self._classifier = anchor, classifier
        self._inputs = {m: classifier.make_input(m) for m in self.modalities if m != ANCHOR}
        self._towers = FrozenTowers(self._load, self.device, normalize=True, compile=compile)
        if 0 < len(texts.named) < len(texts.labels):
            _log.warning(
                "%s: %d of its %d labels have no description, such as %s; their names stand for them",
                *(name, len(texts.named), len(texts.labels), f"{texts.named[0]!r:.60}"),
            )

    @classmethod
    def from_callable(
        cls,
        classify: Callable[..., Any],
        labels: Sequence[str],
        *,
        version: str,
        modality: str = "image",
        prepare: Callable[[Any], Tensor] | None = None,
        knowledge: Knowledge | None = None,
        anchor: str = ANCHOR_BACKBONE,
        temperature: float = 1.0,
        kept: int = KEPT,
        license: License = UNKNOWN,
        name: str = "classifier",
        device: str | None = None,
    ) -> ClassifierBackbone:
        """A backbone over your own classifier of one modality: any function that gives probabilities.

        `classify(raw)` returns the probability of each of the `labels` for one raw item (`unibind.Image`, ...): [C], as
        a tensor, array or list. It runs where items are read, in worker processes if it can be pickled. To classify
        batches, also pass `prepare(raw)`, which returns a tensor on the CPU and runs there instead; `classify` is then
        called with batches [B, ...] of these tensors, on the CPU, and returns [B, C].

        `version` identifies the function and its weights in contracts: change it when the probabilities change.
        `knowledge`, `anchor`, `temperature` and `kept` are as in `create_backbone("classifier:...")`. `name` is that of
        a registered backbone that makes this one, if there is one; without it, `UniBind.from_pretrained(folder,
        backbone=...)` opens a saved model.

        Raises UnibindError for labels that are not two or more names, and UnknownNameError for an unknown modality.
        """
        # imported here: the function is one kind of classifier, so its module is above this one
        from .function import FunctionClassifier

        classifier = FunctionClassifier(classify, labels, modality, version=version, prepare=prepare, license=license)
        texts = class_texts(classifier.labels, knowledge)
        check_meaningful(classifier.labels, "your function", texts.named, fix="pass the names of the classes")
        return cls(
            classifier,
            texts,
            open_anchor(anchor, device=device),
            name=name,
            options={},
            temperature=temperature,
            kept=kept,
        )

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the input of the anchor's text tower or of the classifier."""
        check_item(modality, raw, self.modalities)
        return self._anchor.preprocess(modality, raw) if modality == ANCHOR else self._inputs[modality](raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, dim], unit length, on the CPU."""
        if check_modality(modality, self.modalities) == ANCHOR:
            return self._anchor.encode(modality, batch)
        return self._towers.embed(_TOWER, batch)

    def contract(self, modality: str) -> Contract:
        """The anchor's own for texts; otherwise of the classifier, the class texts and how they are mixed."""
        texts = self._anchor.contract(ANCHOR)
        if check_modality(modality, self.modalities) == ANCHOR:
            return texts
        mixing = {
            "classes": self.texts.digest,
            "anchor": texts.hash,
            "temperature": self.temperature,
            "kept": min(self.kept, len(self.texts.labels)),
        }
        return Contract(
            space=texts.space,
            backbone=f"classifier:{self._classifier.architecture}",
            modality=modality,
            weights=self._classifier.fingerprint,
            preprocessing={**self._inputs[modality].parameters, **self._classifier.parameters, **mixing},
            precision=self._classifier.precision,
        )

    def _load(self, _: str) -> nn.Module:
        vectors = class_vectors(self.texts, self._anchor)
        mixture = ClassMixture(vectors, temperature=self.temperature, kept=self.kept)
        return self._classifier.load(mixture)


def open_anchor(anchor: str, **options: Any) -> Backbone:
    """The backbone that embeds the texts of the classes, with no other tower; options that are None do not count."""
    try:
        return create_backbone(anchor, modalities=[ANCHOR], **options)
    except UnibindError as error:
        raise UnibindError(f"{anchor} cannot embed the texts of the classes: {error}") from error


def _checked(temperature: float, kept: int) -> tuple[float, int]:
    if not (isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0):
        raise UnibindError(f"the temperature must be a positive number, not {temperature!r:.60}")
    if not isinstance(kept, int) or kept < 1:
        raise UnibindError(f"kept must be a whole number of classes from 1, not {kept!r:.60}")
    return float(temperature), kept
