"""Truncating texts to the context length of a text tower."""

import pytest
import torch

from tests.helpers.toys import ToyBackbone
from unibind.backbones import create_backbone
from unibind.backbones._shared.clip_tokenizer import Tokenizer
from unibind.errors import UnknownNameError
from unibind.knowledge.truncate import fits_context, truncated

TEXT = "The drum is wide, low and round. Its skin is white! A strap hangs down."


@pytest.mark.parametrize(
    ("words", "short"),
    [
        (20, TEXT),
        (15, TEXT),
        (14, "The drum is wide, low and round. Its skin is white!"),
        (10, "The drum is wide, low and round."),
        (6, "The drum is wide."),
        (3, "The drum is."),
        (1, "The."),
    ],
)
def test_texts_are_cut_after_sentences_then_clauses_then_words(words, short):
    assert truncated(TEXT, lambda text: len(text.split()) <= words) == short


def test_a_text_without_boundaries_stays():
    assert truncated("Donaudampfschifffahrt", lambda _: False) == "Donaudampfschifffahrt"


def test_numbers_and_abbreviations_do_not_end_a_sentence():
    assert truncated("It is approx. 3.5 m wide. Then more.", lambda text: len(text.split()) <= 6) == (
        "It is approx. 3.5 m wide."
    )


class Tower(ToyBackbone):
    """A text tower with the given tokenizer, padded to a fixed length if one is given."""

    def __init__(self, tokens, length=None):
        super().__init__()
        self.tokens, self.length = tokens, length

    def preprocess(self, modality, raw):
        ids = self.tokens(raw.text)
        return ids if self.length is None else torch.nn.functional.pad(ids, (0, self.length - len(ids)))


@pytest.mark.parametrize("length", [None, 77])
def test_the_context_length_is_measured_with_the_towers_tokenizer(length):
    fits = fits_context(Tower(Tokenizer(), length))
    long = "A drum with many words about it. " * 30
    assert not fits(long)
    short = truncated(long, fits)
    assert short.endswith("about it.")
    tokens = Tokenizer()
    assert 77 - 9 <= len(tokens(short)) < 77  # one more sentence has 8 tokens
    assert fits("A short one.")


def test_the_context_length_of_mini_is_256_tokens():
    fits = fits_context(create_backbone("mini", modalities=["text"]))
    assert fits("drum " * 253)
    assert not fits("drum " * 255)


def test_a_tower_without_a_limit_reads_all():
    assert fits_context(ToyBackbone())("word " * 10_000)


def test_a_backbone_without_a_text_tower_is_refused():
    blind = ToyBackbone()
    blind.modalities = ("image",)
    with pytest.raises(UnknownNameError, match="'text'"):
        fits_context(blind)
