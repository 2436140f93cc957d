"""Tables of an evaluation, as a header and rows of cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...modalities import ANCHOR
from ..cross_modal import BY_CLASS, BY_OBJECT, CrossModal
from ..evaluation import Comparison, Evaluation
from ..methods import DESCRIPTIONS
from ..parts import names
from ..recognition import Recognition
from ..spaces import Unity

_MISSING = "-"

Table = tuple[list[str], list[list[str]]]  # header and rows


def method_name(method: str, evaluation: Evaluation) -> str:
    """A method in words; descriptions are called LLM-written only where what wrote them is known."""
    written = method == DESCRIPTIONS and evaluation.texts.generators
    return f"LLM-written {method}" if written else method


def recognition_rows(evaluation: Evaluation) -> Table:
    """Header and rows of the table of top-1 in percent, with half of the 95 % interval: chance, then every method.

    The last column is the average where several modalities are measured. No rows where nothing was recognized.
    """
    found = evaluation.recognition
    if found is None:
        return ["top-1, %"], []
    several = len(found.modalities) > 1
    header = ["top-1, %", *(names([m]) for m in found.modalities), *(["average"] if several else [])]
    chance = [f"{100 / found.by_modality[m].classes:.1f}" for m in found.modalities]
    rows = [["chance", *chance, *([_MISSING] if several else [])]]
    for method in found.methods:
        top1 = found.top1(method)
        cells = [_cell(top1.get(m), m, method, found) for m in found.modalities]
        rows.append([method_name(method, evaluation), *cells, *([_average(method, found)] if several else [])])
    return header, rows


def _cell(share: float | None, modality: str, method: str, found: Recognition) -> str:
    return _MISSING if share is None else _with_interval(share, found.interval(method, modality))


def _average(method: str, found: Recognition) -> str:
    mean = found.mean(method)
    return _MISSING if mean is None else _with_interval(mean, found.bootstrap.mean_interval(method, found.shared))


def _with_interval(share: float, interval: tuple[float, float]) -> str:
    return f"{100 * share:.1f} ±{50 * (interval[1] - interval[0]):.1f}"


def tables(evaluation: Evaluation) -> dict[str, Table]:
    """All tables by title; those without rows have nothing to say."""
    return {
        f"{evaluation.title}: recognition": recognition_rows(evaluation),
        "Gains": gain_rows(evaluation),
        "Search between modalities": retrieval_rows(evaluation),
        "Search for the same object": same_object_rows(evaluation),
        "Unity and balance": unity_rows(evaluation),
        "Items of unknown classes": unknown_rows(evaluation),
    }


# --- gains -----------------------------------------------------------------------------------------------------------


def comparison_name(comparison: Comparison, evaluation: Evaluation) -> str:
    """What is compared, in words; where the baseline is the best of several, it is named."""
    better, baseline = (method_name(name, evaluation) for name in (comparison.better, comparison.baseline))
    if comparison.better == "after" or baseline in comparison.name:
        return comparison.name
    return comparison.name.replace(comparison.better, better, 1) + f" ({baseline})"


def gain_rows(evaluation: Evaluation) -> Table:
    """Every comparison in points, with its 95 % interval."""
    rows = []
    for comparison in evaluation.comparisons:
        low, high = (100 * end for end in comparison.interval)
        name = comparison_name(comparison, evaluation)
        rows.append([name, f"{100 * comparison.gain:+.1f}", f"{low:+.1f} to {high:+.1f}"])
    return ["gain, points", "measured", "95 % interval"], rows


# --- search between modalities ---------------------------------------------------------------------------------------

MOMENTS = {"uncentered": "uncentered", "before": "before a fit", "after": "after the fit"}


def retrieval_rows(evaluation: Evaluation) -> Table:
    """Retrieval by class in percent, before and after a fit: by any item, by stored texts, and by class names.

    Figures are means over galleries of other modalities. No rows where no two modalities have a category in common.
    """
    rows = []
    for moment, retrieval in _searched(evaluation):
        if retrieval.spread() is None:
            continue
        by_text = {measure: retrieval.from_text(measure) for measure in BY_CLASS}
        kinds = {
            "all pairs": {measure: _mean(retrieval.across(retrieval.by_class[measure])) for measure in BY_CLASS},
            "stored texts to others": {measure: _mean(list(found.values())) for measure, found in by_text.items()},
            "class names to others": {m: _mean(list(by.values())) for m, by in retrieval.by_name.items()},
        }
        rows += [[f"{kind}, {moment}", *_percent(by, BY_CLASS)] for kind, by in kinds.items() if any(by.values())]
    return ["search by class, %", *BY_CLASS], rows


def same_object_rows(evaluation: Evaluation) -> Table:
    """Recall of the query's own object in percent: by any item, and by stored texts; no rows without known objects."""
    rows = []
    for moment, retrieval in _searched(evaluation):
        if not retrieval.knows_objects:
            continue
        every = {measure: _mean(retrieval.across(matrix)) for measure, matrix in retrieval.by_object.items()}
        rows.append([f"all pairs, {moment}", *_percent(every, BY_OBJECT)])
        if ANCHOR in retrieval.modalities:
            row = retrieval.modalities.index(ANCHOR)
            texts = {measure: _mean(matrix[row]) for measure, matrix in retrieval.by_object.items()}
            rows.append([f"stored texts to others, {moment}", *_percent(texts, BY_OBJECT)])
    return ["search for the same object, %", *BY_OBJECT], rows


def _searched(evaluation: Evaluation) -> list[tuple[str, CrossModal]]:
    return [(MOMENTS[name], s.retrieval) for name, s in evaluation.spaces.items() if name != "uncentered"]


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _percent(values: Mapping[str, float], measures: Iterable[str]) -> list[str]:
    return [_number(100 * values.get(measure, float("nan")), 1) for measure in measures]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else _MISSING


# --- unity and balance -----------------------------------------------------------------------------------------------


def unity_rows(evaluation: Evaluation) -> Table:
    """How united and balanced the space is, a column per moment; no rows for a single modality."""
    found = {name: space.unity for name, space in evaluation.spaces.items() if space.unity is not None}
    columns = [_unity_cells(unity) for unity in found.values()]
    titles = dict.fromkeys(title for column in columns for title in column)
    rows = [[title, *(column.get(title, _MISSING) for column in columns)] for title in titles]
    return ["unity and balance", *(MOMENTS[name] for name in found)], rows


def _unity_cells(unity: Unity) -> dict[str, str]:
    mixes, texts = list(unity.neighbors.values()), unity.neighbors.get(ANCHOR)
    even = unity.balance
    cells = {
        "modality gap, mean": _number(_mean(list(unity.gaps.values())), 2),
        "modality gap of texts": _number(unity.gaps.get(ANCHOR, float("nan")), 2),
        "modalities told apart, % (by chance)": f"{100 * unity.separability:.1f} ({100 * unity.chance:.1f})",
        "neighbors of other modalities, % (if mixed)": (
            f"{100 * _mean([m.share for m in mixes]):.1f} ({100 * _mean([m.expected for m in mixes]):.1f})"
        ),
        "the same of texts": (_MISSING if texts is None else f"{100 * texts.share:.1f} ({100 * texts.expected:.1f})"),
        "cosine across modalities, same object": _number(unity.cosines.same_object, 2),
        "same class": _number(unity.cosines.same_class, 2),
        "other class": _number(unity.cosines.other_class, 2),
    }
    if even is not None:
        cells["recall@20 of all pairs, mean, %"] = f"{100 * even.mean:.1f}"
        cells["its spread"] = f"{100 * even.spread:.1f}"
        cells["what tower accuracies leave of it (residual)"] = f"{100 * even.residual_spread:.1f}"
    return cells


# --- unknown classes -------------------------------------------------------------------------------------------------


def unknown_rows(evaluation: Evaluation) -> Table:
    """How well items of classes that a fit never met are told from others, by modality, in percent."""
    found = evaluation.unknown
    if found is None:
        return ["unknown classes, %"], []
    rate = f"{100 * found.false_accept_rate:g} %"
    header = ["unknown classes, %", "AUROC", f"accepted at {rate}: unknown", f"accepted at {rate}: known"]
    figures = ("auroc", "false_accepts", "true_accepts")
    rows = [
        [names([m]), *(_share(getattr(told, figure)) for figure in figures)] for m, told in found.by_modality.items()
    ]
    return header, [*rows, ["average", *(_share(found.mean(figure)) for figure in figures)]]


def _share(value: float | None) -> str:
    return _MISSING if value is None else f"{100 * value:.1f}"
