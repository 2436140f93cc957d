import json
import pickle
import sys

import pytest
from safetensors.torch import load_file

from tests.helpers.reference import PREPROCESSING, REFERENCE
from unibind.backbones._shared.clip_tokenizer import Tokenizer
from unibind.errors import MissingExtraError

tokens = Tokenizer()


@pytest.mark.parametrize("text", PREPROCESSING["text"])
def test_tokens_equal_those_of_the_reference(text):
    ids = tokens(text).tolist()
    assert ids == PREPROCESSING["text"][text][: len(ids)]


def test_tokens_equal_those_of_the_reference_model():
    texts = json.loads((REFERENCE / "imagebind_tiny.json").read_text())["texts"]
    padded = load_file(REFERENCE / "imagebind_tiny.golden.safetensors")["tokens"]  # zeros up to 77
    assert len(texts) == len(padded)
    for text, expected in zip(texts, padded.tolist(), strict=True):
        ids = tokens(text).tolist()
        assert ids + [0] * (77 - len(ids)) == expected


def test_texts_are_cleaned_as_clip_cleans_them():
    plain = tokens("a dog & a cat").tolist()
    assert tokens("  A  dog &amp;amp;\n a\tCAT ").tolist() == plain  # entities twice, white space, case
    assert tokens("“a dog” isn\u2019t").tolist() == tokens('"a dog" isn\'t').tolist()
    assert tokens("cafÃ©").tolist() == tokens("café").tolist()  # mended encoding


@pytest.mark.parametrize("text", ["日本語の犬", "chó con 🐶", "Ünïcödé", "żółć", "a\u200bb", "<|endoftext|>", "\x07"])
def test_any_text_becomes_known_tokens(text):
    ids = tokens(text)
    assert (ids[0], ids[-1]) == (49406, 49407)
    assert ((ids >= 0) & (ids < 49408)).all()
    assert (ids == 49407).sum() == 1  # what a text says is not taken for its end


def test_hand_worked_tokens():
    assert tokens("A dog.").tolist() == [49406, 320, 1929, 269, 49407]


@pytest.mark.parametrize("words", [75, 76, 500])
def test_long_texts_keep_their_end(words):
    ids = tokens(" ".join(["dog"] * words))
    assert len(ids) == 77
    assert ids[-1] == 49407
    assert (ids[1:-1] == 1929).all()


def test_the_vocabulary_is_not_sent_to_workers():
    tokens("warm")
    assert len(pickle.dumps(tokens)) < 200
    assert pickle.loads(pickle.dumps(tokens))("a dog").tolist() == tokens("a dog").tolist()


@pytest.mark.parametrize("name", ["end_of_text", "start_of_text", "END_OF_TEXT"])
def test_names_of_special_tokens_are_read_as_words(name):
    word = tokens(name).tolist()[1:-1]
    assert tokens(f"<{name}>").tolist() == [49406, 283, *word, 285, 49407]  # 283 is "<" and 285 is ">"


@pytest.mark.parametrize("package", ["ftfy", "instant_clip_tokenizer"])
def test_a_missing_package_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"unibind\[imagebind\]"):
        Tokenizer()("a dog")
