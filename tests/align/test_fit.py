"""Heads of several modalities: the registry of methods, and what is refused."""

import numpy as np
import pytest

from tests.align.worlds import rotated_world, top1
from unibind.align.fit import METHODS, fit_heads
from unibind.align.problem import FitConfig, Samples
from unibind.errors import UnibindError, UnknownNameError


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_what_the_labels_say(method):
    train, test, texts, category_index = rotated_world()
    fitted = fit_heads({"audio": train, "event": test}, texts, category_index, FitConfig(method=method))
    assert list(fitted) == ["audio", "event"]
    assert top1(fitted["audio"].head, test, texts, category_index) > 0.9
    predicted = np.argmax(fitted["audio"].held_out[0] @ fitted["audio"].held_out[0].T, axis=1)
    assert len(predicted) == len(fitted["audio"].held_out[1])
    assert fitted["audio"].learned_parameters > 0


@pytest.mark.parametrize("method", METHODS)
def test_items_held_out_are_told_apart_as_new_ones_are(method):
    train, test, texts, category_index = rotated_world(n=90, noise=0.4)
    fitted = fit_heads({"audio": train}, texts, category_index, FitConfig(method=method))["audio"]
    means = np.stack([texts[category_index == c].mean(axis=0) for c in range(6)])
    vectors, truth = fitted.held_out
    held_out = np.mean(np.argmax(vectors @ means.T, axis=1) == truth)
    assert held_out == pytest.approx(top1(fitted.head, test, texts, category_index), abs=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_labels_that_say_nothing_leave_any_method_unfitted(method):
    train, _, texts, category_index = rotated_world(rotated=False)
    noise = Samples(train.vectors, np.random.default_rng(1).permutation(train.category_index))
    fitted = fit_heads({"audio": noise}, texts, category_index, FitConfig(method=method))["audio"]
    assert fitted.unfitted
    assert fitted.learned_parameters == 0


def test_a_new_method_is_one_function_and_one_row(monkeypatch):
    monkeypatch.setitem(METHODS, "none", lambda problem: problem.unfitted())
    train, _, texts, category_index = rotated_world()
    assert fit_heads({"audio": train}, texts, category_index, FitConfig(method="none"))["audio"].unfitted


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (FitConfig(loss="multi_positive", steps=2), [("audio", 1), ("audio", 2), ("event", 1), ("event", 2)]),
        (FitConfig(), [("audio", 1), ("event", 1)]),
        (FitConfig(method="ridge"), [("audio", 1), ("event", 1)]),
    ],
)
def test_progress_is_reported_per_modality(config, expected):
    train, _, texts, category_index = rotated_world()
    calls = []
    both = {"audio": train, "event": train}
    fit_heads(both, texts, category_index, config, progress=lambda m, s: calls.append((m, s)))
    assert calls == expected
    assert config.progress_steps == len(expected) / 2


def test_invalid_arguments_are_refused():
    train, _, texts, category_index = rotated_world()

    def fit(config=None, samples=train):
        return fit_heads({"audio": samples}, texts, category_index, config)

    with pytest.raises(UnknownNameError, match="multi_positive"):
        fit(FitConfig(loss="magic"))
    with pytest.raises(UnknownNameError, match="gradient"):
        fit(FitConfig(method="magic"))
    for config in (FitConfig("gda", "released"), FitConfig("gda", rank=3), FitConfig("ridge", steps=3)):
        with pytest.raises(UnibindError, match="leave it out, or use the method gradient"):
            fit(config)
    with pytest.raises(UnibindError, match="all audio training items have the same label"):
        fit(samples=Samples(train.vectors, np.zeros(len(train.vectors), np.intp)))
    with pytest.raises(UnibindError, match="no labeled audio training items"):
        fit(samples=Samples(train.vectors[:0], train.category_index[:0]))
