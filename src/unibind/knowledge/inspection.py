"""What a base contains, counted and measured: texts by kind, similar classes, and problems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings, unit
from ..extras import check_extra
from .base import Description, KnowledgeBase, spoken
from .building import removed_rows
from .embedding import embed_descriptions
from .filters import nearest_classes, normalized
from .journal import Journal

COUNTED = ("aspect", "modality", "generator", "kind")
_EXAMPLES = 5


@dataclass(frozen=True)
class ClassReport:
    """One class.

    `texts` is the number of descriptions, `counts` splits it by aspect, modality, generator and kind, `examples` are
    the most typical ones. `nearest` is the class with the most similar mean, at `cosine`. `misfits` counts the texts
    that fit another class better, by that class; `removed` counts the texts that the last build removed, by reason.
    """

    category: str
    texts: int
    counts: Mapping[str, Counter[str]]
    examples: tuple[Description, ...]
    nearest: str | None
    cosine: float | None
    misfits: Counter[str]
    removed: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "category": self.category,
            "texts": self.texts,
            **{f"by_{name}": dict(count) for name, count in self.counts.items()},
            "nearest": self.nearest,
            "cosine": None if self.cosine is None else round(self.cosine, 4),
            "misfits": dict(self.misfits),
            "removed": dict(self.removed),
            "examples": [{"id": d.id, "text": d.text} for d in self.examples],
        }


@dataclass(frozen=True)
class Inspection:
    """A base with the embeddings of its texts and a report on each class, in the order of the base."""

    base: KnowledgeBase
    embedded: TextEmbeddings
    reports: tuple[ClassReport, ...]

    @property
    def removed(self) -> Counter[str]:
        """Texts that the last build removed, by reason."""
        return sum((report.removed for report in self.reports), Counter())

    def report(self, category: str) -> ClassReport:
        """The report on one class; raises UnknownNameError for an unknown one."""
        self.base.texts(category)
        return next(report for report in self.reports if report.category == category)

    def texts(self, category: str, count: int) -> list[Description]:
        """Up to `count` descriptions of a class, the most typical ones first."""
        typical = {d.id: d for d in self.report(category).examples}
        rest = (d for d in self.base.descriptions if d.category == category and d.id not in typical)
        return [*typical.values(), *rest][:count]


def inspect_folder(path: str | Path, backbone: Backbone) -> Inspection:
    """Inspect the base in a folder or table; embeddings go through the folder's cache."""
    base = KnowledgeBase.load(path)
    removed: dict[str, Counter[str]] = {}
    if Path(path).is_dir():
        for row in removed_rows(Journal(path)):
            removed.setdefault(row["category"], Counter())[row["reason"]] += 1
    return inspect_base(base, embed_descriptions(base, backbone), removed)


def inspect_base(
    base: KnowledgeBase, embedded: TextEmbeddings, removed: Mapping[str, Counter[str]] | None = None
) -> Inspection:
    """Inspect a base whose descriptions are `embedded`; `removed` counts removed texts by class and reason."""
    names = base.categories
    class_index = {name: i for i, name in enumerate(names)}
    owners = np.array([class_index[d.category] for d in base.descriptions])  # [N]
    sums = np.zeros((len(names), embedded.vectors.shape[1]), np.float32)  # [C, D]
    np.add.at(sums, owners, embedded.vectors)
    counts = np.bincount(owners, minlength=len(names))
    means = unit(sums)
    cosines = means @ means.T
    np.fill_diagonal(cosines, -np.inf)
    rows_by_class = np.split(np.argsort(owners, kind="stable"), np.cumsum(counts)[:-1])
    reports = []
    for own, name in enumerate(names):
        rows = rows_by_class[own]
        texts = [base.descriptions[i] for i in rows.tolist()]
        vectors = embedded.vectors[rows]
        other = int(cosines[own].argmax()) if len(names) > 1 else None
        nearest = nearest_classes(vectors, own, sums, counts)
        reports.append(
            ClassReport(
                name,
                len(texts),
                {column: Counter(str(getattr(d, column) or "unknown") for d in texts) for column in COUNTED},
                tuple(texts[i] for i in np.argsort(-(vectors @ means[own]), kind="stable")[:_EXAMPLES].tolist()),
                None if other is None else names[other],
                None if other is None else float(cosines[own, other]),
                Counter(names[i] for i in nearest[nearest != own].tolist()),
                (removed or {}).get(name, Counter()),
            )
        )
    return Inspection(base, embedded, tuple(reports))


# --- problems ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A problem of a class: `kind` is "thin", "ambiguous" or "leaking"; `ids` are the descriptions concerned."""

    category: str
    kind: str
    message: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckThresholds:
    """When a class counts as a problem.

    It is thin with fewer than `min_texts` texts. It is ambiguous where more than the fraction `max_misfits` of its
    texts fit another class better, or where the cosine of its mean to another class's exceeds `max_cosine`. It is
    leaking where more than the fraction `max_other_names` of its texts contain the name of another class but not its
    own.
    """

    min_texts: int = 20
    max_misfits: float = 0.3
    max_cosine: float = 0.98
    max_other_names: float = 0.1


def check_base(
    inspection: Inspection,
    thresholds: CheckThresholds | None = None,
    *,
    expected_classes: Collection[str] = (),
    non_train_ids: Collection[str] = (),
) -> list[Problem]:
    """The problems of a base, class by class.

    Thin: too few texts, or no texts of an expected class. Ambiguous: texts that are more similar to other classes.
    Leaking: texts that occur in another class too, that name another class only, or that describe non-training items.
    """
    thresholds = thresholds or CheckThresholds()
    problems = [
        Problem(name, "thin", f"0 descriptions, at least {thresholds.min_texts} expected")
        for name in dict.fromkeys(expected_classes)
        if name not in inspection.base.categories
    ]
    for report in inspection.reports:
        problems += _thin(report, thresholds)
        problems += _ambiguous(report, thresholds)
    return problems + _leaking(inspection.base, thresholds, non_train_ids)


def _thin(report: ClassReport, thresholds: CheckThresholds) -> list[Problem]:
    if report.texts >= thresholds.min_texts:
        return []
    message = f"{report.texts} descriptions, at least {thresholds.min_texts} expected"
    return [Problem(report.category, "thin", message)]


def _ambiguous(report: ClassReport, thresholds: CheckThresholds) -> list[Problem]:
    problems = []
    misfits = report.misfits.total()
    if misfits > thresholds.max_misfits * report.texts:
        other, count = report.misfits.most_common(1)[0]
        message = f"{misfits} of {report.texts} descriptions fit another class better, {count} of them {other!r}"
        problems.append(Problem(report.category, "ambiguous", message))
    if report.cosine is not None and report.cosine > thresholds.max_cosine:
        message = f"the cosine of its mean to that of {report.nearest!r} is {report.cosine:.3f}"
        problems.append(Problem(report.category, "ambiguous", message))
    return problems


def _leaking(base: KnowledgeBase, thresholds: CheckThresholds, non_train_ids: Collection[str]) -> list[Problem]:
    owners: dict[str, set[str]] = {}
    for d in base.descriptions:
        owners.setdefault(normalized(d.text), set()).add(d.category)
    names, totals = _ClassNames(base.categories), Counter(d.category for d in base.descriptions)
    shared: dict[str, list[str]] = {}
    other_names: dict[str, list[str]] = {}
    non_train: dict[str, list[str]] = {}
    for d in base.descriptions:
        if len(owners[normalized(d.text)]) > 1:
            shared.setdefault(d.category, []).append(d.id)
        if names.names_only_others(d):
            other_names.setdefault(d.category, []).append(d.id)
        if d.item is not None and d.item in non_train_ids:
            non_train.setdefault(d.category, []).append(d.id)
    limit = thresholds.max_other_names
    other_names = {name: ids for name, ids in other_names.items() if len(ids) > limit * totals[name]}
    leaks = (
        (shared, "also occur word for word in another class"),
        (other_names, "name another class but not their own"),
        (non_train, "describe items outside the train split"),
    )
    return [
        Problem(name, "leaking", f"{len(ids)} of {totals[name]} descriptions {what}", tuple(ids))
        for ids_by_class, what in leaks
        for name, ids in ids_by_class.items()
    ]


class _ClassNames:
    """Finds class names in texts, as whole words, in the singular or with an s."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._names = {category: normalized(spoken(category)) for category in categories}
        # longest first: "electric guitar" does not name "guitar"
        names = sorted(filter(None, set(self._names.values())), key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})s?\b") if names else None

    def names_only_others(self, d: Description) -> bool:
        """Whether a description names classes, but neither its own nor any word of its own name."""
        matches = set(self._pattern.findall(normalized(d.text))) if self._pattern else set()
        own = self._names[d.category]
        return bool(matches) and own not in matches and not any(name in own.split() for name in matches)


# --- a map of the texts --------------------------------------------------------------------------------------------


def project_2d(
    embedded: TextEmbeddings, *, max_texts: int = 3000, seed: int = 0
) -> tuple[NDArray[np.float32], list[str]]:
    """2-D coordinates [N, 2] of at most `max_texts` of the texts, and their classes.

    The coordinates are a t-SNE of the first 50 principal components; fewer than four texts are put on a line.
    """
    check_extra("report", "a map of the texts")
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rows = np.arange(len(embedded.vectors))
    if len(rows) > max_texts:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_texts, replace=False))
    vectors = embedded.vectors[rows]
    classes = [embedded.categories[i] for i in rows.tolist()]
    if len(rows) < 4:
        return np.stack([np.arange(len(rows)), np.zeros(len(rows))], axis=1).astype(np.float32), classes
    with np.errstate(invalid="ignore"):  # its shares of a variance of zero
        reduced = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors)
    perplexity = min(30.0, (len(rows) - 1) / 3)
    start = "pca" if reduced[:, 0].std() > 0 else "random"  # texts that are all alike: t-SNE dies of a start at NaN
    coordinates = TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(reduced)
    return coordinates.astype(np.float32), classes
