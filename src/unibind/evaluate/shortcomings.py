"""What did not work, in one paragraph made from the figures: what lost, and what may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .controls import CONTROLS
from .methods import DESCRIPTIONS, FITTED, UNLEARNED
from .parts import names

if TYPE_CHECKING:
    from .evaluation import Comparison, Evaluation
    from .recognition import Recognition

WORSE = 0.005  # a share: what search loses on a pair of modalities before it is named
_MISCALIBRATED = 0.05  # an error above it is named
_NAMED = 4  # of many pairs, how many are named


def shortcomings(evaluation: Evaluation) -> str:
    """The paragraph; empty where the figures show nothing of the kind."""
    sentences = [*_of_comparisons(evaluation.comparisons), *_of_modalities(evaluation)]
    sentences += [*_of_search(evaluation), *_of_calibration(evaluation)]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _of_comparisons(comparisons: Sequence[Comparison]) -> Iterator[str]:
    lost = [c for c in comparisons if c.interval[1] < 0]
    doubtful = [c for c in comparisons if c.interval[0] <= 0 <= c.interval[1]]
    if lost:
        yield f"a loss, beyond chance: {_points(lost)}"
    if doubtful:
        yield f"within chance, so not shown by these items: {_points(doubtful)}"


def _points(comparisons: Sequence[Comparison]) -> str:
    return "; ".join(f"{c.name} ({100 * c.gain:+.1f} points)" for c in comparisons)


def _of_modalities(evaluation: Evaluation) -> Iterator[str]:
    """The modalities in which descriptions, or the fit, are no better than the best of what they should beat."""
    found = evaluation.recognition
    if found is None:
        return
    for method, words, rivals, what in (
        (DESCRIPTIONS, "descriptions are", tuple(CONTROLS), "control"),
        (FITTED, "the fitted model is", UNLEARNED, "method without labels"),
    ):
        lost = _lost_to(found, method, rivals)
        if lost:
            yield f"{words} no better than the best {what} for {_listed(lost)}"


def _lost_to(found: Recognition, method: str, rivals: Sequence[str]) -> list[str]:
    lost = []
    for modality in found.modalities:
        accuracy = {name: answers.accuracy for name, answers in found.by_modality[modality].answers.items()}
        measured = {rival: accuracy[rival] for rival in rivals if rival in accuracy}
        if method in accuracy and measured:
            best = max(measured, key=lambda rival: measured[rival])
            if accuracy[method] <= measured[best]:
                figures = f"{100 * accuracy[method]:.1f} % against {100 * measured[best]:.1f} % with {best}"
                lost.append(f"{names([modality])} ({figures})")
    return lost


def _of_search(evaluation: Evaluation) -> Iterator[str]:
    """The pairs of modalities whose items find each other less often after the fit."""
    before, after = evaluation.before, evaluation.after
    if before is None or after is None:
        return
    for kind, whose in (("class", "their class"), ("object", "their own object")):
        groups = before.retrieval.queries[kind], after.retrieval.queries[kind]
        losses = {}
        for pair in groups[0].keys() & groups[1].keys():
            (one,), (two,) = (group[pair].correct.values() for group in groups)
            losses[pair] = float(one.mean() - two.mean())
        worse = sorted((pair for pair, loss in losses.items() if loss > WORSE), key=lambda pair: (-losses[pair], pair))
        if worse:
            named = [f"{pair.replace('_', ' ')} ({-100 * losses[pair]:.1f} points)" for pair in worse[:_NAMED]]
            more = f" and {len(worse) - _NAMED} more pairs" if len(worse) > _NAMED else ""
            yield f"after the fit, fewer items of {whose} are among the first 20 hits of {_listed(named)}{more}"


def _of_calibration(evaluation: Evaluation) -> Iterator[str]:
    errors = {m: c.error for m, c in evaluation.calibrated.items() if c.error > _MISCALIBRATED}
    if errors:
        named = [f"{names([m])} ({100 * error:.1f} %)" for m, error in errors.items()]
        yield f"confidences are off by more than {100 * _MISCALIBRATED:.0f} % on average for {_listed(named)}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
