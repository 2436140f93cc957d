"""What a format is, what it is given, and exporting a store to one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from .._version import __version__
from ..backbones import Contract
from ..data.embeddings import Embeddings, Vectors
from ..data.rows import StoredItem
from ..data.store import Store
from ..errors import UnibindError
from ..files import OutputKind, check_output, staged
from ..modalities.source import is_url
from .items import Cells, item_cells

Project = Callable[[Embeddings], Embeddings]  # a model's head of the modality


@dataclass(frozen=True)
class Export:
    """What a format writes: `count` items with vectors of `dim` numbers, and their contract per modality.

    `batches` yields cells of items (see `items.COLUMNS`) and their vectors, float32 [B, dim] of unit length.
    """

    count: int
    dim: int
    contracts: Mapping[str, Contract]
    batches: Iterator[tuple[list[Cells], Vectors]]

    def facts(self) -> dict[str, Any]:
        """What is true of all vectors, JSON-serializable."""
        return {
            "unibind": __version__,
            "count": self.count,
            "dim": self.dim,
            "metric": "cosine",
            "contracts": {modality: {"hash": c.hash, **asdict(c)} for modality, c in self.contracts.items()},
        }


@dataclass(frozen=True)
class ExportFormat:
    """One format: a row of `FORMATS`.

    `write(export, out)` writes everything to a path that does not exist yet; `write_url`, where there is one, to a URL
    (replacing what is there on request). A format of several files makes a folder with these `entries`; one without
    makes a file. `suffix` is the ending its name must have. Where an index is `searched` as a whole, vectors that
    cannot be compared are refused.
    """

    summary: str
    write: Callable[[Export, Path], None]
    suffix: str = ""
    entries: tuple[str, ...] = ()
    searched: bool = False
    write_url: Callable[[Export, str, bool], None] | None = None

    @property
    def kind(self) -> OutputKind:
        """What is made, for the check of its path."""
        return OutputKind("an export", folder=bool(self.entries), marks=self.entries, at_once=True)


@dataclass(frozen=True)
class ExportSummary:
    """What was exported: where to, the number of items per modality, and the width of their vectors."""

    out: str
    items: dict[str, int]
    dim: int


def export_store(
    store: Store,
    out: str | Path,
    format: ExportFormat,
    *,
    project: Project,
    modalities: Sequence[str] | None = None,
    split: str | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ExportSummary:
    """Write the present items of a store in a format, in bounded memory; `project` applies a model's heads.

    Nothing is left where it fails. Raises UnibindError where there is nothing to export, where `out` exists (unless
    `force`) or has an unsuitable name; UnknownNameError for a modality that is not stored; ContractError where vectors
    that cannot be compared would be searched together.
    """
    to_url = format.write_url is not None and is_url(str(out))
    if not to_url:
        _check_path(out, format, force)
    parts = {name: _Part.of(store, name, split, project) for name in modalities or store.modalities()}
    parts = {name: part for name, part in parts.items() if part.count}
    if not parts:
        wanted = f" in the split {split!r}" if split else ""
        raise UnibindError(f"the store {store.path} has no items to export{wanted}; encode some, or choose others")
    contracts = {name: part.contract for name, part in parts.items()}
    if format.searched:
        for (_, one), (_, other) in pairwise(contracts.items()):
            one.check_comparable(other, here=f"the {one.modality} vectors", there=f"the {other.modality} vectors")
    counts = {name: part.count for name, part in parts.items()}
    dim = next(iter(parts.values())).dim
    with closing(_batches(store, parts, split, project, progress)) as batches:
        export = Export(sum(counts.values()), dim, contracts, batches)
        if to_url:
            assert format.write_url is not None
            format.write_url(export, str(out), force)
        else:
            with staged(Path(out), kind=format.kind) as temporary:
                format.write(export, temporary)
    return ExportSummary(str(out), counts, dim)


def _check_path(out: str | Path, format: ExportFormat, force: bool) -> None:
    if is_url(str(out)):
        raise UnibindError(f"{out} is a URL, but this format is written to a path; choose one")
    if format.suffix and Path(out).suffix != format.suffix:
        raise UnibindError(f"{out} must end in {format.suffix} in this format; choose such a name")
    check_output(out, kind=format.kind, force=force)


@dataclass(frozen=True)
class _Part:
    """One modality of an export: its number of items, the width of its vectors and their contract."""

    count: int
    dim: int
    contract: Contract

    @classmethod
    def of(cls, store: Store, modality: str, split: str | None, project: Project) -> _Part:
        count, batches = store.batches(modality, split, size=1)
        contract = store.contracts()[modality]
        for rows, vectors in batches:
            first = project(_embeddings(rows, vectors, contract))
            return cls(count, first.vectors.shape[1], first.contract)
        return cls(0, 0, contract)


def _batches(
    store: Store,
    parts: Mapping[str, _Part],
    split: str | None,
    project: Project,
    progress: Callable[[int], None] | None,
) -> Generator[tuple[list[Cells], Vectors]]:
    """All items by modality; raises UnibindError where another process has added or removed some meanwhile."""
    stored = store.contracts()
    for name, part in parts.items():
        left = part.count
        for rows, vectors in store.batches(name, split)[1]:
            left -= len(rows)
            if left >= 0:
                projected = project(_embeddings(rows, vectors, stored[name]))
                yield [item_cells(row, part.contract.hash) for row in rows], projected.vectors
            if progress is not None:
                progress(len(rows))
        if left:
            raise UnibindError(f"the store {store.path} was changed during the export; export it again")


def _embeddings(rows: Sequence[StoredItem], vectors: Vectors, contract: Contract) -> Embeddings:
    return Embeddings(
        contract.modality,
        [row.id for row in rows],
        [row.label for row in rows],
        vectors,
        contract,
        [row.uri for row in rows],
        [row.object for row in rows],
        [row.description for row in rows],
        [row.content for row in rows],
    )
