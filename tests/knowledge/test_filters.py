import time

import numpy as np
import pytest

from unibind.data.embeddings import unit
from unibind.errors import UnibindError, UnknownNameError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.filters import (
    NEAR_DUPLICATE,
    REPEATED,
    ClassFilter,
    FilterRules,
    Verdict,
    may_be_in,
    nearest_classes,
    normalized,
    rejection_reason,
)
from unibind.knowledge.llm.parsing import extract_texts


def test_good_descriptions_pass():
    wrong = [
        (d.text, reason)
        for d in KnowledgeBase.load("heptad").descriptions
        if (reason := rejection_reason(d.text, FilterRules()))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I'm sorry, but I can't help with that request.", "refusal"),
        ("As an AI language model, I have never seen a drum.", "refusal"),
        ("I cannot provide descriptions of a thing like that.", "refusal"),
        ("Here are ten descriptions of a drum in photographs", "meta talk"),
        ("Sure, the drum is a round box of wood.", "meta talk"),
        ("Let me know if you need more of these sentences.", "meta talk"),
        ("The [insert category] is a round box of wood.", "meta talk"),
        ("A round box.", "wrong length"),
        ("word " * 61, "wrong length"),
        ("Das Fell der Katze ist weich und glatt.", "wrong language"),
        ("La caisse est ronde et les peaux sont tendues.", "wrong language"),
        ("这是 一个 圆形 的 鼓", "wrong language"),
        ("Барабан круглый и очень громкий.", "wrong language"),
        ("", "wrong length"),
    ],
)
def test_each_reason_is_given(text, reason):
    assert rejection_reason(text, FilterRules()) == reason


def test_languages():
    german = "Das Fell der Katze ist weich und glatt."
    assert may_be_in("de", german)
    assert may_be_in("any", german)
    assert not may_be_in("de", "The fur of the cat is soft and smooth.")
    assert may_be_in("en", "Red metallic cylinder, black rubber hose, chrome handle")
    assert rejection_reason(german, FilterRules(language="de")) is None


@pytest.mark.parametrize(
    "bad", [{"min_words": 5, "max_words": 4}, {"min_words": 0}, {"max_similarity": 1.5}, {"max_similarity": 0.0}]
)
def test_absurd_rules_are_refused(bad):
    with pytest.raises(UnibindError):
        FilterRules(**bad)
    with pytest.raises(UnknownNameError, match="xx"):
        FilterRules(language="xx")


def test_normalization_ignores_case_punctuation_and_spacing():
    assert normalized("A  red, ROUND box!") == normalized("a red round box") == normalized("\uff41 red round box.")
    assert normalized("a red box") != normalized("a red boxes")


# --- a class -------------------------------------------------------------------------------------------------------


def reasons(verdicts):
    return [v.reason for v in verdicts]


def test_repetitions_are_removed_within_and_between_answers():
    class_filter = ClassFilter(FilterRules())
    text = "The drum is round and loud."
    assert reasons(class_filter.filter([text, text, "the drum IS round and loud"])) == [None, REPEATED, REPEATED]
    assert class_filter.filter(["The drum is round, and loud!"]) == [
        Verdict("The drum is round, and loud!", REPEATED, text)
    ]


def on_circle(texts):
    """The last word is an angle in degrees."""
    angles = np.radians([float(text.split()[-1]) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.slow
def test_near_duplicates_match_a_plain_implementation():
    rng = np.random.default_rng(0)
    texts = [f"the needle points to {angle:.3f}" for angle in rng.uniform(0, 360, 300)]
    kept = []
    for text in texts:
        vector = on_circle([text])[0]
        if all(vector @ on_circle([other])[0] < 0.9995 for other in kept):
            kept.append(text)
    class_filter = ClassFilter(FilterRules(max_similarity=0.9995), on_circle)
    verdicts = [v for start in range(0, 300, 7) for v in class_filter.filter(texts[start : start + 7])]
    assert [v.text for v in verdicts if v.reason is None] == kept
    assert {v.reason for v in verdicts} == {None, NEAR_DUPLICATE}
    assert len(class_filter.vectors) == len(kept)


def test_pinned_texts_and_earlier_verdicts():
    class_filter = ClassFilter(
        FilterRules(max_similarity=0.99),
        on_circle,
        {"the needle is at 90": Verdict("the needle is at 90", "fits another class", "x")},
    )
    texts = ["the needle is at 0", "the needle is at 1", "needle 1", "the needle is at 90", "the needle is at 91"]
    assert reasons(class_filter.filter(texts, pinned=[2])) == [
        None,
        NEAR_DUPLICATE,
        None,
        "fits another class",
        NEAR_DUPLICATE,
    ]


def test_nearest_classes_match_a_plain_implementation():
    rng = np.random.default_rng(1)
    groups = [unit(rng.normal(size=(n, 5)).astype(np.float32)) for n in (6, 4, 1)]
    sums = np.array([g.sum(axis=0) for g in groups])
    counts = np.array([len(g) for g in groups])
    for own, group in enumerate(groups):
        plain = []
        for i, vector in enumerate(group):
            means = [
                np.delete(g, i, axis=0).mean(axis=0) if c == own and len(g) > 1 else g.mean(axis=0)
                for c, g in enumerate(groups)
            ]
            cosines = [vector @ m / np.linalg.norm(m) for m in means]
            plain.append(int(np.argmax(cosines)))
        assert nearest_classes(group, own, sums, counts).tolist() == plain


def test_a_class_without_vectors_is_never_nearest():
    classes = nearest_classes(np.eye(2, dtype=np.float32), 0, np.array([[1, 1], [0, 0]], np.float32), np.array([2, 0]))
    assert classes.tolist() == [0, 0]


# --- reading answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        '{"descriptions": ["one", "two"]}',
        'Sure! Here it is:\n```json\n{"descriptions": ["one", "two"]}\n```\nAnything else?',
        '["one", "two"]',
        '{"sentences": ["one", "two"]}',
        '{"descriptions": [{"text": "one"}, {"text": "two"}]}',
        '<think>maybe ["no", "not this"]</think>{"descriptions": ["one", "two"]}',
        'See [1]: {"descriptions": ["one", "two"]}',
        '{"descriptions": ["one", "two", "thr',
        '{"descriptions": ["one", "two"',
        "1. one\n2. two",
        "Here are two:\n\n- one\n- two\n",
        '* **one**\n* "two"',
        "one\n\ntwo",
        '{"descriptions": ["1. one", " two\\n"]}',
    ],
)
def test_texts_are_extracted_from_any_wrapping(answer):
    assert extract_texts(answer, "descriptions") == ["one", "two"]


def test_questions_keep_their_aspects():
    answer = '{"questions": [{"aspect": "looks", "question": "Which color?"}, {"aspect": "sound", "question": "How lo'
    assert extract_texts(answer, "questions") == ["looks: Which color?"]


@pytest.mark.parametrize("answer", ["", "{}", "[]", '{"descriptions": []}', "null", "<think>endless"])
def test_empty_answers_have_no_texts(answer):
    assert extract_texts(answer, "descriptions") == []


@pytest.mark.parametrize(
    "answer", ["[" * 300_000, '{"a":' * 100_000, '{"descriptions": ["' + "\\" * 300_000, '"' * 200_000]
)
def test_hostile_answers_are_parsed_quickly(answer):
    started = time.monotonic()
    extract_texts(answer, "descriptions")
    assert time.monotonic() - started < 3
