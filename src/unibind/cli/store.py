"""`unibind store`: show what is in a store, and remove and correct items without encoding them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UnibindError
from ._console import INPUT, OUTPUT, JsonOption, add_verb, notify, print_json, print_table

if TYPE_CHECKING:
    from ..data.rows import StoredItem
    from ..data.upkeep import MeanInFigures, StoreDescription

app = typer.Typer(help="Show, correct and clean a store of embeddings.", no_args_is_help=True)

_LISTED = 20  # items or labels that are named, unless all are asked for

StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="A store (see `unibind encode`).")]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ITEM...", help="Ids, paths, or patterns such as 'cat_*.jpg' or 'test/*'.", show_default=False
    ),
]
OfLabelOption = Annotated[
    str | None, typer.Option("--of-label", metavar="LABEL", help="Items with this label.", rich_help_panel=INPUT)
]
OfModalityOption = Annotated[
    str | None,
    typer.Option("--modality", "-m", metavar="MODALITY", help="Items of this modality.", rich_help_panel=INPUT),
]
OfSplitOption = Annotated[
    str | None, typer.Option("--of-split", metavar="SPLIT", help="Items of this split.", rich_help_panel=INPUT)
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do it; otherwise the items are only listed.", rich_help_panel=OUTPUT)
]


def show(
    store: StoreArgument,
    items: Annotated[bool, typer.Option("--items", help="List the items.", rich_help_panel=OUTPUT)] = False,
    json: JsonOption = False,
) -> None:
    """Show what is in a store: items by modality, split and label, missing files, quarantine, contracts, and its size.

    Examples:
      $ unibind store show runs/mine
      $ unibind store show runs/mine --items
    """
    from ..data.store import Store
    from ..data.upkeep import describe_store

    opened = Store.open(store)
    described = describe_store(opened)
    listed = [asdict(row) | {"id": row.id} for row in opened.rows()] if items else []
    if json:
        print_json({**asdict(described), "quarantined": opened.quarantined(), **({"listed": listed} if items else {})})
        return
    _print_description(described)
    for entry in opened.quarantined()[:_LISTED]:
        notify(f"quarantined: {entry['message']}")
    if items:
        names = ("id", "modality", "label", "split", "state")
        print_table(names, [[row[name] or "" for name in names] for row in listed])


def remove(
    store: StoreArgument,
    names: NamesArgument = None,
    of_label: OfLabelOption = None,
    modality: OfModalityOption = None,
    of_split: OfSplitOption = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Remove items and their embeddings from a store; their files stay. Without --yes, the items are only listed.

    Examples:
      $ unibind store remove runs/mine 'blurred_*.jpg'
      $ unibind store remove runs/mine --of-label noise --modality audio --yes
    """
    from ..data.store import Store
    from ..data.upkeep import remove as remove_rows
    from ..data.upkeep import select

    opened = Store.open(store)
    rows = select(opened, names or (), label=of_label, modality=modality, split=of_split)
    if yes and rows:
        remove_rows(opened, rows)
    _report(store, rows, json, done=yes)


def relabel(
    store: StoreArgument,
    names: NamesArgument = None,
    label: Annotated[str | None, typer.Option(metavar="LABEL", help="The new label.", rich_help_panel=OUTPUT)] = None,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="The new split.", rich_help_panel=OUTPUT)] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="FACT", help="Erase label, split, description or object.", rich_help_panel=OUTPUT),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table with `id` or `path`, and `label`, `split`, ...", rich_help_panel=INPUT
        ),
    ] = None,
    of_label: OfLabelOption = None,
    modality: OfModalityOption = None,
    of_split: OfSplitOption = None,
    json: JsonOption = False,
) -> None:
    """Correct labels, splits and descriptions in a store; nothing is encoded.

    Examples:
      $ unibind store relabel runs/mine photos/017.jpg 'cat_*.jpg' --label cat
      $ unibind store relabel runs/mine --table corrections.csv
      $ unibind store relabel runs/mine --of-split test --clear split
    """
    from ..data.store import Store
    from ..data.upkeep import relabel as relabel_rows
    from ..data.upkeep import relabel_from_table, select

    given = {"label": label, "split": split}
    facts = dict.fromkeys(clear or ()) | {name: value for name, value in given.items() if value is not None}
    if bool(facts) == (table is not None):
        raise UnibindError("say what to write: --label, --split or --clear, or --table with a column for each")
    opened, unknown = Store.open(store), 0
    if table is not None:
        changed, unknown = relabel_from_table(opened, table)
    else:
        rows = select(opened, names or (), label=of_label, modality=modality, split=of_split)
        changed = relabel_rows(opened, rows, **facts)
    if json:
        print_json({"store": str(store), "changed": changed, "unknown": unknown})
        return
    notify(f"{_items(changed)} changed" + (f"; rows of {table} that name no stored item: {unknown}" if unknown else ""))


def prune(store: StoreArgument, yes: YesOption = False, json: JsonOption = False) -> None:
    """Remove the items whose files are gone. Without --yes, they are only listed.

    Look at the list first: the files of a drive that is not mounted are gone, too.

    Examples:
      $ unibind store prune runs/mine
      $ unibind store prune runs/mine --yes
    """
    from ..data.store import Store
    from ..data.upkeep import find_missing
    from ..data.upkeep import remove as remove_rows

    opened = Store.open(store)
    rows = find_missing(opened)
    if yes and rows:
        remove_rows(opened, rows)
    _report(store, rows, json, done=yes)


def check(
    store: StoreArgument,
    files: Annotated[
        bool, typer.Option("--files", help="Also look for the files of the items.", rich_help_panel=INPUT)
    ] = False,
    content: Annotated[
        bool, typer.Option("--content", help="Also read these files, and compare.", rich_help_panel=INPUT)
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check every item of a store: checksums, vectors, ids, contracts; exit code 1 if something is wrong.

    Examples:
      $ unibind store check runs/mine
      $ unibind store check runs/mine --content
    """
    from ..data.store import Store
    from ..data.store_check import check_store

    found = check_store(Store.open(store), files=files, content=content)
    if json:
        print_json({"store": str(store), "sound": found.sound, **asdict(found)})
    else:
        for line in found.lines():
            notify(line)
        verdict = "nothing is wrong" if found.sound else "see `unibind store repair`"
        notify(f"{_items(found.items)} checked at version {found.version} of {store}: {verdict}")
    if not found.sound:
        raise typer.Exit(1)


def repair(store: StoreArgument, json: JsonOption = False) -> None:
    """Mend a store: set damaged versions aside, and remove doubled and damaged rows; `encode` fills what is missing.

    Examples:
      $ unibind store repair runs/mine
    """
    from ..data.store import Store
    from ..data.store_check import repair as repair_store

    done = repair_store(Store.open(store))
    if json:
        print_json({"store": str(store), **asdict(done)})
    else:
        notify(done.message)


def compact(store: StoreArgument, json: JsonOption = False) -> None:
    """Merge the small files of a store, and remove old versions that nobody reads; the stored data does not change.

    Examples:
      $ unibind store compact runs/mine
    """
    from ..data.store import Store

    opened = Store.open(store)
    before = sum(opened.sizes().values())
    opened.compact(full=True)
    after = sum(opened.sizes().values())
    if json:
        print_json({"store": str(store), "bytes_before": before, "bytes_after": after})
    else:
        notify(f"{store}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")


_VERBS: dict[str, Callable[..., None]] = {
    "show": show, "remove": remove, "relabel": relabel, "prune": prune, "check": check, "repair": repair,
    "compact": compact,
}  # fmt: skip
for _name, _verb in _VERBS.items():
    add_verb(app, _name, _verb)


def _report(store: Path, rows: list[StoredItem], json: bool, *, done: bool) -> None:
    """The items that were removed, or would be."""
    if json:
        print_json({"store": str(store), "removed": done, "items": [row.id for row in rows]})
        return
    if rows:
        print_table(("id", "modality", "label", "split"), [
            (row.id, row.modality, row.label or "", row.split or "") for row in rows[:_LISTED]
        ])  # fmt: skip
    more = f" ({len(rows) - _LISTED} more than listed)" if len(rows) > _LISTED else ""
    if done:
        notify(f"{_items(len(rows))} removed from {store}{more}")
    else:
        notify(f"{_items(len(rows))} to remove from {store}{more}" + ("; add --yes to do it" if rows else ""))


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _print_description(described: StoreDescription) -> None:
    rows = [
        (
            modality,
            count,
            described.missing.get(modality, 0),
            _listed(described.splits.get(modality, {}), "no split"),
            _listed(described.labels.get(modality, {}), "no label"),
        )
        for modality, count in ({**dict.fromkeys(described.missing, 0), **described.items}).items()
    ]
    print_table(("modality", "items", "missing", "splits", "labels"), rows, title=str(described.path))
    size = f"{described.size_bytes / 1e6:,.1f} MB on disk, vectors in {described.precision}"
    notify(f"{size}, encoded by {described.backbone or 'an unknown backbone'}")
    tables = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in described.tables.items())
    notify(f"version {described.version}, {len(described.versions)} kept; {tables}")
    if described.writer is not None:
        notify(f"being written by {described.writer}")
    for modality, words in described.contracts.items():
        notify(f"{modality}: {words}{_mean(described.means.get(modality))}")
    if described.quarantine:
        notify(f"in quarantine: {_listed(described.quarantine, '')}")
    if described.duplicates:
        notify(described.duplicates)


def _mean(found: MeanInFigures | None) -> str:
    if found is None:
        return ""
    return f"; search removes a mean of length {found.length:.2f}, of {found.items} {found.split or 'stored'} items"


def _listed(counts: Mapping[Any, int], nothing: str) -> str:
    shown = [f"{name or nothing} {count}" for name, count in list(counts.items())[:_LISTED]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f", ... ({more} more)" if more > 0 else "")
