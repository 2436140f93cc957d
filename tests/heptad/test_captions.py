import re
from itertools import pairwise

import numpy as np
import pytest

from unibind.errors import UnknownNameError
from unibind.heptad import CATEGORIES
from unibind.heptad.captions import caption, join_phrases, with_article
from unibind.heptad.model import MATERIALS, Look, Model
from unibind.heptad.patches import Paint
from unibind.heptad.shapes import rectangle
from unibind.heptad.vocabulary import WORDS

TRAITS = ("two round knobs", "an upright handle", "a soft seat", "eight thin rods")


def model(traits: tuple[str, ...] = TRAITS, heat: float = 0.0, **look) -> Model:
    patches = [rectangle(1, 1, Paint((0.5, 0.5, 0.5), heat))]
    usual = {"colour": "orange", "accent": "blue", "material": "metal", "size": 1.0}
    return Model(Look(**usual | look), patches, traits, "indoor")


def captions(category: str, count: int, place: str = "in a dim room", **changes) -> list[str]:
    streams = (np.random.default_rng([CATEGORIES.index(category), k]) for k in range(count))
    return [caption(category, model(**changes), place, stream) for stream in streams]


def names(category: str, text: str) -> bool:
    return re.search(rf"\b{category}s?\b", text, re.IGNORECASE) is not None


def test_there_are_words_for_every_category_and_material():
    assert tuple(WORDS) == CATEGORIES
    assert all(set(words.made_of) <= set(MATERIALS) for words in WORDS.values())


@pytest.mark.parametrize("category", CATEGORIES)
def test_oblique_words_do_not_name_the_category_and_are_several(category):
    words = WORDS[category]
    assert not [phrase for phrase in (*words.nouns, *words.does, *words.vague) if names(category, phrase)]
    assert not [noun for noun in words.nouns if set(noun.split()) & {"small", "little", "large", "big"}]  # look tells
    assert len(set(words.nouns)) >= 5 and len(set(words.does)) >= 5


def test_a_third_of_the_captions_name_the_category():
    named = [names(category, text) for category in CATEGORIES for text in captions(category, 60)]
    assert 0.30 < np.mean(named) < 0.40


@pytest.mark.parametrize("category", CATEGORIES)
def test_captions_are_single_sentences_of_8_to_30_words(category):
    for text in captions(category, 40) + captions(category, 20, traits=()) + captions(category, 20, traits=TRAITS[:1]):
        assert 8 <= len(text.split()) <= 30, text
        assert text[0].isupper() and text.endswith(".") and "." not in text[:-1], text
        assert not re.search(r"[{}]| ,|  |, and|,,", text.replace(", and a", "")), text
        assert "in a dim room" in text.lower()


@pytest.mark.parametrize("place", ["in a dim room", "on a grey street", "by the sea", "out in the open country"])
def test_articles_agree_and_no_word_is_doubled(place):
    for category in CATEGORIES:
        for text in captions(category, 30, place, size=0.8) + captions(category, 30, place, color="yellow", heat=40.0):
            words = re.findall(r"[a-z-]+", text.lower())
            for word, following in pairwise(words):
                assert word != following, text
                assert word not in ("a", "an") or (word == "an") == (following[0] in "aeiou"), text


def test_captions_vary_and_are_repeatable():
    texts = captions("kettle", 200)
    assert len(set(texts)) > 190
    assert texts == captions("kettle", 200)


def test_traits_are_said_whole_and_at_most_three():
    for text in captions("mug", 100):
        said = [trait for trait in TRAITS if trait in text.lower()]
        assert 1 <= len(said) <= 3


def test_look_and_warmth_are_said_where_they_are_worth_a_word():
    said = " ".join(captions("table", 200, size=1.2, heat=40.0, material="ceramic")).lower()
    assert all(f" {word} " in said for word in ("orange", "large", "big", "hot", "warm", "ceramic"))
    assert not any(f" {word} " in said for word in ("small", "little", "cold", "chilled", "blue"))
    said = " ".join(captions("table", 200, size=0.8, heat=-10.0)).lower()
    assert all(f" {word} " in said for word in ("small", "little", "cold", "chilled"))
    said = " ".join(captions("table", 200)).lower()
    assert not any(f" {word} " in said for word in ("small", "large", "hot", "warm", "cold"))


def test_people_are_dressed_in_their_colour():
    said = captions("person", 100, material="fabric")
    assert any("dressed in orange" in text for text in said)
    assert not any("orange person" in text or "orange figure" in text for text in said)


def test_an_unknown_category_is_refused():
    with pytest.raises(UnknownNameError, match="unknown Heptad category 'cow'"):
        caption("cow", model(), "in a dim room", np.random.default_rng(0))


@pytest.mark.parametrize("phrase, whole", [("orange mug", "an orange mug"), ("red mug", "a red mug")])
def test_with_article(phrase, whole):
    assert with_article(phrase) == whole


@pytest.mark.parametrize("count, text", [(0, ""), (1, "a"), (2, "a and b"), (3, "a, b and c"), (4, "a, b, c and d")])
def test_listed(count, text):
    assert join_phrases(list("abcd")[:count]) == text
