"""Controls: texts that need no knowledge of a category, to be shown beside descriptions at equal text count.

All return category -> texts.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from ..errors import UnibindError
from ..modalities import modality_spec

# Common words that say nothing about how a thing looks, sounds, moves or warms.
_WORDS = """
advice agenda amendment answer april average belief bonus border budget choice clause comma consent custom decade
degree detail doubt duty effort era error essay excuse fact fiction forum grammar habit hint honor idea income
inquiry interest issue january journal law ledger logic merit method monday motive myth notion option oath patent
pledge policy portion proverb query quota reason rumor sequel summary tenure theory title tuesday usage virtue vow
"""
_LETTERS_A_WORD = (4, 9)
_MOST_RANDOM = 4000  # well below twice the pairs of words, so that drawing unlike ones stays quick


def class_names(categories: Sequence[str]) -> dict[str, list[str]]:
    """The bare name, one text a category."""
    return {category: [_spoken(category)] for category in categories}


def templates(categories: Sequence[str], modality: str = "image") -> dict[str, list[str]]:
    """Prompt templates in the words of a modality, as CLIP's (arXiv 2103.00020, section 3.1.4); five a category."""
    chosen = modality_spec(modality).templates
    return {c: [template.format(_spoken(c)) for template in chosen] for c in categories}


def random_words(categories: Sequence[str], count: int, seed: int) -> dict[str, list[str]]:
    """`count` unlike texts a category that add only random words, or random letters, by turns, to its name.

    WaffleCLIP (arXiv 2306.07282): what richer wording alone gives, without knowledge. All categories get the same
    random parts, as there. The same seed gives the same texts.
    """
    if not 1 <= count <= _MOST_RANDOM:
        raise UnibindError(f"the number of random texts a category must be 1 to {_MOST_RANDOM}, not {count}")
    rng = random.Random(seed)
    endings: dict[str, None] = {}  # an ordered set
    while len(endings) < count:
        endings[_random_pair(rng, letters=len(endings) % 2 == 1)] = None
    return {c: [f"a photo of a {_spoken(c)}, which has {ending}." for ending in endings] for c in categories}


def _random_pair(rng: random.Random, *, letters: bool) -> str:
    if not letters:
        return " ".join(rng.sample(_WORDS.split(), 2))
    sizes = (rng.randint(*_LETTERS_A_WORD) for _ in range(2))
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=size)) for size in sizes)


def _spoken(category: str) -> str:
    return category.replace("_", " ")
