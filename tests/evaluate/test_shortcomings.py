"""What did not work is said where the figures show it, and nothing else is."""

from types import SimpleNamespace

import numpy as np

from unibind.evaluate.evaluation import Calibrated, Comparison
from unibind.evaluate.intervals import Group
from unibind.evaluate.shortcomings import shortcomings


def evaluation(comparisons=(), accuracy=None, before=None, after=None, errors=None):
    """Only what the paragraph reads: accuracies by modality and method, recalls by pair, errors by modality."""
    answers = {m: {name: SimpleNamespace(accuracy=a) for name, a in by.items()} for m, by in (accuracy or {}).items()}
    found = SimpleNamespace(
        modalities=list(answers), by_modality={m: SimpleNamespace(answers=a) for m, a in answers.items()}
    )
    return SimpleNamespace(
        comparisons=comparisons,
        recognition=found if accuracy else None,
        before=space(before),
        after=space(after),
        calibrated={m: Calibrated(error, []) for m, error in (errors or {}).items()},
    )


def space(recalls):
    if recalls is None:
        return None
    groups = {pair: Group(["0"], {"recall@20": np.array([value])}) for pair, value in recalls.items()}
    return SimpleNamespace(retrieval=SimpleNamespace(queries={"class": groups, "object": {}}))


def comparison(name, low, high):
    return Comparison(name, "top-1", "descriptions", "class name", (low + high) / 2, (low, high))


def test_losses_and_what_may_be_chance_are_named_and_gains_are_not():
    found = [
        comparison("a over b", -0.04, -0.02),
        comparison("c over d", -0.01, 0.03),
        comparison("e over f", 0.1, 0.2),
    ]
    assert shortcomings(evaluation(found)) == (
        "A loss, beyond chance: a over b (-3.0 points). "
        "Within chance, so not shown by these items: c over d (+1.0 points)."
    )


def test_modalities_without_a_gain_are_named():
    accuracy = {
        "image": {"class name": 0.7, "template ensemble": 0.8, "descriptions": 0.75, "fitted UniBind": 0.9},
        "point_cloud": {"class name": 0.5, "descriptions": 0.6, "fitted UniBind": 0.6},
    }
    assert shortcomings(evaluation(accuracy=accuracy)) == (
        "Descriptions are no better than the best control for image (75.0 % against 80.0 % with template ensemble). "
        "The fitted model is no better than the best method without labels for point cloud (60.0 % against 60.0 % with "
        "descriptions)."
    )


def test_pairs_that_find_less_after_the_fit_are_named_the_worst_first():
    before = {"text to image": 0.5, "text to point_cloud": 0.5, "image to text": 0.5}
    after = {"text to image": 0.45, "text to point_cloud": 0.3, "image to text": 0.6}
    assert shortcomings(evaluation(before=before, after=after)) == (
        "After the fit, fewer items of their class are among the first 20 hits of text to point cloud (-20.0 points) "
        "and text to image (-5.0 points)."
    )


def test_confidences_that_are_far_off_are_named():
    assert shortcomings(evaluation(errors={"image": 0.02, "audio": 0.08})) == (
        "Confidences are off by more than 5 % on average for audio (8.0 %)."
    )
    assert shortcomings(evaluation(errors={"image": 0.02})) == ""
