"""The texts that stand for the classes of a classifier: those of a knowledge base, of a mapping, or their names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ...errors import MissingFileError, UnibindError
from ...files import check_not_special, write_whole
from ...parquet_rows import parquet_rows

TABLE = "descriptions.parquet"  # in the folder of a knowledge base
_SUFFIX = ".parquet"
_CLASS, _TEXT = "category", "text"  # its columns
_FIX = "write it again with `unibind knowledge`"

# The folder of a knowledge base, a table as in one, or label -> texts.
Knowledge: TypeAlias = str | Path | Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ClassTexts:
    """The distinct texts of every class, in the order of the classifier's outputs; two classes may share a label.

    `named` are the labels without descriptions, which only their names stand for.
    """

    labels: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    named: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of labels and texts; the order of a label's texts does not matter."""
        rows = [[label, sorted(texts)] for label, texts in zip(self.labels, self.texts, strict=True)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write a table that `class_texts` reads, completely or not at all."""
        import pyarrow
        from pyarrow import parquet

        rows = dict.fromkeys((c, t) for c, each in zip(self.labels, self.texts, strict=True) for t in each)
        columns = {_CLASS: [label for label, _ in rows], _TEXT: [text for _, text in rows]}
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.table(columns), sink)
        write_whole(path, sink.getvalue().to_pybytes())


class _Described(NamedTuple):
    """Distinct texts by the name of their class, and by its key, which ignores case and underscores."""

    by_name: Mapping[str, tuple[str, ...]]
    by_key: Mapping[str, tuple[str, ...]]


def class_texts(labels: Sequence[str], knowledge: Knowledge | None = None) -> ClassTexts:
    """The texts of each label: its descriptions, else the names that its commas separate, "tench, Tinca tinca".

    A description belongs to a label if its class is the label or one of the label's names; case and underscores do not
    matter. Raises UnibindError for knowledge that describes none of the labels, and what reading it raises.
    """
    described = _described({} if knowledge is None else knowledge)
    found = [_find(label, described) for label in labels]
    if knowledge is not None and not any(found):
        raise UnibindError(
            f"{_name(knowledge)} describes none of the {len(labels)} labels, such as {labels[0]!r:.60}; "
            "write descriptions of them with `unibind knowledge generate --labels-of`"
        )
    texts = tuple(_utf8(label, each or _names(label)) for label, each in zip(labels, found, strict=True))
    named = tuple(label for label, each in zip(labels, found, strict=True) if not each)
    return ClassTexts(tuple(labels), texts, named)


def names_in(label: str) -> tuple[str, ...]:
    """The distinct names in a label; underscores are spaces."""
    names = (" ".join(name.replace("_", " ").split()) for name in label.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def _names(label: str) -> tuple[str, ...]:
    names = names_in(label)
    if not names:
        raise UnibindError(f"the label {label!r:.60} contains no name; name every class")
    return names


def _utf8(label: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts; JSON can contain halves of characters, which no tokenizer takes."""
    try:
        "".join((label, *texts)).encode()
    except UnicodeEncodeError:
        raise UnibindError(f"the label {label!r:.60} or a text of it is not UTF-8; write it again") from None
    return texts


def _find(label: str, described: _Described) -> tuple[str, ...]:
    if label in described.by_name:
        return described.by_name[label]
    keys = (_key(name) for name in (label, *names_in(label)))
    return next((described.by_key[key] for key in keys if key in described.by_key), ())


def _key(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _described(knowledge: Knowledge) -> _Described:
    by_name: dict[str, dict[str, None]] = {}
    by_key: dict[str, dict[str, None]] = {}
    for name, text in _pairs_of(knowledge) if isinstance(knowledge, Mapping) else _pairs_in(Path(knowledge)):
        if text.strip():
            by_name.setdefault(name, {})[text] = None
            by_key.setdefault(_key(name), {})[text] = None
    return _Described({n: tuple(t) for n, t in by_name.items()}, {k: tuple(t) for k, t in by_key.items()})


def _pairs_of(knowledge: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for label, texts in knowledge.items():
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
            raise UnibindError(
                f"the class {label!r:.60} of the knowledge has {texts!r:.60}; give every class a list of texts"
            )
        yield from ((str(label), text) for text in texts)


def _pairs_in(path: Path) -> Iterator[tuple[str, str]]:
    table = path / TABLE if path.is_dir() else path
    check_not_special(table)
    if not table.is_file():
        raise MissingFileError(f"{table} does not exist; choose the folder of a knowledge base")
    if table.suffix != _SUFFIX:
        raise UnibindError(
            f"{table} is not the folder of a knowledge base; make one with `unibind knowledge import {table} --out kb`"
        )
    for row in parquet_rows(table, (_CLASS, _TEXT).__contains__):
        label, text = row.get(_CLASS), row.get(_TEXT)
        if not isinstance(label, str) or not isinstance(text, str):
            raise UnibindError(f"{table} has a row without a class or a text; {_FIX}")
        yield label, text


def _name(knowledge: Knowledge) -> str:
    return "the knowledge" if isinstance(knowledge, Mapping) else f"the knowledge base {knowledge}"
