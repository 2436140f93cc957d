"""Figures of an evaluation, as matplotlib figures that need no display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .cross_modal import CrossModal, Splits
from .protocols import METHODS, ZeroShot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#1f2430", "#d9dde5"
_METHOD_COLORS = dict(zip(METHODS, ("#b6bdc9", "#8f99aa", "#e0b46c", "#4f8fd0", "#1b7f5c"), strict=True))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def _figure(width: float, height: float) -> Figure:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT}):
        return Figure(figsize=(width, height), dpi=130, layout="constrained")


def _bare(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=INK)


def zero_shot_bars(measured: ZeroShot) -> Figure:
    """Top-1 of every method, grouped by modality, with the average last."""
    modalities = measured.modalities
    groups = [*modalities, "average"]
    figure = _figure(10, 3.6)
    axes = figure.add_subplot()
    width = 0.8 / len(measured.top1)
    for i, (method, by_modality) in enumerate(measured.top1.items()):
        values = [100 * by_modality.get(m, np.nan) for m in modalities] + [100 * measured.mean(method)]
        at = np.arange(len(groups)) + (i - (len(measured.top1) - 1) / 2) * width
        bars = axes.bar(at, values, width * 0.92, label=method, color=_METHOD_COLORS[method])
        axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1, color=INK)
    axes.set_xticks(range(len(groups)), [g.replace("_", " ") for g in groups])
    axes.set_ylabel("top-1 accuracy, %")
    axes.yaxis.grid(True, color=FAINT)
    axes.set_axisbelow(True)
    axes.axvline(len(modalities) - 0.5, color=FAINT)
    _bare(axes)
    figure.legend(loc="outside upper center", ncols=len(measured.top1), frameon=False)
    return figure


def recall_matrices(panels: Mapping[str, CrossModal], k: int) -> Figure:
    """Recall@k from rows (queries) to columns (gallery), one panel per entry, all with the same color scale."""
    figure = _figure(5.2 * len(panels), 4.6)
    for i, (title, measured) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        matrix = 100 * measured.recall[k]
        axes.imshow(matrix, cmap="YlGnBu", vmin=0, vmax=100)
        names = [m.replace("_", " ") for m in measured.modalities]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), names)
        for row in range(len(names)):
            for column in range(len(names)):
                value = matrix[row, column]
                ink = "white" if value > 55 else INK
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=8)
        if len(names) > 1:
            balance = measured.balance(k)
            title += f": mean {100 * balance['mean']:.1f}, spread (std) {100 * balance['std']:.1f}"
        axes.set_title(title, fontsize=10)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def space_maps(panels: Mapping[str, Splits], *, per_modality: int = 96, seed: int = 0) -> Figure:
    """t-SNE (cosine) of the test items, one row per panel: colored by modality (left) and by category (right)."""
    figure = _figure(10.4, 5.0 * len(panels))
    for row, (title, embeddings) in enumerate(panels.items()):
        vectors, modalities, labels = _subset(embeddings, per_modality)
        points = _flattened(vectors, seed)
        left = figure.add_subplot(len(panels), 2, 2 * row + 1)
        _draw_by_modality(left, points, modalities)
        right = figure.add_subplot(len(panels), 2, 2 * row + 2)
        _draw_by_category(right, points, modalities, labels)
        for axes, name in ((left, "modality"), (right, "category")):
            axes.set_title(f"{title}, by {name}", fontsize=10)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(FAINT)
    return figure


def _flattened(vectors: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE coordinates [N, 2] of vectors [N, D]."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors)
    perplexity = min(30.0, (len(reduced) - 1) / 3)
    return TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced)


def _draw_by_modality(axes: Axes, points: np.ndarray, modalities: np.ndarray) -> None:
    from matplotlib import colormaps

    palette = colormaps["Dark2"]
    for m, modality in enumerate(dict.fromkeys(modalities)):
        color = palette(m % palette.N)
        _scatter(axes, points[modalities == modality], color, m)
        axes.scatter([], [], s=22, color=color, marker=_marker(m), label=modality)
    axes.legend(frameon=False, fontsize=7, ncols=2, loc="best")


def _draw_by_category(axes: Axes, points: np.ndarray, modalities: np.ndarray, labels: np.ndarray) -> None:
    from matplotlib import colormaps

    names = list(dict.fromkeys(labels))
    for c, name in enumerate(names):
        color = colormaps["gist_rainbow"](c / max(1, len(names)))
        for m, modality in enumerate(dict.fromkeys(modalities)):
            _scatter(axes, points[(labels == name) & (modalities == modality)], color, m)
        x, y = np.median(points[labels == name], axis=0)
        axes.text(x, y, name, fontsize=7, ha="center", va="center", color=INK, weight="bold")


def _scatter(axes: Axes, points: np.ndarray, color: object, modality_index: int) -> None:
    axes.scatter(points[:, 0], points[:, 1], s=13, color=color, marker=_marker(modality_index), linewidths=0)


def _marker(modality_index: int) -> str:
    return _MARKERS[modality_index % len(_MARKERS)]


def _subset(embeddings: Splits, per_modality: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evenly spaced items of every modality: vectors [N, D], modality names [N], labels [N]."""
    vectors, kinds, labels = [], [], list[str]()
    for modality, stored in embeddings.items():
        rows = np.unique(np.linspace(0, len(stored.ids) - 1, min(per_modality, len(stored.ids))).astype(int))
        vectors.append(stored.vectors[rows])
        kinds += [modality.replace("_", " ")] * len(rows)
        labels += [str(stored.labels[i]) for i in rows]
    return np.concatenate(vectors), np.array(kinds), np.array(labels)


def strip(pictures: Sequence[object], titles: Sequence[str], colors: Sequence[str]) -> Figure:
    """Pictures side by side under colored titles."""
    figure = _figure(2.1 * len(pictures), 2.5)
    for i, (picture, title, color) in enumerate(zip(pictures, titles, colors, strict=True)):
        axes = figure.add_subplot(1, len(pictures), i + 1)
        axes.imshow(np.asarray(picture))
        axes.set_title(title, fontsize=8, color=color)
        axes.axis("off")
    return figure
