"""What a view was made from: `view.json` and two files of means, written last and whenever the view has followed.

A view without them is not complete, and is never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...backbones import Contract
from ...centering import Mean
from ...data.means_file import load_means, save_means
from ...data.store import Store
from ...errors import UnibindError
from ...files import write_whole
from ...json_files import COUNT, OBJECT, TEXT, check_fields, list_of, optional, read_json
from ..centering import Searcher
from .vector_index import FEWEST, VectorIndex

RECORD, _MEANS, _AVERAGES = "view.json", "means.safetensors", "averages.safetensors"
VIEWS = "views"
_FORMAT = 1
_OUTGROWN = 4  # times the rows that an index learned from
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
    names of its parts (see `data.lance_files.Fragment`). `index` is None for a view that is too small to have one.
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
    means: Mapping[str, Mean] = field(default_factory=dict)
    averages: Mapping[str, Mean] = field(default_factory=dict)

    @property
    def outgrown(self) -> bool:
        """Whether there are so many more rows than its index learned from that another one would find more."""
        return self.rows >= (FEWEST if self.index is None else _OUTGROWN * self.index.rows)

    def write(self, folder: Path) -> None:
        """Write the files of a view, the mark of a complete one last."""
        save_means(self.means, folder / _MEANS)
        save_means(self.averages, folder / _AVERAGES)
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
        }
        write_whole(folder / RECORD, json.dumps(content | {"sha256": _checksum(content, folder)}, indent=1))

    @classmethod
    def read(cls, folder: Path) -> ViewRecord:
        """Inverse of `write`; raises UnibindError for files that are damaged, of another format, or of two views."""
        where = str(folder / RECORD)
        content = check_fields(read_json(folder / RECORD, _FIX), _FIELDS, where, _FIX)
        signed = {name: value for name, value in content.items() if name != "sha256"}
        if content["format"] != _FORMAT or _checksum(signed, folder) != content["sha256"]:
            raise UnibindError(f"the search view {folder} is damaged, or of another format; {_FIX}")
        found: dict[str, Any] = {name: content[name] for name in ("name", "backbone", "commit", "version", "rows")}
        index = content["index"]
        contracts = {m: Contract.from_json(text, f"a contract in {where}") for m, text in content["contracts"].items()}
        return cls(
            **found,
            heads=tuple(content["heads"]),
            contracts=contracts,
            fragments=frozenset(content["fragments"]),
            index=None if index is None else VectorIndex(**check_fields(index, _INDEX, f"the index in {where}", _FIX)),
            means=load_means(folder / _MEANS, _FIX),
            averages=load_means(folder / _AVERAGES, _FIX),
        )


def _checksum(content: Mapping[str, Any], folder: Path) -> str:
    """Of the record and of the means beside it, which belong together."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in (_MEANS, _AVERAGES):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
