"""The words of the questions to language models: versioned text files, any of which can be replaced.

`prompt_files/` has system.txt, questions.txt, descriptions.txt, item.txt and aspects/<aspect>.txt; the phrase of a
modality (modalities/<modality>.txt) comes from its `ModalitySpec`. A file begins with lines `name: value` and a blank line. A folder of one's own replaces the files
that it has, and may add aspects. A prompt's id names its version and what its files hold, so that it changes with any
of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UnibindError, UnknownNameError
from ...modalities import check_modality, modality_names, modality_spec

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDERS = {
    "system": (),
    "questions": ("category", "medium", "aspects", "count"),
    "descriptions": ("category", "medium", "aspect", "question", "language", "avoid", "count"),
    "item": ("medium", "label", "aspects", "words", "language"),
}
_ENGLISH_NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "any": "English",
}


def list_schema(field: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """JSON schema of an object with one list."""
    return {
        "type": "object",
        "properties": {field: {"type": "array", "items": dict(entry)}},
        "required": [field],
        "additionalProperties": False,
    }


DESCRIPTIONS_SCHEMA = list_schema("descriptions", {"type": "string"})
QUESTIONS_SCHEMA = list_schema(
    "questions",
    {
        "type": "object",
        "properties": {"aspect": {"type": "string"}, "question": {"type": "string"}},
        "required": ["aspect", "question"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True)
class Prompt:
    """A conversation to send, and the id of its wording."""

    id: str
    messages: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class _File:
    facts: Mapping[str, str]
    text: str


class Wording:
    """The packaged prompt files, with those of the folder `own` before them."""

    def __init__(self, own: str | Path | None = None, *, language: str = "en") -> None:
        self.language = _ENGLISH_NAMES[language]
        packaged = resources.files(__package__) / "prompt_files"
        self._files = _read(Path(str(packaged))) | _modality_phrases()
        if own is not None:
            if not Path(own).is_dir():
                raise MissingFileError(f"there is no folder {own}; name one with prompt files")
            self._files |= _read(Path(own))
        for name, known in _PLACEHOLDERS.items():
            for placeholder in _PLACEHOLDER.findall(self._files[name].text):
                if placeholder not in known:
                    raise UnknownNameError(f"placeholder in {name}.txt:", placeholder, known)

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that have words."""
        return tuple(name.partition("/")[2] for name in self._files if name.startswith("modalities/"))

    def aspects(self, modality: str, chosen: Sequence[str] | None = None) -> tuple[str, ...]:
        """What can be told of a category in a modality; of these only the chosen ones.

        Raises UnknownNameError for a modality or an aspect without words.
        """
        check_modality(modality, self.modalities)
        known = tuple(name.partition("/")[2] for name in self._files if name.startswith("aspects/"))
        own = [
            a.strip() for a in self._files[f"modalities/{modality}"].facts.get("aspects", "").split(",") if a.strip()
        ]
        for aspect in [*own, *(chosen or ())]:
            if aspect not in known:
                raise UnknownNameError("aspect", aspect, known)
        return tuple(own if chosen is None else (a for a in chosen if a in own))

    def questions(self, category: str, modality: str, aspects: Sequence[str], count: int) -> Prompt:
        """Ask for questions about a category."""
        lines = "\n".join(f"- {self._aspect(aspect)}" for aspect in aspects)
        parts = ["questions", f"modalities/{modality}", *(f"aspects/{aspect}" for aspect in aspects)]
        return self._prompt(parts, category=category, medium=self._medium(modality), aspects=lines, count=count)

    def descriptions(
        self,
        category: str,
        modality: str,
        aspect: str,
        count: int,
        *,
        question: str | None = None,
        avoid: Sequence[str] = (),
    ) -> Prompt:
        """Ask for descriptions of a category, as answers to a question where there is one, unlike those to `avoid`."""
        known = "".join(f"- {text}\n" for text in avoid)
        return self._prompt(
            ["descriptions", f"modalities/{modality}", f"aspects/{aspect}"],
            category=category,
            medium=self._medium(modality),
            aspect=self._aspect(aspect),
            question=f"Question that each sentence answers: {question}\n" if question else "",
            language=self.language,
            avoid=f"Say other things than these:\n{known}" if known else "",
            count=count,
        )

    def item(self, modality: str, words: int, *, label: str | None = None) -> Prompt:
        """Ask for a description of one item, which is to follow, in at most so many words; `label` where it may be
        told."""
        aspects = self.aspects(modality)
        return self._prompt(
            ["item", f"modalities/{modality}", *(f"aspects/{aspect}" for aspect in aspects)],
            medium=self._medium(modality),
            label="" if label is None else f'It is known to be of the category "{label}". ',
            aspects="\n".join(f"- {self._aspect(aspect)}" for aspect in aspects),
            words=words,
            language=self.language,
        )

    def descriptions_id(self, modality: str, aspect: str) -> str:
        """The id of the prompts that `descriptions` makes."""
        return self._id(["descriptions", f"modalities/{modality}", f"aspects/{aspect}"])

    def _medium(self, modality: str) -> str:
        return self._files[f"modalities/{modality}"].text

    def _aspect(self, aspect: str) -> str:
        return self._files[f"aspects/{aspect}"].text

    def _id(self, parts: Sequence[str]) -> str:
        held = "\0".join([self.language, *(self._files[name].text for name in ("system", *parts))])
        version = self._files[parts[0]].facts.get("version", "0")
        return f"{parts[0]}-{version}-{hashlib.sha256(held.encode()).hexdigest()[:8]}"

    def _prompt(self, parts: Sequence[str], **values: object) -> Prompt:
        # in one pass, so that braces in a category's name or a model's question are left alone
        text = _PLACEHOLDER.sub(lambda found: str(values[found[1]]), self._files[parts[0]].text)
        system = {"role": "system", "content": self._files["system"].text}
        return Prompt(self._id(parts), (system, {"role": "user", "content": text}))


def _read(folder: Path) -> dict[str, _File]:
    """Files by name without ending, such as aspects/looks."""
    return {path.relative_to(folder).with_suffix("").as_posix(): _file(path) for path in sorted(folder.rglob("*.txt"))}


def _modality_phrases() -> dict[str, _File]:
    """The prompt phrase of every modality that has one, under the name modalities/<modality>."""
    specs = [spec for spec in map(modality_spec, modality_names()) if spec.prompt_phrase]
    return {
        f"modalities/{spec.name}": _File(
            {"version": str(spec.prompt_version), "aspects": ", ".join(spec.aspects)}, spec.prompt_phrase
        )
        for spec in specs
    }


def _file(path: Path) -> _File:
    try:
        head, blank, text = path.read_text(encoding="utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise UnibindError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    facts = dict(re.findall(r"^(\w+): *(.*)$", head, re.MULTILINE))
    if not blank or "version" not in facts or not text.strip():
        raise UnibindError(f"{path} must begin with a line `version: 1` and a blank line, and then say something")
    return _File(facts, text.strip())
