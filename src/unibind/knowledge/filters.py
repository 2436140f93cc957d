"""Filters on models' answers: refusals, talk about the task, wrong length or language, repetitions and near duplicates.

All of these are pure functions of the texts in their order, so rebuilding a base from its journal gives the same base.
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

EmbedTexts = Callable[[Sequence[str]], Vectors]  # texts [N] -> unit float32 [N, D]

REPEATED, NEAR_DUPLICATE, MISFIT, BLOCKED = "repeated", "near duplicate", "fits another class", "blocked"
WRONG_LENGTH = "wrong length"
ANY_LANGUAGE = "any"

# The most common words that languages in Latin script do not share.
_COMMON_WORDS = {
    "en": "the of and is are with its it on that an from by when at as or this has have can not but they often which",
    "de": "der die das und ist mit ein eine einen einem auf von den dem im sich sind wie oder auch nicht wird als zu",
    "fr": "le la les des et est une un dans avec sur du qui son sa ses il elle en aux ou pas sont par au plus",
    "es": "el la los las y es una un en con que su sus del al por se como son para más pero muy está",
    "it": "il lo la gli le e è una un con che di del della nel nella sono per si come dei delle suo sua molto",
    "pt": "o os as e é uma um com que de do da no na em são para se como dos das seu sua mais muito",
    "nl": "de het een en is van met op zijn aan dat die in te voor door niet ook wordt naar bij uit als",
}
_LANGUAGES = {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}

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
class FilterRules:
    """Which descriptions are kept.

    A text has `min_words` to `max_words` words in `language` (en, de, fr, es, it, pt, nl or "any"). A text whose cosine
    similarity to an earlier one of its class is at least `max_similarity` is a near duplicate (None: not compared).
    With `drop_misfits`, texts that fit another class better than their own are removed, otherwise only counted.
    """

    min_words: int = 4
    max_words: int = 60
    language: str = "en"
    max_similarity: float | None = 0.95
    drop_misfits: bool = False

    def __post_init__(self) -> None:
        """Refuse rules that nothing or everything would pass."""
        if not 1 <= self.min_words <= self.max_words:
            raise UnibindError(
                f"word limits must satisfy 1 <= min_words <= max_words, not {self.min_words} and {self.max_words}"
            )
        if self.language != ANY_LANGUAGE and self.language not in _LANGUAGES:
            raise UnknownNameError("language", self.language, [*_LANGUAGES, ANY_LANGUAGE])
        if self.max_similarity is not None and not 0 < self.max_similarity <= 1:
            raise UnibindError(f"max_similarity must be above 0 and at most 1, not {self.max_similarity}")

    @property
    def need_embeddings(self) -> bool:
        """Whether the rules compare embeddings."""
        return self.max_similarity is not None or self.drop_misfits


# --- one text ------------------------------------------------------------------------------------------------------


def rejection_reason(text: str, rules: FilterRules) -> str | None:
    """Why a text is not a usable description, or None where it is one."""
    if _REFUSAL.search(text):
        return "refusal"
    if _META.search(text):
        return "meta talk"
    if not rules.min_words <= len(text.split()) <= rules.max_words:
        return WRONG_LENGTH
    if not may_be_in(rules.language, text):
        return "wrong language"
    return None


def may_be_in(language: str, text: str) -> bool:
    """Whether a text may be in a language: most letters are Latin, and no other language's common words outnumber its
    own by more than one. Short texts without any common word pass.
    """
    if language == ANY_LANGUAGE:
        return True
    letters = [c for c in text if c.isalpha()]
    latin = sum(unicodedata.name(c, "").startswith("LATIN") for c in letters)
    if latin < 0.7 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    hits = {name: sum(word in common for word in words) for name, common in _LANGUAGES.items()}
    return hits[language] + 1 >= max(hits.values())


def normalized(text: str) -> str:
    """A text without case, punctuation and spacing, for comparison."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


# --- the texts of one class ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """Whether a text is kept (`reason` None) or why it is removed.

    `conflict` is the text that it repeats, or the class that it fits better.
    """

    text: str
    reason: str | None = None
    conflict: str | None = None


def accepted(verdicts: Sequence[Verdict]) -> list[str]:
    """The texts that are kept so far."""
    return [verdict.text for verdict in verdicts if verdict.reason is None]


class ClassFilter:
    """Filters the texts of one class in their order.

    `earlier` are verdicts, by text, of an earlier comparison of embeddings: they apply where a text passes the other
    filters.
    """

    def __init__(
        self, rules: FilterRules, embed: EmbedTexts | None = None, earlier: Mapping[str, Verdict] | None = None
    ) -> None:
        self.rules = rules
        self._embed, self._earlier = embed, earlier or {}
        self._first_by_normalized: dict[str, str] = {}
        self._exact = set[str]()
        self._kept_texts: list[str] = []
        self._buffer = np.empty((0, 0), np.float32)  # [capacity, D]; the first len(_kept_texts) rows are in use

    def filter(self, texts: Sequence[str], *, trusted: bool = False, pinned: Collection[int] = ()) -> list[Verdict]:
        """Verdicts on texts in their order.

        Of `trusted` texts only repetitions are removed; texts at the positions `pinned` are always kept.
        """
        verdicts = self.filter_plain(texts, trusted=trusted, pinned=pinned)
        fresh = accepted(verdicts)
        vectors = self._embed(fresh) if self._embed and fresh else None
        return self.filter_similar(verdicts, vectors, trusted=trusted, pinned=pinned)

    def filter_plain(
        self, texts: Sequence[str], *, trusted: bool = False, pinned: Collection[int] = ()
    ) -> list[Verdict]:
        """The first half of `filter`, which needs no embeddings."""
        return [self._check_plain(text, trusted, i in pinned) for i, text in enumerate(texts)]

    def filter_similar(
        self,
        verdicts: Sequence[Verdict],
        vectors: Vectors | None,
        *,
        trusted: bool = False,
        pinned: Collection[int] = (),
    ) -> list[Verdict]:
        """The second half of `filter`: `vectors` [M, D] are those of the accepted texts; None without embeddings."""
        rest = iter(vectors) if vectors is not None else repeat(None)
        return [
            verdict
            if verdict.reason is not None
            else self._check_similar(verdict.text, next(rest), trusted or i in pinned)
            for i, verdict in enumerate(verdicts)
        ]

    @property
    def vectors(self) -> Vectors:
        """Embeddings of the texts that are not near duplicates [N, D]; empty without embeddings."""
        return self._buffer[: len(self._kept_texts)]

    def _check_plain(self, text: str, trusted: bool, pinned: bool) -> Verdict:
        reason = None if trusted or pinned else rejection_reason(text, self.rules)
        if reason is not None:
            return Verdict(text, reason)
        first = self._first_by_normalized.setdefault(normalized(text), text)
        if text in self._exact or (first != text and not pinned):
            return Verdict(text, REPEATED, first)
        self._exact.add(text)
        return Verdict(text)

    def _check_similar(self, text: str, vector: NDArray[np.float32] | None, always_keep: bool) -> Verdict:
        verdict = Verdict(text) if always_keep else self._earlier.get(text) or self._compare(text, vector)
        if verdict.reason != NEAR_DUPLICATE:
            self._remember(text, vector)
        return verdict

    def _compare(self, text: str, vector: NDArray[np.float32] | None) -> Verdict:
        if vector is None or self.rules.max_similarity is None or not self._kept_texts:
            return Verdict(text)
        cosines = np.dot(self.vectors, vector)
        nearest = int(cosines.argmax())
        if cosines[nearest] >= self.rules.max_similarity:
            return Verdict(text, NEAR_DUPLICATE, self._kept_texts[nearest])
        return Verdict(text)

    def _remember(self, text: str, vector: NDArray[np.float32] | None) -> None:
        if vector is None:
            return
        count = len(self._kept_texts)
        if count == len(self._buffer):
            grown = np.empty((max(64, 2 * count), len(vector)), np.float32)
            if count:
                grown[:count] = self._buffer
            self._buffer = grown
        self._buffer[count] = vector
        self._kept_texts.append(text)


# --- comparing classes ---------------------------------------------------------------------------------------------


def nearest_classes(vectors: Vectors, own: int, sums: Vectors, counts: NDArray[np.int64]) -> NDArray[np.intp]:
    """The class with the nearest mean for each text [N, D] of class `own`.

    `sums` [C, D] and `counts` [C] are of the vectors of all classes. A text is excluded from the mean of its own class;
    the text of a class with one text counts as nearest to it.
    """
    cosines = np.dot(vectors, unit(sums).T)  # [N, C]
    if counts[own] > 1:
        cosines[:, own] = (vectors * unit(sums[own] - vectors)).sum(axis=1)
    else:
        cosines[:, own] = np.inf
    cosines[:, counts == 0] = -np.inf
    return np.asarray(cosines.argmax(axis=1))
