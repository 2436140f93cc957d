"""The report: one HTML page that works offline, the PNGs in it, and `report.json` with every figure."""

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
from ..files import write_whole
from ..model import Prediction
from ..retrieval import Hit
from . import plots
from .protocols import FITTED, METHODS, Evaluation, Splits

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

RIGHT, WRONG = "#1b7f5c", "#c0392b"


@dataclass(frozen=True)
class Search:
    """One query and what was found in one modality, before and after the fit. `wanted` is the label asked for."""

    query: str
    wanted: str
    modality: str
    before: list[Hit]
    after: list[Hit]


@dataclass(frozen=True)
class Explanation:
    """A test item, what it is, what the model said, and the description that spoke for it."""

    uri: str
    truth: str
    prediction: Prediction


def write_report(
    out: Path,
    evaluation: Evaluation,
    *,
    before: Splits,
    after: Splits | None = None,
    searches: Sequence[Search] = (),
    explanations: Sequence[Explanation] = (),
    k: int = 20,
) -> Path:
    """Write `report.html`, `report.json` (last) and `pictures/` under `out`; the page's path.

    `before` and `after` are the test split's embeddings without and with heads, for the maps of the space.
    """
    spaces = {"before the fit": before} | ({"after the fit": after} if after else {})
    panels = {"before": evaluation.before} | ({"after": evaluation.after} if evaluation.after else {})
    pictures = {
        "zero_shot": plots.zero_shot_bars(evaluation.zero_shot),
        "recall": plots.recall_matrices(panels, k),
        "space": plots.space_maps(spaces, seed=evaluation.seed),
    }
    for search in searches:
        for moment, hits in (("before", search.before), ("after", search.after)):
            titles = [f"{h.rank}. {h.label} ({h.score:.2f})" for h in hits]
            colors = [RIGHT if h.label == search.wanted else WRONG for h in hits]
            name = f"search_{search.modality}_{moment}"
            pictures[name] = plots.strip([_picture(h.uri, h.modality) for h in hits], titles, colors)
    for i, shown in enumerate(explanations):
        pictures[f"item_{i}"] = plots.strip(
            [_picture(shown.uri, shown.prediction.modality)], [shown.truth], [plots.INK]
        )

    encoded = {name: _png(figure) for name, figure in pictures.items()}
    for name, png in encoded.items():
        write_whole(out / "pictures" / f"{name}.png", png)
    facts = evaluation.to_json() | {
        "searches": [_portable(asdict(s), out) for s in searches],
        "explanations": [_portable(asdict(e), out) for e in explanations],
    }
    page = _page(evaluation, facts, encoded, searches, explanations, k)
    write_whole(out / "report.html", page)
    write_whole(out / "report.json", json.dumps(facts, indent=1) + "\n")
    return out / "report.html"


def zero_shot_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of top-1 in percent: one row a method, the average last."""
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


def _page(
    evaluation: Evaluation,
    facts: dict[str, Any],
    pictures: dict[str, bytes],
    searches: Sequence[Search],
    explanations: Sequence[Explanation],
    k: int,
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("unibind.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    header, rows = zero_shot_rows(evaluation)
    pairs = {moment: f for moment, f in facts["retrieval"].items() if "balance" in f}
    return environment.get_template("report.html.jinja").render(
        facts=facts,
        header=header,
        rows=rows,
        fitted=FITTED,
        k=k,
        balance={m: f["balance"][f"@{k}"] | {"gap": f["mean_gap"]} for m, f in pairs.items()},
        pictures={name: "data:image/png;base64," + base64.b64encode(png).decode() for name, png in pictures.items()},
        searches=searches,
        explanations=explanations,
    )


def _portable(facts: Any, out: Path) -> Any:
    """The facts with every file named from the report's folder, so that the same run elsewhere gives the same bytes."""
    if isinstance(facts, dict):
        named = {k: os.path.relpath(v, out) for k, v in facts.items() if k in ("uri", "item") and v}
        return {k: _portable(v, out) for k, v in facts.items()} | named
    return [_portable(v, out) for v in facts] if isinstance(facts, list) else facts


def _picture(uri: str | None, modality: str) -> Image.Image:
    from PIL import Image as Pillow

    from ..modalities.pictures import picture
    from ..modalities.reading import read

    try:
        return picture(read(Path(uri or ""), modality), size=256)
    except UnibindError:  # the file has moved since it was encoded; the figures stay true
        return Pillow.new("RGB", (256, 256), "#eeeeee")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
