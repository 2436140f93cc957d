"""Tables of an evaluation, as a header and rows of cells."""

from __future__ import annotations

from ...modalities import ANCHOR
from ..methods import DESCRIPTIONS
from ..parts import names
from ..protocols import Evaluation
from ..recognition import Recognition

_MISSING = "-"


def method_name(method: str, evaluation: Evaluation) -> str:
    """A method in words; descriptions are called LLM-written only where what wrote them is known."""
    written = method == DESCRIPTIONS and evaluation.texts.generators
    return f"LLM-written {method}" if written else method


def recognition_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
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


def retrieval_rows(evaluation: Evaluation, k: int) -> tuple[list[str], dict[str, list[float]]]:
    """Header of the table of recall@k between distinct modalities, and its values before and after the fit.

    The values are mean and standard deviation over all pairs, then the recall of every modality by text. No values
    where no two modalities have a category in common.
    """
    before = evaluation.before
    searched = before.modalities if before is not None and ANCHOR in before.modalities else ()
    galleries = [m for m in searched if m != ANCHOR]
    texts = [f"{ANCHOR} to {names([m])}" for m in galleries]
    values = {}
    for moment, measured in (("before", before), ("after", evaluation.after)):
        balance = None if measured is None else measured.balance(k)
        if measured is not None and balance is not None:
            values[moment] = [balance["mean"], balance["std"], *(measured.pair(ANCHOR, m, k) for m in galleries)]
    return [f"recall@{k} between distinct modalities, %", "mean", "spread (std)", *texts], values
