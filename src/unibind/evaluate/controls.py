"""Controls: texts that need no knowledge of a category, to compare with descriptions at equal text count.

Every function returns the texts of each category, by category.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from ..errors import UnibindError
from ..knowledge.base import filled, spoken
from ..modalities import modality_spec

# common words that say nothing about what an object looks or sounds like, how it moves, or how warm it is
_WORDS = """
advice agenda amendment answer april average belief bonus border budget choice clause comma consent custom decade
degree detail doubt duty effort era error essay excuse fact fiction forum grammar habit hint honor idea income
inquiry interest issue january journal law ledger logic merit method monday motive myth notion option oath patent
pledge policy portion proverb query quota reason rumor sequel summary tenure theory title tuesday usage virtue vow
"""
EMPTY_WORDS = tuple(_WORDS.split())
_LETTERS_PER_WORD = (4, 9)
_MAX_RANDOM_TEXTS = 4000  # far fewer than there are pairs of words, so that distinct pairs are found quickly


def class_names(categories: Sequence[str]) -> dict[str, list[str]]:
    """The bare name: one text per category."""
    return {category: [spoken(category)] for category in categories}


def templates(categories: Sequence[str], modality: str) -> dict[str, list[str]]:
    """The prompt templates of a modality, filled with each name, as in CLIP (arXiv 2103.00020, section 3.1.4)."""
    chosen = modality_spec(modality).templates
    return {c: [filled(template, c) for template in chosen] for c in categories}


def random_words(categories: Sequence[str], count: int, seed: int) -> dict[str, list[str]]:
    """`count` distinct texts per category that add only random words or random letters, in turn, to its name.

    WaffleCLIP (arXiv 2306.07282): what longer texts alone gain, without knowledge. As in WaffleCLIP, all categories
    get the same random parts. The same seed gives the same texts. Raises UnibindError if `count` is out of range.
    """
    if not 1 <= count <= _MAX_RANDOM_TEXTS:
        raise UnibindError(f"the number of random texts per category must be 1 to {_MAX_RANDOM_TEXTS}, not {count}")
    rng = random.Random(seed)
    endings: dict[str, None] = {}  # an ordered set
    while len(endings) < count:
        endings[_random_pair(rng, letters=len(endings) % 2 == 1)] = None
    return {c: [f"a photo of a {spoken(c)}, which has {ending}." for ending in endings] for c in categories}


def _random_pair(rng: random.Random, *, letters: bool) -> str:
    if not letters:
        return " ".join(rng.sample(EMPTY_WORDS, 2))
    sizes = (rng.randint(*_LETTERS_PER_WORD) for _ in range(2))
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=size)) for size in sizes)
