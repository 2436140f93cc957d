"""What the views of a store are, for people."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.lance_files import folder_size
from ...data.store import Store
from .opening import view_records
from .record import VIEWS, ViewRecord
from .table import ViewTable


@dataclass(frozen=True)
class ViewDescription:
    """A view in figures.

    `items` were in it when it last followed the store, at `store_version`; `behind` says that the store has changed
    since, which the next search makes up for. `unindexed` of them are compared one by one. `index` is None for a view
    that is too small to need one, else its kind, and `learned_from` how many items it was built with. `heads` are the
    modalities that a fitted model has heads for.
    """

    name: str
    backbone: str
    heads: tuple[str, ...]
    modalities: tuple[str, ...]
    items: int
    unindexed: int
    index: str | None
    learned_from: int
    words: str
    store_version: int
    behind: bool
    bytes: int


def describe_view(store: Store, record: ViewRecord) -> ViewDescription:
    """The view with this record in figures."""
    folder = store.path / VIEWS / record.name
    index = record.index
    return ViewDescription(
        record.name,
        record.backbone,
        record.heads,
        tuple(record.contracts),
        record.rows,
        0 if index is None else ViewTable(folder, store.path).unindexed(),
        None if index is None else index.kind,
        0 if index is None else index.rows,
        "none: all items are compared" if index is None else index.words,
        record.version,
        record.commit != store.commit,
        folder_size(folder),
    )


def describe_views(store: Store) -> list[ViewDescription]:
    """All complete views of a store in figures, by name."""
    return [describe_view(store, record) for record in view_records(store)]
