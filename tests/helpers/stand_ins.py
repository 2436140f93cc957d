"""FAISS and qdrant-client for tests: the installed ones, or stand-ins with what exporting uses of them.

The stand-in of Qdrant also plays a server, at any URL.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np


def faiss(monkeypatch):
    """The module `faiss`."""
    if not _found("faiss"):
        monkeypatch.setitem(
            sys.modules, "faiss", _module("faiss", IndexFlatIP=_Flat, write_index=_write, read_index=_read)
        )
    return importlib.import_module("faiss")


def qdrant(monkeypatch, *, server=False):
    """The module `qdrant_client`; with `server`, the stand-in, whose server starts empty."""
    if server or not _found("qdrant_client"):
        _Client.servers = {}
        models = _module(
            "qdrant_client.models",
            VectorParams=SimpleNamespace,
            PointStruct=SimpleNamespace,
            Distance=SimpleNamespace(COSINE="Cosine"),
        )
        http = SimpleNamespace(exceptions=SimpleNamespace(ApiException=ConnectionError))
        client = _module("qdrant_client", QdrantClient=_Client, models=models, http=http)
        monkeypatch.setitem(sys.modules, "qdrant_client", client)
        monkeypatch.setitem(sys.modules, "qdrant_client.models", models)
    return importlib.import_module("qdrant_client")


def _found(name):
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _module(name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    return module


class _Flat:
    def __init__(self, dim):
        self.vectors = np.empty((0, dim), np.float32)

    def add(self, vectors):
        self.vectors = np.concatenate([self.vectors, vectors])

    @property
    def ntotal(self):
        return len(self.vectors)

    def search(self, queries, k):
        scores = queries @ self.vectors.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, axis=1), order


def _write(index, path):
    with Path(path).open("wb") as file:
        np.save(file, index.vectors)


def _read(path):
    index = _Flat(0)
    index.vectors = np.load(path)
    return index


class _Client:
    """Collections of a folder, kept in its meta.json, or of a server."""

    servers = {}  # noqa: RUF012

    def __init__(self, path=None, url=None, api_key=None):
        self.file = None if path is None else Path(path, "meta.json")
        self.key = api_key
        self.collections = _Client.servers.setdefault(url, {}) if path is None else self._load()

    def _load(self):
        if not self.file.is_file():
            return {}
        kept = json.loads(self.file.read_text())
        return {name: [SimpleNamespace(**point) for point in points] for name, points in kept.items()}

    def collection_exists(self, name):
        return name in self.collections

    def create_collection(self, name, vectors_config):
        assert name not in self.collections
        self.collections[name] = []
        self.dim = vectors_config.size

    def delete_collection(self, name):
        del self.collections[name]

    def upload_points(self, name, points, batch_size, wait):
        for point in points:
            assert len(point.vector) == self.dim
            self.collections[name].append(point)

    def scroll(self, name, limit, with_vectors):
        return self.collections[name][:limit], None

    def close(self):
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            kept = {name: [vars(point) for point in points] for name, points in self.collections.items()}
            self.file.write_text(json.dumps(kept))
