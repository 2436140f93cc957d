"""Reading class names: from a text file, a comma-separated list, the labels of a manifest, or those of a classifier."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..data.intake import read_manifest
from ..errors import MissingFileError, UnibindError

_TABLES = (".csv", ".jsonl", ".json", ".parquet")


@dataclass(frozen=True)
class ClassList:
    """Classes to describe, and the modalities to describe them for; None: not known."""

    names: tuple[str, ...]
    modalities: tuple[str, ...] | None = None


def classes_to_describe(source: str | None, labels_of: str | None = None) -> ClassList:
    """What `source` contains (see `read_classes`), or the labels of the classifier in the folder or on the Hub.

    Of a classifier only config.json is read. Raises UnibindError unless one of the two is given, and what reading it
    raises.
    """
    if (source is None) == (labels_of is None):
        raise UnibindError("name either the classes or, with --labels-of, the classifier whose labels they are")
    if source is not None:
        return ClassList(read_classes(source))
    # imported here: torch, which names of classes do not need
    from ..backbones.classifier.labels import checkpoint_labels

    found = checkpoint_labels(str(labels_of))
    return ClassList(tuple(dict.fromkeys(found.labels)), (found.modality,))


def read_classes(source: str) -> tuple[str, ...]:
    """Distinct class names in order of first appearance.

    `source` is a .txt file (one class per line, lines starting with # are comments), a table or folder with labels, or
    a comma-separated list. Raises MissingFileError for a file that does not exist, and UnibindError where there are no
    class names.
    """
    names = (" ".join(name.split()) for name in _raw_names(source))
    classes = tuple(dict.fromkeys(name for name in names if name))
    if not classes:
        raise UnibindError(
            f"{source!r} contains no class names; write one per line, or label the items of the manifest"
        )
    return classes


def _raw_names(source: str) -> list[str]:
    path = Path(source)
    if path.suffix.lower() in _TABLES or os.path.isdir(source):  # noqa: PTH112 - Path raises for very long lists
        return [item.label or "" for item in read_manifest(path)]
    if os.path.isfile(source):  # noqa: PTH113
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UnibindError(f"{path} is not UTF-8 text; write one class per line in UTF-8") from error
        return [line for line in lines if not line.lstrip().startswith("#")]
    if _names_file(source):
        raise MissingFileError(f"{source} does not exist; pass an existing file, or class names separated by commas")
    return source.split(",")


def is_list_of_names(source: str) -> bool:
    """Whether a text that is not a path lists several names, separated by commas."""
    return "," in source and not _names_file(source)


def _names_file(source: str) -> bool:
    return "/" in source or Path(source).suffix.lower() in (".txt", *_TABLES)
