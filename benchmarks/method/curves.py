"""The picture of few labels: top-1 by labels per class, for every kind of text and fit."""

from __future__ import annotations

from pathlib import Path

from .estimates import Runs
from .heptad_page import DESCRIPTIONS, curves

_STYLES = ("-", "--", ":", "-.")


def draw_curves(runs: Runs, path: Path) -> None:
    """Write an SVG; equal records give equal bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    found = curves(runs)
    texts = list(dict.fromkeys(source for source, _ in found))
    fits = [fit for fit in dict.fromkeys(fit for _, fit in found) if fit != "none"]
    shots = sorted({n for by in found.values() for n in by if n})
    position = {n: i + 1 for i, n in enumerate(shots)} | {0: 0}
    with matplotlib.rc_context({"svg.hashsalt": "few labels", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(8, 4.6), layout="constrained", facecolor="white")
        axes = figure.subplots()
        palette = matplotlib.colormaps["tab10"]
        for (source, fit), by in found.items():
            if fit == "none":
                continue
            known = {n: by[n] for n in shots if n in by}
            if (source, "none") in found:
                known = {0: found[source, "none"][0]} | known
            x, y = [position[n] for n in known], [100 * value for value, *_ in known.values()]
            color = palette(texts.index(source))
            width = 2.2 if source == DESCRIPTIONS else 1.3
            axes.plot(
                x, y, _STYLES[fits.index(fit)], marker="o", ms=3.5, color=color, lw=width, label=f"{source}, {fit}"
            )
            low, high = ([100 * each[i] for each in known.values()] for i in (1, 2))
            if source == DESCRIPTIONS and fit == fits[0]:
                axes.fill_between(x, low, high, color=color, alpha=0.12, lw=0)
        axes.set_xticks(list(position.values()), list(map(str, position)))
        axes.set_xlabel("labels per class and modality")
        axes.set_ylabel("top-1, %")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
