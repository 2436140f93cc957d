"""What the page shows, section by section; the template leaves out a section that has nothing to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...modalities import ANCHOR
from ..controls import CONTROLS
from ..cross_modal import HEADLINE, CrossModal
from ..evaluation import Evaluation
from ..methods import DESCRIPTIONS, FITTED, FITTED_ON, NEIGHBORS, PROBE
from ..metrics import ClassScores
from ..parts import TEST, names
from ..recognition import MOST_CONFUSIONS, Recognition, Recognized
from ..remarks import remarks
from ..shortcomings import shortcomings
from .charts import confusion_matrix, reliability_points, space_map
from .examples import Card, ExplainedItem, Search, explained_card, hit_cards, mistakes
from .tables import (
    comparison_name,
    gain_rows,
    method_name,
    recognition_rows,
    retrieval_rows,
    same_object_rows,
    unity_rows,
)

_HEADLINE_SEARCH = "text to others by class"
_MOST_COPIES = 50  # rows of a table of copies
_MOST_CLASSES = 100  # rows of a table of classes; beyond that, those with the lowest recall


def sections(
    evaluation: Evaluation, searches: Sequence[Search], explanations: Sequence[ExplainedItem]
) -> dict[str, Any]:
    """Everything the template needs besides the evaluation itself, by section."""
    found = evaluation.recognition
    return {
        "inventory": _inventory(evaluation),
        "leakage": _leakage(evaluation),
        "headlines": _headlines(evaluation),
        "recognition": [] if found is None else [_panel(evaluation, found, m) for m in found.modalities],
        "shortcomings": shortcomings(evaluation),
        "recognition_table": recognition_rows(evaluation),
        "gains": gain_rows(evaluation),
        "details": [] if found is None else [_detail(evaluation, found, m) for m in found.by_modality],
        "mistakes": {} if found is None else mistakes(found),
        "calibrated": {m: (c.error, reliability_points(c)) for m, c in evaluation.calibrated.items()},
        "retrieval": _retrieval(evaluation),
        "search_tables": [rows for rows in (retrieval_rows(evaluation), same_object_rows(evaluation)) if rows[1]],
        "unity": unity_rows(evaluation),
        "maps": _maps(evaluation),
        "searches": [_searched(search) for search in searches],
        "explanations": [(explained_card(item), item) for item in explanations],
        "limits": [remark for remark in remarks(evaluation) if remark not in evaluation.leakage.remarks()],
        "objects_shared": found is not None and any(n < len(r.items) for n, r in _object_counts(found)),
        "explained_methods": [] if found is None else _explained_methods(evaluation, found),
        "choice": _choice(evaluation),
        "k": 20,
    }


# --- the data --------------------------------------------------------------------------------------------------------


def _inventory(evaluation: Evaluation) -> dict[str, Any]:
    """Header and rows of the table of items: per modality and split, items and classes."""
    inventory = evaluation.inventory
    modalities = list(inventory.labeled)
    rows = []
    for modality in modalities:
        cells = []
        for split, counts in inventory.items.items():
            count, classes = counts.get(modality, 0), inventory.classes[split].get(modality, 0)
            cells.append((f"{count:,}", f"{classes:,} {'class' if classes == 1 else 'classes'}" if count else ""))
        rows.append((names([modality]), cells, inventory.unlabeled[modality]))
    return {
        "splits": list(inventory.items),
        "rows": rows,
        "unlabeled": any(inventory.unlabeled.values()),
        "measured": sum(inventory.labeled.values()) + sum(inventory.unlabeled.values()),
        "modalities": len(inventory.measured_modalities),
        "classes": len(inventory.labels),
    }


def _leakage(evaluation: Evaluation) -> dict[str, Any]:
    """What measured items have in common with other splits, in words and as a table of the nearest copies."""
    leakage = evaluation.leakage
    rows = [
        [
            names([c.modality]),
            c.measured,
            c.other,
            c.split,
            "the same content" if c.same_content else f"cosine {c.cosine:.4f}",
        ]
        for c in leakage.copies[:_MOST_COPIES]
    ]
    return {
        "looked_at": sum(leakage.looked_at.values()),
        "words": leakage.remarks(),
        "copies": (["modality", "measured item", "its copy", "split", "how near"], rows),
    }


# --- the figures that matter most ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    """One large figure: what it is, and its interval in words."""

    value: str
    meaning: str
    interval: str = ""


def _headlines(evaluation: Evaluation) -> list[Headline]:
    found = evaluation.recognition
    if found is None:
        return []
    headlines = [_main_figure(evaluation, found)]
    for comparison in evaluation.comparisons:
        if comparison.better == "after" and not comparison.name.startswith(_HEADLINE_SEARCH):
            continue  # it is in the table of gains
        low, high = (100 * end for end in comparison.interval)
        doubt = "; may be chance" if low <= 0 <= high else ""
        meaning = f"points: {comparison_name(comparison, evaluation)}"
        headlines.append(Headline(f"{100 * comparison.gain:+.1f}", meaning, f"{low:+.1f} to {high:+.1f}{doubt}"))
    if evaluation.learned_parameters:
        headlines.append(Headline(f"{evaluation.learned_parameters:,}", "learned parameters in all heads"))
    return headlines


def _main_figure(evaluation: Evaluation, found: Recognition) -> Headline:
    """Accuracy of the method shown in detail: the average of all modalities, or that of the only one."""
    method, mean = found.shown, found.mean(found.shown)
    if mean is not None and len(found.shared) > 1:
        low, high = found.bootstrap.mean_interval(method, found.shared)
        where = f"average of {len(found.shared)} modalities"
    else:
        modality = next(m for m in found.modalities if method in found.by_modality[m].answers)
        mean, (low, high), where = found.top1(method)[modality], found.interval(method, modality), names([modality])
    meaning = f"of the answers are right: {method_name(method, evaluation)}, {where}"
    chance = 100 / max(r.classes for r in found.by_modality.values())
    return Headline(f"{100 * mean:.1f} %", meaning, f"{100 * low:.1f} to {100 * high:.1f} %; chance {chance:.1f} %")


# --- recognition -----------------------------------------------------------------------------------------------------


_EXPLAINED = {
    **{name: control.explained for name, control in CONTROLS.items()},
    **{method: f"the fitted model's heads, fitted on other texts: {name}" for name, method in FITTED_ON.items()},
    DESCRIPTIONS: "centers selected among the descriptions of the knowledge base",
    NEIGHBORS: "a vote of the most similar labeled items of train and val, without any text",
    PROBE: "logistic regression on the labels of train and val, without any text",
    FITTED: "the fitted model, with its heads and centers",
}


def _explained_methods(evaluation: Evaluation, found: Recognition) -> list[tuple[str, str]]:
    return [(method_name(method, evaluation), _EXPLAINED[method]) for method in found.methods]


def _object_counts(found: Recognition) -> list[tuple[int, Recognized]]:
    return [(found.bootstrap.objects[m], r) for m, r in found.by_modality.items()]


def _choice(evaluation: Evaluation) -> str:
    """That nothing was chosen on the measured items; empty where a fitted model may have seen them."""
    found, inventory = evaluation.recognition, evaluation.inventory
    if found is None or (inventory.split != TEST and FITTED in found.methods):
        return ""
    return "Nothing was chosen on these items."


def _panel(evaluation: Evaluation, found: Recognition, modality: str) -> dict[str, Any]:
    """Accuracy and interval of every method on one modality, in percent, and the chance level."""
    recognized = found.by_modality[modality]
    rows = []
    for method in found.methods:
        answers = recognized.answers.get(method)
        if answers is not None:
            low, high = (100 * end for end in found.interval(method, modality))
            right = f"{int(answers.correct.sum())} of {len(answers.correct)} right"
            rows.append((method_name(method, evaluation), 100 * answers.accuracy, low, high, right))
    return {
        "modality": names([modality]),
        "rows": rows,
        "chance": 100 / recognized.classes,
        "classes": recognized.classes,
        "majority": 100 * recognized.majority,
        "items": len(recognized.items),
        "objects": found.bootstrap.objects[modality],
    }


def _detail(evaluation: Evaluation, found: Recognition, modality: str) -> dict[str, Any]:
    """Confusion matrix, largest confusions and scores by class of one modality."""
    counts = found.confusions(modality)
    scores = found.scores(modality)
    return {
        "modality": names([modality]),
        "method": method_name(found.shown_in(modality), evaluation),
        "right": 100 * found.by_modality[modality].answers[found.shown_in(modality)].accuracy,
        "matrix": confusion_matrix(counts),
        "largest": [(*pair, n, scores[pair[0]].support) for pair, n in counts.items() if pair[0] != pair[1]][
            :MOST_CONFUSIONS
        ],
        "scores": _by_recall(scores)[:_MOST_CLASSES],
        "classes": len(scores),
    }


def _by_recall(scores: dict[str, ClassScores]) -> list[tuple[str, ClassScores]]:
    """Lowest recall first; classes without items last."""
    return sorted(scores.items(), key=lambda entry: (entry[1].recall is None, entry[1].recall, entry[0]))


# --- retrieval and the space -----------------------------------------------------------------------------------------


def _moments(evaluation: Evaluation) -> dict[str, str]:
    """Names of the moments that were measured: one without a fit, two with one."""
    return {"before": "before the fit", "after": "after the fit"} if evaluation.after else {"before": ""}


def _retrieval(evaluation: Evaluation) -> dict[str, Any] | None:
    """Matrices of recall@20, by category and by object; None where no pair of modalities can be searched."""
    spaces = evaluation.spaces
    moments = [(words, spaces[name].retrieval) for name, words in _moments(evaluation).items() if name in spaces]
    by_category = [(words, m) for words, m in moments if m.spread() is not None]
    by_object = [(words, m) for words, m in moments if m.knows_objects]
    if not by_category and not by_object:
        return None
    return {
        "by_category": [(words, _grid(m, m.by_class[HEADLINE])) for words, m in by_category],
        "by_object": [(words, _grid(m, m.by_object[HEADLINE])) for words, m in by_object],
        "balance": [(words, m.spread(), m.mean_gap) for words, m in by_category],
        "by_text": _by_text(by_category),
    }


def _grid(measured: CrossModal, matrix: Any) -> tuple[list[str], list[list[float | None]]]:
    """Names of the modalities, and percentages in rows, None where nothing was measured."""
    rows = [[None if value != value else 100 * float(value) for value in row] for row in matrix]
    return [names([m]) for m in measured.modalities], rows


def _by_text(moments: Sequence[tuple[str, CrossModal]]) -> list[tuple[str, list[float]]]:
    """Recall@20 of every modality by text, in percent, one value per moment."""
    if not moments or any(ANCHOR not in measured.modalities for _, measured in moments):
        return []
    common = set[str](moments[0][1].modalities).intersection(*(measured.modalities for _, measured in moments))
    galleries = [m for m in moments[0][1].modalities if m in common - {ANCHOR}]
    values = {m: [100 * measured.pair(ANCHOR, m) for _, measured in moments] for m in galleries}
    return [(names([m]), v) for m, v in values.items() if all(x == x for x in v)]


def _maps(evaluation: Evaluation) -> list[tuple[str, Any]]:
    moments = _moments(evaluation)
    found = [(moments[name], space_map(samples, seed=evaluation.seed)) for name, samples in evaluation.samples.items()]
    return [(words, drawn) for words, drawn in found if drawn is not None]


def _searched(search: Search) -> dict[str, Any]:
    moments: list[tuple[str, list[Card]]] = [
        ("before the fit", hit_cards(search.before, search.label)),
        ("after the fit", hit_cards(search.after, search.label)),
    ]
    return {"query": search.query, "modality": names([search.modality]), "moments": moments}
