"""Protocols: what is measured on a store, before and after a fit, with the controls that belong beside it.

Everything that can be chosen (strategy, K, scoring) is chosen on the validation split; the test split is only scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..align.centers import Centers, tune_centers
from ..backbones import Backbone
from ..data.embeddings import Embeddings, TextEmbeddings, Vectors
from ..data.store import Store
from ..errors import UnibindError
from ..knowledge.embedding import embed_descriptions
from ..model import UniBind
from .controls import class_names, random_words, templates
from .metrics import category_relevance, modality_gap, recall_at_k, spread, top_k_accuracy

Splits = Mapping[str, Embeddings]  # modality -> stored embeddings of one split

CLASS_NAME, TEMPLATE, RANDOM_WORDS = "class name", "prompt template", "random words"
LLM_CENTERS, FITTED = "LLM centers", "fitted UniBind"
METHODS = (CLASS_NAME, TEMPLATE, RANDOM_WORDS, LLM_CENTERS, FITTED)


@dataclass(frozen=True)
class ZeroShot:
    """Test top-1 of every method on every non-text modality, and the centers behind each figure.

    A modality with a space of its own has figures only after a fit.
    """

    top1: dict[str, dict[str, float]]  # method -> modality -> share
    centers: dict[str, dict[str, Centers]]  # method -> modality -> centers
    texts_per_class: dict[str, dict[str, int]]  # method -> modality -> largest K_c

    @property
    def modalities(self) -> list[str]:
        """All that have a figure; those that every method was measured on come first."""
        return list(dict.fromkeys(m for found in self.top1.values() for m in found))

    def mean(self, method: str) -> float:
        """Average over the modalities that every method was measured on."""
        shared = [m for m in self.modalities if all(m in found for found in self.top1.values())]
        return float(np.mean([self.top1[method][m] for m in shared]))


def split_of(store: Store, split: str) -> dict[str, Embeddings]:
    """Every modality's embeddings of one split."""
    return {m: store.vectors(modality=m, split=split) for m in store.modalities()}


def in_anchor_space(embeddings: Splits) -> dict[str, Embeddings]:
    """Those of the modalities that can be compared with texts: no tower of a space of its own without a head."""
    return {m: e for m, e in embeddings.items() if e.contract.in_anchor_space}


def zero_shot(
    backbone: Backbone, store: Store, texts: TextEmbeddings, *, fitted: UniBind | None = None, seed: int = 0
) -> ZeroShot:
    """Top-1 on the store's test split for class names, templates, random words and LLM centers, and the fitted model.

    LLM centers see the training samples without labels. Random words get as many texts a class as the LLM centers
    that were chosen, and the same choice of scoring.
    """
    train, val, test = (split_of(store, s) for s in ("train", "val", "test"))
    categories = tuple(dict.fromkeys(texts.categories))
    modalities = [m for m in in_anchor_space(test) if m != "text"]
    if not modalities:
        raise UnibindError(
            f"every tower that encoded {store.path} has a space of its own, where texts say nothing; "
            "bridge one with `unibind bridge`, or fit and classify"
        )
    validation = {m: (val[m].vectors, val[m].known_labels()) for m in modalities}
    centers: dict[str, dict[str, Centers]] = {method: {} for method in METHODS}
    for m in modalities:
        centers[LLM_CENTERS][m], _ = tune_centers(texts, validation[m], samples=train[m].vectors)
    if fitted is not None:
        measured = in_anchor_space({m: fitted.project(e) for m, e in test.items() if m != "text"})
        centers[FITTED] = {m: fitted.centers[m] for m in measured}
    bare = embed_descriptions(class_names(categories), backbone)
    most = max(max(c.sizes) for c in centers[LLM_CENTERS].values())
    noise = embed_descriptions(random_words(categories, most, seed), backbone)
    for m in modalities:
        controls = {
            CLASS_NAME: bare,
            TEMPLATE: embed_descriptions(templates(categories, m), backbone),
            RANDOM_WORDS: _first(noise, max(centers[LLM_CENTERS][m].sizes)),
        }
        for method, control in controls.items():
            centers[method][m], _ = tune_centers(control, validation[m], strategies=("all",))
    centers = {method: found for method, found in centers.items() if found}
    top1: dict[str, dict[str, float]] = {}
    for method, found in centers.items():
        top1[method] = {}
        for m, c in found.items():
            vectors = fitted.project(test[m]).vectors if method == FITTED and fitted else test[m].vectors
            top1[method][m] = top1_of(c, vectors, test[m].known_labels())
    sizes = {method: {m: max(c.sizes) for m, c in found.items()} for method, found in centers.items()}
    return ZeroShot(top1, centers, sizes)


def _first(texts: TextEmbeddings, count: int) -> TextEmbeddings:
    """The first `count` texts of every category."""
    seen: dict[str, int] = {}
    rows = []
    for i, category in enumerate(texts.categories):
        seen[category] = seen.get(category, 0) + 1
        if seen[category] <= count:
            rows.append(i)
    names = [texts.ids[i] for i in rows], [texts.categories[i] for i in rows]
    return TextEmbeddings(*names, texts.vectors[rows], texts.contract)


def top1_of(centers: Centers, vectors: Vectors, labels: Sequence[str]) -> float:
    """Top-1 of vectors [N, D] with known labels [N]."""
    index = {label: i for i, label in enumerate(centers.labels)}
    return top_k_accuracy(centers.scores(vectors), np.array([index[label] for label in labels]))


@dataclass(frozen=True)
class CrossModal:
    """Retrieval between all modalities, before or after a fit. Matrices are [Q, G] over `modalities`; the diagonal
    leaves each query itself out."""

    modalities: tuple[str, ...]
    recall: dict[int, NDArray[np.float64]]  # k -> recall@k by category
    same_object: dict[
        int, NDArray[np.float64]
    ]  # k -> recall@k of the very object; NaN on the diagonal and where objects are not told
    gap: NDArray[np.float64]

    def pair(self, query: str, gallery: str, k: int) -> float:
        """Recall@k by category for one pair of modalities."""
        return float(self.recall[k][self.modalities.index(query), self.modalities.index(gallery)])

    def balance(self, k: int) -> dict[str, float]:
        """Spread of recall@k over unlike pairs: a balanced space has a small one."""
        return spread(self.recall[k][~np.eye(len(self.modalities), dtype=bool)])


def cross_modal(embeddings: Splits, ks: Sequence[int] = (1, 20)) -> CrossModal:
    """Recall@k from every modality to every other, and the distance between their means."""
    names = tuple(embeddings)
    size = (len(names), len(names))
    recall = {k: np.full(size, np.nan) for k in ks}
    same = {k: np.full(size, np.nan) for k in ks}
    gap = np.zeros(size)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            query, gallery = embeddings[a], embeddings[b]
            query.contract.check_comparable(gallery.contract, here=a, there=b)
            similarity = query.vectors @ gallery.vectors.T
            relevant = category_relevance(query.known_labels(), gallery.known_labels())
            paired = all(query.objects) and all(gallery.objects)
            if i == j:
                np.fill_diagonal(similarity, -np.inf)
                np.fill_diagonal(relevant, False)
            gap[i, j] = modality_gap(query.vectors, gallery.vectors)
            for k in ks:
                recall[k][i, j] = recall_at_k(similarity, relevant, k)
                if i != j and paired:
                    objects = category_relevance([str(o) for o in query.objects], [str(o) for o in gallery.objects])
                    same[k][i, j] = recall_at_k(similarity, objects, k)
    return CrossModal(names, recall, same, gap)


@dataclass(frozen=True)
class Evaluation:
    """Everything a report shows, as measured on a store's test split.

    `left_out` are modalities that could not be compared before the fit, each tower having a space of its own.
    """

    backbone: str
    seed: int
    items: dict[str, dict[str, int]]  # split -> modality -> items
    zero_shot: ZeroShot
    before: CrossModal
    after: CrossModal | None
    learned_parameters: int
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain figures: what `report.json` holds. The same store, model and seed give the same bytes."""
        zero_shot = self.zero_shot
        facts: dict[str, Any] = {
            "backbone": self.backbone,
            "seed": self.seed,
            "items": self.items,
            "learned_parameters": self.learned_parameters,
            "zero_shot": {
                "top1": zero_shot.top1,
                "mean": {method: zero_shot.mean(method) for method in zero_shot.top1},
                "texts_per_class": zero_shot.texts_per_class,
                "chosen": {
                    method: {m: {"strategy": c.strategy, "scoring": asdict(c.scoring)} for m, c in found.items()}
                    for method, found in zero_shot.centers.items()
                },
            },
            "retrieval": {"before": _matrices(self.before)},
        }
        if self.left_out:
            facts["left_out"] = self.left_out
        if self.after is not None:
            facts["retrieval"]["after"] = _matrices(self.after)
            facts["gains"] = self.gains()
        return facts

    def gains(self) -> dict[str, float]:
        """The headline differences in points, beside the paper's +6.36, +6.75 and +17.96."""
        assert self.after is not None
        mean = self.zero_shot.mean
        unfitted = max(mean(method) for method in self.zero_shot.top1 if method != FITTED)
        points = {
            "LLM centers over class names, top-1": mean(LLM_CENTERS) - mean(CLASS_NAME),
            "LLM centers over random words, top-1": mean(LLM_CENTERS) - mean(RANDOM_WORDS),
            "fitted over the best unfitted, top-1": mean(FITTED) - unfitted,
        }
        for gallery in ("event", "image"):
            if "text" in self.before.modalities and gallery in self.before.modalities:
                gain = self.after.pair("text", gallery, 20) - self.before.pair("text", gallery, 20)
                points[f"text to {gallery} after fit over before, recall@20"] = gain
        return {name: round(100 * gain, 2) for name, gain in points.items()}


def evaluate(
    backbone: Backbone, store: Store, texts: TextEmbeddings, *, fitted: UniBind | None = None, seed: int = 0
) -> Evaluation:
    """Measure zero-shot recognition and cross-modal retrieval on the test split, with `fitted` also after its fit."""
    test = split_of(store, "test")
    comparable = in_anchor_space(test)
    projected = None if fitted is None else in_anchor_space({m: fitted.project(e) for m, e in test.items()})
    return Evaluation(
        backbone.name,
        seed,
        {s: {m: len(e.ids) for m, e in split_of(store, s).items()} for s in ("train", "val", "test")},
        zero_shot(backbone, store, texts, fitted=fitted, seed=seed),
        cross_modal(comparable),
        None if projected is None else cross_modal(projected),
        0 if fitted is None or fitted.summary is None else fitted.summary.learned_parameters,
        tuple(m for m in test if m not in comparable),
    )


def _matrices(found: CrossModal) -> dict[str, Any]:
    def rows(matrix: NDArray[np.float64]) -> list[list[float | None]]:
        return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in matrix]

    facts: dict[str, Any] = {
        "modalities": found.modalities,
        "recall": {f"@{k}": rows(matrix) for k, matrix in found.recall.items()},
        "same_object": {f"@{k}": rows(matrix) for k, matrix in found.same_object.items()},
        "gap": rows(found.gap),
    }
    if len(found.modalities) > 1:  # one alone has no pairs
        facts["balance"] = {f"@{k}": found.balance(k) for k in found.recall}
        facts["mean_gap"] = round(float(found.gap[~np.eye(len(found.modalities), dtype=bool)].mean()), 4)
    return facts
