"""Queries of several parts: composed by hand, named in words, and refused where they mean nothing."""

from math import sqrt

import numpy as np
import pytest

from unibind.backbones.contract import Contract
from unibind.errors import ContractError, UnibindError
from unibind.retrieval.queries import Part, composed


def part(name, *vector, modality="text", space="toy@1"):
    contract = Contract(space=space, backbone="toy", modality=modality, weights="w")
    return Part(name, np.array(vector, np.float32), contract)


RAIN, DOG, INDOORS = part("rain", 1, 0, 0), part("dog.jpg", 0, 1, 0, modality="image"), part("indoors", 0, 0, 1)


def test_a_query_of_one_part_is_its_vector():
    query = composed(RAIN, [], [])
    assert query.vector is RAIN.vector
    assert (query.name, query.modality, query.words) == ("rain", "text", "rain")


@pytest.mark.parametrize(
    ("items", "negatives", "weights", "expected"),
    [
        ([DOG], [], None, [1 / sqrt(2), 1 / sqrt(2), 0]),
        ([DOG], [], [1, 0.5], [2 / sqrt(5), 1 / sqrt(5), 0]),
        ([], [INDOORS], None, [2 / sqrt(5), 0, -1 / sqrt(5)]),  # half of a negative
        ([DOG], [INDOORS], [2, 2, 1], [2 / 3, 2 / 3, -1 / 3]),
        ([DOG], [INDOORS], [2, 2], [4 / sqrt(33), 4 / sqrt(33), -1 / sqrt(33)]),
        ([DOG, DOG], [], None, [1 / sqrt(5), 2 / sqrt(5), 0]),
    ],
)
def test_parts_are_added_and_negatives_taken_away_at_unit_length(items, negatives, weights, expected):
    vector = composed(RAIN, items, negatives, weights).vector
    np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert vector.dtype == np.float32


def test_a_query_says_what_it_is_and_its_words_are_those_of_its_texts():
    query = composed(RAIN, [DOG, part("wet", 0, 1, 1)], [INDOORS], [1, 0.5, 1])
    assert query.name == "rain, 0.5 * dog.jpg, wet, not indoors"
    assert query.modality == "text and image"
    assert query.words == "rain wet"
    assert composed(DOG, [], [INDOORS]).words is None


def test_the_words_of_a_text_file_are_its_content(tmp_path):
    (tmp_path / "note.txt").write_text("heavy rain\n")
    assert part(str(tmp_path / "note.txt"), 1, 0).words == "heavy rain"


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1], "has 2 parts, or 3 with its negatives, but 1 weights were given; give one for each"),
        ([1, 1, 1, 1], "but 4 weights were given"),
        ([1, 0], "the weight 0 of the query is not positive; pass what to avoid as a negative"),
        ([1, -0.5], "the weight -0.5 of the query is not positive"),
        ([1, float("nan")], "the weight nan"),
        ([1, float("inf")], "the weight inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, words):
    with pytest.raises(UnibindError, match=words):
        composed(RAIN, [DOG], [INDOORS], weights)


def test_parts_that_cancel_each_other_out_are_refused():
    with pytest.raises(UnibindError, match=r"'rain, not rain' cancel each other out"):
        _ = composed(RAIN, [], [RAIN], [1, 1]).vector


def test_parts_of_different_spaces_are_refused_by_name():
    with pytest.raises(ContractError, match=r"the query's rain live in the space toy@1 and its far\.wav in other@1"):
        composed(RAIN, [part("far.wav", 1, 0, 0, modality="audio", space="other@1")], [])
