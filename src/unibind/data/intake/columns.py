"""The columns of tables: what people call them, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ...modalities import ANCHOR, modality_names, modality_spec

# What a column means, and the names it is recognized by, the best first; case, spaces and punctuation do not matter.
NAMES: Mapping[str, tuple[str, ...]] = {
    "uri": ("uri", "path", "file", "filepath", "filename", "url", "location", "data", "src"),
    "text": ("text", "sentence"),
    "id": ("id", "itemid", "uid", "uuid"),
    "modality": ("modality",),
    "label": ("label", "labelname", "classname", "categoryname", "class", "category", "target", "labels"),
    "split": ("split", "subset", "partition", "set"),
    "description": ("description", "caption"),
    "object": ("object", "objectid"),
}
_OF_FILES = ("", "path", "file", "filepath", "filename", "uri", "url")  # what follows the name of a modality


@dataclass(frozen=True)
class Columns:
    """The columns of a table: the written names of each meaning, the best first, and columns of files of a modality."""

    meanings: Mapping[str, tuple[str, ...]]
    modalities: Mapping[str, str]

    @property
    def known(self) -> int:
        """How many columns mean something."""
        return sum(map(len, self.meanings.values())) + len(self.modalities)

    @property
    def hold_items(self) -> bool:
        """Whether there is a column of files or texts."""
        return bool(self.modalities or self.meanings.get("uri") or self.meanings.get("text"))


@cache
def columns(names: tuple[str, ...]) -> Columns:
    """What the columns with these names mean."""
    of_files = _file_columns()
    written = {name: plain(name) for name in names}
    meanings = {
        meaning: tuple(sorted((n for n in names if written[n] in known), key=lambda n: known.index(written[n])))
        for meaning, known in NAMES.items()
    }
    return Columns(
        {meaning: found for meaning, found in meanings.items() if found},
        {name: of_files[key] for name, key in written.items() if key in of_files},
    )


def is_known(name: str) -> bool:
    """Whether a column of this name means something."""
    return columns((name,)).known > 0


def plain(name: str) -> str:
    """A column's name without case, spaces and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def named_modality(name: str) -> str:
    """The modality that a name in any case stands for, such as `Point cloud`; other names are returned as they are."""
    return _by_plain_name().get(plain(name), name)


@cache
def _by_plain_name() -> dict[str, str]:
    return {plain(name): name for name in modality_names()}


@cache
def _file_columns() -> dict[str, str]:
    """Names of columns whose cells are the files of one modality: `image`, `audio_path`, ..., without texts."""
    names = {
        plain(name) + ending: modality
        for modality in modality_names()
        for name in (modality, *modality_spec(modality).column_names)
        for ending in _OF_FILES
    }
    return {name: modality for name, modality in names.items() if name not in NAMES[ANCHOR]}
