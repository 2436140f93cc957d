"""Control texts: what they say, how many there are, and that they know nothing."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import UnibindError
from unibind.evaluate.controls import (
    CONTROLS,
    EMPTY_WORDS,
    SHUFFLED,
    Request,
    class_names,
    derangement,
    generic_texts,
    one_template,
    random_characters,
    random_words,
    renamed,
    shuffled,
    templates,
)

CATEGORIES = ("drum", "washing_machine", "tabby cat")
TRAITS = {"drum": "skin", "washing_machine": "window", "tabby cat": "fur"}
DESCRIPTIONS = {c: [f"the {c.replace('_', ' ')} has {TRAITS[c]} number {i}" for i in range(6)] for c in CATEGORIES}


def test_names_and_templates():
    assert class_names(CATEGORIES)["washing_machine"] == ["washing machine"]
    assert one_template(CATEGORIES, "audio")["drum"] == ["the sound of a drum."]
    assert templates(CATEGORIES, "audio")["drum"][0] == "the sound of a drum."
    assert len(templates(CATEGORIES, "audio")["drum"]) > 1


@pytest.mark.parametrize("make", [random_words, random_characters])
def test_random_texts_are_distinct_shared_and_begin_alike(make):
    texts = make(CATEGORIES, 40, 3)
    assert all(len(set(each)) == 40 for each in texts.values())
    endings = {c: [t.partition(", which has ")[2] for t in each] for c, each in texts.items()}
    assert endings["drum"] == endings["tabby cat"]
    assert texts["washing_machine"][0].startswith("a photo of a washing machine, which has ")
    assert make(CATEGORIES, 7, 3)["drum"] == texts["drum"][:7]
    assert make(CATEGORIES, 7, 4) != make(CATEGORIES, 7, 3)
    for count in (0, 4001):
        with pytest.raises(UnibindError, match="must be 1 to 4000"):
            make(CATEGORIES, count, 0)


def test_random_words_are_words_and_random_characters_are_not():
    def words(make):
        return {w for t in make(("x",), 50, 0)["x"] for w in t.partition("which has ")[2].strip(".").split()}

    assert words(random_words) <= set(EMPTY_WORDS)
    assert not words(random_characters) & set(EMPTY_WORDS)


def test_generic_texts_differ_between_classes_by_the_name_alone():
    texts = generic_texts(CATEGORIES, 64)
    assert all(len(set(each)) == 64 for each in texts.values())
    assert [t.replace("drum", "tabby cat") for t in texts["drum"]] == texts["tabby cat"]
    assert len({t.partition(". ")[2] for t in texts["drum"][:20]}) == 20  # few texts have distinct sentences
    assert len(generic_texts(CATEGORIES, 1000)["drum"]) == 100


# --- shuffled descriptions -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(0, 2**32))
def test_a_derangement_has_no_fixed_point(count, seed):
    found = derangement(count, seed)
    assert sorted(found) == list(range(count))
    assert all(i != place for i, place in enumerate(found))


def test_derangements_differ_by_seed_and_need_two_places():
    assert len({tuple(derangement(10, seed)) for seed in range(20)}) > 15
    assert derangement(2, 0) == [1, 0]
    with pytest.raises(UnibindError, match="two or more categories"):
        derangement(1, 0)


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("Drums are loud; a drum has a skin.", "drum", "kettle", "kettles are loud; a kettle has a skin."),
        ("A drummer plays.", "drum", "kettle", "kettle: A drummer plays."),
        ("The washing machine hums. Washing takes long.", "washing_machine", "cat", "The cat hums. takes long."),
        ("Two boxes.", "box", "tabby cat", "Two tabby cats."),
        ("It purrs.", "cat", "washing_machine", "washing machine: It purrs."),
        ("A tabby cat, a big cat.", "tabby cat", "siamese cat", "A siamese cat, a big cat."),
        ("A C++ file.", "c++", "c#", "A c# file."),
    ],
)
def test_renamed(text, old, new, expected):
    assert renamed(text, old, new) == expected


def test_shuffled_descriptions_are_of_another_class_under_the_own_name():
    texts = shuffled(DESCRIPTIONS, 1)
    assert texts.keys() == DESCRIPTIONS.keys()
    for category, each in texts.items():
        name = category.replace("_", " ")
        traits = {re.fullmatch(rf"the {name} has (\w+) number \d", text)[1] for text in each}
        assert len(each) == 6
        assert len(traits) == 1
        assert traits < set(TRAITS.values()) - {TRAITS[category]}


# --- the registry ----------------------------------------------------------------------------------------------------


def test_every_control_that_imitates_descriptions_has_as_many_texts_and_the_name():
    request = Request(CATEGORIES, "image", 4, 0, DESCRIPTIONS)
    for name, control in CONTROLS.items():
        texts = control.texts(request)
        assert list(texts) == list(CATEGORIES)
        if control.of_descriptions:
            assert {len(each) for each in texts.values()} == {4}, name
        assert all(c.replace("_", " ") in t for c, each in texts.items() for t in each), name


def test_only_templates_depend_on_the_modality():
    for control in CONTROLS.values():
        image, audio = (control.texts(Request(CATEGORIES, m, 4, 0, DESCRIPTIONS)) for m in ("image", "audio"))
        assert (image != audio) is control.by_modality


def test_shuffling_follows_the_seed():
    found = [CONTROLS[SHUFFLED].texts(Request(CATEGORIES, "image", 4, seed, DESCRIPTIONS)) for seed in range(8)]
    assert found[0] == CONTROLS[SHUFFLED].texts(Request(CATEGORIES, "image", 4, 0, DESCRIPTIONS))
    assert any(texts != found[0] for texts in found)
