"""Extracting texts from a model's answer: JSON as requested, JSON within other text, truncated JSON, or a list."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_CHARACTERS = 200_000  # of one answer that are parsed
_MAX_CANDIDATES = 50  # opening brackets at which JSON may begin

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LIST_MARK = re.compile(r"^(?:[-*•]|\(?\d{1,4}[.):])\s+")
_QUOTES = "\"'“”„«»`*"


def extract_texts(answer: str, field: str) -> list[str]:
    """The texts under `field` (a list of texts or of objects with a text) of an answer, each on one line.

    Without such JSON: the complete strings of a truncated one, the marked lines of a list, or all lines.
    """
    answer = _THOUGHT.sub("", answer[:MAX_CHARACTERS])
    texts = _from_json(answer, field)
    if texts is None:
        texts = _from_truncated_json(answer, field)
    if texts is None:
        texts = _from_lines(answer)
    return [text for text in (tidy(text) for text in texts) if text]


def tidy(text: str) -> str:
    """One line without a list mark and surrounding quotes or asterisks."""
    text = _LIST_MARK.sub("", " ".join(text.split()))
    stripped = text.strip(_QUOTES).strip()
    return stripped if text[:1] in _QUOTES and text[-1:] in _QUOTES else text.strip()


def _from_json(answer: str, field: str) -> list[str] | None:
    decoder = json.JSONDecoder()
    brackets = (match.start() for match in re.finditer(r"[\[{]", answer))
    for start, _ in zip(brackets, range(_MAX_CANDIDATES), strict=False):
        try:
            value, _ = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            continue
        texts = _texts_in(value, field)
        if texts:
            return texts
    return [] if _is_json(answer) else None


def _is_json(answer: str) -> bool:
    try:
        json.loads(answer)
    except (ValueError, RecursionError):
        return not answer.strip()
    return True


def _texts_in(value: Any, field: str) -> list[str]:
    """The texts of a list, of an object's `field`, or of an object's only list."""
    if isinstance(value, dict):
        lists = [value[field]] if field in value else [v for v in value.values() if isinstance(v, list)]
        value = lists[0] if len(lists) == 1 else []
    if not isinstance(value, list):
        return []
    return [text for entry in value if (text := _entry_text(entry))]


def _entry_text(entry: Any) -> str:
    """A text, or the texts of an object in its order: aspect before question."""
    if isinstance(entry, dict):
        return ": ".join(part for part in entry.values() if isinstance(part, str))
    return entry if isinstance(entry, str) else ""


def _from_truncated_json(answer: str, field: str) -> list[str] | None:
    """The complete objects or strings of a list without an end."""
    opening = re.search(rf'"{re.escape(field)}"\s*:\s*\[', answer)
    if opening is None:
        return None
    rest = answer[opening.end() :]
    objects = re.findall(r"\{[^{}]*\}", rest)
    if objects:
        return [": ".join(_STRING.findall(part)[1::2]) for part in objects]
    return [_unescape(text) for text in _STRING.findall(rest)]


def _unescape(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _from_lines(answer: str) -> list[str]:
    lines = [line.strip() for line in answer.splitlines() if line.strip() and not line.strip().startswith("```")]
    marked = [line for line in lines if _LIST_MARK.match(line)]
    return marked or [line for line in lines if line not in ("{", "}", "[", "]", "},", "],")]
