"""What a view was made from: `view.safetensors` in its folder, written last, and when the view has followed its store.

A view without it is not complete, and is never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backbones import Contract
from ...backbones._shared.safetensors_file import read_arrays
from ...centering import Mean
from ...data.store import Store
from ...errors import UnibindError
from ...files import write_whole
from ...json_files import COUNT, NUMBER, OBJECT, TEXT, check_fields, list_of, optional, parse_json
from ..centering import Searcher
from .vector_index import FEWEST, VectorIndex

RECORD = "view.safetensors"
VIEWS = "views"
_FORMAT = 2
_OUTGROWN = 4  # times the rows that an index learned from
_HEADER_KEY = "view"  # in the safetensors header
_MEANS, _AVERAGES = "means", "averages"  # of which the tensors are: <one of these>/<modality>
_FIELDS = {
    "format": COUNT,
    "name": TEXT,
    "backbone": TEXT,
    "heads": list_of(TEXT),
    "contracts": OBJECT,
    "commit": TEXT,
    "version": COUNT,
    "fragments": list_of(TEXT),
    "rows": COUNT,
    "index": optional(OBJECT),
    "usual": OBJECT,
    "items": OBJECT,
    "sha256": TEXT,
}
_INDEX = {"kind": TEXT, "partitions": COUNT, "codes": COUNT, "rows": COUNT}
_FIX = "build it again with `unibind index build`"


def view_name(store: Store, model: Searcher) -> str:
    """Twelve hexadecimal digits that identify the views of a model: its anchor space, its heads and its means.

    The means of a store are not among them: a view keeps those that it was made with.
    """
    facts = {
        "anchor": sorted({contract.anchor_space for contract in store.contracts().values()}),
        "heads": {m: head.fingerprint for m, head in sorted(model.heads.items())},
        "means": {m: mean.fingerprint for m, mean in sorted(model.means.items())},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class ViewRecord:
    """What a view was made from, and what is in it.

    `contracts` are those of its vectors, by modality; `means` were removed from those of modalities without a head, and
    `averages` are the means of all modalities before that. `commit` and `version` are the store's, and `fragments` the
    names of its parts (see `data.lance_files.Fragment`). `index` is None for a view that is too small to have one,
    and `usual` are the cosines that most items of a modality have to their nearest neighbor (see `views.nearness`).
    """

    name: str
    backbone: str
    heads: tuple[str, ...]
    contracts: Mapping[str, Contract]
    commit: str
    version: int
    fragments: frozenset[str]
    rows: int
    index: VectorIndex | None = None
    usual: Mapping[str, float] = field(default_factory=dict)
    means: Mapping[str, Mean] = field(default_factory=dict)
    averages: Mapping[str, Mean] = field(default_factory=dict)

    @property
    def outgrown(self) -> bool:
        """Whether there are so many more rows than its index learned from that another one would find more."""
        return self.rows >= (FEWEST if self.index is None else _OUTGROWN * self.index.rows)

    def write(self, folder: Path) -> None:
        """Write the record of a view into its folder, in one step."""
        from safetensors.numpy import save

        learned = {f"{kind}/{m}": mean for kind, of in self._learned.items() for m, mean in of.items()}
        tensors = {name: np.ascontiguousarray(mean.vector) for name, mean in learned.items()}
        content = {
            "format": _FORMAT,
            "name": self.name,
            "backbone": self.backbone,
            "heads": list(self.heads),
            "contracts": {m: contract.to_json() for m, contract in self.contracts.items()},
            "commit": self.commit,
            "version": self.version,
            "fragments": sorted(self.fragments),
            "rows": self.rows,
            "index": None if self.index is None else asdict(self.index),
            "usual": dict(self.usual),
            "items": {name: mean.items for name, mean in learned.items()},
        }
        header = json.dumps(content | {"sha256": _checksum(content, tensors)})
        write_whole(folder / RECORD, save(tensors, metadata={_HEADER_KEY: header}))

    @property
    def _learned(self) -> dict[str, Mapping[str, Mean]]:
        return {_MEANS: self.means, _AVERAGES: self.averages}

    @classmethod
    def read(cls, folder: Path) -> ViewRecord:
        """Inverse of `write`; raises UnibindError for a file that is damaged, of another format, or of another view."""
        where = str(folder / RECORD)
        tensors, header = read_arrays(folder / RECORD, _FIX)
        content = check_fields(parse_json(header.get(_HEADER_KEY, ""), where, _FIX), _FIELDS, where, _FIX)
        unsigned = {name: value for name, value in content.items() if name != "sha256"}
        if content["format"] != _FORMAT or _checksum(unsigned, tensors) != content["sha256"]:
            raise UnibindError(f"{where} is damaged, or of another format; {_FIX}")
        if content["name"] != folder.name:
            raise UnibindError(f"{where} is that of another view; {_FIX}")
        index, items = content["index"], check_fields(content["items"], dict.fromkeys(tensors, COUNT), where, _FIX)
        learned = {name: Mean(vector, items[name]) for name, vector in tensors.items()}
        return cls(
            **{name: content[name] for name in ("name", "backbone", "commit", "version", "rows")},
            heads=tuple(content["heads"]),
            contracts={
                m: Contract.from_json(text, f"a contract in {where}") for m, text in content["contracts"].items()
            },
            fragments=frozenset(content["fragments"]),
            index=None if index is None else VectorIndex(**check_fields(index, _INDEX, f"the index in {where}", _FIX)),
            usual=check_fields(content["usual"], dict.fromkeys(content["usual"], NUMBER), where, _FIX),
            means=_of_kind(_MEANS, learned),
            averages=_of_kind(_AVERAGES, learned),
        )


def _of_kind(kind: str, learned: Mapping[str, Mean]) -> dict[str, Mean]:
    return {name.removeprefix(f"{kind}/"): mean for name, mean in learned.items() if name.startswith(f"{kind}/")}


def _checksum(content: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
