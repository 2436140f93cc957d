"""UniBind: a frozen backbone, one small head a modality, and centers of categories, as one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import serialization as artifact
from .align.calibration import Calibration, fit_calibration
from .align.centers import Centers, Scoring
from .align.fit import FitConfig, Samples, fit_heads
from .align.heads import Head
from .align.selection import select_centers, tune_centers
from .backbones import Backbone, Contract, create_backbone
from .data.embeddings import Embeddings, TextEmbeddings, Vectors
from .data.encode import embed, raw_items
from .data.store import Store
from .errors import ContractError, UnibindError, UnknownNameError
from .knowledge import KnowledgeBase
from .knowledge.embedding import embed_descriptions
from .modalities.spec import Raw
from .modalities.text import Text


@dataclass(frozen=True)
class Prediction:
    """What one item was taken for.

    `label` is the likeliest category and `probability` its probability; `none` is that of "none of these".
    `candidates` are the likeliest categories, best first; `description` is the text that spoke for `label`.
    """

    item: str
    modality: str
    label: str
    probability: float
    none: float
    candidates: list[tuple[str, float]]
    description: str
    description_id: str


@dataclass(frozen=True)
class FitSummary:
    """What a fit did: learned parameters in all, and for each modality the items, the best step, the validation top-1
    with the chosen centers, and the loss curve."""

    learned_parameters: int
    train_items: dict[str, int]
    best_step: dict[str, int]
    validation_top1: dict[str, float]
    history: dict[str, list[dict[str, float]]] = field(repr=False)


class UniBind:
    """Backbone + heads + centers. Without heads it is exactly its backbone; without centers it only embeds.

    `heads`, `centers` and `calibration` map modality to that modality's part. `knowledge` holds the descriptions the
    centers were chosen from, so that a prediction can say which one won.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        heads: Mapping[str, Head] | None = None,
        centers: Mapping[str, Centers] | None = None,
        calibration: Mapping[str, Calibration] | None = None,
        knowledge: KnowledgeBase | None = None,
        summary: FitSummary | None = None,
    ) -> None:
        if heads and "text" in heads:
            raise UnibindError("text is the fixed center of the space and takes no head; leave it out of `heads`")
        self.backbone = backbone
        self.heads = dict(heads or {})
        self.centers = dict(centers or {})
        self.calibration = dict(calibration or {})
        self.knowledge = knowledge
        self.summary = summary

    # --- making one ------------------------------------------------------------------------------------------------

    @classmethod
    def zero_shot(
        cls, backbone: Backbone, knowledge: KnowledgeBase, *, strategy: str = "consensus", k: int | None = 50
    ) -> UniBind:
        """A model that classifies by descriptions alone, without a single sample.

        Modalities whose tower has a space of its own get no centers: descriptions say nothing there.
        """
        texts = embed_descriptions(knowledge, backbone)
        centers = select_centers(texts, strategy=strategy, k=k, scoring=Scoring("log_mean_exp", 20.0))
        near = [m for m in backbone.modalities if m not in _foreign(backbone, backbone.modalities, texts)]
        return cls(backbone, centers=dict.fromkeys(near, centers), knowledge=knowledge)

    @classmethod
    def fit(
        cls,
        backbone: Backbone,
        store: Store,
        knowledge: KnowledgeBase,
        config: FitConfig | None = None,
        *,
        texts: TextEmbeddings | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> UniBind:
        """Fit heads on the store's split "train"; choose centers and calibrate on its split "val".

        The backbone embeds texts only: items are taken as stored. `texts` are the knowledge's embeddings where they
        are at hand. Descriptions that the knowledge has of training items are their own descriptions, before those
        that came with the manifest; descriptions of the store's other items are left out, for they give labels away.
        A modality whose tower has a space of its own starts from a closed-form map (see `align.fit_head`). Raises
        UnibindError where a split or its labels are missing, ContractError where the store was encoded by another
        backbone.
        """
        config = config or FitConfig()
        modalities = [m for m in store.modalities() if m != "text"]
        train = {m: store.vectors(modality=m, split="train") for m in modalities}
        validation = {m: store.vectors(modality=m, split="val") for m in modalities}
        for stored in train.values():
            _check_stored(stored, backbone)
        for name, split in (("train", train), ("val", validation)):
            empty = [m for m, e in split.items() if not len(e.ids)]
            if empty or not split:
                raise UnibindError(
                    f"the store has no {name} items of {', '.join(empty) or 'any modality but text'}; "
                    f"encode a manifest whose split column says {name}"
                )
        learnable = knowledge.without_items(store.non_train_ids())
        if texts is None:
            texts = embed_descriptions(learnable, backbone)
        else:
            texts = texts.without({d.id for d in knowledge.descriptions} - {d.id for d in learnable.descriptions})
        knowledge = learnable
        categories = tuple(dict.fromkeys(texts.categories))
        owner = np.array([categories.index(c) for c in texts.categories], np.intp)
        own = _own_descriptions(train, knowledge.of_items(), backbone)
        train_samples = {m: Samples(e.vectors, _indices(e, categories), own.get(m)) for m, e in train.items()}
        val_samples = {m: Samples(e.vectors, _indices(e, categories)) for m, e in validation.items()}
        fitted = fit_heads(
            train_samples,
            texts.vectors,
            owner,
            config,
            validation=val_samples,
            outside_anchor_space=_foreign(backbone, modalities, texts),
            progress=progress,
        )
        heads = {m: f.head for m, f in fitted.items()}
        centers, calibration, accuracy = {}, {}, {}
        for m, head in heads.items():
            checked = head(validation[m].vectors), validation[m].known_labels()
            chosen, accuracy[m] = tune_centers(
                texts, checked, samples=head(train[m].vectors), labels=train[m].known_labels()
            )
            centers[m] = chosen
            calibration[m] = fit_calibration(chosen.scores(checked[0]), _indices(validation[m], chosen.labels))
        if "text" in backbone.modalities:
            centers["text"] = select_centers(texts, strategy="consensus", scoring=Scoring("log_mean_exp", 20.0))
        summary = FitSummary(
            sum(f.learned_parameters for f in fitted.values()),
            {m: len(e.ids) for m, e in train.items()},
            {m: f.best_step for m, f in fitted.items()},
            accuracy,
            {m: f.history for m, f in fitted.items()},
        )
        return cls(
            backbone, heads=heads, centers=centers, calibration=calibration, knowledge=knowledge, summary=summary
        )

    # --- using one -------------------------------------------------------------------------------------------------

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities this model embeds."""
        return self.backbone.modalities

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of this model's embeddings of a modality."""
        bare, head = self.backbone.contract(modality), self.heads.get(modality)
        return bare if head is None else bare.with_head(head.fingerprint, bare.anchor_space)

    def project(self, stored: Embeddings) -> Embeddings:
        """Stored backbone embeddings after this model's head of their modality.

        Raises ContractError where they were not made by this model's backbone.
        """
        _check_stored(stored, self.backbone)
        head = self.heads.get(stored.modality)
        if head is None:
            return stored
        return replace(stored, vectors=head(stored.vectors), contract=self.contract(stored.modality))

    def embed(self, items: Sequence[str | Path | bytes | Raw], *, modality: str | None = None) -> Vectors:
        """Embed items of one or mixed modalities, in order: float32 [N, D], unit length."""
        raws = raw_items(items, modality)
        return self._after_heads([raw.modality for raw in raws], embed(raws, self.backbone))

    def _after_heads(self, modalities: Sequence[str], vectors: Vectors) -> Vectors:
        out = vectors.copy()
        for modality, head in self.heads.items():
            rows = [i for i, m in enumerate(modalities) if m == modality]
            if rows:
                out[rows] = head(vectors[rows])
        return out

    def classify(
        self, items: Sequence[str | Path | bytes | Raw], *, modality: str | None = None, top: int = 5
    ) -> list[Prediction]:
        """Name the category of every item. Paths may be of any modality; bytes need `modality`.

        Raises UnibindError where the model has no centers for a modality, and what readers raise for bad files.
        """
        raws = raw_items(items, modality)
        names = [str(item) if isinstance(item, (str, Path)) else f"item {i}" for i, item in enumerate(items)]
        kinds = [raw.modality for raw in raws]
        return self.classify_vectors(self._after_heads(kinds, embed(raws, self.backbone)), kinds, names, top=top)

    def classify_vectors(
        self, vectors: Vectors, modalities: Sequence[str], names: Sequence[str], *, top: int = 5
    ) -> list[Prediction]:
        """Like `classify`, for vectors [N, D] that this model has embedded."""
        missing = sorted(set(modalities) - set(self.centers))
        if missing:
            alone = [m for m in missing if m in self.modalities and self.contract(m).anchor is not None]
            if alone:
                raise UnibindError(
                    f"the towers of {', '.join(alone)} have spaces of their own, where no description is; fit them on "
                    "labeled items, or bridge those that have a text tower with `unibind bridge`"
                )
            raise UnibindError(
                f"this model has no centers for {', '.join(missing)}; fit it on that modality or use UniBind.zero_shot"
            )
        texts = {} if self.knowledge is None else {d.id: d.text for d in self.knowledge.descriptions}
        found: dict[int, Prediction] = {}
        for kind in dict.fromkeys(modalities):
            rows = [i for i, m in enumerate(modalities) if m == kind]
            centers = self.centers[kind]
            calibration = self.calibration.get(kind, Calibration(self.backbone.logit_scale, -1.0))
            p, none = calibration.probabilities(centers.scores(vectors[rows]))
            best = np.argmax(p, axis=1)
            winners = centers.nearest_descriptions(vectors[rows], best)
            for n, i in enumerate(rows):
                order = np.argsort(-p[n], kind="stable")[:top]
                found[i] = Prediction(
                    item=names[i],
                    modality=kind,
                    label=centers.labels[best[n]],
                    probability=float(p[n, best[n]]),
                    none=float(none[n]),
                    candidates=[(centers.labels[c], float(p[n, c])) for c in order],
                    description=texts.get(winners[n], ""),
                    description_id=winners[n],
                )
        return [found[i] for i in range(len(names))]

    # --- keeping one -----------------------------------------------------------------------------------------------

    def save_pretrained(self, directory: str | Path, *, measured: Mapping[str, Any] | None = None) -> None:
        """Write the artifact folder; `measured` (test numbers) goes into its model card.

        A backbone that has files of its own beside its weights, as bridges are, puts them there with its `bundle`.
        """
        folder = Path(directory)
        bundle = getattr(self.backbone, "bundle", None)
        artifact.write(
            folder,
            artifact.Parts(
                backbone=self.backbone.name,
                options=bundle(folder) if bundle else self.backbone.options,
                inside="folder" if bundle else None,
                contracts={m: self.backbone.contract(m) for m in self.modalities},
                heads=self.heads,
                centers=self.centers,
                calibration=self.calibration,
                knowledge=self.knowledge,
                summary=None if self.summary is None else asdict(self.summary),
                license=self.backbone.license.spdx,
            ),
            measured or {},
        )

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, modalities: Sequence[str] | None = None, revision: str | None = None, **options: Any
    ) -> UniBind:
        """Load an artifact from a folder or from the Hugging Face hub (`owner/name`).

        `modalities` limits the towers that are read; `options` go to the backbone before those it was fitted with
        (`weights`, `device`). Raises MissingFileError for a folder that is no complete
        artifact, and ContractError where the installed backbone is not the one the model was fitted on.
        """
        parts = artifact.read(artifact.locate(source, revision))
        backbone = create_backbone(parts.backbone, modalities=modalities, **(dict(parts.options) | options))
        for modality in backbone.modalities:
            stored = parts.contracts.get(modality)
            if stored is not None and stored.hash != backbone.contract(modality).hash:
                raise ContractError(
                    f"{source} was fitted on another {parts.backbone} ({modality}: contract {stored.hash}, "
                    f"installed {backbone.contract(modality).hash}); install that version or fit again"
                )
        summary = None if parts.summary is None else FitSummary(**parts.summary)
        return cls(
            backbone,
            heads={m: h for m, h in parts.heads.items() if m in backbone.modalities},
            centers={m: c for m, c in parts.centers.items() if m in backbone.modalities},
            calibration=parts.calibration,
            knowledge=parts.knowledge,
            summary=summary,
        )

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Upload the artifact to the Hugging Face hub (token from the environment or `hf auth login`); its URL."""
        return artifact.upload(self.save_pretrained, repo_id, private=private)


def _check_stored(stored: Embeddings, backbone: Backbone) -> None:
    """Raise ContractError unless the backbone makes such vectors, of that width."""
    backbone.contract(stored.modality).check_comparable(
        stored.contract, here="the backbone's vectors", there="the stored ones"
    )
    if stored.vectors.shape[1] != backbone.dim:
        raise ContractError(
            f"the stored {stored.modality} vectors have {stored.vectors.shape[1]} numbers, those of {backbone.name} "
            f"{backbone.dim}; encode with one backbone"
        )


def _foreign(backbone: Backbone, modalities: Sequence[str], texts: TextEmbeddings) -> set[str]:
    """Those of the modalities whose embeddings are not in the texts' space."""
    return {m for m in modalities if not backbone.contract(m).shares_space(texts.contract)}


def _indices(stored: Embeddings, categories: Sequence[str]) -> NDArray[np.intp]:
    """Category index of every stored item."""
    place = {name: i for i, name in enumerate(categories)}
    labels = stored.known_labels()
    for label in labels:
        if label not in place:
            raise UnknownNameError(f"{stored.modality} label", label, categories)
    return np.array([place[label] for label in labels], np.intp)


def _own_descriptions(
    stored: Mapping[str, Embeddings], known: Mapping[str, str], backbone: Backbone
) -> dict[str, Vectors]:
    """Embeddings [N, D] of the items' own descriptions, which are `known` by item or stored, for the modalities that
    have some; rows of zeros for items without one.

    The files of one object share a description: each unlike text is embedded once.
    """
    own = {m: [known.get(n, d) for n, d in zip(e.ids, e.descriptions, strict=True)] for m, e in stored.items()}
    described = {m: texts for m, texts in own.items() if any(texts)}
    place: dict[str | None, int] = {
        text: i for i, text in enumerate(dict.fromkeys(t for ts in described.values() for t in ts if t))
    }
    vectors = np.zeros((len(place) + 1, backbone.dim), np.float32)  # the last one is of no text
    vectors[:-1] = embed([Text(str(text)) for text in place], backbone)
    return {m: vectors[[place.get(text, -1) for text in texts]] for m, texts in described.items()}
