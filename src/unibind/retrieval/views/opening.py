"""Building a view, finding the one that a search needs, and removing views."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...data.engines import LOCAL, find_engine
from ...data.store import Store
from ...disk_errors import writing
from ...errors import ContractError, UnibindError
from ...files import OutputKind, recover, scratch, staged
from ...modalities import ANCHOR
from ..centering import Searcher
from ..compared import Comparison
from .following import Filling
from .items import ViewItems
from .locking import views_locked
from .nearness import usual_cosines
from .record import RECORD, VIEWS, ViewRecord, view_name
from .rows import schema
from .table import ViewTable
from .vector_index import VectorIndex

_log = logging.getLogger(__name__)

# of all rows, that are compared one by one before they are put into the index, which takes longer than a search may
_SETTLED_BY_SEARCH, _SETTLED_BY_WRITERS = 0.2, 0.02
_VIEW = OutputKind("a search view", marks=(RECORD,), others=("*",), at_once=True)


def build_view(
    store: Store,
    model: Searcher,
    *,
    memory: int | None = None,
    engine: str = LOCAL,
    progress: Callable[[int], None] | None = None,
) -> ViewRecord:
    """Build the view of a model anew, with the means of now and an index that fits; an older one is replaced at once.

    `memory` is what the machine has in bytes, which the kind of index depends on (None: it is looked up). `engine` says
    where the vector index is built (see `views.index_builders`). Killed at any
    moment, what was there is still there. Memory does not grow with the store. Raises UnibindError for an empty store,
    for one that was opened at a version and where another process is building, ContractError for a store of another
    backbone, and WriteError where the folder cannot be written.
    """
    find_engine(engine)
    if not len(store):
        raise UnibindError(f"the store {store.path} has no items to index; encode some first")
    if store.at_a_version:
        raise UnibindError(f"{store.path} was opened at version {store.version}; open it without a version to index it")
    name, folder = view_name(store, model), store.path / VIEWS
    with writing(folder), views_locked(folder, wait=False) as ours:
        if not ours:
            raise UnibindError(f"another process is building an index of {store.path}; wait until it ends")
        with staged(folder / name, kind=_VIEW) as new:
            new.mkdir()
            record = _filled(store, model, ViewTable(new, store.path), memory, engine, progress)
            record.write(new)
    return record


def _filled(
    store: Store,
    model: Searcher,
    table: ViewTable,
    memory: int | None,
    engine: str,
    progress: Callable[[int], None] | None,
) -> ViewRecord:
    comparison = Comparison(model, store)
    contracts = {modality: comparison.contract_of(modality, store.width) for modality in store.modalities()}
    table.create(schema(store.width))
    filling = Filling(store, comparison, table, progress)
    filling.fill(empty=True)
    rows = len(table)
    index = VectorIndex.chosen(rows, store.width, memory)
    table.build(index, engine)
    usual = {} if index is None else usual_cosines(table, index, filling.samples, store.counts())
    text = [ANCHOR] if ANCHOR in model.backbone.modalities else []
    means = {m: comparison.mean(m) for m in [*text, *contracts]}
    return ViewRecord(
        view_name(store, model),
        model.backbone.name,
        tuple(sorted(model.heads)),
        contracts,
        str(store.commit),
        store.version,
        frozenset(fragment.name for fragment in store.fragments()),
        rows,
        index,
        usual,
        {m: mean for m, mean in means.items() if mean is not None},
        filling.averages(),
    )


def current_view(store: Store, model: Searcher) -> ViewItems | None:
    """The view of a model, brought up to date; None where there is none, or none of what the store is read as.

    It is not of that where the store was opened at a version before, where another process is changing the view, and
    where it cannot be written. Raises ContractError for a store of another backbone.
    """
    opened: _Opened | None = store.derived.get(_opened_by(model))
    if opened is not None and opened.stamp == _stamp(opened.place, store):
        return opened.items
    folder = store.path / VIEWS
    if not folder.is_dir() or store.commit is None:
        return None
    place = folder / view_name(store, model)
    recover(place)
    if not (place / RECORD).exists():
        return None
    try:
        items = _opened_at(place, store, model)
    except ContractError:
        raise
    except (OSError, UnibindError) as error:
        _log.warning(f"{error}; every item is looked at instead: `unibind index build` makes the view anew")
        return None
    if items is not None:
        store.derived[_opened_by(model)] = _Opened(place, _stamp(place, store), items)
    return items


@dataclass(frozen=True, eq=False)
class _Opened:
    """A view that is open; it keeps its model, so that nothing else gets its id."""

    place: Path
    stamp: Any
    items: ViewItems


def _opened_by(model: Searcher) -> tuple[str, int]:
    return "view", id(model)


def _stamp(place: Path, store: Store) -> Any:
    """What changes with a view and with what the store is read as."""
    try:
        found = (place / RECORD).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, store.commit


def _opened_at(place: Path, store: Store, model: Searcher) -> ViewItems | None:
    """The view in a folder, brought up to date; None where it cannot follow, or is of another model."""
    record: ViewRecord | None = ViewRecord.read(place)
    if record is not None and record.commit != store.commit:
        record = _followed(store, model, place)
    if record is None:
        return None
    table = ViewTable(place, store.path)
    wrong = table.damage()
    if wrong is None and table.columns() != schema(store.width).names:
        wrong = "it has other columns than this version of unibind writes"
    if wrong is None and len(table) != record.rows:
        wrong = "it has other rows than were written"
    if wrong is not None:
        raise UnibindError(f"the search view {place} is damaged ({wrong})")
    return ViewItems(store, _comparison(store, model, record), record, table)


def _comparison(store: Store, model: Searcher, record: ViewRecord) -> Comparison:
    """How a model compares items, with the means of a view; raises UnibindError where the view is of another model."""
    comparison = Comparison(model, store, fixed=record.means)
    for modality, contract in record.contracts.items():
        if modality in store.modalities() and comparison.contract_of(modality, store.width) != contract:
            raise UnibindError(f"the search view {record.name} of {store.path} is of another model")
    return comparison


def keep_view(store: Store, model: Searcher, *, progress: Callable[[int], None] | None = None) -> ViewRecord:
    """Make the view of a model follow the store; build it where there is none, or where the store has outgrown it.

    Raises what `build_view` raises.
    """
    view = current_view(store, model)
    if view is None or view.record.outgrown:
        return build_view(store, model, progress=progress)
    place = store.path / VIEWS / view.record.name
    with writing(place), views_locked(place.parent, wait=False) as ours:
        if ours:
            table = ViewTable(place, store.path)
            table.settle(_SETTLED_BY_WRITERS)
            table.sync()
            view.record.write(place)  # so that whoever has it open opens it anew
    return view.record


def _followed(store: Store, model: Searcher, place: Path) -> ViewRecord | None:
    """The record of a view after it followed the store; None where it cannot."""
    with views_locked(place.parent, wait=False) as ours:
        if not ours:
            _log.warning(f"another process is changing the search view {place}; every item is looked at instead")
            return None
        record = ViewRecord.read(place)  # now that nobody else changes it
        if record.version > store.version or store.at_a_version:
            return None
        if record.commit == store.commit:
            return record
        comparison, table = _comparison(store, model, record), ViewTable(place, store.path)
        filling = Filling(store, comparison, table)
        filling.fill(record.fragments)
        table.settle(_SETTLED_BY_SEARCH)
        table.sync()
        added = [m for m in store.modalities() if m not in record.contracts]
        means = {m: mean for m in added if (mean := comparison.mean(m)) is not None}
        averages = {m: mean for m, mean in filling.averages().items() if m in added}
        record = replace(
            record,
            contracts={**record.contracts, **{m: comparison.contract_of(m, store.width) for m in added}},
            commit=str(store.commit),
            version=store.version,
            fragments=frozenset(fragment.name for fragment in store.fragments()),
            rows=len(table),
            means={**record.means, **means},
            averages={**record.averages, **averages},
        )
        record.write(place)
        return record


def view_records(store: Store) -> list[ViewRecord]:
    """The records of all views of a store that are complete, by name."""
    found = []
    for place in sorted((store.path / VIEWS).glob("*/" + RECORD)):
        with suppress(OSError, UnibindError):
            found.append(ViewRecord.read(place.parent))
    return found


def drop_views(store: Store, name: str | None = None) -> list[str]:
    """Remove the view of this name, or all; returns the names of those that were there. The store stays as it is.

    Raises UnibindError where another process is changing views, and for a name that no view has.
    """
    folder = store.path / VIEWS
    present = [place.name for place in sorted(folder.iterdir()) if place.is_dir()] if folder.is_dir() else []
    names = [place for place in present if not place.startswith(".") and name in (None, place)]
    if name is not None and not names:
        raise UnibindError(f"{store.path} has no index {name}; `unibind index show` lists those it has")
    if names:
        with writing(folder), views_locked(folder, wait=False) as ours:
            if not ours:
                raise UnibindError(f"another process is changing an index of {store.path}; wait until it ends")
            with scratch(folder) as room:
                for place in names:
                    (folder / place).rename(room / place)
    return names
