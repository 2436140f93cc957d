"""Descriptions as a table that can be read, saved, filtered and fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Protocol

from ..data.tables import Row, read_rows, write_rows
from ..errors import UnibindError, UnknownNameError

KINDS = ("category", "data")
DESCRIPTIONS = "descriptions.parquet"  # the table in the folder of a base


@dataclass(frozen=True)
class Description:
    """One text about a category: written from the category's name (`kind` "category") or of one `item` ("data").

    `aspect` says what it is about (shape, sound, ...), `modality` which modality it was written for, `generator`
    and `prompt_id` who wrote it and how, `created` when (ISO 8601); None where not known.
    """

    id: str
    category: str
    text: str
    kind: str = "category"
    item: str | None = None
    aspect: str | None = None
    modality: str | None = None
    generator: str | None = None
    prompt_id: str | None = None
    created: str | None = None

    def __post_init__(self) -> None:
        """Refuse unknown kinds."""
        if self.kind not in KINDS:
            raise UnknownNameError("kind of description", self.kind, KINDS)


class Described(Protocol):
    """What `add_data` needs of an item: a manifest's Item has it."""

    @property
    def id(self) -> str:
        """Name of the item."""
        ...

    @property
    def modality(self) -> str:
        """Modality of the item."""
        ...

    @property
    def label(self) -> str | None:
        """Category of the item."""
        ...

    @property
    def description(self) -> str | None:
        """What the item is described as."""
        ...


COLUMNS = tuple(field.name for field in fields(Description))


class KnowledgeBase:
    """Descriptions, at least one, with unlike ids. `folder` is the folder of the base that they come from, if any."""

    def __init__(self, descriptions: Iterable[Description], *, folder: Path | None = None) -> None:
        self.descriptions = tuple(descriptions)
        self.folder = folder
        if not self.descriptions:
            raise UnibindError("a knowledge base needs at least one description")
        if len({d.id for d in self.descriptions}) < len(self.descriptions):
            raise UnibindError("two descriptions of a knowledge base have one id; leave out one of them")

    def __len__(self) -> int:
        return len(self.descriptions)

    @classmethod
    def load(cls, path: str | Path) -> KnowledgeBase:
        """Read JSONL, CSV or Parquet with the columns category and text, and optionally the others of Description,
        or a folder in which a base is being made (see `folder`).

        A text that occurs again for its category is read once. Raises MissingFileError for no such file, and
        UnibindError, naming file and row, for rows without category or text.
        """
        path = Path(path)
        folder = path if path.is_dir() else None
        if folder is not None:
            path = folder / DESCRIPTIONS
        found: dict[str, Description] = {}
        for number, row in read_rows(path, COLUMNS):
            try:
                description = _description(row)
            except UnibindError as error:
                raise UnibindError(f"{path}, row {number}: {error}") from error
            found.setdefault(description.id, description)
        if not found:
            raise UnibindError(f"{path} holds no descriptions; fill it, or name another knowledge base")
        return cls(found.values(), folder=folder)

    @classmethod
    def heptad(cls) -> KnowledgeBase:
        """The packaged base: 64 descriptions, 8 of each of 8 aspects, of each of Heptad's 24 categories."""
        with resources.as_file(resources.files(__package__) / "data" / "heptad.jsonl") as path:
            return cls.load(path)

    def save(self, path: str | Path) -> None:
        """Write a table whole or not at all: Parquet, JSONL or CSV by suffix."""
        write_rows(Path(path), [asdict(d) for d in self.descriptions], COLUMNS)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories in order of first appearance."""
        return tuple(dict.fromkeys(d.category for d in self.descriptions))

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any description's id or text, not with their order."""
        rows = sorted(f"{d.id}\0{d.text}" for d in self.descriptions)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]

    def texts(self, category: str) -> list[str]:
        """Texts of one category; raises UnknownNameError for one that is not there."""
        if category not in self.categories:
            raise UnknownNameError("category", category, self.categories)
        return [d.text for d in self.descriptions if d.category == category]

    def of_items(self) -> dict[str, str]:
        """Item -> what it is described as, of the descriptions of items; the first one of each."""
        found: dict[str, str] = {}
        for d in self.descriptions:
            if d.item is not None:
                found.setdefault(d.item, d.text)
        return found

    def without_items(self, items: Collection[str]) -> KnowledgeBase:
        """The descriptions that are not of one of these items; raises UnibindError where none is left."""
        return KnowledgeBase((d for d in self.descriptions if d.item not in items), folder=self.folder)

    def filter(
        self,
        *,
        categories: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        aspects: Collection[str] | None = None,
    ) -> KnowledgeBase:
        """The descriptions with one of the given categories, kinds and aspects (None: any).

        Raises UnibindError where none is left.
        """
        wanted = (("category", categories), ("kind", kinds), ("aspect", aspects))
        kept = (
            d for d in self.descriptions if all(values is None or getattr(d, name) in values for name, values in wanted)
        )
        return KnowledgeBase(kept, folder=self.folder)

    def add_data(self, items: Iterable[Described], *, generator: str | None = None) -> KnowledgeBase:
        """A base with the items' descriptions added under the items' labels; items without a description are left out.

        Pass training items only: a test item's description would give its label away. Raises UnibindError for a
        described item without a label.
        """
        created = datetime.now(UTC).isoformat(timespec="seconds")
        known = {d.id: d for d in self.descriptions}
        for item in items:
            if item.description is None:
                continue
            if item.label is None:
                raise UnibindError(f"item {item.id!r} has a description but no label to put it under; give it one")
            added = Description(
                description_id(item.label, item.description, item.id),
                item.label,
                item.description,
                kind="data",
                item=item.id,
                modality=item.modality,
                generator=generator,
                created=created,
            )
            known.setdefault(added.id, added)
        return KnowledgeBase(known.values(), folder=self.folder)


def _description(row: Row) -> Description:
    cells = {name: value for name, value in row.items() if value is not None}
    missing = [name for name in ("category", "text") if name not in cells]
    if missing:
        raise UnibindError(f"a description needs a {' and a '.join(missing)}; fill that column")
    stable = description_id(cells["category"], cells["text"], cells.get("item"))
    return Description(**{"id": stable, **cells})


def description_id(category: str, text: str, item: str | None = None) -> str:
    """Id of a description: the same wherever and whenever it is read or made."""
    parts = (category, text) if item is None else (category, text, item)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
