import time

import numpy as np
import pytest

from unibind.data.embeddings import unit
from unibind.errors import UnibindError, UnknownNameError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.filters import NEAR, REPEATED, Judge, Rules, Verdict, better_fits, fault, same, speaks
from unibind.knowledge.llm.parsing import texts_of


def test_good_descriptions_pass():
    wrong = [(d.text, why) for d in KnowledgeBase.load("heptad").descriptions if (why := fault(d.text, Rules()))]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "why"),
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
def test_each_fault_is_told(text, why):
    assert fault(text, Rules()) == why


def test_languages():
    german = "Das Fell der Katze ist weich und glatt."
    assert speaks(german, "de")
    assert speaks(german, "any")
    assert not speaks("The fur of the cat is soft and smooth.", "de")
    assert speaks("Red metallic cylinder, black rubber hose, chrome handle", "en")
    assert fault(german, Rules(language="de")) is None


@pytest.mark.parametrize("bad", [{"shortest": 5, "longest": 4}, {"shortest": 0}, {"near": 1.5}, {"near": 0.0}])
def test_absurd_rules_are_refused(bad):
    with pytest.raises(UnibindError):
        Rules(**bad)
    with pytest.raises(UnknownNameError, match="xx"):
        Rules(language="xx")


def test_sameness_ignores_case_punctuation_and_spacing():
    assert same("A  red, ROUND box!") == same("a red round box") == same("\uff41 red round box.")
    assert same("a red box") != same("a red boxes")


# --- a class -------------------------------------------------------------------------------------------------------


def reasons(verdicts):
    return [v.reason for v in verdicts]


def test_repetitions_are_refused_within_and_between_answers():
    judge = Judge(Rules())
    text = "The drum is round and loud."
    assert reasons(judge.judge([text, text, "the drum IS round and loud"])) == [None, REPEATED, REPEATED]
    assert judge.judge(["The drum is round, and loud!"]) == [Verdict("The drum is round, and loud!", REPEATED, text)]


def on_circle(texts):
    """The last word is an angle in degrees."""
    angles = np.radians([float(text.split()[-1]) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_near_duplicates_by_cosine_against_a_plain_version():
    rng = np.random.default_rng(0)
    texts = [f"the needle points to {angle:.3f}" for angle in rng.uniform(0, 360, 300)]
    kept = []
    for text in texts:
        vector = on_circle([text])[0]
        if all(vector @ on_circle([other])[0] < 0.9995 for other in kept):
            kept.append(text)
    judge = Judge(Rules(near=0.9995), on_circle)
    verdicts = [v for start in range(0, 300, 7) for v in judge.judge(texts[start : start + 7])]
    assert [v.text for v in verdicts if v.reason is None] == kept
    assert {v.reason for v in verdicts} == {None, NEAR}
    assert len(judge.vectors) == len(kept)


def test_pinned_and_known_texts():
    judge = Judge(
        Rules(near=0.99), on_circle, {"the needle is at 90": Verdict("the needle is at 90", "fits another class", "x")}
    )
    texts = ["the needle is at 0", "the needle is at 1", "needle 1", "the needle is at 90", "the needle is at 91"]
    assert reasons(judge.judge(texts, pinned=[2])) == [None, NEAR, None, "fits another class", NEAR]


def test_better_fits_against_a_plain_version():
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
        assert better_fits(group, own, sums, counts).tolist() == plain


def test_classes_without_vectors_attract_nothing():
    found = better_fits(np.eye(2, dtype=np.float32), 0, np.array([[1, 1], [0, 0]], np.float32), np.array([2, 0]))
    assert found.tolist() == [0, 0]


# --- reading answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
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
def test_texts_are_found_however_they_are_wrapped(said):
    assert texts_of(said, "descriptions") == ["one", "two"]


def test_questions_keep_their_aspect():
    said = '{"questions": [{"aspect": "looks", "question": "Which color?"}, {"aspect": "sound", "question": "How lo'
    assert texts_of(said, "questions") == ["looks: Which color?"]


@pytest.mark.parametrize("said", ["", "{}", "[]", '{"descriptions": []}', "null", "<think>endless"])
def test_nothing_is_found_in_nothing(said):
    assert texts_of(said, "descriptions") == []


@pytest.mark.parametrize(
    "said", ["[" * 300_000, '{"a":' * 100_000, '{"descriptions": ["' + "\\" * 300_000, '"' * 200_000]
)
def test_hostile_answers_are_read_quickly(said):
    started = time.monotonic()
    texts_of(said, "descriptions")
    assert time.monotonic() - started < 3
