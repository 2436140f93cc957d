"""Controls: texts that know nothing of a category but its name, to set beside descriptions at equal text count.

Descriptions can help for reasons that have nothing to do with knowledge: many texts average out noise, longer texts
move the name to another place, and what fits any class moves all of them. Each control has one such reason and no
knowledge. Every function is pure, and returns the texts of each category, by category.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import UnibindError
from ..knowledge.base import filled, spoken
from ..modalities import ANCHOR, modality_spec

Texts = dict[str, list[str]]  # category -> texts

# common words that say nothing about what an object looks or sounds like, how it moves, or how warm it is
_WORDS = """
advice agenda amendment answer april average belief bonus border budget choice clause comma consent custom decade
degree detail doubt duty effort era error essay excuse fact fiction forum grammar habit hint honor idea income
inquiry interest issue january journal law ledger logic merit method monday motive myth notion option oath patent
pledge policy portion proverb query quota reason rumor sequel summary tenure theory title tuesday usage virtue vow
"""
EMPTY_WORDS = tuple(_WORDS.split())
_GENERIC = (
    "It is one example of its kind.",
    "There are many of them, and no two are exactly alike.",
    "It can be near or far away, and it can be of any size.",
    "It looks different from every side.",
    "Some are new and some are old.",
    "It may appear alone or together with other things.",
    "What is around it changes from place to place.",
    "Many people know what it is as soon as they meet it.",
    "It has properties that can be observed and measured.",
    "It can be recorded with more than one kind of instrument.",
    "A closer look shows more details than a first look.",
    "It has a name, and it can be described in words.",
    "There are several kinds, which have much in common.",
    "It can be found in more than one part of the world.",
    "Its appearance depends on the time of day and on the weather.",
    "It is made of several parts, or it belongs to something larger.",
    "It can be shown in a book, in a lesson or in a film.",
    "Some are simple and others are rather complicated.",
    "It was there before, and it may still be there tomorrow.",
    "Somebody has thought about it and written something down.",
)
_LETTERS_PER_WORD = (4, 9)
_MAX_RANDOM_TEXTS = 4000  # far fewer than there are pairs of words, so that distinct pairs are found quickly
_LEAST_LETTERS = 3  # of a word of a name that is replaced on its own


# --- names -----------------------------------------------------------------------------------------------------------


def class_names(categories: Sequence[str]) -> Texts:
    """The bare name: one text per category."""
    return {category: [spoken(category)] for category in categories}


def templates(categories: Sequence[str], modality: str) -> Texts:
    """The prompt templates of a modality, filled with each name, as in CLIP (arXiv 2103.00020, section 3.1.4)."""
    chosen = modality_spec(modality).templates
    return {c: [filled(template, c) for template in chosen] for c in categories}


def one_template(categories: Sequence[str], modality: str) -> Texts:
    """The first prompt template of a modality, filled with each name: one text per category."""
    return {category: texts[:1] for category, texts in templates(categories, modality).items()}


# --- names with something that is no knowledge -----------------------------------------------------------------------


def random_words(categories: Sequence[str], count: int, seed: int) -> Texts:
    """`count` distinct texts per category that add two random words to its name, as WaffleCLIP (arXiv 2306.07282) does.

    All categories get the same words. The same seed gives the same texts, and fewer texts are the first of more. Raises
    UnibindError if `count` is out of range.
    """
    return _with_endings(categories, count, seed, lambda rng: " ".join(rng.sample(EMPTY_WORDS, 2)))


def random_characters(categories: Sequence[str], count: int, seed: int) -> Texts:
    """As `random_words`, with two random sequences of letters instead of words."""
    return _with_endings(categories, count, seed, _letters)


def _with_endings(categories: Sequence[str], count: int, seed: int, draw: Callable[[random.Random], str]) -> Texts:
    if not 1 <= count <= _MAX_RANDOM_TEXTS:
        raise UnibindError(f"the number of random texts per category must be 1 to {_MAX_RANDOM_TEXTS}, not {count}")
    rng = random.Random(seed)
    endings: dict[str, None] = {}  # an ordered set
    while len(endings) < count:
        endings[draw(rng)] = None
    return {c: [f"a photo of a {spoken(c)}, which has {ending}." for ending in endings] for c in categories}


def _letters(rng: random.Random) -> str:
    sizes = (rng.randint(*_LETTERS_PER_WORD) for _ in range(2))
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=size)) for size in sizes)


def generic_texts(categories: Sequence[str], count: int) -> Texts:
    """At most `count` texts per category: its name in a neutral template, and a sentence that fits any class.

    All categories get the same sentences; there are 100 texts, of 20 sentences and 5 templates.
    """
    pairs = [(template, sentence) for template in modality_spec(ANCHOR).templates for sentence in _GENERIC]
    return {c: [f"{filled(template, c)} {sentence}" for template, sentence in pairs[:count]] for c in categories}


# --- knowledge of another class --------------------------------------------------------------------------------------


def shuffled(descriptions: Mapping[str, Sequence[str]], seed: int) -> Texts:
    """The descriptions of another category, with its name replaced: knowledge that is wrong, in the same style.

    No category keeps its own (see `derangement`). Every occurrence of the other name becomes the own name, its words
    are deleted where they occur on their own, and a text without a name gets the own name in front, so that each text
    says which category it stands for. Raises UnibindError for fewer than two categories.
    """
    categories = list(descriptions)
    found = {}
    for category, row in zip(categories, derangement(len(categories), seed), strict=True):
        other = categories[row]
        found[category] = [renamed(text, other, category) for text in descriptions[other]]
    return found


def derangement(count: int, seed: int) -> list[int]:
    """A random permutation of `count` positions without a fixed point: one cycle of all (Sattolo 1986).

    Raises UnibindError for fewer than two positions, which have none.
    """
    if count < 2:
        raise UnibindError("descriptions can be shuffled between two or more categories only; describe another one")
    rng, order = random.Random(seed), list(range(count))
    for i in range(count - 1, 0, -1):
        j = rng.randrange(i)
        order[i], order[j] = order[j], order[i]
    return order


def renamed(text: str, old: str, new: str) -> str:
    """A text about category `old` as one about category `new`."""
    old_name, new_name = spoken(old), spoken(new)
    text, count = re.subn(_pattern([old_name]), lambda found: new_name + ("s" if found["plural"] else ""), text)
    kept = {word.lower() for word in new_name.split()}
    words = [w for w in re.findall(r"\w+", old_name) if len(w) >= _LEAST_LETTERS and w.lower() not in kept]
    if words:
        text = " ".join(re.sub(_pattern(words), "", text).split())
    return text if count or re.search(_pattern([new_name]), text) else f"{new_name}: {text}"


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words, singular or plural with an s, in any case."""
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?P<plural>e?s)?(?!\w)", re.IGNORECASE)


# --- the registry ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a control is made for: `count` texts of each category where it has as many, for a modality, by seed.

    `descriptions` are those of the categories, empty where there are none.
    """

    categories: Sequence[str]
    modality: str
    count: int
    seed: int
    descriptions: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Control:
    """A kind of text: how it is made, and what it is in words.

    Texts that are not `by_modality` are the same for all. A control `of_descriptions` is made at their text count, and
    there is none without descriptions.
    """

    texts: Callable[[Request], Texts]
    explained: str
    by_modality: bool = False
    of_descriptions: bool = False


CLASS_NAME, TEMPLATE, TEMPLATE_ENSEMBLE = "class name", "prompt template", "template ensemble"
RANDOM_WORDS, RANDOM_CHARACTERS = "random words", "random characters"
GENERIC, SHUFFLED = "generic text", "shuffled descriptions"

CONTROLS: dict[str, Control] = {
    CLASS_NAME: Control(lambda r: class_names(r.categories), "the bare class name"),
    TEMPLATE: Control(
        lambda r: one_template(r.categories, r.modality), "the name in one fixed sentence", by_modality=True
    ),
    TEMPLATE_ENSEMBLE: Control(
        lambda r: templates(r.categories, r.modality), "the name in all fixed sentences", by_modality=True
    ),
    RANDOM_WORDS: Control(
        lambda r: random_words(r.categories, r.count, r.seed),
        "the name with random words, as many texts as there are descriptions",
        of_descriptions=True,
    ),
    RANDOM_CHARACTERS: Control(
        lambda r: random_characters(r.categories, r.count, r.seed),
        "the name with random letters, as many texts",
        of_descriptions=True,
    ),
    GENERIC: Control(
        lambda r: generic_texts(r.categories, r.count),
        "the name with sentences that fit any class, as many texts, up to 100",
        of_descriptions=True,
    ),
    SHUFFLED: Control(
        lambda r: shuffled({c: r.descriptions[c][: r.count] for c in r.categories}, r.seed),
        "the descriptions of another class, with its name replaced",
        of_descriptions=True,
    ),
}
