"""A base as one HTML page that works offline, and the picture of its texts on it."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.embeddings import TextEmbeddings
from ..files import write_whole
from .inspection import ClassReport, Fault, flatten

_NAMED = 40  # classes that get a color and a name in the picture


def draw_texts(embedded: TextEmbeddings, *, seed: int = 0) -> bytes:
    """A PNG of the texts on a plane, near where their embeddings are alike; the largest classes are colored."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    places, classes = flatten(embedded, seed=seed)
    named = [name for name, _ in Counter(classes).most_common(_NAMED)]
    figure = Figure(figsize=(9, 6.5), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.margins(0.08)
    axes.set_axis_off()
    owner = dict.fromkeys(classes, -1) | {name: i for i, name in enumerate(named)}
    index = [owner[name] for name in classes]
    rest = [i for i, own in enumerate(index) if own < 0]
    axes.scatter(places[rest, 0], places[rest, 1], s=5, color="#cccccc", linewidths=0)
    for i, name in enumerate(named):
        rows = [row for row, own in enumerate(index) if own == i]
        color = colormaps["gist_ncar"](0.03 + 0.92 * (7 * i % len(named) if len(named) % 7 else i) / len(named))
        axes.scatter(places[rows, 0], places[rows, 1], s=7, color=color, alpha=0.8, linewidths=0)
        x, y = _medoid(places[rows])
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}
        axes.text(x, y, name.replace("$", r"\$"), fontsize=8, ha="center", va="center", bbox=box)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _medoid(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """The place [2] of those [N, 2] that is nearest to all: unlike a mean, it lies among them."""
    far = np.linalg.norm(places[:, None] - places[None], axis=-1).sum(axis=1)
    return np.asarray(places[int(far.argmin())])


def write_page(
    out: Path,
    name: str,
    reports: Sequence[ClassReport],
    faults: Sequence[Fault],
    picture: bytes,
    removed: Mapping[str, int],
    backbone: str,
) -> Path:
    """Write the page whole or not at all; returns its path."""
    from importlib import resources

    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (resources.files(__package__) / "page.html.jinja").read_text(encoding="utf-8")
    )
    totals = {of: sum((r.counts[of] for r in reports), Counter()) for of in ("aspect", "modality", "generator", "kind")}
    amiss: dict[str, list[Fault]] = {}
    for fault in faults:
        amiss.setdefault(fault.category, []).append(fault)
    page = template.render(
        name=name,
        reports=reports,
        amiss=amiss,
        faults=faults,
        totals=totals,
        removed=removed,
        backbone=backbone,
        picture=base64.b64encode(picture).decode(),
    )
    write_whole(out, page.encode("utf-8", "backslashreplace"))
    return out
