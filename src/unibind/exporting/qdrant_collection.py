"""Qdrant: a collection with one point per item, on a server or in a local folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..errors import UnibindError
from ..extras import import_extra
from .formats import Export
from .items import Cells, write_contract

API_KEY = "QDRANT_API_KEY"  # environment variable
LOCAL_COLLECTION = "unibind"
_BATCH = 256  # points per request


def write_local(export: Export, folder: Path) -> None:
    """Write a folder that `QdrantClient(path=...)` opens, with the collection `unibind`, and contract.json.

    Raises MissingExtraError without qdrant-client.
    """
    client = _qdrant().QdrantClient(path=str(folder))
    try:
        _upload(client, LOCAL_COLLECTION, export)
    finally:
        client.close()
    write_contract(folder, export)


def write_server(export: Export, url: str, force: bool) -> None:
    """Write the collection that a URL names, such as http://localhost:6333/photos.

    The environment variable QDRANT_API_KEY is the server's key, if it needs one. A collection that exists is only
    replaced with `force`; a failed upload is removed. Raises MissingExtraError without qdrant-client, and UnibindError
    for a URL without a collection, a collection that exists, and what the server refuses.
    """
    server, collection = _address(url)
    qdrant = _qdrant()
    refused = (qdrant.http.exceptions.ApiException, OSError)
    client = qdrant.QdrantClient(url=server, api_key=os.environ.get(API_KEY))
    try:
        if client.collection_exists(collection):
            if not force:
                raise UnibindError(f"{url} exists already; choose another collection, or replace it with --force")
            client.delete_collection(collection)
        try:
            _upload(client, collection, export)
        except BaseException:
            client.delete_collection(collection)
            raise
    except refused as error:
        reason = " ".join(str(error).split())[:160]
        raise UnibindError(f"Qdrant at {server} did not take the points ({reason}); check the server") from error
    finally:
        client.close()


def _qdrant() -> Any:
    return import_extra("qdrant_client", "exporting to Qdrant")


def _address(url: str) -> tuple[str, str]:
    """The server's address and the collection, the last part of the URL's path."""
    parts = urlsplit(url)
    path, _, collection = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not collection:
        raise UnibindError(f"{url} names no collection; write http://HOST:6333/COLLECTION")
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), collection


def _upload(client: Any, collection: str, export: Export) -> None:
    models = import_extra("qdrant_client.models", "exporting to Qdrant")
    vectors = models.VectorParams(size=export.dim, distance=models.Distance.COSINE)
    client.create_collection(collection, vectors_config=vectors)

    def points() -> Iterator[Any]:
        for cells, batch in export.batches:
            for row, vector in zip(cells, batch, strict=True):
                yield models.PointStruct(id=_point_id(row), vector=vector.tolist(), payload=row)

    client.upload_points(collection, points(), batch_size=_BATCH, wait=True)


def _point_id(row: Cells) -> str:
    """A UUID that an item keeps in every export."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{row['modality']} {row['id']}"))
