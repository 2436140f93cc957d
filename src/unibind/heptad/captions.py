"""Captions: what a person might write about an object, often without naming it."""

from __future__ import annotations

import numpy as np

from ..errors import UnknownNameError
from .model import Look, Model, pick
from .vocabulary import WORDS, Words

LONGEST = 30  # words; where a caption would be longer, traits are left out, all but one
NAMED, PARAPHRASED, VAGUE = 0.35, 0.45, 0.20  # shares of captions by how they call the object

# {n}: the object, {t}: its traits, {d}: what it does, {p}: the place, {o}: an opening, {w}: "with" or "and"
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


def caption(category: str, model: Model, place: str, rng: np.random.Generator) -> str:
    """One sentence of about 8 to 30 words on an object at a `place` ("in a dim room").

    About a third of the captions name the category; the others paraphrase it or speak of a thing with such and such
    traits. Raises UnknownNameError for a category without words.
    """
    if category not in WORDS:
        raise UnknownNameError("Heptad category", category, WORDS)
    words = WORDS[category]
    traits = [str(trait) for trait in rng.permutation(model.traits)]
    noun = pick(rng, _nouns(category, words, bool(traits), rng))
    template = pick(rng, _WITH_TRAITS if traits else _WITHOUT_TRAITS)
    fields = {
        "n": with_article(_described(noun, words, model, rng)),
        "w": "and" if " with " in noun else "with",
        "d": pick(rng, words.does),
        "p": place,
        "o": pick(rng, _OPENINGS),
    }
    fewest = 2 if noun in words.vague else 1  # what nobody calls by a name needs to be described
    for count in range(int(rng.integers(fewest, 4)), 0, -1):
        sentence = template.format(t=listed(traits[:count]), **fields)
        if len(sentence.split()) <= LONGEST:
            break
    return f"{sentence[0].upper()}{sentence[1:]}."


def _nouns(category: str, words: Words, has_traits: bool, rng: np.random.Generator) -> tuple[str, ...]:
    """The category's name, paraphrases of it, or, where traits can tell what it is, vague words."""
    vague = words.vague if has_traits else words.nouns
    return pick(rng, ((category,), words.nouns, vague), (NAMED, PARAPHRASED, VAGUE))


def _described(noun: str, words: Words, model: Model, rng: np.random.Generator) -> str:
    """A noun with some of: size, warmth, colour and material, in the order of English adjectives."""
    look = model.look
    parts = [pick(rng, sizes) for sizes in _sizes(look) if rng.random() < 0.4]
    parts += [pick(rng, feelings) for feelings in _feelings(model) if rng.random() < 0.2]
    phrase = f"{words.made_of[look.material]} {noun}" if look.material in words.made_of and rng.random() < 0.3 else noun
    if rng.random() < 0.7:
        phrase = words.coloured.format(colour=look.colour, noun=phrase)
    return " ".join([*parts, phrase])


def _sizes(look: Look) -> tuple[tuple[str, ...], ...]:
    """Words for a size worth mentioning, none for a usual one."""
    if look.size < 0.9:
        return (_SMALL,)
    return (_LARGE,) if look.size > 1.1 else ()


def _feelings(model: Model) -> tuple[tuple[str, ...], ...]:
    """Words for a surface that is clearly warmer or colder than its surroundings on average."""
    areas = np.array([patch.area for patch in model.patches])
    heat = float(areas @ [patch.paint.heat for patch in model.patches]) / max(float(areas.sum()), 1e-9)
    if heat > 20:
        return (_HOT,)
    return (_COLD,) if heat < -4 else ()


def with_article(phrase: str) -> str:
    """A noun phrase after "a" or "an": "an orange mug"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listed(phrases: list[str]) -> str:
    """Phrases as a list in prose: "a, b and c"."""
    return " and ".join([", ".join(phrases[:-1]), *phrases[-1:]] if len(phrases) > 1 else phrases)
