"""A base as an offline HTML page, and the map of its texts as a picture."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.embeddings import TextEmbeddings
from ..files import write_whole
from .inspection import COUNTED, Inspection, Problem, check_base, project_2d

_LABELED_CLASSES = 40  # the largest classes get a color and a label in the picture


def text_map_png(embedded: TextEmbeddings, *, seed: int = 0) -> bytes:
    """A PNG map of the texts, in which texts with similar embeddings are close together."""
    coordinates, classes = project_2d(embedded, seed=seed)
    from matplotlib.figure import Figure  # after the check for it

    figure = Figure(figsize=(9, 6.5), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.margins(0.08)
    axes.set_axis_off()
    labeled = [name for name, _ in Counter(classes).most_common(_LABELED_CLASSES)]
    rest = coordinates[[i for i, name in enumerate(classes) if name not in labeled]]
    axes.scatter(rest[:, 0], rest[:, 1], s=5, color="#cccccc", linewidths=0)
    for i, name in enumerate(labeled):
        points = coordinates[[row for row, owner in enumerate(classes) if owner == name]]
        axes.scatter(points[:, 0], points[:, 1], s=7, color=_color(i, len(labeled)), alpha=0.8, linewidths=0)
        x, y = _medoid(points)
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}
        axes.text(x, y, name.replace("$", r"\$"), fontsize=8, ha="center", va="center", bbox=box)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _color(index: int, count: int) -> tuple[float, float, float, float]:
    """Colors that differ strongly between adjacent indices, because classes of adjacent size are often neighbors."""
    from matplotlib import colormaps

    position = 7 * index % count if count % 7 else index
    return colormaps["gist_ncar"](0.03 + 0.92 * position / count)


def _medoid(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The point [2] of points [N, 2] with the smallest distance to all others; a mean may lie in an empty region."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1).sum(axis=1)
    return np.asarray(points[int(distances.argmin())])


def write_outputs(
    inspection: Inspection, title: str, backbone: str, *, html: Path | None = None, png: Path | None = None
) -> list[Path]:
    """Write the requested files, a page and a picture of the map; returns their paths."""
    if html is None and png is None:
        return []
    picture = text_map_png(inspection.embedded)
    if png is not None:
        write_whole(png, picture)
    if html is not None:
        write_page(html, title, inspection, check_base(inspection), picture, backbone)
    return [path for path in (png, html) if path is not None]


def write_page(
    out: Path, title: str, inspection: Inspection, problems: Sequence[Problem], picture: bytes, backbone: str
) -> Path:
    """Write the page atomically; returns its path."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (resources.files(__package__) / "page.html.jinja").read_text(encoding="utf-8")
    )
    totals = {column: sum((r.counts[column] for r in inspection.reports), Counter()) for column in COUNTED}
    page = template.render(
        title=title,
        reports=inspection.reports,
        problems=problems,
        problem_classes={problem.category for problem in problems},
        totals=totals,
        removed=inspection.removed,
        backbone=backbone,
        picture=base64.b64encode(picture).decode(),
    )
    write_whole(out, page.encode("utf-8", "backslashreplace"))
    return out
