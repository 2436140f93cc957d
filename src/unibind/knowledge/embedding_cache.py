"""Text embeddings on disk, so that no text is embedded twice: one folder per contract with Arrow files that never
change.

    <contract hash>/contract.json    what the vectors mean
    <contract hash>/<token>.arrow    keys [N] (16 bytes of SHA-256 of the text) and vectors float32 [N, D]

Files are written atomically, so a process may be killed at any moment, and several processes may write at once. A
damaged file is removed, and its texts are embedded again. A base has such a cache in its folder; texts of other origin
have one in the user's cache folder, where the files used least recently are evicted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..data.embeddings import Vectors
from ..errors import UnibindError
from ..files import write_whole
from ..user_cache import evict as evict_files

if TYPE_CHECKING:
    import pyarrow

FOLDER = "embeddings"  # in the folder of a base, and in the user's cache folder
MAX_BYTES, MAX_FILES = 1 << 30, 256  # in the user's cache folder
_KEY_BYTES = 16

Keys = NDArray[np.bytes_]  # [N], 16 bytes each


class EmbeddingCache:
    """The embeddings of texts under one contract in `folder`, which is created on the first write.

    Takes 24 bytes of memory per text; vectors stay on disk until they are asked for.
    """

    def __init__(self, folder: str | Path, contract: Contract) -> None:
        self.path = Path(folder) / contract.hash
        self.contract = contract
        self._files: list[Path] = []
        self._levels: list[tuple[Keys, NDArray[np.int64]]] = []  # sorted keys and their locations, longest level first
        for file in sorted(self.path.glob("*.arrow")):
            try:
                self._index(file, _read_keys(file))
            except UnibindError:
                with suppress(OSError):
                    file.unlink()

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._levels)

    def has(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the texts are cached [N]."""
        return self._locations(_keys(texts)) >= 0

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The embeddings of texts, float32 [N, D]; raises UnibindError where one is missing."""
        locations = self._locations(_keys(texts))
        if not len(locations) or locations.min() < 0:
            raise UnibindError(f"some of {len(texts)} texts are not cached in {self.path}; embed them first")
        order = np.argsort(locations, kind="stable")
        file_numbers, rows = np.divmod(locations[order], 1 << 32)
        result: Vectors | None = None
        for number in np.unique(file_numbers).tolist():
            in_file = file_numbers == number
            vectors = _read_vectors(self._files[number])
            with suppress(OSError):
                os.utime(self._files[number])  # for `evict`
            if result is None:
                result = np.empty((len(texts), vectors.shape[1]), np.float32)
            chosen = vectors[rows[in_file]]
            if chosen.shape[1] != result.shape[1] or not np.isfinite(chosen).all():
                raise UnibindError(f"{self._files[number]} is damaged; remove it, and its texts are embedded again")
            result[order[in_file]] = chosen
        assert result is not None
        return result

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Write the embeddings [N, D] of texts to a new file; once this returns, no kill loses them.

        Raises UnibindError for numbers that are not finite.
        """
        if not len(texts):
            return
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise UnibindError(f"{len(texts)} texts need vectors [{len(texts)}, D], not {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise UnibindError("the backbone's text embeddings are not finite; choose another backbone or precision")
        if not self._files:
            write_whole(self.path / "contract.json", self.contract.to_json() + "\n")
        keys = _keys(texts)
        file = self.path / f"{time.time_ns():020}-{secrets.token_hex(4)}.arrow"
        write_whole(file, _to_arrow(keys, vectors))
        self._index(file, keys)

    def _index(self, file: Path, keys: Keys) -> None:
        """Add a file's keys to the index, in which each level is more than twice as long as the next."""
        order = np.argsort(keys)
        self._levels.append((keys[order], (len(self._files) << 32) + order.astype(np.int64)))
        self._files.append(file)
        while len(self._levels) > 1 and len(self._levels[-2][0]) <= 2 * len(self._levels[-1][0]):
            (keys_a, locations_a), (keys_b, locations_b) = self._levels.pop(), self._levels.pop()
            merged, locations = np.concatenate([keys_a, keys_b]), np.concatenate([locations_a, locations_b])
            order = np.argsort(merged, kind="stable")
            self._levels.append((merged[order], locations[order]))

    def _locations(self, keys: Keys) -> NDArray[np.int64]:
        """Where keys [N] are stored: file number << 32 | row, or -1 for a missing key."""
        result = np.full(len(keys), -1, np.int64)
        for known, locations in self._levels:
            candidates = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            hit = known[candidates] == keys
            result[hit] = locations[candidates[hit]]
        return result


def evict(folder: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
    """Remove the files of all contracts that were used least recently, beyond these limits."""
    evict_files(folder.glob("*/*.arrow"), max_bytes, max_files)


def _keys(texts: Sequence[str]) -> Keys:
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES] for text in texts)
    return np.frombuffer(b"".join(digests), f"S{_KEY_BYTES}")


# --- Arrow files -----------------------------------------------------------------------------------------------------


def _to_arrow(keys: Keys, vectors: Vectors) -> pyarrow.Buffer:
    import pyarrow

    flat = pyarrow.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    batch = pyarrow.record_batch(
        [
            pyarrow.FixedSizeBinaryArray.from_buffers(
                pyarrow.binary(_KEY_BYTES), len(keys), [None, pyarrow.py_buffer(keys.tobytes())]
            ),
            pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        ],
        names=["key", "vector"],
    )
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _read_keys(file: Path) -> Keys:
    column = _read_batch(file).column("key")
    data = column.buffers()[1].to_pybytes()[_KEY_BYTES * column.offset :][: _KEY_BYTES * len(column)]
    return np.frombuffer(data, f"S{_KEY_BYTES}")


def _read_vectors(file: Path) -> Vectors:
    """Memory-mapped: only the pages of the rows in use are read from disk."""
    column = _read_batch(file).column("vector")
    numbers, width = column.values, column.type.list_size
    # neither `flatten` nor `to_numpy`: they import pyarrow.compute, and pandas where it is installed
    start = (numbers.offset + column.offset * width) * np.float32().itemsize
    return np.frombuffer(numbers.buffers()[1], np.float32, len(column) * width, start).reshape(len(column), width)


def _read_batch(file: Path) -> pyarrow.RecordBatch:
    import pyarrow

    try:
        with pyarrow.memory_map(str(file)) as source:
            batch = pyarrow.ipc.open_file(source).get_batch(0)
        batch.validate(full=True)
        key_type, vector_type = batch.schema.field("key").type, batch.schema.field("vector").type
        is_list = pyarrow.types.is_fixed_size_list(vector_type) and vector_type.value_type == pyarrow.float32()
        if key_type != pyarrow.binary(_KEY_BYTES) or not is_list:
            raise UnibindError(f"{file} is not a cache file; remove it")
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise UnibindError(f"{file} is damaged ({error}); remove it") from error
    return batch
