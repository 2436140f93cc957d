"""Search by words: BM25 by hand, the same from LanceDB, and rankings fused by hand."""

import random
from math import log

import numpy as np
import pyarrow
import pytest

from unibind.retrieval.filters import COLUMNS, parse_filter
from unibind.retrieval.fusion import fused
from unibind.retrieval.words import WORDS, PlainWords, index_words, match_words, searched_words, words_in


def test_words_are_runs_of_letters_and_digits():
    assert words_in("It's a Red_bus, no. 49; Über!\n") == ["it", "s", "a", "red", "bus", "no", "49", "über"]
    assert words_in("a" * 40 + " " + "b" * 39) == ["b" * 39]
    assert searched_words("dog", None) == "dog"
    assert searched_words(None, None) == ""
    assert words_in(searched_words("dog", "it sits")) == ["dog", "it", "sits"]


def test_scores_by_hand():
    """Four documents of 1, 2, 3 and 2 words, so the mean is 2; "dog" is in two of them and "cat" in one."""
    scores = PlainWords(["dog", "red dog", "dog cat dog", "a b"]).scores("Dog cat dog")
    dog, cat = log(1 + 1.5 / 3.5), log(1 + 3.5 / 1.5)
    assert scores == pytest.approx(
        [
            dog * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 0.5)),
            dog * 2.2 / (1 + 1.2),
            dog * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5)) + cat * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1.5)),
            0,
        ]
    )


def test_nothing_is_found_where_there_is_nothing():
    assert PlainWords([]).scores("dog").shape == (0,)
    assert PlainWords(["", ""]).scores("dog").tolist() == [0, 0]
    assert PlainWords(["dog"]).scores("...").tolist() == [0]


VOCABULARY = (
    *("red", "green", "blue", "dog", "cat", "bus", "49", "the", "a", "of", "it's", "Über", "cafés", "tree", "Tree"),
    *("house-boat", "x_y", "犬", "running", "run"),
)


@pytest.mark.slow
def test_lance_scores_as_the_plain_way_does(tmp_path):
    import lancedb

    rng = random.Random(0)
    documents = [" ".join(rng.choices(VOCABULARY, k=rng.randrange(12))) for _ in range(300)]
    labels = [rng.choice(["a", "b", None]) for _ in documents]
    columns = {name: pyarrow.nulls(300, pyarrow.string()) for name, kind in COLUMNS.items() if kind == "string"}
    columns |= {"key": [str(i) for i in range(300)], WORDS: documents, "label": pyarrow.array(labels, pyarrow.string())}
    table = lancedb.connect(tmp_path).create_table("rows", pyarrow.table(columns))
    index_words(table)
    plain = PlainWords(documents)
    for _ in range(15):
        query = " ".join(rng.choices(VOCABULARY, k=rng.randrange(1, 4)))
        expected = plain.scores(query)
        keys, scores = match_words(table, query, 300)
        found = np.zeros(300, np.float32)
        found[[int(key) for key in keys]] = scores
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=query)
        assert scores.tolist() == sorted(scores, reverse=True)
        kept, _ = match_words(table, query, 300, where=parse_filter("label = 'a'"))
        assert sorted(map(int, kept)) == [i for i in range(300) if expected[i] > 0 and labels[i] == "a"]
        assert len(match_words(table, query, 3)[0]) == min(3, len(keys))
    assert match_words(table, "...", 3)[0] == []


def test_rankings_are_fused_by_hand():
    first, second = {"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.1}, {"d": 7.0, "b": 3.0}
    sums = fused([first, second])
    assert sums == pytest.approx({"d": 1 / 64 + 1 / 61, "b": 1 / 62 + 1 / 62, "a": 1 / 61, "c": 1 / 62})
    assert list(sums) == ["b", "d", "a", "c"]
    assert fused([]) == {}
    assert list(fused([{"x": 1.0, "y": 2.0}])) == ["y", "x"]
