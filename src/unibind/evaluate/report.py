"""The report: one HTML page that works offline, its images as PNG files, and `report.json` with every figure."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnibindError
from ..files import OutputKind, write_whole
from ..modalities import ANCHOR
from ..predictions import Prediction
from ..retrieval import Hit
from . import plots
from .cross_modal import Splits
from .protocols import FITTED, METHODS, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

REPORT = OutputKind("a report", marks=("report.html", "report.json"))
CORRECT, WRONG = "#1b7f5c", "#c0392b"


@dataclass(frozen=True)
class Search:
    """A query for items of `label`, and its hits in one modality before and after the fit."""

    query: str
    label: str
    modality: str
    before: list[Hit]
    after: list[Hit]


@dataclass(frozen=True)
class ExplainedItem:
    """A test item, its label, and the prediction of the fitted model with the nearest description."""

    uri: str
    label: str
    prediction: Prediction


def write_report(
    out: Path,
    evaluation: Evaluation,
    *,
    before: Splits,
    after: Splits | None = None,
    searches: Sequence[Search] = (),
    explanations: Sequence[ExplainedItem] = (),
    k: int = 20,
) -> Path:
    """Write `report.html`, `report.json` (last) and `pictures/` under `out`, and return the path of the page.

    `before` and `after` are the test embeddings without and with heads, for the maps of the space. `k` selects the
    recall@k to show.
    """
    figures = _figures(evaluation, before, after, k) | _search_figures(searches) | _item_figures(explanations)
    images = {name: _png(figure) for name, figure in figures.items()}
    for name, png in images.items():
        write_whole(out / "pictures" / f"{name}.png", png)
    data = evaluation.to_json() | {
        "searches": [_portable(asdict(s), out) for s in searches],
        "explanations": [_portable(asdict(e), out) for e in explanations],
    }
    write_whole(out / "report.html", _page(evaluation, data, images, searches, explanations, k))
    write_whole(out / "report.json", json.dumps(data, indent=1) + "\n")
    return out / "report.html"


def _figures(evaluation: Evaluation, before: Splits, after: Splits | None, k: int) -> dict[str, Figure]:
    spaces = {"before the fit": before} | ({"after the fit": after} if after else {})
    panels = {"before": evaluation.before} | ({"after": evaluation.after} if evaluation.after else {})
    return {
        "zero_shot": plots.zero_shot_bars(evaluation.zero_shot),
        "recall": plots.recall_matrices(panels, k),
        "space": plots.space_maps(spaces, seed=evaluation.seed),
    }


def _search_figures(searches: Sequence[Search]) -> dict[str, Figure]:
    figures = {}
    for search in searches:
        for moment, hits in (("before", search.before), ("after", search.after)):
            titles = [f"{h.rank}. {h.label} ({h.score:.2f})" for h in hits]
            colors = [CORRECT if h.label == search.label else WRONG for h in hits]
            pictures = [_picture(h.uri, h.modality) for h in hits]
            figures[f"search_{search.modality}_{moment}"] = plots.strip(pictures, titles, colors)
    return figures


def _item_figures(explanations: Sequence[ExplainedItem]) -> dict[str, Figure]:
    return {
        f"item_{i}": plots.strip([_picture(item.uri, item.prediction.modality)], [item.label], [plots.INK])
        for i, item in enumerate(explanations)
    }


def zero_shot_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of top-1 in percent: one row per method, with the average in the last column."""
    top1 = evaluation.zero_shot.top1
    modalities = evaluation.zero_shot.modalities
    header = ["top-1, %", *(m.replace("_", " ") for m in modalities), "average"]
    rows = [
        [
            method,
            *(f"{100 * top1[method][m]:.1f}" if m in top1[method] else "-" for m in modalities),
            f"{100 * evaluation.zero_shot.mean(method):.1f}",
        ]
        for method in METHODS
        if method in top1
    ]
    return header, rows


def retrieval_rows(evaluation: Evaluation, k: int) -> tuple[list[str], dict[str, list[float]]]:
    """Header of the table of recall@k between distinct modalities, and its values before and after the fit.

    The values are mean and standard deviation over all pairs, then the recall of every modality by text.
    """
    galleries = [m for m in evaluation.before.modalities if m != ANCHOR and ANCHOR in evaluation.before.modalities]
    names = [f"{ANCHOR} to {m.replace('_', ' ')}" for m in galleries]
    values = {}
    for moment, measured in (("before", evaluation.before), ("after", evaluation.after)):
        if measured is not None and len(measured.modalities) > 1:
            balance = measured.balance(k)
            values[moment] = [balance["mean"], balance["std"], *(measured.pair(ANCHOR, m, k) for m in galleries)]
    return [f"recall@{k} between distinct modalities, %", "mean", "spread (std)", *names], values


def _page(
    evaluation: Evaluation,
    data: dict[str, Any],
    images: dict[str, bytes],
    searches: Sequence[Search],
    explanations: Sequence[ExplainedItem],
    k: int,
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("unibind.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    header, rows = zero_shot_rows(evaluation)
    pairs = {moment: f for moment, f in data["retrieval"].items() if "balance" in f}
    return environment.get_template("report.html.jinja").render(
        data=data,
        modalities=len(data["items"]["test"]),
        header=header,
        rows=rows,
        fitted=FITTED,
        k=k,
        balance={m: f["balance"][f"@{k}"] | {"gap": f["mean_gap"]} for m, f in pairs.items()},
        pictures={name: "data:image/png;base64," + base64.b64encode(png).decode() for name, png in images.items()},
        searches=searches,
        explanations=explanations,
    )


def _portable(value: Any, out: Path) -> Any:
    """The value with all file paths relative to the report's folder, so that a run elsewhere gives the same bytes."""
    if isinstance(value, dict):
        paths = {k: os.path.relpath(v, out) for k, v in value.items() if k in ("uri", "item") and v}
        return {k: _portable(v, out) for k, v in value.items()} | paths
    return [_portable(v, out) for v in value] if isinstance(value, list) else value


def _picture(uri: str | None, modality: str) -> Image.Image:
    from PIL import Image as Pillow

    from ..modalities.pictures import picture
    from ..modalities.reading import read

    try:
        return picture(read(Path(uri or ""), modality), size=256)
    except UnibindError:  # the file was moved after it was encoded; the figures are still correct
        return Pillow.new("RGB", (256, 256), "#eeeeee")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
