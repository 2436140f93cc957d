"""Opening whatever a person has for classes: a base, a file of descriptions, or bare names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from ..errors import MissingFileError, UnibindError
from .base import DESCRIPTIONS, PACKAGED, Description, KnowledgeBase, KnowledgeSource
from .classes import is_list_of_names, read_classes
from .formats import new_description, parse_file


def open_knowledge(source: KnowledgeSource) -> KnowledgeBase:
    """The base that a source is or stands for; see `KnowledgeBase.open`."""
    if isinstance(source, KnowledgeBase):
        return source
    if isinstance(source, str | Path):
        folder = Path(source) if _is_folder(source) and source != PACKAGED else None
        return KnowledgeBase(_read(source), folder=folder if folder and (folder / DESCRIPTIONS).is_file() else None)
    if isinstance(source, Mapping):
        return KnowledgeBase(_listed(source))
    return KnowledgeBase.from_names(tuple(source))


def read_descriptions(
    source: str | Path,
    format: str | None = None,
    *,
    generator: str | None = None,
    modality: str | None = None,
    aspect: str | None = None,
) -> list[Description]:
    """Descriptions in a source that `KnowledgeBase.load` takes; `format` is one of the `FORMATS` (None: recognized).

    `generator`, `modality` and `aspect` apply where the source does not give them; where a description's prompt is
    unknown, its prompt id names the file. Repeated texts of a category are read once. Raises MissingFileError where
    `source` does not exist, and UnibindError for content in another form.
    """
    read = _read(source, format)
    if _is_folder(source):
        return read
    return [
        replace(
            description,
            generator=description.generator or generator,
            modality=description.modality or modality,
            aspect=description.aspect or aspect,
            prompt_id=description.prompt_id or f"import:{Path(source).name}",
        )
        for description in read
    ]


def _read(source: str | Path, format: str | None = None) -> list[Description]:
    """The distinct descriptions in a file or folder, or those that names stand for."""
    if source == PACKAGED:
        with resources.as_file(resources.files(__package__) / "data" / "heptad.jsonl") as packaged:
            return parse_file(packaged)
    if _is_folder(source):
        return _read_folder(Path(source))
    if os.path.exists(source):  # noqa: PTH110 - Path raises for very long lists
        return parse_file(Path(source), format)
    if is_list_of_names(str(source)):
        return list(KnowledgeBase.from_names(read_classes(str(source))).descriptions)
    raise MissingFileError(
        f"{source} does not exist; pass the folder of a base, a file of descriptions or names, or names separated by "
        "commas"
    )


def _is_folder(source: str | Path) -> bool:
    return os.path.isdir(source)  # noqa: PTH112 - Path raises for very long lists


def _read_folder(folder: Path) -> list[Description]:
    if (folder / DESCRIPTIONS).is_file():
        return parse_file(folder / DESCRIPTIONS, "table")
    try:
        return list(KnowledgeBase.from_names(read_classes(str(folder))).descriptions)
    except UnibindError as error:
        raise MissingFileError(
            f"{folder} is not a knowledge base: it has neither {DESCRIPTIONS} nor folders of files that are named "
            "after classes; make one with `unibind knowledge generate`"
        ) from error


def _listed(texts_of: Mapping[str, Sequence[str]]) -> list[Description]:
    """The distinct descriptions of class -> texts; raises UnibindError for a class without any."""
    described: dict[str, Description] = {}
    for category, texts in texts_of.items():
        listed = [texts] if isinstance(texts, str) else texts
        if not listed or not all(text.strip() for text in listed):
            raise UnibindError(f"the class {category!r} has no texts, or a blank one; add some, or leave it out")
        for text in listed:
            description = new_description(category, text)
            described.setdefault(description.id, description)
    return list(described.values())
