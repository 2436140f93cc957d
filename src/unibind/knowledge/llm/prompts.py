"""The prompts sent to language models: versioned text files, each of which can be replaced.

`prompt_files/` contains system.txt, questions.txt, descriptions.txt, item.txt and aspects/<aspect>.txt; the phrase and
the aspects of a modality come from its ModalitySpec. A file begins with lines `name: value` and a blank line. A folder
with the same layout replaces the files that it contains, may add aspects, and may replace the phrase of a modality with
modalities/<modality>.txt. A prompt's id contains its version and a hash of its files, so that it changes with each of
them.
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
    """A conversation to send, and the id of its text."""

    id: str
    messages: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class _PromptFile:
    header: Mapping[str, str]
    text: str


class PromptLibrary:
    """The packaged prompt files, with those in the folder `overrides` in their place.

    Raises MissingFileError where that folder does not exist, and UnibindError, naming the file, for one that is not
    valid.
    """

    def __init__(self, overrides: str | Path | None = None, *, language: str = "en") -> None:
        self.language = _ENGLISH_NAMES[language]
        self._files = _packaged_files()
        if overrides is not None:
            if not Path(overrides).is_dir():
                raise MissingFileError(f"{overrides} does not exist; pass a folder with prompt files")
            self._files |= _read_folder(Path(overrides))
        for name, allowed in _PLACEHOLDERS.items():
            for placeholder in _PLACEHOLDER.findall(self._files[name].text):
                if placeholder not in allowed:
                    raise UnknownNameError(f"placeholder in {name}.txt:", placeholder, allowed)

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that have a prompt phrase."""
        return self._names_in("modalities")

    def aspects(self, modality: str, selected: Sequence[str] | None = None) -> tuple[str, ...]:
        """The aspects of a modality; with `selected`, only those among them.

        Raises UnknownNameError for a modality or an aspect without a prompt.
        """
        check_modality(modality, self.modalities)
        listed = self._files[f"modalities/{modality}"].header.get("aspects", "").split(",")
        own = [aspect.strip() for aspect in listed if aspect.strip()]
        known = self._names_in("aspects")
        for aspect in [*own, *(selected or ())]:
            if aspect not in known:
                raise UnknownNameError("aspect", aspect, known)
        return tuple(own if selected is None else (a for a in selected if a in own))

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
        """Ask for descriptions of a category that answer `question`, if any, and differ from those to `avoid`."""
        existing = "".join(f"- {text}\n" for text in avoid)
        return self._prompt(
            ["descriptions", f"modalities/{modality}", f"aspects/{aspect}"],
            category=category,
            medium=self._medium(modality),
            aspect=self._aspect(aspect),
            question=f"Question that each sentence answers: {question}\n" if question else "",
            language=self.language,
            avoid=f"Say other things than these:\n{existing}" if existing else "",
            count=count,
        )

    def item(self, modality: str, words: int, *, label: str | None = None) -> Prompt:
        """Ask for a description of one item, which follows the prompt, in at most `words` words.

        `label` is revealed to the model where given.
        """
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

    def _names_in(self, folder: str) -> tuple[str, ...]:
        return tuple(name.removeprefix(f"{folder}/") for name in self._files if name.startswith(f"{folder}/"))

    def _medium(self, modality: str) -> str:
        return self._files[f"modalities/{modality}"].text

    def _aspect(self, aspect: str) -> str:
        return self._files[f"aspects/{aspect}"].text

    def _id(self, parts: Sequence[str]) -> str:
        content = "\0".join([self.language, *(self._files[name].text for name in ("system", *parts))])
        version = self._files[parts[0]].header.get("version", "0")
        return f"{parts[0]}-{version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def _prompt(self, parts: Sequence[str], **values: object) -> Prompt:
        # in one pass, so that braces in a category's name or a model's question are not substituted
        text = _PLACEHOLDER.sub(lambda match: str(values[match[1]]), self._files[parts[0]].text)
        system = {"role": "system", "content": self._files["system"].text}
        return Prompt(self._id(parts), (system, {"role": "user", "content": text}))


def _packaged_files() -> dict[str, _PromptFile]:
    return _read_folder(Path(str(resources.files(__package__) / "prompt_files"))) | _modality_phrases()


def _modality_phrases() -> dict[str, _PromptFile]:
    """The prompt phrase and aspects of every modality that has them, as the file modalities/<modality>."""
    specs = [modality_spec(name) for name in modality_names()]
    return {
        f"modalities/{spec.name}": _PromptFile(
            {"version": str(spec.prompt_version), "aspects": ", ".join(spec.aspects)}, spec.prompt_phrase
        )
        for spec in specs
        if spec.prompt_phrase
    }


def _read_folder(folder: Path) -> dict[str, _PromptFile]:
    """Files by path without suffix, such as aspects/looks."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): _read_file(path) for path in sorted(folder.rglob("*.txt"))
    }


def _read_file(path: Path) -> _PromptFile:
    try:
        head, blank, text = path.read_text(encoding="utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise UnibindError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise UnibindError(f"{path} cannot be read ({error.strerror}); name a file of a prompt so only") from error
    header = dict(re.findall(r"^(\w+): *(.*)$", head, re.MULTILINE))
    if not blank or "version" not in header or not text.strip():
        raise UnibindError(f"{path} is not a prompt file; begin it with `version: 1` and a blank line before the text")
    return _PromptFile(header, text.strip())
