"""Knowledge bases in other people's files: read, written, and told apart by what they hold.

table        a row a description, with columns category and text: CSV, JSONL, JSON or Parquet
cupl         JSON, class -> list of texts, as CuPL's (arXiv 2209.03320)
descriptors  JSON, class -> list of short traits, as "Visual classification via description" has them
             (arXiv 2210.07183); a trait becomes a text as there: "hen, which has two legs"
unibind      a row an item, with data (or uri, id), label and description, as UniBind's train JSON and manifests
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..data.tables import Row, read_rows, write_rows
from ..errors import MissingFileError, UnibindError, UnknownNameError
from ..files import write_whole
from .base import COLUMNS, Description, KnowledgeBase, description_id

_ITEM_COLUMNS = ("data", "uri", "id", "label", "description", "modality", "generator", "prompt_id", "created")
_LOOKED_AT = 100  # rows whose columns tell the format


@dataclass(frozen=True)
class Format:
    """A way to write a base down: `fits` says whether a file may be one, from the lists in it or its columns."""

    summary: str
    fits: Callable[[_Look], bool]
    read: Callable[[_Look], Iterable[Description]]
    write: Callable[[Path, Sequence[Description]], None]


@dataclass(frozen=True)
class _Look:
    """What the beginning of a file shows: class -> list of texts, or the columns of its first rows."""

    path: Path
    lists: Mapping[str, Any] | None = None
    columns: frozenset[str] = frozenset()


def read_descriptions(
    path: str | Path,
    format: str | None = None,
    *,
    generator: str | None = None,
    modality: str | None = None,
    aspect: str | None = None,
) -> list[Description]:
    """Descriptions of a file in one of `FORMATS` (None: told by its content), or of the folder of a base.

    `generator`, `modality` and `aspect` are filled in where the file does not say them; where a description's prompt is
    unknown, its prompt id names the file. A text that occurs again for its category is read once. Raises
    MissingFileError for no such file, and UnibindError, naming what is wrong, for content of another form.
    """
    path = Path(path)
    if path.is_dir():
        return list(KnowledgeBase.load(path).descriptions)
    look = _look(path)
    found: dict[str, Description] = {}
    for description in FORMATS[format_of(look, format)].read(look):
        completed = replace(
            description,
            generator=description.generator or generator,
            modality=description.modality or modality,
            aspect=description.aspect or aspect,
            prompt_id=description.prompt_id or f"import:{path.name}",
        )
        found.setdefault(completed.id, completed)
    if not found:
        raise UnibindError(f"{path} holds no descriptions; fill it, or name another file")
    return list(found.values())


def write_descriptions(base: KnowledgeBase, path: str | Path, format: str | None = None) -> None:
    """Write a base whole or not at all; by default .json as cupl, and .csv, .jsonl and .parquet as table.

    Only `table` keeps everything; `cupl` and `descriptors` keep categories and texts, `unibind` items. Raises
    UnibindError where nothing can be written in that format.
    """
    path = Path(path)
    name = format or ("cupl" if path.suffix.lower() == ".json" else "table")
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    FORMATS[name].write(path, base.descriptions)


def format_of(look: _Look, said: str | None) -> str:
    """The format that was said, else the first that fits; raises UnibindError, saying what was found, for none."""
    if said is not None:
        if said not in FORMATS:
            raise UnknownNameError("format", said, FORMATS)
        if not FORMATS[said].fits(look) and not (said in _LISTS and look.lists is not None):
            raise UnibindError(f"{look.path} is not in the format {said} ({FORMATS[said].summary}): {_found(look)}")
        return said
    for name, each in FORMATS.items():
        if each.fits(look):
            return name
    wanted = "; ".join(f"{name}: {each.summary}" for name, each in FORMATS.items())
    raise UnibindError(
        f"{look.path} is no knowledge base that is known here: {_found(look)}; wanted is one of {wanted}"
    )


def _found(look: _Look) -> str:
    if look.lists is not None:
        return "it is a JSON object" + ("" if look.lists else " without entries")
    return f"it has the columns {', '.join(sorted(look.columns)) or '(none)'}"


def _look(path: Path) -> _Look:
    if path.suffix.lower() == ".json":
        value = _json(path)
        if isinstance(value, dict):
            return _Look(path, lists=value)
    columns = frozenset(
        name for _, row in islice(read_rows(path, (*COLUMNS, *_ITEM_COLUMNS)), _LOOKED_AT) for name in row
    )
    return _Look(path, columns=columns)


def _json(path: Path) -> Any:
    if not path.is_file():
        raise MissingFileError(f"there is no file {path}; name a JSON, JSONL, CSV or Parquet file")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnibindError(f"{path} is not JSON ({error}); save it as JSON again") from error


# --- table ---------------------------------------------------------------------------------------------------------


def _is_table(look: _Look) -> bool:
    return {"category", "text"} <= look.columns


def _read_table(look: _Look) -> Iterable[Description]:
    return KnowledgeBase.load(look.path).descriptions


def _write_table(path: Path, descriptions: Sequence[Description]) -> None:
    write_rows(path, [vars(d) for d in descriptions], COLUMNS)


# --- class -> list of texts ----------------------------------------------------------------------------------------


def _is_lists(look: _Look) -> bool:
    return bool(look.lists) and all(isinstance(texts, list) for texts in (look.lists or {}).values())


def _are_traits(look: _Look) -> bool:
    """Phrases rather than sentences: most do not end like one, nor name their class."""
    if not _is_lists(look):
        return False
    pairs = [(category, text) for category, texts in (look.lists or {}).items() for text in texts]
    sentences = sum(
        isinstance(text, str) and (text.rstrip().endswith((".", "!", "?")) or _spoken(c).lower() in text.lower())
        for c, text in pairs
    )
    return 2 * sentences < len(pairs)


def _read_lists(look: _Look) -> Iterator[Description]:
    for category, text in _texts(look):
        yield _described(category, text)


def _read_traits(look: _Look) -> Iterator[Description]:
    for category, trait in _texts(look):
        yield _described(category, f"{_spoken(category)}, {_relative_clause(trait)}")


def _texts(look: _Look) -> Iterator[tuple[str, str]]:
    for category, texts in (look.lists or {}).items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UnibindError(f"{look.path}: class {category!r} does not hold a list of texts; write one there")
        if not category.strip():
            raise UnibindError(f"{look.path} has a class without a name; name it")
        yield from ((category, tidy) for tidy in (" ".join(text.split()) for text in texts) if tidy)


def _described(category: str, text: str) -> Description:
    return Description(description_id(category, text), category, text)


def _write_lists(path: Path, descriptions: Sequence[Description]) -> None:
    _write_json(path, _by_category((d.category, d.text) for d in descriptions))


def _write_traits(path: Path, descriptions: Sequence[Description]) -> None:
    _write_json(path, _by_category((d.category, _trait(d)) for d in descriptions))


def _by_category(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for category, text in pairs:
        found.setdefault(category, {})[text] = None
    return {category: list(texts) for category, texts in found.items()}


_NOUNS = ("a", "an", "one", "made", "used", "usually", "found")  # "which is ..."
_VERBS = ("has", "have", "had", "is", "are", "was", "can", "may", "might", "often", "typically", "comes", "looks")
_CLAUSES = (("which is ", _NOUNS), ("which ", _VERBS))


def _relative_clause(trait: str) -> str:
    first = trait.split()[0].lower()
    return next((opening for opening, words in _CLAUSES if first in words), "which has ") + trait


def _trait(description: Description) -> str:
    """Inverse of `_relative_clause`; a text that is none stays as it is."""
    opening = f"{_spoken(description.category)}, which "
    if not description.text.startswith(opening):
        return description.text
    rest = description.text.removeprefix(opening)
    bare = rest.removeprefix("has ").removeprefix("is ")
    return bare if f"which {rest}" == _relative_clause(bare or rest) else rest


def _spoken(category: str) -> str:
    return category.replace("_", " ")


# --- items ---------------------------------------------------------------------------------------------------------


def _is_items(look: _Look) -> bool:
    return {"label", "description"} <= look.columns and bool({"data", "uri", "id"} & look.columns)


def _read_items(look: _Look) -> Iterator[Description]:
    for number, row in read_rows(look.path, _ITEM_COLUMNS):
        if row.get("description") is not None:
            yield _item(row, f"{look.path}, row {number}")


def _item(row: Row, where: str) -> Description:
    item, label, text = row.get("id") or row.get("uri") or row.get("data"), row.get("label"), row.get("description")
    if item is None or label is None:
        lacking = "a label" if label is None else "data, uri or id"
        raise UnibindError(f"{where} has a description but lacks {lacking}; fill that column")
    text = " ".join(str(text).split())
    facts = {name: row.get(name) for name in ("modality", "generator", "prompt_id", "created")}
    return Description(description_id(label, text, item), label, text, "data", item, **facts)


def _write_items(path: Path, descriptions: Sequence[Description]) -> None:
    rows = [
        {"data": d.item, "label": d.category, "description": d.text, "modality": d.modality}
        for d in descriptions
        if d.kind == "data"
    ]
    if not rows:
        raise UnibindError("this base describes no items, which is all that the format unibind holds; choose another")
    if path.suffix.lower() == ".json":
        _write_json(path, [{name: cell for name, cell in row.items() if cell is not None} for row in rows])
    else:
        write_rows(path, rows, ("data", "label", "description", "modality"))


def _write_json(path: Path, value: object) -> None:
    if path.suffix.lower() != ".json":
        raise UnknownNameError(f"ending for this format of {path}:", path.suffix, [".json"])
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


FORMATS: dict[str, Format] = {
    "table": Format("rows with the columns category and text", _is_table, _read_table, _write_table),
    "unibind": Format("rows with data, label and description", _is_items, _read_items, _write_items),
    "descriptors": Format("JSON, class -> list of short traits", _are_traits, _read_traits, _write_traits),
    "cupl": Format("JSON, class -> list of texts", _is_lists, _read_lists, _write_lists),
}
_LISTS = ("descriptors", "cupl")
