"""How the benchmark of photographs chooses settings and counts, on cases worked out by hand."""

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TRUTH = np.arange(4)  # one item of each of four classes
FOLDS = np.array([0, 0, 1, 1])


@pytest.fixture
def choices(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("class_choices")


def scores_of(answers):
    """Scores under which each item gets its answer."""
    return np.eye(4)[np.array(answers)]


def test_every_class_is_in_one_fold_of_about_equal_size(choices):
    folds = choices.folds_of(12)
    assert sorted(np.bincount(folds)) == [2, 2, 2, 3, 3]
    assert (folds == choices.folds_of(12)).all() and (folds != choices.folds_of(12, seed=1)).any()
    assert sorted(choices.folds_of(3)) == [0, 1, 2]


def test_a_setting_is_chosen_on_other_classes_than_it_is_used_for(choices):
    knows_first_two, knows_last_two = [0, 1, 3, 2], [1, 0, 2, 3]
    scores = np.stack([scores_of(knows_first_two), scores_of(knows_last_two)])
    chosen = choices.choose(scores, TRUTH, FOLDS)
    assert chosen.tolist() == [1, 1, 0, 0]
    assert not choices.right_answers(scores, TRUTH, chosen).any()
    assert choices.right_answers(scores, TRUTH, 1 - chosen).all()


def test_held_out_classes_do_not_compete_in_the_choice(choices):
    right_among_two = scores_of([2, 2, 0, 0]) + 0.5 * scores_of([0, 1, 2, 3])
    half_right_among_two = scores_of([0, 1, 3, 3])
    chosen = choices.choose(np.stack([right_among_two, half_right_among_two]), TRUTH, FOLDS)
    assert chosen.tolist() == [0, 0, 0, 0]


def test_of_equal_settings_the_first_is_chosen(choices):
    right = scores_of([0, 1, 2, 3])
    assert choices.choose(np.stack([right, right]), TRUTH, FOLDS).tolist() == [0, 0, 0, 0]


def test_what_else_a_setting_is_good_for_counts(choices):
    scores = np.stack([scores_of([0, 1, 2, 3]), scores_of([0, 0, 2, 2])])  # right always, and half the time
    assert choices.choose(scores, TRUTH, FOLDS, np.array([0.2, 0.6])).tolist() == [0, 0, 0, 0]
    assert choices.choose(scores, TRUTH, FOLDS, np.array([0.2, 0.8])).tolist() == [1, 1, 1, 1]


def test_recall_looks_for_a_class_among_all_pictures(choices):
    truth = np.array([0] * 10 + [1] * 2 + [-1] * 10)  # ten of class 0, two of class 1, ten of none
    first = np.r_[np.ones(6), np.zeros(4), np.zeros(2), np.full(10, 0.5)]  # six of ten, then the ones of no class
    second = np.r_[np.full(10, 0.1), [1.0, 0.0], np.zeros(10)]  # one of two
    scores = np.stack([np.stack([first, second], axis=1), np.zeros((22, 2))])
    assert choices.recalls(scores, truth, np.array([0, 0])) == pytest.approx([0.6, 0.5])


def test_the_best_scale_is_as_sure_as_it_is_right(choices):
    scores = np.tile([0.1, 0.0], (4, 1))
    truth = np.array([0, 0, 0, 1])  # right three times of four: e^(0.1 s) / (e^(0.1 s) + 1) = 3/4 where s = 10 log 3
    assert choices.best_logit_scale(scores, truth) == 11
    assert choices.negative_log_likelihood(scores, truth, 10 * np.log(3)) == pytest.approx(
        -(3 * np.log(0.75) + np.log(0.25)) / 4
    )


@pytest.fixture
def photos(choices, monkeypatch):
    """The script, for which every word has an axis of its own."""
    script = importlib.import_module("photos")
    monkeypatch.setattr(script, "embedded_queries", lambda words: np.eye(4, dtype=np.float32)[[int(w) for w in words]])
    return script


@pytest.mark.slow
def test_words_of_labels_are_deleted_with_their_plurals(photos):
    labels = ["rodent or rabbit", "bird"]
    texts = [["Two Rabbits and a birdhouse", "A rodent, or a BIRD."], ["birds"]]
    assert photos.without(labels, texts) == [["Two  and a birdhouse", "A , or a ."], ["thing"]]


@pytest.mark.slow
def test_the_table_counts_labels_and_names(photos, capsys):
    truth = np.array([0, 0, 1, 1, -1])
    pictures = photos.Pictures(list("abcde"), ["0", "1"], truth, ["2", "2", "3", "3", "3"], None, None)
    general, specific = np.eye(4)[[0, 0, 1, 1, 3]], np.eye(4)[[2, 2, 3, 3, 3]]
    both = 0.6 * general + 0.5 * specific
    half = general[[0, 2, 2, 0, 4]]  # half the labels; no name but the last, so the first name is the answer
    embeddings = {row: z[None].astype(np.float32) for row, z in {"control": half, photos.PHOTO: both}.items()}
    embeddings |= dict.fromkeys(("description", "guidelines"), embeddings[photos.PHOTO])
    found = photos.evaluate(embeddings, pictures, ["control"], seed=0)
    of_control, of_photo = (found["rows"][row] for row in ("control", photos.PHOTO))
    assert of_photo["top1"][0] == 1 and of_control["top1"][0] == 0.5
    assert of_photo["photo's setting"] == {"top1": 1, "names": 1}
    assert of_control["photo's setting"] == {"top1": 0.5, "names": 0.6}
    assert of_photo["recall@10"][0] == 1
    assert found["gains"]["top1"][photos.PHOTO][0] == 0.5
    assert found["gains"]["top1"]["control"] == [0, 0, 0]
    photos.print_table({"machine": {}, "pictures": 5, "labels": 2, **found})
    assert "100.0" in capsys.readouterr().out
