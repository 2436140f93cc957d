"""Reading and writing knowledge bases in common file formats, which are recognized by their content.

table        one row per description, with columns for the class and the text: CSV, JSONL, JSON or Parquet
cupl         JSON, class -> list of texts, as in CuPL (arXiv 2209.03320)
descriptors  JSON, class -> list of short traits, as in "Visual classification via description" (arXiv 2210.07183);
             a trait becomes a text as in that paper: "hen, which has two legs"
unibind      one row per item, with data (or uri, id), label and description, as in UniBind's train JSON and manifests
names        class names: one per line of a .txt file, a JSON list, or the labels of a table
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..data.intake.columns import columns, is_known
from ..data.tables import Dialect, Row, read_rows, table_rows, write_rows
from ..errors import UnibindError, UnknownNameError
from ..files import write_whole
from ..json_files import read_json
from .base import COLUMNS, Description, KnowledgeBase, description_id, spoken
from .classes import read_classes

_PREVIEW_ROWS = 100  # rows whose columns decide the format


@dataclass(frozen=True)
class KnowledgeFormat:
    """A file format of knowledge bases: `matches` decides from a preview whether a file may be in it."""

    summary: str
    matches: Callable[[_Preview], bool]
    read: Callable[[_Preview], Iterable[Description]]
    write: Callable[[Path, Sequence[Description]], None]


@dataclass(frozen=True)
class _Preview:
    """What a file has: a JSON object (class -> list of texts), a list of names, or the columns of the first rows."""

    path: Path
    lists: Mapping[str, Any] | None = None
    names: Sequence[str] | None = None
    columns: tuple[str, ...] = ()

    @property
    def meanings(self) -> Mapping[str, str]:
        """What the columns mean, as in manifests -> the best column of that meaning."""
        return {meaning: names[0] for meaning, names in columns(self.columns).meanings.items()}

    @property
    def lists_items(self) -> bool:
        """Whether the columns tell where items are."""
        known = columns(self.columns)
        return bool(known.modalities) or bool({"uri", "split"} & known.meanings.keys())


def parse_file(path: Path, format: str | None = None) -> list[Description]:
    """The distinct descriptions in a file of one of the `FORMATS` (None: recognized by content).

    Raises MissingFileError where `path` does not exist, and UnibindError for content in another form.
    """
    preview = _preview(path)
    descriptions: dict[str, Description] = {}
    for description in FORMATS[_format_name(preview, format)].read(preview):
        descriptions.setdefault(description.id, description)
    if not descriptions:
        raise UnibindError(f"{path} contains no descriptions; add some, or pass another file")
    return list(descriptions.values())


def write_descriptions(base: KnowledgeBase, path: str | Path, format: str | None = None) -> None:
    """Write a base atomically; by default .json as cupl, .txt as names, and .csv, .jsonl and .parquet as table.

    Only `table` preserves everything; `cupl` and `descriptors` keep categories and texts, `unibind` keeps descriptions
    of items, `names` keeps categories. Raises UnibindError where the format cannot represent any description.
    """
    path = Path(path)
    name = format or {".json": "cupl", ".txt": "names"}.get(path.suffix.lower(), "table")
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    FORMATS[name].write(path, base.descriptions)


# --- recognizing a format -------------------------------------------------------------------------------------------


def _format_name(preview: _Preview, requested: str | None) -> str:
    """The requested format, or the first that matches; raises UnibindError, naming the content, where none does."""
    if requested is not None:
        return _check_format(preview, requested)
    for name, candidate in FORMATS.items():
        if candidate.matches(preview):
            return name
    known = "; ".join(f"{name}: {candidate.summary}" for name, candidate in FORMATS.items())
    raise UnibindError(f"{preview.path} is not a knowledge base: {_content(preview)}; use one of {known}")


def _check_format(preview: _Preview, name: str) -> str:
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    if not FORMATS[name].matches(preview) and not (name in _LIST_FORMATS and preview.lists is not None):
        raise UnibindError(
            f"{preview.path} is not in the format {name} ({FORMATS[name].summary}): {_content(preview)}; "
            "choose another format"
        )
    return name


def _content(preview: _Preview) -> str:
    if preview.names is not None:
        return "it is a list of names"
    if preview.lists is not None:
        return "it is a JSON object" + ("" if preview.lists else " without entries")
    if not preview.columns:
        return "it contains no descriptions, and no columns that name classes"
    return f"it has the columns {', '.join(sorted(preview.columns))}"


def _preview(path: Path) -> _Preview:
    ending = path.suffix.lower()
    if ending == ".txt":
        return _Preview(path, names=read_classes(str(path)))
    if ending == ".json":
        value = read_json(path, "pass a table, a list of names, or a list of texts per class")
        if isinstance(value, dict):
            return _Preview(path, lists=value)
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return _Preview(path, names=value)
    rows = islice(table_rows(path, Dialect(_is_column)), _PREVIEW_ROWS)
    found = dict.fromkeys(name for _, row in rows if isinstance(row, dict) for name in row)
    return _Preview(path, columns=tuple(found))


def _is_column(name: str) -> bool:
    return name in COLUMNS or is_known(name)


def _rows(preview: _Preview, names: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
    """Where each row is, in words, and its cells by our names; `names` maps these to the written ones."""
    for number, row in read_rows(preview.path, tuple(names.values())):
        yield f"{preview.path}, row {number}", {ours: row.get(written) for ours, written in names.items()}


# --- table ---------------------------------------------------------------------------------------------------------


def _is_table(preview: _Preview) -> bool:
    if {"category", "text"} <= set(preview.columns):
        return True
    return not preview.lists_items and {"category", "text"} <= _table_columns(preview).keys()


def _table_columns(preview: _Preview) -> dict[str, str]:
    """Our names of columns -> the written ones: those of descriptions, else what means a class or a text."""
    found = {name: name for name in COLUMNS if name in preview.columns}
    meanings = preview.meanings
    alike = {"category": meanings.get("label"), "text": meanings.get("text") or meanings.get("description")}
    return {name: written for name, written in alike.items() if written} | found


def _read_table(preview: _Preview) -> Iterator[Description]:
    for where, row in _rows(preview, _table_columns(preview)):
        try:
            yield _description(row)
        except UnibindError as error:
            raise UnibindError(f"{where}: {error}") from error


def _description(row: Row) -> Description:
    cells = {name: value for name, value in row.items() if value is not None}
    missing = [name for name in ("category", "text") if name not in cells]
    if missing:
        raise UnibindError(f"a description needs a {' and a '.join(missing)}; fill that column")
    stable_id = description_id(cells["category"], cells["text"], cells.get("item"))
    return Description(**{"id": stable_id, **cells})


def _write_table(path: Path, descriptions: Sequence[Description]) -> None:
    write_rows(path, [vars(d) for d in descriptions], COLUMNS)


# --- class -> list of texts ----------------------------------------------------------------------------------------


def _is_lists(preview: _Preview) -> bool:
    return bool(preview.lists) and all(isinstance(texts, list) for texts in (preview.lists or {}).values())


def _is_traits(preview: _Preview) -> bool:
    """Phrases rather than sentences: most neither end like a sentence nor contain the name of their class."""
    if not _is_lists(preview):
        return False
    pairs = [(category, text) for category, texts in (preview.lists or {}).items() for text in texts]
    sentences = sum(
        isinstance(text, str) and (text.rstrip().endswith((".", "!", "?")) or spoken(c).lower() in text.lower())
        for c, text in pairs
    )
    return 2 * sentences < len(pairs)


def _read_lists(preview: _Preview) -> Iterator[Description]:
    for category, text in _listed_texts(preview):
        yield new_description(category, text)


def _read_traits(preview: _Preview) -> Iterator[Description]:
    for category, trait in _listed_texts(preview):
        yield new_description(category, f"{spoken(category)}, {_relative_clause(trait)}")


def _listed_texts(preview: _Preview) -> Iterator[tuple[str, str]]:
    for category, texts in (preview.lists or {}).items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UnibindError(f"{preview.path}: the value of class {category!r} is not a list of texts; make it one")
        if not category.strip():
            raise UnibindError(f"{preview.path} has a class without a name; name it")
        yield from ((category, tidy) for tidy in (" ".join(text.split()) for text in texts) if tidy)


def new_description(category: str, text: str) -> Description:
    """A description of which nothing else is known."""
    return Description(description_id(category, text), category, text)


def _write_lists(path: Path, descriptions: Sequence[Description]) -> None:
    _write_json(path, _by_category((d.category, d.text) for d in descriptions))


def _write_traits(path: Path, descriptions: Sequence[Description]) -> None:
    _write_json(path, _by_category((d.category, _trait(d)) for d in descriptions))


def _by_category(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    texts_of: dict[str, dict[str, None]] = {}
    for category, text in pairs:
        texts_of.setdefault(category, {})[text] = None
    return {category: list(texts) for category, texts in texts_of.items()}


_NOUNS = ("a", "an", "one", "made", "used", "usually", "found")  # "which is ..."
_VERBS = ("has", "have", "had", "is", "are", "was", "can", "may", "might", "often", "typically", "comes", "looks")
_CLAUSES = (("which is ", _NOUNS), ("which ", _VERBS))


def _relative_clause(trait: str) -> str:
    first = trait.split()[0].lower()
    return next((opening for opening, words in _CLAUSES if first in words), "which has ") + trait


def _trait(description: Description) -> str:
    """Inverse of `_relative_clause`; any other text is returned unchanged."""
    opening = f"{spoken(description.category)}, which "
    if not description.text.startswith(opening):
        return description.text
    rest = description.text.removeprefix(opening)
    bare = rest.removeprefix("has ").removeprefix("is ")
    return bare if f"which {rest}" == _relative_clause(bare or rest) else rest


# --- items ---------------------------------------------------------------------------------------------------------


def _is_items(preview: _Preview) -> bool:
    return {"label", "description"} <= preview.meanings.keys() and bool({"uri", "id"} & preview.meanings.keys())


def _read_items(preview: _Preview) -> Iterator[Description]:
    facts: dict[str, str] = {name: name for name in ("generator", "prompt_id", "created") if name in preview.columns}
    for where, row in _rows(preview, facts | dict(preview.meanings)):
        if row["description"] is not None:
            yield _item_description(row, where)


def _item_description(row: Row, where: str) -> Description:
    item, label, text = row.get("id") or row.get("uri"), row.get("label"), row.get("description")
    if item is None or label is None:
        missing = "a label" if label is None else "data, uri or id"
        raise UnibindError(f"{where} has a description but lacks {missing}; fill that column")
    text = " ".join(str(text).split())
    columns = {name: row.get(name) for name in ("modality", "generator", "prompt_id", "created")}
    return Description(description_id(label, text, item), label, text, "data", item, **columns)


def _write_items(path: Path, descriptions: Sequence[Description]) -> None:
    rows = [
        {"data": d.item, "label": d.category, "description": d.text, "modality": d.modality}
        for d in descriptions
        if d.kind == "data"
    ]
    if not rows:
        raise UnibindError("the format unibind contains descriptions of items, and this base has none; use another")
    if path.suffix.lower() == ".json":
        _write_json(path, [{name: cell for name, cell in row.items() if cell is not None} for row in rows])
    else:
        write_rows(path, rows, ("data", "label", "description", "modality"))


def _write_json(path: Path, value: object) -> None:
    if path.suffix.lower() != ".json":
        raise UnknownNameError(f"suffix for this format of {path}:", path.suffix, [".json"])
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


# --- names ---------------------------------------------------------------------------------------------------------


def _is_names(preview: _Preview) -> bool:
    return preview.names is not None or "label" in preview.meanings


def _read_names(preview: _Preview) -> Iterable[Description]:
    if preview.names is None:
        labels = (row["label"] for _, row in _rows(preview, {"label": preview.meanings["label"]}))
        names = [label for label in dict.fromkeys(labels) if label is not None]
    else:
        names = list(preview.names)
    return KnowledgeBase.from_names(names).descriptions


def _write_names(path: Path, descriptions: Sequence[Description]) -> None:
    if path.suffix.lower() != ".txt":
        raise UnknownNameError(f"suffix for this format of {path}:", path.suffix, [".txt"])
    write_whole(path, "".join(f"{name}\n" for name in dict.fromkeys(d.category for d in descriptions)))


FORMATS: dict[str, KnowledgeFormat] = {
    "table": KnowledgeFormat("rows with the columns category and text", _is_table, _read_table, _write_table),
    "unibind": KnowledgeFormat("rows with data, label and description", _is_items, _read_items, _write_items),
    "descriptors": KnowledgeFormat("JSON, class -> list of short traits", _is_traits, _read_traits, _write_traits),
    "cupl": KnowledgeFormat("JSON, class -> list of texts", _is_lists, _read_lists, _write_lists),
    "names": KnowledgeFormat("names of classes", _is_names, _read_names, _write_names),
}
_LIST_FORMATS = ("descriptors", "cupl")
