"""Captions: what a person might write about an object, often without naming its category."""

from __future__ import annotations

import numpy as np

from ..errors import UnknownNameError
from .model import Look, Model, pick
from .vocabulary import WORDS, Words

MAX_WORDS = 30  # a longer caption drops traits, but keeps at least one
NAMED = 0.35  # share of captions that name the category
PARAPHRASED, VAGUE = 0.45, 0.20  # and of those that do not, in proportion

# {n}: object, {t}: traits, {d}: action, {p}: place, {o}: opening, {w}: "with" or "and"
_WITH_TRAITS = (
    "{n} {w} {t}, {p}",
    "{n} {w} {t} {d} {p}",
    "{o} {n} {w} {t}, {p}",
    "{o} {n} {p}: {t}",
    "{p}, {n} {w} {t} {d}",
    "{p} there is {n} {w} {t}",
    "{t}: this is {n}, {p}",
    "{n} {p}; one notices {t}",
)
_WITHOUT_TRAITS = (
    "{p} one finds that {n} {d}",
    "somebody recorded how {n} {d} {p}",
    "{o} {n}, {p}, just as one would expect it",
    "in this moment {n} {d} {p}",
)
_OPENINGS = ("a picture of", "here we see", "a view of", "this shows", "a close look at", "somebody came across")
_SMALL, _LARGE = ("small", "little"), ("large", "big")
_HOT, _COLD = ("hot", "warm"), ("cold", "chilled")


def caption(category: str, model: Model, place: str, rng: np.random.Generator, *, named: float = NAMED) -> str:
    """Write one sentence of about 8 to 30 words about an object at a `place` ("in a dim room").

    A share `named` of the captions names the category; the others paraphrase it, or describe an unnamed thing by its
    traits. Raises UnknownNameError for a category without a vocabulary.
    """
    if category not in WORDS:
        raise UnknownNameError("Heptad category", category, WORDS)
    words = WORDS[category]
    traits = [str(trait) for trait in rng.permutation(model.traits)]
    noun = pick(rng, _noun_choices(category, words, bool(traits), named, rng))
    template = pick(rng, _WITH_TRAITS if traits else _WITHOUT_TRAITS)
    fields = {
        "n": with_article(_noun_phrase(noun, words, model, rng)),
        "w": "and" if " with " in noun else "with",
        "d": pick(rng, words.actions),
        "p": place,
        "o": pick(rng, _OPENINGS),
    }
    fewest = 2 if noun in words.vague_nouns else 1  # a vague noun needs more description
    for count in range(int(rng.integers(fewest, 4)), 0, -1):
        sentence = template.format(t=join_phrases(traits[:count]), **fields)
        if len(sentence.split()) <= MAX_WORDS:
            break
    return f"{sentence[0].upper()}{sentence[1:]}."


def _noun_choices(
    category: str, words: Words, has_traits: bool, named: float, rng: np.random.Generator
) -> tuple[str, ...]:
    """Choose between the category name, its paraphrases and, if traits can identify the object, vague nouns."""
    vague = words.vague_nouns if has_traits else words.nouns
    unnamed = (1 - named) / (PARAPHRASED + VAGUE)
    return pick(rng, ((category,), words.nouns, vague), (named, unnamed * PARAPHRASED, unnamed * VAGUE))


def _noun_phrase(noun: str, words: Words, model: Model, rng: np.random.Generator) -> str:
    """Add some of size, warmth, color and material to a noun, in the order of English adjectives."""
    look = model.look
    parts = [pick(rng, sizes) for sizes in _size_words(look) if rng.random() < 0.4]
    parts += [pick(rng, adjectives) for adjectives in _warmth_words(model) if rng.random() < 0.2]
    phrase = noun
    if look.material in words.materials and rng.random() < 0.3:
        phrase = f"{words.materials[look.material]} {noun}"
    if rng.random() < 0.7:
        phrase = words.color_phrase.format(color=look.color, noun=phrase)
    return " ".join([*parts, phrase])


def _size_words(look: Look) -> tuple[tuple[str, ...], ...]:
    """Adjectives for an unusual size; empty for a usual one."""
    if look.size < 0.9:
        return (_SMALL,)
    return (_LARGE,) if look.size > 1.1 else ()


def _warmth_words(model: Model) -> tuple[tuple[str, ...], ...]:
    """Adjectives for a surface that is, on average, clearly warmer or colder than its surroundings."""
    areas = np.array([patch.area for patch in model.patches])
    heat = float(areas @ [patch.paint.heat for patch in model.patches]) / max(float(areas.sum()), 1e-9)
    if heat > 20:
        return (_HOT,)
    return (_COLD,) if heat < -4 else ()


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a noun phrase: "an orange mug"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def join_phrases(phrases: list[str]) -> str:
    """Join phrases into a list in prose: "a, b and c"."""
    return " and ".join([", ".join(phrases[:-1]), *phrases[-1:]] if len(phrases) > 1 else phrases)
