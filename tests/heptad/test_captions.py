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


def make_model(traits: tuple[str, ...] = TRAITS, heat: float = 0.0, **look) -> Model:
    patches = [rectangle(1, 1, Paint((0.5, 0.5, 0.5), heat))]
    defaults = {"color": "orange", "accent": "blue", "material": "metal", "size": 1.0}
    return Model(Look(**defaults | look), patches, traits, "indoor")


def captions(category: str, count: int, place: str = "in a dim room", **changes) -> list[str]:
    generators = (np.random.default_rng([CATEGORIES.index(category), k]) for k in range(count))
    return [caption(category, make_model(**changes), place, rng) for rng in generators]


def mentions(category: str, text: str) -> bool:
    return re.search(rf"\b{category}s?\b", text, re.IGNORECASE) is not None


def test_every_category_has_words_and_materials_are_known():
    assert tuple(WORDS) == CATEGORIES
    assert all(set(words.materials) <= set(MATERIALS) for words in WORDS.values())


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_category_has_several_phrases_that_do_not_name_it(category):
    words = WORDS[category]
    assert not [phrase for phrase in (*words.nouns, *words.actions, *words.vague_nouns) if mentions(category, phrase)]
    assert not [
        noun for noun in words.nouns if set(noun.split()) & {"small", "little", "large", "big"}
    ]  # the look adds the size
    assert len(set(words.nouns)) >= 5 and len(set(words.actions)) >= 5


@pytest.mark.slow
def test_a_third_of_the_captions_name_the_category():
    named = [mentions(category, text) for category in CATEGORIES for text in captions(category, 60)]
    assert 0.30 < np.mean(named) < 0.40


@pytest.mark.parametrize("category", CATEGORIES)
def test_captions_are_single_sentences_of_8_to_30_words(category):
    for text in captions(category, 40) + captions(category, 20, traits=()) + captions(category, 20, traits=TRAITS[:1]):
        assert 8 <= len(text.split()) <= 30, text
        assert text[0].isupper() and text.endswith(".") and "." not in text[:-1], text
        assert not re.search(r"[{}]| ,|  |, and|,,", text.replace(", and a", "")), text
        assert "in a dim room" in text.lower()


@pytest.mark.slow
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


def test_one_to_three_traits_are_quoted_whole():
    for text in captions("mug", 100):
        mentioned = [trait for trait in TRAITS if trait in text.lower()]
        assert 1 <= len(mentioned) <= 3


@pytest.mark.slow
def test_unusual_size_and_temperature_are_mentioned():
    text = " ".join(captions("table", 200, size=1.2, heat=40.0, material="ceramic")).lower()
    assert all(f" {word} " in text for word in ("orange", "large", "big", "hot", "warm", "ceramic"))
    assert not any(f" {word} " in text for word in ("small", "little", "cold", "chilled", "blue"))
    text = " ".join(captions("table", 200, size=0.8, heat=-10.0)).lower()
    assert all(f" {word} " in text for word in ("small", "little", "cold", "chilled"))
    text = " ".join(captions("table", 200)).lower()
    assert not any(f" {word} " in text for word in ("small", "large", "hot", "warm", "cold"))


def test_the_color_of_people_is_that_of_their_clothes():
    texts = captions("person", 100, material="fabric")
    assert any("dressed in orange" in text for text in texts)
    assert not any("orange person" in text or "orange figure" in text for text in texts)


def test_an_unknown_category_is_refused():
    with pytest.raises(UnknownNameError, match="unknown Heptad category 'cow'"):
        caption("cow", make_model(), "in a dim room", np.random.default_rng(0))


@pytest.mark.parametrize("phrase, whole", [("orange mug", "an orange mug"), ("red mug", "a red mug")])
def test_with_article(phrase, whole):
    assert with_article(phrase) == whole


@pytest.mark.parametrize("count, text", [(0, ""), (1, "a"), (2, "a and b"), (3, "a, b and c"), (4, "a, b, c and d")])
def test_listed(count, text):
    assert join_phrases(list("abcd")[:count]) == text
