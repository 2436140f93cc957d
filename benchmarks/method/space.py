"""The picture of the space: the same items before and after a fit, and unified, by modality and by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from unibind.backbones import Backbone
from unibind.data.store import Store
from unibind.evaluate.cross_modal import Splits
from unibind.evaluate.parts import TEST, split_of
from unibind.evaluate.report.charts import Map, space_map
from unibind.evaluate.spaces import searched_space
from unibind.evaluate.unity import neighbor_mix
from unibind.fitting import fit
from unibind.knowledge import KnowledgeBase
from unibind.modalities import ANCHOR
from unibind.model import UniBind

_SHOWN_CLASSES = 6
_QUIET, _INK = "#d5d9e0", "#111111"


def spaces(backbone: Backbone, store: Store) -> dict[str, Splits]:
    """The test items as the backbone leaves them, and as a search compares them: before, after a fit, and unified."""
    base, stored = KnowledgeBase.open("heptad"), split_of(store, TEST)
    models = {"centered, as it is searched": UniBind(backbone)}
    for title, unify in (("fitted", False), ("unified", True)):
        models[title] = fit(store, knowledge=base, backbone=backbone, unify=unify, progress=False)
    found: dict[str, Splits] = {"the backbone as it is": stored}
    for title, model in models.items():
        space = searched_space(model, store, stored)
        assert space is not None
        found[title] = space.embeddings
    return found


def draw_space(spaces: Mapping[str, Splits], path: Path, *, seed: int = 0) -> None:
    """Draw a column per space, by its title: above, colored by modality, with texts in black; below, by class.

    Six classes at even steps of the alphabet are colored and the others are gray. Texts are stars in both rows.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.1 * len(spaces), 8.9), dpi=110, layout="constrained")
    rows = figure.subplots(2, len(spaces), squeeze=False)
    for column, (title, space) in enumerate(spaces.items()):
        drawn = space_map(space, seed=seed)
        assert drawn is not None
        mix = neighbor_mix({m: e.vectors for m, e in space.items()})[ANCHOR]
        caption = f"{100 * mix.share:.0f} % of the neighbors of texts are not texts"
        rows[0, column].set_title(f"{title}\n{caption}", fontsize=10)
        by_modality(rows[0, column], drawn)
        by_class(rows[1, column], drawn, drawn.classes[:: max(1, len(drawn.classes) // _SHOWN_CLASSES)])
    for row, place in ((0, "outside upper center"), (1, "outside lower center")):
        handles, labels = rows[row, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc=place, ncols=len(labels), frameon=False, fontsize=10, markerscale=2)
    figure.savefig(path)


def by_modality(axes: object, drawn: Map) -> None:
    from matplotlib import colormaps

    others = [m for m in drawn.modalities if m != ANCHOR]
    colors = {m: colormaps["Dark2"](i) for i, m in enumerate(others)} | {ANCHOR: _INK}
    for modality in [*others, ANCHOR]:
        number = drawn.modalities.index(modality)
        _scatter(axes, [d for d in drawn.dots if d.modality == number], modality, colors[modality], modality == ANCHOR)


def by_class(axes: object, drawn: Map, shown: Sequence[str]) -> None:
    from matplotlib import colormaps

    anchor = drawn.modalities.index(ANCHOR)
    groups = {"other classes": [d for d in drawn.dots if drawn.classes[d.category or 0] not in shown]}
    groups |= {name: [d for d in drawn.dots if drawn.classes[d.category or 0] == name] for name in shown}
    colors = {"other classes": _QUIET} | {name: colormaps["tab10"](i) for i, name in enumerate(shown)}
    for name, dots in groups.items():
        _scatter(axes, [d for d in dots if d.modality != anchor], name, colors[name], False)
        _scatter(axes, [d for d in dots if d.modality == anchor], "", colors[name], True)


def _scatter(axes, dots, label, color, is_text) -> None:  # type: ignore[no-untyped-def]
    """Texts are stars with a dark edge."""
    x, y = [dot.x for dot in dots], [-dot.y for dot in dots]
    style = {"marker": "*", "s": 42, "edgecolors": _INK, "linewidths": 0.3} if is_text else {"marker": ".", "s": 18}
    axes.scatter(x, y, color=color, label=label.replace("_", " ") or None, **style)
    axes.set_xticks([])
    axes.set_yticks([])
