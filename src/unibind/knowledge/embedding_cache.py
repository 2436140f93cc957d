"""Embeddings of texts on disk, so that none is embedded twice: a folder a contract, in it Arrow files that are never
changed.

    <contract hash>/contract.json    what the vectors mean
    <contract hash>/<token>.arrow    keys [N] (16 bytes of SHA-256 of the text) and vectors float32 [N, D]

A file is there whole or not at all, so a process may be killed at any moment, and several may write at once.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..data.embeddings import Vectors
from ..errors import UnibindError
from ..files import write_whole

if TYPE_CHECKING:
    import pyarrow

FOLDER = "embeddings"  # in the folder of a base
_KEY = 16  # bytes
_STALE_S = 3600.0  # age from which on a file that nobody finished was left by a process that died

Keys = NDArray[np.bytes_]  # [N], 16 bytes each


class EmbeddingCache:
    """The embeddings of texts under one contract in `folder`, which is made when first written to.

    In memory are 24 bytes a text; vectors are read when asked for.
    """

    def __init__(self, folder: str | Path, contract: Contract) -> None:
        self.path = Path(folder) / contract.hash
        self.contract = contract
        self._files: list[Path] = []
        self._levels: list[tuple[Keys, NDArray[np.int64]]] = []  # sorted keys and where they are, longest first
        for file in sorted(self.path.glob("*.arrow")):
            self._note(file, _keys_in(file))

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._levels)

    def has(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the texts [N] are embedded."""
        return self._places(_keys(texts)) >= 0

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The embeddings of texts, float32 [N, D]; raises UnibindError where one is not there."""
        places = self._places(_keys(texts))
        if not len(places) or places.min() < 0:
            raise UnibindError(f"not all of {len(texts)} texts are embedded in {self.path}; embed them first")
        order = np.argsort(places, kind="stable")
        numbers, rows = np.divmod(places[order], 1 << 32)
        out: Vectors | None = None
        for number in np.unique(numbers).tolist():
            chosen = numbers == number
            vectors = _vectors_in(self._files[number])
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), np.float32)
            out[order[chosen]] = vectors[rows[chosen]]
        assert out is not None
        return out

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Write the embeddings [N, D] of texts into a file of their own; when this returns, no kill loses them.

        Raises UnibindError for numbers that are not finite.
        """
        import pyarrow

        if not len(texts):
            return
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise UnibindError(f"{len(texts)} texts need vectors [{len(texts)}, D], not {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise UnibindError("the backbone embeds a text as numbers that are not finite; choose another backbone")
        if not self._files:
            write_whole(self.path / "contract.json", self.contract.to_json() + "\n")
        keys = _keys(texts)
        flat = pyarrow.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
        held = pyarrow.record_batch(
            [
                pyarrow.FixedSizeBinaryArray.from_buffers(
                    pyarrow.binary(_KEY), len(keys), [None, pyarrow.py_buffer(keys.tobytes())]
                ),
                pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            ],
            names=["key", "vector"],
        )
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_file(sink, held.schema) as writer:
            writer.write_batch(held)
        file = self.path / f"{time.time_ns():020}-{secrets.token_hex(4)}.arrow"
        self._sweep()
        write_whole(file, sink.getvalue())
        self._note(file, keys)

    def _note(self, file: Path, keys: Keys) -> None:
        """Add a file's keys to the index, whose levels each are more than twice as long as the next."""
        order = np.argsort(keys)
        self._levels.append((keys[order], (len(self._files) << 32) + order.astype(np.int64)))
        self._files.append(file)
        while len(self._levels) > 1 and len(self._levels[-2][0]) <= 2 * len(self._levels[-1][0]):
            (keys_a, places_a), (keys_b, places_b) = self._levels.pop(), self._levels.pop()
            merged, places = np.concatenate([keys_a, keys_b]), np.concatenate([places_a, places_b])
            order = np.argsort(merged, kind="stable")
            self._levels.append((merged[order], places[order]))

    def _places(self, keys: Keys) -> NDArray[np.int64]:
        """Where keys are, [N]: number of the file << 32 | row; -1 for nowhere."""
        out = np.full(len(keys), -1, np.int64)
        for known, places in self._levels:
            at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            hit = known[at] == keys
            out[hit] = places[at[hit]]
        return out

    def _sweep(self) -> None:
        """Remove what killed processes have left half-written."""
        for file in self.path.glob(".*.arrow.*"):
            if time.time() - file.stat().st_mtime > _STALE_S:
                file.unlink(missing_ok=True)


def _keys(texts: Sequence[str]) -> Keys:
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY] for text in texts)
    return np.frombuffer(b"".join(digests), f"S{_KEY}")


def _keys_in(file: Path) -> Keys:
    column = _batch(file).column("key")
    data = column.buffers()[1].to_pybytes()[_KEY * column.offset :][: _KEY * len(column)]
    return np.frombuffer(data, f"S{_KEY}")


def _vectors_in(file: Path) -> Vectors:
    """Mapped from disk, not read: only the pages of rows that are looked at come into memory."""
    column = _batch(file).column("vector")
    return np.asarray(column.flatten().to_numpy()).reshape(len(column), column.type.list_size)


def _batch(file: Path) -> pyarrow.RecordBatch:
    import pyarrow

    try:
        with pyarrow.memory_map(str(file)) as source:
            batch = pyarrow.ipc.open_file(source).get_batch(0)
        batch.validate(full=True)
        kinds = batch.schema.field("key").type, batch.schema.field("vector").type
        if kinds[0] != pyarrow.binary(_KEY) or not pyarrow.types.is_fixed_size_list(kinds[1]):
            raise UnibindError(f"{file} holds no embeddings; remove it, and its texts are embedded again")
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise UnibindError(f"{file} is damaged ({error}); remove it, and its texts are embedded again") from error
    return batch
