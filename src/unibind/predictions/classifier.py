"""The classifier in a model: answers for what it has embedded, by its centers and its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from ..align.calibration import Calibration, LabelOdds, calibration_on
from ..align.centers import Centers
from ..align.heads import Head
from ..backbones import Backbone, Contract
from ..data.embeddings import Embeddings, Vectors, bare_embeddings
from ..data.encode import EmbeddedBatch
from ..data.store import Store
from ..errors import UnibindError
from ..knowledge import Description, KnowledgeBase
from ..modalities import check_modality
from .answers import Answering, Prediction
from .classification import judge, predict
from .each import Kept
from .explanation import Explanation, explain
from .stored import OF_STORE, answer_table, block_size

if TYPE_CHECKING:
    import pyarrow

_EXPLAINED = Answering(top=2)  # the winner and the runner-up


class Classifying(Protocol):
    """What classification needs of a model."""

    @property
    def backbone(self) -> Backbone: ...  # noqa: D102
    @property
    def heads(self) -> Mapping[str, Head]: ...  # noqa: D102
    @property
    def centers(self) -> Mapping[str, Centers]: ...  # noqa: D102
    @property
    def calibration(self) -> Mapping[str, Calibration]: ...  # noqa: D102
    @property
    def knowledge(self) -> KnowledgeBase | None: ...  # noqa: D102
    def contract(self, modality: str) -> Contract: ...  # noqa: D102
    def project(self, stored: Embeddings) -> Embeddings: ...  # noqa: D102
    def centered(self, vectors: Vectors, modality: str) -> Vectors: ...  # noqa: D102


class Classifier:
    """Answers for vectors after the heads of a model, which are centered here."""

    def __init__(self, model: Classifying) -> None:
        self._model = model

    def predictions(
        self, vectors: Vectors, modality: str, names: Sequence[str], answering: Answering
    ) -> list[Prediction]:
        """The predictions of vectors [N, D] of one modality; raises UnibindError where it has no centers."""
        self._check_centers(modality)
        return predict(
            self._model.centered(vectors, modality),
            modality,
            names,
            centers=self._model.centers[modality],
            calibration=self._model.calibration.get(modality) or self._uncalibrated(),
            texts=self._texts,
            answering=answering,
        )

    def mixed_predictions(
        self, vectors: Vectors, modalities: Sequence[str], names: Sequence[str], answering: Answering
    ) -> list[Prediction]:
        """The predictions of vectors [N, D] of several modalities, in order."""
        found: dict[int, Prediction] = {}
        for modality in dict.fromkeys(modalities):
            rows = [i for i, m in enumerate(modalities) if m == modality]
            predicted = self.predictions(vectors[rows], modality, [names[i] for i in rows], answering)
            found.update(zip(rows, predicted, strict=True))
        return [found[i] for i in range(len(names))]

    def answers_of_store(
        self, store: Store, modalities: Sequence[str] | None, split: str | None, answering: Answering
    ) -> Iterator[pyarrow.Table]:
        """The answers for the stored items of these modalities, some at a time (see `predictions.stored`).

        None is for all that the model has centers for. Raises UnibindError, before anything is read, where it has none.
        """
        known = [modality for modality in store.modalities() if modality in self._model.centers]
        for modality in modalities or known or store.modalities():
            self._check_centers(check_modality(modality, store.modalities()))
        return chain.from_iterable(self._answers(store, m, split, answering) for m in modalities or known)

    def _answers(self, store: Store, modality: str, split: str | None, answering: Answering) -> Iterator[pyarrow.Table]:
        model, centers = self._model, self._model.centers[modality]
        calibration, contract = model.calibration.get(modality) or self._uncalibrated(), store.contracts()[modality]
        for items in store.scan(OF_STORE, modality, split, size=block_size(len(centers.labels))):
            stored = model.project(bare_embeddings(store.sound_vectors(items, modality), contract))
            judged = judge(
                model.centered(stored.vectors, modality),
                modality,
                centers=centers,
                calibration=calibration,
                answering=answering,
            )
            yield answer_table(store, items, judged, centers.labels, answering)

    def explanations(self, batch: EmbeddedBatch, sources: Kept, top: int) -> list[Explanation]:
        """The explanations of a batch, each with its item; `top` limits the descriptions of each class."""
        predictions = self.predictions(batch.vectors, batch.modality, batch.names, _EXPLAINED)
        centers, vectors = self._model.centers[batch.modality], self._model.centered(batch.vectors, batch.modality)
        return [
            explain(
                vector,
                prediction,
                centers=centers,
                descriptions=self._descriptions,
                top=top,
                source=sources.pop(position),
            )
            for vector, prediction, position in zip(vectors, predictions, batch.positions, strict=True)
        ]

    def calibrated_on(self, store: Store, split: str | None) -> dict[str, Calibration]:
        """The calibration of every modality that has items of the model's classes in a split of a store.

        Raises UnibindError where none has, and ContractError where another backbone encoded them.
        """
        model, found = self._model, dict[str, Calibration]()
        for m in (m for m in store.modalities() if m in model.centers):
            projected = model.project(store.vectors(m, split))
            compared = replace(projected, vectors=model.centered(projected.vectors, m))
            calibration = calibration_on(model.centers[m], compared, learned=m in model.heads)
            if calibration is not None:
                found[m] = calibration
        if not found:
            raise UnibindError(
                f"{store.path} has no items of the model's classes to calibrate it on"
                + (f" in the split {split!r}" if split else "")
                + "; encode some with labels"
            )
        return found

    @cached_property
    def _descriptions(self) -> dict[str, Description]:
        """Description id -> description."""
        knowledge = self._model.knowledge
        return {} if knowledge is None else {d.id: d for d in knowledge.descriptions}

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Description id -> text."""
        return {name: description.text for name, description in self._descriptions.items()}

    def _uncalibrated(self) -> Calibration:
        """Probabilities as the backbone was trained to give them."""
        backbone = self._model.backbone
        scale, bias = backbone.logit_scale, getattr(backbone, "logit_bias", None)  # optional in the protocol
        return Calibration(scale, label_odds=None if bias is None else LabelOdds(scale, (bias,)))

    def _check_centers(self, modality: str) -> None:
        model = self._model
        if modality in model.centers:
            return
        if modality in model.backbone.modalities and not model.contract(modality).in_anchor_space:
            raise UnibindError(
                f"the {modality} tower is not in the space of the descriptions; fit it on labeled items, or bridge it "
                "with `unibind bridge` if its model has a text tower"
            )
        raise UnibindError(
            f"this model has no centers for {modality}; fit it on that modality or use UniBind.zero_shot"
        )
