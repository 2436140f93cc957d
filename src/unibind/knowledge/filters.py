"""What is kept of models' answers: no refusals, no talk about the task, the wanted language and length, no repetitions.

All of these are pure functions of the texts in their order, so that a base rebuilt from its journal is the same base.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from ..data.embeddings import Vectors, unit
from ..errors import UnibindError, UnknownNameError

Embed = Callable[[Sequence[str]], Vectors]  # texts [N] -> float32 [N, D], unit length

REPEATED, NEAR, MISFIT, BLOCKED = "repeated", "near duplicate", "fits another class", "blocked"
REASONS = ("refusal", "meta talk", "wrong length", "wrong language", REPEATED, NEAR, MISFIT, BLOCKED)
ANY_LANGUAGE = "any"

# The commonest words that languages in Latin letters do not share.
_COMMON = {
    "en": "the of and is are with its it on that an from by when at as or this has have can not but they often which",
    "de": "der die das und ist mit ein eine einen einem auf von den dem im sich sind wie oder auch nicht wird als zu",
    "fr": "le la les des et est une un dans avec sur du qui son sa ses il elle en aux ou pas sont par au plus",
    "es": "el la los las y es una un en con que su sus del al por se como son para más pero muy está",
    "it": "il lo la gli le e è una un con che di del della nel nella sono per si come dei delle suo sua molto",
    "pt": "o os as e é uma um com que de do da no na em são para se como dos das seu sua mais muito",
    "nl": "de het een en is van met op zijn aan dat die in te voor door niet ook wordt naar bij uit als",
}
_LANGUAGES = {language: frozenset(words.split()) for language, words in _COMMON.items()}

_REFUSAL = re.compile(
    r"\b(as an ai\b|as a (?:large )?language model|i(?:'m| am) sorry|i apologi[sz]e|"
    r"i(?:'m| am) (?:unable|not able) to|i (?:can(?:'t|not)|won't|will not|do not|don't) "
    r"(?:help|assist|provide|describe|fulfil|comply|have (?:access|information)|generate|create|see|hear|know)|"
    r"against my (?:guidelines|programming))",
    re.IGNORECASE,
)
_META = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|here (?:are|is)|below (?:are|is)|the following|these are|"
    r"note that|please note|description \d+|question \d+|answer \d+)\b|"
    r"\b(?:let me know|feel free to|hope this helps|as requested|you asked|would you like|your request|"
    r"descriptions? (?:of|for|above|below)|in (?:this|the) (?:prompt|question)|json)\b|"
    r"\[(?:insert|category|name)[^\]]*\]|\{(?:category|name)\}|<\|",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rules:
    """What descriptions must be like.

    Words `shortest` to `longest`; `language` one of en, de, fr, es, it, pt, nl or "any"; `near` the cosine from which
    on two texts of a class count as the same (None: not looked at); `drop_misfits` whether a text that fits another
    class better than its own is left out or only counted.
    """

    shortest: int = 4
    longest: int = 60
    language: str = "en"
    near: float | None = 0.95
    drop_misfits: bool = False

    def __post_init__(self) -> None:
        """Refuse rules that nothing or everything would pass."""
        if not 1 <= self.shortest <= self.longest:
            raise UnibindError(f"lengths must be 1 <= shortest <= longest, not {self.shortest} and {self.longest}")
        if self.language != ANY_LANGUAGE and self.language not in _LANGUAGES:
            raise UnknownNameError("language", self.language, [*_LANGUAGES, ANY_LANGUAGE])
        if self.near is not None and not 0 < self.near <= 1:
            raise UnibindError(f"the cosine of near duplicates must be above 0 and at most 1, not {self.near}")


# --- one text ------------------------------------------------------------------------------------------------------


def fault(text: str, rules: Rules) -> str | None:
    """Why a text is no description, or None where it is one."""
    if _REFUSAL.search(text):
        return "refusal"
    if _META.search(text):
        return "meta talk"
    if not rules.shortest <= len(text.split()) <= rules.longest:
        return "wrong length"
    if not speaks(text, rules.language):
        return "wrong language"
    return None


def speaks(text: str, language: str) -> bool:
    """Whether a text may be in a language: most of its letters are Latin, and no other language's common words
    outnumber its own. A few words without any common one pass."""
    if language == ANY_LANGUAGE:
        return True
    letters = [c for c in text if c.isalpha()]
    latin = sum(unicodedata.name(c, "").startswith("LATIN") for c in letters)
    if latin < 0.7 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    hits = {name: sum(word in common for word in words) for name, common in _LANGUAGES.items()}
    return hits[language] + 1 >= max(hits.values())


def same(text: str) -> str:
    """What two texts that differ in case, punctuation or spacing only have in common."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


# --- the texts of a class ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """Whether a text is kept (`reason` None), else why not; `like` is what it repeats, or the class it fits better."""

    text: str
    reason: str | None = None
    like: str | None = None


def passed(verdicts: Sequence[Verdict]) -> list[str]:
    """The texts that nothing was found against."""
    return [verdict.text for verdict in verdicts if verdict.reason is None]


class Judge:
    """Decides on the texts of one class in their order.

    `known` are verdicts of an earlier look at embeddings, by text: they stand where a text has passed the rest.
    """

    def __init__(self, rules: Rules, embed: Embed | None = None, known: Mapping[str, Verdict] | None = None) -> None:
        self.rules = rules
        self._embed, self._known = embed, known or {}
        self._seen: dict[str, str] = {}  # what texts have in common -> the first text
        self._exact = set[str]()
        self._held: list[str] = []  # texts that later ones must be unlike
        self._vectors = np.empty((0, 0), np.float32)  # [capacity, D], of which the first len(held) count

    def judge(self, texts: Sequence[str], *, trusted: bool = False, pinned: Collection[int] = ()) -> list[Verdict]:
        """Decide on texts, one after the other; of trusted ones only repetitions are refused, of the texts at the
        places `pinned` none is."""
        sifted = self.sift(texts, trusted=trusted, pinned=pinned)
        fresh = passed(sifted)
        vectors = self._embed(fresh) if self._embed and fresh else None
        return self.compare(sifted, vectors, trusted=trusted, pinned=pinned)

    def sift(self, texts: Sequence[str], *, trusted: bool = False, pinned: Collection[int] = ()) -> list[Verdict]:
        """The first half of `judge`: what needs no embeddings."""
        return [self._plain(text, trusted, i in pinned) for i, text in enumerate(texts)]

    def compare(
        self, sifted: Sequence[Verdict], vectors: Vectors | None, *, trusted: bool = False, pinned: Collection[int] = ()
    ) -> list[Verdict]:
        """The second half: `vectors` [M, D] are of those that `passed` so far, None where nothing is embedded."""
        rest = iter(vectors) if vectors is not None else repeat(None)
        return [
            verdict if verdict.reason is not None else self._compare(verdict.text, next(rest), trusted or i in pinned)
            for i, verdict in enumerate(sifted)
        ]

    def _plain(self, text: str, trusted: bool, pinned: bool) -> Verdict:
        reason = None if trusted or pinned else fault(text, self.rules)
        if reason is not None:
            return Verdict(text, reason)
        first = self._seen.setdefault(same(text), text)
        if text in self._exact or (first != text and not pinned):
            return Verdict(text, REPEATED, first)
        self._exact.add(text)
        return Verdict(text)

    def _compare(self, text: str, vector: NDArray[np.float32] | None, certain: bool) -> Verdict:
        verdict = Verdict(text) if certain else self._known.get(text) or self._nearest(text, vector)
        if verdict.reason != NEAR:
            self._hold(text, vector)
        return verdict

    def _nearest(self, text: str, vector: NDArray[np.float32] | None) -> Verdict:
        if vector is None or self.rules.near is None or not self._held:
            return Verdict(text)
        cosines = np.dot(self.vectors, vector)
        nearest = int(cosines.argmax())
        return Verdict(text, NEAR, self._held[nearest]) if cosines[nearest] >= self.rules.near else Verdict(text)

    def _hold(self, text: str, vector: NDArray[np.float32] | None) -> None:
        if vector is None:
            return
        count = len(self._held)
        if count == len(self._vectors):
            grown = np.empty((max(64, 2 * count), len(vector)), np.float32)
            if count:
                grown[:count] = self._vectors
            self._vectors = grown
        self._vectors[count] = vector
        self._held.append(text)

    @property
    def vectors(self) -> Vectors:
        """Of the texts that are not near duplicates [N, D]; empty where nothing is embedded."""
        return self._vectors[: len(self._held)]


# --- the classes beside each other ---------------------------------------------------------------------------------


def better_fits(vectors: Vectors, own: int, sums: Vectors, counts: NDArray[np.int64]) -> NDArray[np.intp]:
    """For each text [N, D] of class `own`: the class whose mean it is nearest to, `own` where that is its own.

    `sums` [C, D] and `counts` [C] are of the vectors of all classes; a text is left out of its own class's mean, and a
    class of one text keeps it.
    """
    cosines = np.dot(vectors, unit(sums).T)  # [N, C]
    if counts[own] > 1:
        cosines[:, own] = (vectors * unit(sums[own] - vectors)).sum(axis=1)
    else:
        cosines[:, own] = np.inf
    cosines[:, counts == 0] = -np.inf
    return np.asarray(cosines.argmax(axis=1))
