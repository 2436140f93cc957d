"""The Lance tables in the folder of a store: checked as they are opened; what Lance raises is a sentence.

Tables are read at one version each, whatever is written meanwhile, until `pin` is called. Whatever is written is synced
to the disk, and small fragments are merged now and then, so that neither their number nor the cost of a commit grows
with the table.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnibindError
from .lance_errors import lance_errors
from .lance_files import Fragment, TableFiles
from .store_lock import Reading, remove_unread

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

VECTOR = "vector"
_FRAGMENT_BITS = 32  # Lance numbers a row by the number of its fragment, shifted by so many, and its own
_KEY = "key"
_NULLABLE = ("id", "uri", "label", "split", "object", "description", "size", "mtime_ns", "content")

# Fragments with fewer rows than a tier's limit are merged once there are enough of them. Larger ones stay as they are,
# so that a commit to a large table rewrites little of it. A merge takes about seven times the size of the merged rows,
# and 110 bytes per row of the table, so merges are rare and small.
_TIERS = ((256, 16), (2048, 256))  # (rows, fragments)
_MERGED_ROWS = 4096  # per commit
_FULL_ROWS = 65_536  # per fragment after a full compaction
_WORN = 10  # a fragment of which more than one in this many rows was deleted is written anew by a full compaction
_TRIES = 5  # to read a version before a writer removes it
_METADATA_KEPT = 8 << 20  # bytes in memory: Lance would keep that of every version, which has all fragments in it
_KEEP_S = 5.0  # how long old versions are kept for readers that are just opening them; those in use stay


class LanceTables:
    """The tables of one store: `columns` are those of each table, in every row or empty as `_NULLABLE` says."""

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str]]) -> None:
        import lancedb

        self._folder, self._columns = folder, columns
        self._files = {name: TableFiles(folder / f"{name}.lance") for name in columns}
        self._pins: dict[str, int | None] = dict.fromkeys(columns)
        self._readings: dict[str, Reading] = {}
        self._shadows: dict[str, tuple[Any, Any]] = {}
        with self.errors("read"):
            session = lancedb.Session(metadata_cache_size_bytes=_METADATA_KEPT)
            self._database = lancedb.connect(str(folder), session=session)

    # --- versions ---------------------------------------------------------------------------------------------------

    def pin(self, versions: Mapping[str, int] | None = None) -> list[str]:
        """Read the newest versions from now on, or these; returns what is wrong with newer ones, which are passed over.

        Raises UnibindError for a table of which no version is whole, and for a version that is not kept.
        """
        wrong: list[str] = []
        with self.errors("read"):
            for name, files in self._files.items():
                asked = (versions or {}).get(name)
                for _ in range(_TRIES):
                    self._pins[name] = self._newest(name, wrong) if asked is None else self._kept(name, files, asked)
                    if self._hold(name):
                        break
                else:
                    raise UnibindError(f"the store {self._folder} changes too fast to be read; try again")
        return wrong

    def _newest(self, name: str, wrong: list[str]) -> int | None:
        """The newest version that is whole; what is wrong with newer ones is added to `wrong`."""
        files = self._files[name]
        for _ in range(_TRIES):  # a writer may have removed what was just listed
            numbers, found = files.numbers(), list[str]()
            for number in numbers:
                damage = files.damage(number)
                if damage is None:
                    wrong += [f"{why}; version {number} of the table {name} is used" for why in found]
                    return number
                found.append(damage)
            if numbers == files.numbers():
                break
        if found and numbers[0] > 1:
            raise UnibindError(
                f"the store {self._folder} cannot be read ({found[0]}, and no version of the table {name} before it is "
                "whole); encode into a new store"
            )
        wrong += [f"{why}; the table {name} was just begun, and begins again" for why in found]
        return None

    def _kept(self, name: str, files: TableFiles, number: int) -> int:
        if number not in files.numbers():
            raise self._gone(name, number)
        damage = files.damage(number)
        if damage is not None:
            raise UnibindError(f"version {number} of the store {self._folder} is damaged: {damage}")
        return number

    def _gone(self, name: str, number: int) -> UnibindError:
        kept = ", ".join(map(str, self._files[name].numbers())) or "none"
        return UnibindError(f"the store {self._folder} does not keep version {number}; it has {kept}")

    def _hold(self, name: str) -> bool:
        """Keep writers from removing the version that is read; returns whether it is still there."""
        self._shadows.pop(name, None)
        pin = self._pins[name]
        if pin is None:
            self._readings.pop(name, None)
            return True
        try:
            self._readings[name] = Reading(self._files[name].manifest(pin))
        except FileNotFoundError:
            return False
        return self._readings[name].holds()

    def version(self, name: str) -> int | None:
        """The version of a table that is read; None before its first complete append."""
        return self._pins[name]

    def commit(self, name: str) -> str | None:
        """The name of the commit that is read, which no other has; None before the table's first complete append."""
        pin = self._pins[name]
        if pin is None:
            return None
        with self.errors("read"):
            return self._files[name].read(pin).transaction or str(pin)

    def fragments(self, name: str) -> tuple[Fragment, ...]:
        """The fragments of the version that is read; none before the table's first complete append."""
        pin = self._pins[name]
        if pin is None:
            return ()
        with self.errors("read"):
            return self._files[name].read(pin).fragments

    def kept(self, name: str) -> list[int]:
        """The versions of a table that are kept, the newest first."""
        return self._files[name].numbers()

    def moved(self) -> bool:
        """Whether a table has another newest version than the one that is read."""
        with self.errors("read"):
            return any(next(iter(files.numbers()), None) != self._pins[name] for name, files in self._files.items())

    def mend(self) -> None:
        """Make the versions that are read the newest ones: damaged ones after them are set aside, in `_damaged`."""
        with self.errors("written"):
            for name, files in self._files.items():
                newer = [number for number in files.numbers() if number > (self._pins[name] or 0)]
                if newer:
                    files.set_aside(newer)
                    self._hold(name)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each table."""
        return {name: files.size() for name, files in self._files.items()}

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(self, name: str, columns: Sequence[str], condition: str | None = None) -> pyarrow.Table | None:
        """These columns of the rows that meet a condition in SQL; None before the table's first complete append.

        Raises UnibindError for a damaged table, another schema, and rows without what every row needs.
        """
        table = self._open(name)
        if table is None:
            return None
        with self.errors("read"):
            search = table.search()
            found = (search if condition is None else search.where(condition)).select(list(columns)).to_arrow()
        self._check_filled(name, found)
        return found

    def read_batches(
        self, name: str, columns: Sequence[str], condition: str | None, size: int
    ) -> tuple[int, Iterator[pyarrow.Table]]:
        """The number of rows that meet a condition, and these columns of them, at most `size` rows at a time.

        Rows that are appended meanwhile are not read. Raises what `read` raises.
        """
        table = self._open(name)
        if table is None:
            return 0, iter(())
        with self.errors("read"):
            count = table.count_rows(condition)
        return count, self.scan(name, columns, condition, size)

    def scan(self, name: str, columns: Sequence[str], condition: str | None, size: int) -> Iterator[pyarrow.Table]:
        """These columns of the rows that meet a condition, at most `size` rows at a time.

        Rows that are appended meanwhile are not read. Raises what `read` raises.
        """
        import pyarrow

        table = self._open(name)
        if table is None:
            return
        with self.errors("read"):
            search = table.search()
            found = search if condition is None else search.where(condition)
            for batch in found.select(list(columns)).to_batches(size):
                part = pyarrow.Table.from_batches([batch])
                self._check_filled(name, part)
                yield part

    def scan_fragments(
        self, name: str, columns: Sequence[str], fragments: Sequence[Fragment], size: int
    ) -> Iterator[tuple[Fragment, pyarrow.Table]]:
        """These columns of the rows of some fragments, at most `size` rows at a time; nothing else is read.

        Raises what `read` raises.
        """
        table = self._open(name)
        for parts in _portions(fragments, size):
            numbers = [(fragment.number << _FRAGMENT_BITS) + row for fragment, rows in parts for row in rows]
            with self.errors("read"):  # rows that were deleted are left out
                found = table.take_row_ids(numbers).with_row_id().select(list(columns)).to_arrow()
            self._check_filled(name, found)
            of = found["_rowid"].to_numpy() >> _FRAGMENT_BITS
            for fragment, _ in parts:
                yield fragment, found.select(list(columns)).filter(np.equal(of, fragment.number))

    def width(self, name: str) -> int | None:
        """The width of a table's vectors; None before its first complete append."""
        table = self._open(name)
        return None if table is None else int(table.schema.field(VECTOR).type.list_size)

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, name: str, data: pyarrow.Table) -> None:
        """Append rows in one commit; the first ones make the table."""
        with self._commit(name) as table:
            if table is None:
                self._database.create_table(name, data=data)
            else:
                table.add(data)

    @contextmanager
    def receiving(self, name: str) -> Iterator[Path]:
        """Keep fragments that others write to a table in this block until they are adopted; yields its folder."""
        files = self._files[name]
        with files.sparing():
            yield files.folder.resolve()

    def adopt(self, name: str, fragments: Sequence[str]) -> None:
        """Append fragments that others wrote to the table's folder, in one commit; each is pylance's JSON."""
        import lance

        with self._commit(name):
            written = [lance.FragmentMetadata.from_json(fragment) for fragment in fragments]
            lance.LanceDataset.commit(
                str(self._files[name].folder), lance.LanceOperation.Append(written), read_version=self._pins[name]
            )

    def merge(self, name: str, data: pyarrow.Table) -> None:
        """Overwrite the given columns of the rows with the given keys, in one commit."""
        with self._commit(name) as table:
            table.merge_insert(_KEY).when_matched_update_all().execute(data)

    def delete(self, name: str, condition: str) -> None:
        """Remove the rows that meet a condition in SQL."""
        with self._commit(name) as table:
            table.delete(condition)

    @contextmanager
    def _commit(self, name: str, *, tidy: bool = True) -> Iterator[Any]:
        """Yield the newest version of a table to be changed; the change is on the disk, and read, after the block."""
        table = self._open(name)
        with self.errors("written"):
            yield table
            self._files[name].sync()
        self._follow(name)
        if tidy:
            try:
                self._merge_tiers(name)
            except UnibindError as error:  # the change itself is written
                _log.warning(f"small files of the table {name} were not merged: {error}")

    def _follow(self, name: str) -> None:
        """Read the version that was just written."""
        self._pins[name] = self._files[name].numbers()[0]
        self._hold(name)

    # --- merging fragments --------------------------------------------------------------------------------------------

    def compact(self, *, full: bool) -> None:
        """Merge small fragments where there are many, and remove the versions before, as far as nobody reads them.

        With `full`, all fragments are merged that can be, and those with many deleted rows are written anew.
        """
        for name in self._files:
            self._remove_old(name)  # first: the disk may be full
            if not full:
                self._merge_tiers(name)
                continue
            small = [f for f in self._mergeable(name) if f.rows < _FULL_ROWS or f.deleted * _WORN > f.rows]
            if len(small) > 1 or any(f.deleted for f in small):
                self._merge_fragments(name, small, _FULL_ROWS)
            self._remove_old(name, kept=1)

    def _merge_tiers(self, name: str) -> None:
        """Merge the fragments of each tier that has enough of them."""
        least = 0
        for most, enough in _TIERS:
            tier = [f for f in self._mergeable(name) if least <= f.rows < most]
            if len(tier) >= enough:
                self._merge_fragments(name, tier, _MERGED_ROWS)
                self._remove_old(name)
            least = most

    def _mergeable(self, name: str) -> tuple[Fragment, ...]:
        """The fragments of a table whose rows have keys."""
        return self.fragments(name) if _KEY in self._columns[name] else ()

    def _merge_fragments(self, name: str, fragments: Sequence[Fragment], size: int) -> None:
        """Write the rows of fragments anew, `size` rows to a fragment; each is one commit that changes no row."""
        numbers = self._row_numbers(name, fragments)
        for start in range(0, len(numbers), size):
            with self._commit(name, tidy=False) as table:
                rows = table.take_row_ids(numbers[start : start + size]).to_arrow()
                table.merge_insert(_KEY).when_matched_update_all().execute(rows)

    def _row_numbers(self, name: str, fragments: Sequence[Fragment]) -> list[int]:
        """Lance's numbers of the rows of these fragments, without deleted ones: the fragment's, then the row's."""
        if not any(f.deleted for f in fragments):
            return [(f.number << _FRAGMENT_BITS) + row for f in fragments for row in range(f.rows)]
        chosen = {f.number for f in fragments}
        with self.errors("read"):
            found = self._open(name).search().with_row_id(True).select(["_rowid"]).to_arrow()["_rowid"].to_pylist()
        return [number for number in found if number >> _FRAGMENT_BITS in chosen]

    def _remove_old(self, name: str, *, kept: int | None = None) -> None:
        """Remove versions that nobody reads; if only so many are `kept`, at once."""
        if self._pins[name] is None:
            return
        with self.errors("written"):
            if kept is None:
                self._files[name].remove_old(_KEEP_S, remove_unread)
            else:
                self._files[name].remove_old(0, remove_unread, kept=kept)

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> Any:
        """The table at the version that is read; None before its first complete append."""
        pin = self._pins[name]
        if pin is None:
            return None
        with self.errors("read"):
            newest = self._files[name].numbers()
            if newest and newest[0] != pin and self._files[name].damage(newest[0]) is not None:
                table = self._shadow(name, pin)
            else:
                table = self._database.open_table(name)
            if table.version != pin:
                table.checkout(pin)
            schema = table.schema
        self._check_schema(name, schema)
        return table

    def _shadow(self, name: str, pin: int) -> Any:
        """A table whose newest version is damaged, which Lance does not open, seen through links that leave it out."""
        if name not in self._shadows:
            import lancedb

            room = tempfile.TemporaryDirectory(prefix="unibind-")
            files = self._files[name]
            folder = Path(room.name, files.folder.name)
            (folder / "_versions").mkdir(parents=True)
            for part in files.folder.resolve().iterdir():
                if part.name != "_versions":
                    (folder / part.name).symlink_to(part)
            manifest = files.manifest(pin).resolve()
            (folder / "_versions" / manifest.name).symlink_to(manifest)
            self._shadows[name] = room, lancedb.connect(room.name)
        return self._shadows[name][1].open_table(name)

    def _check_filled(self, name: str, found: pyarrow.Table) -> None:
        for column in found.column_names:
            if column not in _NULLABLE and found[column].null_count:
                self._refuse(f"its table {name} has rows without {column}")

    def _check_schema(self, name: str, schema: pyarrow.Schema) -> None:
        import pyarrow

        for column in self._columns[name]:
            if column not in schema.names:
                self._refuse(f"its table {name} has no column {column}")
            kind = schema.field(column).type
            if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or kind == pyarrow.int64()):
                self._refuse(f"the column {column} of its table {name} is {kind}")
        if VECTOR in schema.names:
            kind = schema.field(VECTOR).type
            if not pyarrow.types.is_fixed_size_list(kind) or not pyarrow.types.is_floating(kind.value_type):
                self._refuse(f"the vectors of its table {name} are {kind}")

    def _refuse(self, reason: str) -> None:
        raise UnibindError(f"the store {self._folder} is damaged: {reason}; encode into a new store")

    def errors(self, done: str) -> AbstractContextManager[None]:
        """Turn what Lance raises into one sentence that names the store."""
        return lance_errors(self._folder, done)


def _portions(fragments: Sequence[Fragment], size: int) -> Iterator[list[tuple[Fragment, range]]]:
    """Fragments and ranges of their rows, `size` rows together: small fragments are read at once."""
    portion, room = list[tuple[Fragment, range]](), size
    for fragment in fragments:
        start = 0
        while start < fragment.rows:
            rows = range(start, min(fragment.rows, start + room))
            portion.append((fragment, rows))
            start, room = rows.stop, room - len(rows)
            if not room:
                yield portion
                portion, room = [], size
    if portion:
        yield portion
