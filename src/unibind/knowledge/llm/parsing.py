"""Reading texts out of what a model said: JSON as it was asked for, JSON with words around it, cut JSON, or a list."""

from __future__ import annotations

import json
import re
from typing import Any

MOST_CHARACTERS = 200_000  # of one answer that are looked at

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_MARK = re.compile(r"^(?:[-*•]|\(?\d{1,4}[.):])\s+")
_QUOTES = "\"'“”„«»`*"


def texts_of(said: str, field: str) -> list[str]:
    """The texts that an answer gives under `field` (a list of texts or of objects with a text); one line each.

    Where there is no such JSON: the whole strings of a cut one, else the marked lines of a list, else the lines.
    """
    said = _THOUGHT.sub("", said[:MOST_CHARACTERS])
    found = _from_json(said, field)
    if found is None:
        found = _from_cut_json(said, field)
    if found is None:
        found = _from_lines(said)
    return [text for text in (tidy(text) for text in found) if text]


def tidy(text: str) -> str:
    """One line without list mark, and without the quotes or stars around it."""
    text = _MARK.sub("", " ".join(text.split()))
    stripped = text.strip(_QUOTES).strip()
    return stripped if text[:1] in _QUOTES and text[-1:] in _QUOTES else text.strip()


def _from_json(said: str, field: str) -> list[str] | None:
    decoder = json.JSONDecoder()
    for start in (match.start() for _, match in zip(range(50), re.finditer(r"[\[{]", said), strict=False)):
        try:
            value, _ = decoder.raw_decode(said, start)
        except (ValueError, RecursionError):
            continue
        texts = _texts(value, field)
        if texts:
            return texts
    return [] if _is_json(said) else None


def _is_json(said: str) -> bool:
    try:
        json.loads(said)
    except (ValueError, RecursionError):
        return not said.strip()
    return True


def _texts(value: Any, field: str) -> list[str]:
    """Of a list, of an object's `field`, or of its only list."""
    if isinstance(value, dict):
        lists = [value[field]] if field in value else [v for v in value.values() if isinstance(v, list)]
        value = lists[0] if len(lists) == 1 else []
    if not isinstance(value, list):
        return []
    return [text for entry in value if (text := _text(entry))]


def _text(entry: Any) -> str:
    """A text, or those of an object in its order: aspect before question."""
    if isinstance(entry, dict):
        return ": ".join(part for part in entry.values() if isinstance(part, str))
    return entry if isinstance(entry, str) else ""


def _from_cut_json(said: str, field: str) -> list[str] | None:
    """The whole objects or strings of a list that was cut before its end."""
    opened = re.search(rf'"{re.escape(field)}"\s*:\s*\[', said)
    if opened is None:
        return None
    rest = said[opened.end() :]
    objects = re.findall(r"\{[^{}]*\}", rest)
    if objects:
        return [": ".join(_STRING.findall(part)[1::2]) for part in objects]
    return [_unescaped(text) for text in _STRING.findall(rest)]


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _from_lines(said: str) -> list[str]:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.strip().startswith("```")]
    marked = [line for line in lines if _MARK.match(line)]
    return marked or [line for line in lines if line not in ("{", "}", "[", "]", "},", "],")]
