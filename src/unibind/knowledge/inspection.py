"""What is in a base, counted and measured: how many texts of what kind, which classes are alike, and what is amiss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embeddings import TextEmbeddings, unit
from .base import Description, KnowledgeBase
from .filters import better_fits, same

_EXAMPLES = 5


@dataclass(frozen=True)
class ClassReport:
    """One class: how many `texts`, by aspect, modality, generator and kind; some `examples` of the most typical; the
    nearest other class and the cosine of both means; how many of its texts fit another class better; what was removed
    when the base was built, by reason."""

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
            "fit_another_class_better": dict(self.misfits),
            "removed": dict(self.removed),
            "examples": [{"id": d.id, "text": d.text} for d in self.examples],
        }


def inspect_base(
    base: KnowledgeBase, embedded: TextEmbeddings, removed: Mapping[str, Counter[str]] | None = None
) -> list[ClassReport]:
    """A report of every class, in the base's order; `embedded` is the whole base, `removed` by class and reason."""
    names = base.categories
    place = {name: i for i, name in enumerate(names)}
    owner = np.array([place[d.category] for d in base.descriptions])
    sums = np.zeros((len(names), embedded.vectors.shape[1]), np.float32)  # [C, D]
    np.add.at(sums, owner, embedded.vectors)
    counts = np.bincount(owner, minlength=len(names))
    means = unit(sums)
    alike = means @ means.T
    np.fill_diagonal(alike, -np.inf)
    by_class = np.split(np.argsort(owner, kind="stable"), np.cumsum(counts)[:-1])
    reports = []
    for own, name in enumerate(names):
        rows = by_class[own]
        texts = [base.descriptions[i] for i in rows.tolist()]
        vectors = embedded.vectors[rows]
        other = int(alike[own].argmax()) if len(names) > 1 else None
        better = better_fits(vectors, own, sums, counts)
        reports.append(
            ClassReport(
                name,
                len(texts),
                {of: Counter(str(getattr(d, of) or "not said") for d in texts) for of in _COUNTED},
                tuple(texts[i] for i in np.argsort(-(vectors @ means[own]), kind="stable")[:_EXAMPLES].tolist()),
                None if other is None else names[other],
                None if other is None else float(alike[own, other]),
                Counter(names[i] for i in better[better != own].tolist()),
                (removed or {}).get(name, Counter()),
            )
        )
    return reports


_COUNTED = ("aspect", "modality", "generator", "kind")


# --- what is amiss -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """Something amiss with a class: `kind` is "thin", "ambiguous" or "leaking"; `ids` of the texts in question."""

    category: str
    kind: str
    message: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """A class is thin below `fewest` texts, and ambiguous where more than a share `misfits` of them fit others better
    or its mean is at a cosine of more than `cosine` to another's. It leaks where more than a share `naming` of its
    texts name another class and not their own."""

    fewest: int = 20
    misfits: float = 0.3
    cosine: float = 0.98
    naming: float = 0.1


def check_base(
    base: KnowledgeBase,
    reports: Sequence[ClassReport],
    limits: Limits | None = None,
    *,
    wanted: Collection[str] = (),
    held_out: Collection[str] = (),
) -> list[Fault]:
    """What is amiss, class by class.

    Thin: fewer texts than wanted, or none of a class of `wanted`. Ambiguous: its texts are nearer to other classes.
    Leaking: texts that another class has too, too many that name another class only, or ones of items of `held_out`.
    """
    limits = limits or Limits()
    faults = [
        Fault(name, "thin", f"no descriptions, at least {limits.fewest} are wanted")
        for name in dict.fromkeys(wanted)
        if name not in base.categories
    ]
    for report in reports:
        faults += _thin(report, limits)
        faults += _ambiguous(report, limits)
    return faults + _leaking(base, limits, held_out)


def _thin(report: ClassReport, limits: Limits) -> list[Fault]:
    if report.texts >= limits.fewest:
        return []
    return [Fault(report.category, "thin", f"{report.texts} descriptions, at least {limits.fewest} are wanted")]


def _ambiguous(report: ClassReport, limits: Limits) -> list[Fault]:
    faults = []
    misfits = report.misfits.total()
    if misfits > limits.misfits * report.texts:
        other, most = report.misfits.most_common(1)[0]
        said = f"{misfits} of {report.texts} descriptions fit another class better, {most} of them {other!r}"
        faults.append(Fault(report.category, "ambiguous", said))
    if report.cosine is not None and report.cosine > limits.cosine:
        said = f"its mean is at a cosine of {report.cosine:.3f} to that of {report.nearest!r}"
        faults.append(Fault(report.category, "ambiguous", said))
    return faults


def _leaking(base: KnowledgeBase, limits: Limits, held_out: Collection[str]) -> list[Fault]:
    owners: dict[str, set[str]] = {}
    for d in base.descriptions:
        owners.setdefault(same(d.text), set()).add(d.category)
    names, totals = _Names(base.categories), Counter(d.category for d in base.descriptions)
    shared: dict[str, list[str]] = {}
    naming: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    for d in base.descriptions:
        if len(owners[same(d.text)]) > 1:
            shared.setdefault(d.category, []).append(d.id)
        if names.only_others(d):
            naming.setdefault(d.category, []).append(d.id)
        if d.item is not None and d.item in held_out:
            told.setdefault(d.category, []).append(d.id)
    naming = {name: ids for name, ids in naming.items() if len(ids) > limits.naming * totals[name]}
    said = (
        (shared, "are word for word under another class too"),
        (naming, "name another class and not their own"),
        (told, "are of items that are held out"),
    )
    return [
        Fault(name, "leaking", f"{len(ids)} of {totals[name]} descriptions {what}", tuple(ids))
        for found, what in said
        for name, ids in found.items()
    ]


class _Names:
    """Finds names of classes in texts, as whole words, in the singular or with an s."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._spoken = {name: same(name.replace("_", " ")) for name in categories}
        # longest first: "electric guitar" does not name "guitar"
        names = sorted(filter(None, set(self._spoken.values())), key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})s?\b") if names else None

    def only_others(self, d: Description) -> bool:
        """Whether a description names classes, and its own is not among them, nor any word of its own name."""
        found = set(self._pattern.findall(same(d.text))) if self._pattern else set()
        own = self._spoken[d.category]
        return bool(found) and own not in found and not any(name in own.split() for name in found)


# --- a picture -----------------------------------------------------------------------------------------------------


def flatten(embedded: TextEmbeddings, *, most: int = 3000, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Places [N, 2] of at most `most` of the texts on a plane (t-SNE of their first 50 principal components), and their
    classes. Raises nothing for few texts: fewer than four lie on a line."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rows = np.arange(len(embedded.vectors))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    vectors = embedded.vectors[rows]
    classes = [embedded.categories[i] for i in rows.tolist()]
    if len(rows) < 4:
        return np.stack([np.arange(len(rows)), np.zeros(len(rows))], axis=1).astype(np.float32), classes
    reduced = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors)
    places = TSNE(2, perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=seed).fit_transform(reduced)
    return places.astype(np.float32), classes
