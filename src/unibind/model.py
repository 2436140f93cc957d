"""UniBind: a frozen backbone, one small head per modality, and the centers of categories, as one model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from . import serialization
from .align.calibration import Calibration
from .align.centers import Centers
from .align.heads import Head
from .align.selection import CenterConfig
from .align.transduction import method_named
from .align.zero_shot import base_of, zero_shot_centers
from .backbones import Backbone, Contract, as_queries
from .centering import Mean
from .data.embedded_batches import length
from .data.embeddings import Embeddings, Vectors, check_stored, tensor_of
from .data.encode import EmbeddedBatch, OnFailure, ReadOptions, embed, embed_stream, in_order, raise_failure
from .data.inputs import one_or_many
from .data.opening import open_backbone, open_store
from .data.store import Store
from .data.unlabeled import UnlabeledSource, read_unlabeled, store_of
from .errors import UnibindError
from .fit_summary import FitSummary, read_summary
from .knowledge import KnowledgeBase, KnowledgeSource
from .modalities import ANCHOR
from .modalities.text import Text
from .predictions import Answering, Explanation, Prediction
from .predictions.classifier import Classifier
from .predictions.each import Kept, OnError, answer_each
from .progress import progress_bar
from .retrieval import Filter, SearchOptions, filter_of
from .retrieval.asking import FurtherParts, answers
from .retrieval.centering import GENERIC_TEXTS, without
from .retrieval.opening import open_items
from .retrieval.uris import kept_as_stored

if TYPE_CHECKING:
    import pyarrow
    from torch import Tensor


class UniBind:
    """Backbone + heads + centers. Without heads it is exactly its backbone; without centers it only embeds.

    `heads`, `centers`, `calibration` and `means` map each modality to its part. A mean is removed from vectors before
    they are compared (see `centered`); a modality with a head needs none, for its head removes it. `knowledge` has the
    descriptions that the centers were selected from, so that a prediction can name the nearest one.

    A unified model has a head for text, too, and `unified`, the fingerprint of all its heads (`heads_fingerprint`): its
    embeddings have a space of their own, and neither the backbone's texts nor modalities without a head are in it.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        heads: Mapping[str, Head] | None = None,
        centers: Mapping[str, Centers] | None = None,
        calibration: Mapping[str, Calibration] | None = None,
        means: Mapping[str, Mean] | None = None,
        knowledge: KnowledgeBase | None = None,
        summary: FitSummary | None = None,
        unified: str | None = None,
    ) -> None:
        if heads and ANCHOR in heads and unified is None:
            raise UnibindError(
                f"{ANCHOR} is the fixed center of the space and takes no head, except in a unified model; leave it out "
                "of `heads`, or fit with `unify=True`"
            )
        self.backbone = backbone
        self.heads = dict(heads or {})
        self.centers = dict(centers or {})
        self.calibration = dict(calibration or {})
        self.means = dict(means or {})
        self.knowledge = knowledge
        self.summary = summary
        self.unified = unified

    # --- construction ----------------------------------------------------------------------------------------------

    @classmethod
    def zero_shot(
        cls,
        classes: Sequence[str] | str | None = None,
        *,
        knowledge: KnowledgeSource | None = None,
        unlabeled: UnlabeledSource | None = None,
        centers: CenterConfig | None = None,
        backbone: Backbone | str | None = None,
        weights: str | Path | None = None,
        precision: str | None = None,
        device: str | None = None,
    ) -> UniBind:
        """A model that classifies without a label: by class names, or better by descriptions of them.

        With `classes` alone (a list, names separated by commas, or a .txt file), each category is represented by its
        name in the control templates of every modality. With `knowledge` (whatever `KnowledgeBase.open` takes), its
        descriptions represent it, and `classes` limits the categories. An item's score is its cosine to their mean.

        `unlabeled` is a store, or a list of items of any kind that `embed` takes, with items like those that will be
        classified: the mean of each modality is removed, and the 16 descriptions that tell a class best from the others
        represent it. They should be of all classes; labels are not looked at. `centers` selects others.

        `backbone` is a name, an open backbone, or None for the one that encoded the unlabeled store, or else the
        default; `weights`, `precision` and `device` go to a backbone given by name. Modalities whose tower is not in
        the space of its texts get no centers. Raises UnibindError without classes and knowledge, UnknownNameError for
        classes that the knowledge lacks, and ContractError for a store of another backbone.
        """
        base, store = base_of(classes, knowledge), store_of(unlabeled)
        if centers is not None and centers.tune:
            raise UnibindError("without labels there is nothing to tune centers on; leave out `tune`, or fit a model")
        opened = open_backbone(backbone, store=store, weights=weights, precision=precision, device=device)
        items = None if unlabeled is None else read_unlabeled(store or unlabeled, opened)
        parts = zero_shot_centers(base, opened, items, centers)
        return cls(opened, centers=parts.centers, means=parts.means, knowledge=parts.knowledge)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities this model embeds."""
        return self.backbone.modalities

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of this model's embeddings of a modality."""
        bare, head = self.backbone.contract(modality), self.heads.get(modality)
        if head is None:
            return bare
        space = bare.anchor_space if self.unified is None else bare.unified_space(self.unified)
        return bare.with_head(head.fingerprint, space)

    # --- embedding -------------------------------------------------------------------------------------------------

    def embed(
        self,
        items: Any,
        *,
        progress: bool | None = None,
        as_tensor: bool = False,
        device: str | None = None,
        **reading: Unpack[ReadOptions],
    ) -> Vectors | Tensor:
        """Embed one item (float32 [D]) or many (float32 [N, D], in order), at unit length.

        An item is a path, a URL, a text, bytes or a binary file object with `modality`, a PIL image, or a raw type. A
        str that names an existing file is that file. A tuple is one item of several parts, for backbones that embed
        these as one vector (`InterleavedBackbone`). `items` may be a generator: items are read as needed and dropped.
        `reading` are the options of `ReadOptions` (modality, batch_size, workers, limits). `progress` shows a bar
        (None: where there is a terminal); `as_tensor` returns a torch tensor, on `device`. Raises what readers raise
        for the first unreadable item, and UnknownNameError for a modality the backbone lacks.
        """
        single, iterable = one_or_many(items)
        with progress_bar("embedding", length(iterable), False if single else progress) as advance:
            vectors = in_order(self._stream(iterable, **reading), self.backbone.dim, advance)
        result = vectors[0] if single else vectors
        return tensor_of(result, device) if as_tensor else result

    def _stream(
        self,
        items: Iterable[Any],
        on_failure: OnFailure = raise_failure,
        backbone: Backbone | None = None,
        **reading: Any,
    ) -> Iterator[EmbeddedBatch]:
        """Batches of embeddings after the heads, by the model's backbone or its query side; `reading` is passed on."""
        for batch in embed_stream(items, backbone or self.backbone, on_failure=on_failure, **reading):
            head = self.heads.get(batch.modality)
            yield batch if head is None else replace(batch, vectors=head(batch.vectors))

    def project(self, stored: Embeddings) -> Embeddings:
        """Stored backbone embeddings after this model's head of their modality.

        Raises ContractError where they were not made by this model's backbone.
        """
        check_stored(stored, self.backbone)
        head = self.heads.get(stored.modality)
        if head is None:
            return stored
        return replace(stored, vectors=head(stored.vectors), contract=self.contract(stored.modality))

    def centered(self, vectors: Vectors, modality: str) -> Vectors:
        """Vectors [N, D] that this model has embedded, as they are compared: without the mean of their modality."""
        mean = self.means.get(modality)
        return vectors if mean is None else without(mean, vectors, modality)

    # --- classification --------------------------------------------------------------------------------------------

    def classify(
        self,
        items: Any,
        *,
        top: int = 5,
        none_prior: float = 0.0,
        false_accept_rate: float | None = None,
        multi_label: bool = False,
        threshold: float = 0.5,
        transductive: bool | str | None = False,
        class_prior: str | Mapping[str, float] | None = None,
        progress: bool | None = None,
        on_error: OnError = "raise",
        **reading: Unpack[ReadOptions],
    ) -> Any:
        """Classify one item (a Prediction) or many (a list of Predictions, in order).

        Probabilities are given that an item belongs to one of the classes. "None of these" becomes an answer with
        `none_prior`, the share of such items that you expect, or with `false_accept_rate`, the share of them that may
        be taken for one of the classes. With `multi_label`, classes are judged independently, and those with a
        probability above `threshold` are the labels. All three need a calibrated model: fitted, or see `calibrate`.

        With `transductive` (True, "em" or "transclip"), all items of a modality are classified at once, after all have
        been read: what is alike belongs together. How frequent the classes are is learned from the items, unless
        `class_prior` is "uniform" or gives each its share. A pool that is too small or too lopsided is classified item
        by item, and a warning says why. Each prediction also has the answer for the item by itself.

        Items, `progress` and `reading` are as for `embed`; `top` limits the candidates. With `on_error="return"` an
        item that cannot be read or answered becomes an Unreadable in its place; otherwise its error is raised.
        """
        answering = Answering(
            top, none_prior, false_accept_rate, multi_label, threshold, method_named(transductive), class_prior
        )

        def predictions(batch: EmbeddedBatch) -> list[Prediction]:
            return self._classifier.predictions(batch.vectors, batch.modality, batch.names, answering)

        how = {"at_once": answering.transductive is not None, "progress": progress, **reading}
        return answer_each(items, "classifying", self._stream, predictions, on_error, **how)

    def classify_vectors(
        self,
        vectors: Vectors,
        modalities: Sequence[str],
        names: Sequence[str],
        *,
        top: int = 5,
        none_prior: float = 0.0,
        false_accept_rate: float | None = None,
        multi_label: bool = False,
        threshold: float = 0.5,
        transductive: bool | str | None = False,
        class_prior: str | Mapping[str, float] | None = None,
    ) -> list[Prediction]:
        """Like `classify`, for vectors [N, D] that this model has embedded."""
        answering = Answering(
            top, none_prior, false_accept_rate, multi_label, threshold, method_named(transductive), class_prior
        )
        return self._classifier.mixed_predictions(vectors, modalities, names, answering)

    def classify_store(
        self,
        store: Store | str | Path,
        *,
        modalities: Sequence[str] | None = None,
        split: str | None = None,
        top: int = 1,
        none_prior: float = 0.0,
        false_accept_rate: float | None = None,
        multi_label: bool = False,
        threshold: float = 0.5,
    ) -> Iterator[pyarrow.Table]:
        """Classify the stored items, as `classify` would their files: an Arrow table for each few thousand of them.

        Nothing is read but the store, in no particular order; memory does not grow with it. The columns are those of
        `predictions.stored`. `modalities` (None: those that the model has centers for) and `split` limit the items.
        Raises UnibindError for a modality without centers, and ContractError for a store of another backbone.
        """
        opened = open_store(store)
        answering = Answering(top, none_prior, false_accept_rate, multi_label, threshold)
        return self._classifier.answers_of_store(opened, modalities, split, answering)

    def calibrate(self, store: Store | str | Path, *, split: str | None = "val") -> UniBind:
        """Fit the confidences on labeled items of a store, for every modality that has some; returns the model.

        The model must not have learned from these items: its confidences would be too high. `split` is where they are
        (None: in all of the store); items whose label is none of the model's classes are left out. Raises UnibindError
        where no items remain, and ContractError where another backbone encoded them.
        """
        self.calibration.update(self._classifier.calibrated_on(open_store(store), split))
        return self

    def explain(
        self,
        items: Any,
        *,
        top: int = 5,
        progress: bool | None = None,
        on_error: OnError = "raise",
        **reading: Unpack[ReadOptions],
    ) -> Any:
        """Explain the classification of one item (an Explanation) or many (a list): which descriptions decided it.

        `top` limits the descriptions of the winner and of the runner-up. Otherwise as `classify`. An explanation keeps
        its item, to show it in a picture.
        """
        single, iterable = one_or_many(items)
        kept = Kept(iterable)

        def explanations(batch: EmbeddedBatch) -> list[Explanation]:
            return self._classifier.explanations(batch, kept, top)

        how = {"progress": False if single else progress, **reading}
        explained = answer_each(iter(kept), "explaining", self._stream, explanations, on_error, **how)
        return explained[0] if single else explained

    @cached_property
    def _classifier(self) -> Classifier:
        return Classifier(self)

    # --- search ----------------------------------------------------------------------------------------------------

    def search(
        self,
        query: Any,
        store: Store | str | Path,
        *,
        items: Any = None,
        negatives: Any = None,
        weights: Sequence[float] | None = None,
        where: str | Filter | None = None,
        modalities: Sequence[str] | None = None,
        k: int = 10,
        per_modality: int | None = None,
        diverse: bool = False,
        hybrid: bool = False,
        center: bool = True,
        progress: bool | None = None,
        **reading: Unpack[ReadOptions],
    ) -> Any:
        """Find the k nearest stored items of one query (Hits) or of many (a list of Hits).

        A query is an item of any kind that `embed` takes. `items` are further parts of it, and `negatives` what it is
        not; each is embedded by itself, and their vectors are added (see `retrieval.queries`). `weights` has a number
        for the query and one for each of the items, and may go on with one for each negative; these are 1, and 0.5 for
        negatives, by default. `where` is a condition on the items, such as "label = 'dog' and split != 'train'" (see
        `retrieval.filters`), and `modalities` those that are searched.

        `per_modality` is the most hits of one modality. `diverse` takes hits that are relevant and unlike the hits
        before them (MMR). `hybrid` also searches labels and texts by the query's words (BM25), and fuses both rankings;
        it needs a query with a text. Scores are cosines in any case. `center` removes each modality's mean from both
        sides (see `unibind.retrieval`). `reading` is for the query.

        Modalities outside the query's space are left out and named in `Hits.outside_anchor_space`; they raise
        ContractError where they were asked for by name. A backbone that has a prompt of its own for queries uses it
        (`QueryBackbone`). Raises MissingFileError where there is no store, and UnibindError for a filter that cannot be
        read, for weights that do not fit, and for parts that cancel each other out.
        """
        opened = open_store(store)
        options = SearchOptions(
            k=k,
            modalities=tuple(modalities) if modalities else None,
            per_modality=per_modality,
            where=None if where is None else kept_as_stored(filter_of(where), opened.path),
            diverse=diverse,
            hybrid=hybrid,
        )
        searched = open_items(opened, self, modalities=modalities, center=center)
        how: dict[str, Any] = {"backbone": as_queries(self.backbone), "progress": progress, **reading}
        return answers(query, self._stream, searched, options, FurtherParts(items, negatives, weights), **how)

    @cached_property
    def generic_texts(self) -> Vectors:
        """The texts that stand for all that are searched by (`GENERIC_TEXTS`), embedded as queries."""
        return embed([Text(text) for text in GENERIC_TEXTS], as_queries(self.backbone))

    # --- persistence -----------------------------------------------------------------------------------------------

    def save_pretrained(
        self, directory: str | Path, *, measured: Mapping[str, Any] | None = None, repo_id: str | None = None
    ) -> None:
        """Write the model's folder; `measured` (test figures by name) and `repo_id` go into its model card.

        What `Evaluation.summary` returns can be `measured`: tables, words, or any JSON, by name. An older model there
        is replaced at once; other files in the folder stay. Raises WriteError, which names the folder, for a full disk
        or a missing permission; the older model is still there.
        """
        serialization.save(
            Path(directory),
            self.backbone,
            measured or {},
            name=repo_id or str(directory),
            heads=self.heads,
            centers=self.centers,
            calibration=self.calibration,
            means=self.means,
            knowledge=self.knowledge,
            summary=None if self.summary is None else asdict(self.summary),
            unified=self.unified,
        )

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        backbone: Backbone | None = None,
        modalities: Sequence[str] | None = None,
        weights: str | Path | None = None,
        precision: str | None = None,
        device: str | None = None,
        revision: str | None = None,
        **options: Any,
    ) -> UniBind:
        """Load a model from a folder or from the Hugging Face Hub (`owner/name`).

        `modalities` limits the towers that are read; `weights`, `precision`, `device` and other `options` of the
        backbone override those it was fitted with. `backbone` is an open one, for a model whose backbone cannot be
        created by name, such as that of your own function. Raises MissingFileError for a folder that is not a complete
        model, and ContractError where the installed backbone is not the one the model was fitted on.
        """
        given = {"weights": weights, "precision": precision, "device": device, **options}
        opened, parts = serialization.load(source, backbone, given, modalities=modalities, revision=revision)
        return cls(
            opened,
            heads=parts.heads,
            centers=parts.centers,
            calibration=parts.calibration,
            means=parts.means,
            knowledge=parts.knowledge,
            summary=None if parts.summary is None else read_summary(parts.summary, Path(source)),
            unified=parts.unified,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | None = None,
        private: bool = False,
        revision: str | None = None,
        commit_message: str = "Upload a UniBind model",
    ) -> str:
        """Upload the model to the Hugging Face Hub and return its URL.

        `token` defaults to the environment's or that of `hf auth login`; `revision` is a branch, made where missing.
        """
        return serialization.upload(
            lambda folder: self.save_pretrained(folder, repo_id=repo_id),
            repo_id,
            token=token,
            private=private,
            revision=revision,
            commit_message=commit_message,
        )
