"""The verbs of the package as functions: encode, search, similarity, and opening models by name."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backbones import Backbone
from .backbones._shared.places import absolute_name
from .data.embeddings import Embeddings, TextEmbeddings, unit
from .data.encode import EncodeSummary, encode_items
from .data.engines import LOCAL, find_engine
from .data.folder_state import folder_state
from .data.intake import ModalityChoice, Sources, read_manifest, source_folders
from .data.loader import ITEM_TIMEOUT_S
from .data.opening import open_backbone, open_store
from .data.store import STORE, Store
from .data.unlabeled import UnlabeledSource, store_of
from .data.worker_pool import prepare_workers
from .errors import UnibindError, UnknownNameError
from .exporting import FORMATS, ExportSummary, export_store
from .files import check_output
from .knowledge import KnowledgeSource
from .modalities.limits import Limits
from .model import UniBind
from .predictions import Answering
from .predictions.writing import StoreAnswers, check_streamed_name, write_answers
from .progress import progress_bar
from .retrieval import Filter, Hits
from .retrieval.opening import INDEXED_FROM
from .retrieval.views import ViewDescription, build_view, describe_view, describe_views, drop_views, keep_view

_log = logging.getLogger(__name__)


def encode(
    source: Sources,
    store: Store | str | Path,
    *,
    modality: ModalityChoice = None,
    root: str | Path | None = None,
    strict: bool = False,
    allow_empty: bool = False,
    segments: float | None = None,
    index: bool = True,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    item_timeout: float = ITEM_TIMEOUT_S,
    retry_quarantine: bool = False,
    limits: Limits | None = None,
    engine: str = LOCAL,
    progress: bool | None = None,
) -> EncodeSummary:
    """Encode files into a store, made where it does not exist; run it again to continue where it stopped.

    What is stored already is brought up to date: a corrected label, split or description is written, a file whose
    content changed is encoded again, and one that was deleted is marked (see `data.changes`).

    `source`, `modality`, `root`, `strict`, `allow_empty` and `segments` are those of `read_manifest`; what it left out
    is in the summary's `intake`. A store of 50,000 items and more is indexed for search (see `build_index`), unless
    `index` is False. `engine` is "local" or "ray" (see `encode_items`). `backbone` defaults to the store's own.
    Unreadable items go to the store's quarantine (`Store.quarantined`). Raises what `read_manifest` and `encode_items`
    raise.
    """
    if isinstance(store, str | Path):
        check_output(store, kind=STORE)
    find_engine(engine)
    if workers != 0 and engine == LOCAL:
        prepare_workers()  # while sources and weights are read
    items = read_manifest(
        source, modality=modality, root=root, strict=strict, allow_empty=allow_empty, segments=segments
    )
    encoder = _encoder(store, backbone, weights=weights, precision=precision, device=device, options=options)
    opened = Store.open_or_create(store) if isinstance(store, str | Path) else store
    with progress_bar("encoding", len(items), progress) as advance:
        summary = encode_items(
            items,
            encoder,
            opened,
            folders=source_folders(source),
            batch_size=batch_size,
            workers=workers,
            item_timeout=item_timeout,
            retry_quarantine=retry_quarantine,
            limits=limits,
            engine=engine,
            progress=advance,
        )
    if index and len(opened) >= INDEXED_FROM:
        _keep_indexed(opened, encoder, progress)
    return replace(summary, intake=items.report)


def _encoder(store: Store | str | Path, backbone: Backbone | str | None, **how: Any) -> Backbone:
    """The backbone that is named, or that of the store, if there is one already."""
    exists = not isinstance(store, str | Path) or Store.is_at(store)
    return open_backbone(backbone, store=open_store(store) if exists else None, **how)


def _keep_indexed(store: Store, backbone: Backbone, progress: bool | None) -> None:
    """Build the index of a large store, or make it follow; search does without it where that is not possible."""
    try:
        with progress_bar("indexing", None, progress) as advance:
            keep_view(store, UniBind(backbone), progress=advance)
    except UnibindError as error:
        _log.warning(f"the items are stored, but their index was not built: {error}")


def watch(
    source: Sources,
    store: Store | str | Path,
    *,
    interval: float = 2.0,
    stop: Event | None = None,
    updated: Callable[[EncodeSummary], None] | None = None,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    **how: Any,
) -> None:
    """Keep a store up to date with folders: encode what is new or changed in them, and mark what is removed.

    It looks every `interval` seconds, or ten times as long as looking takes, and encodes once nothing has changed from
    one look to the next, so that files are not read while they are copied. `updated(summary)` is called after each
    encoding, of which the first is at once. It goes on until `stop` is set, or Ctrl-C. `how` are further arguments of
    `encode`. Raises UnibindError for sources that are not folders, and what `encode` raises.
    """
    folders, stop = source_folders(source), stop or Event()
    if not folders:
        raise UnibindError("only folders can be watched; leave out tables, files and URLs, or encode without watching")
    encoder = _encoder(store, backbone, weights=weights, precision=precision, device=device, options=options)
    encoded: bytes | None = None
    seen: bytes | None = None
    looking = 0.0
    while not stop.wait(0 if encoded is None else max(interval, 10 * looking)):
        before, started = seen, time.monotonic()
        seen = folder_state(folders)
        looking = time.monotonic() - started
        if encoded is None or (seen != encoded and seen == before):
            encoded = seen
            summary = encode(source, store, backbone=encoder, **{"allow_empty": True} | how)
            if updated is not None:
                updated(summary)


def open_model(
    model: UniBind | str | Path | None = None,
    *,
    classes: Sequence[str] | str | None = None,
    knowledge: KnowledgeSource | None = None,
    unlabeled: UnlabeledSource | None = None,
    store: Store | None = None,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> UniBind:
    """A fitted model by its folder or Hub name, a zero-shot one from `classes` or `knowledge`, or a bare backbone.

    Without a model, the backbone is the one that is named, else the one that encoded `store` or the store `unlabeled`
    (see `UniBind.zero_shot`), else the default. Raises UnibindError where a backbone is named that the model was not
    fitted on.
    """
    if unlabeled is not None and classes is None and knowledge is None:
        raise UnibindError("unlabeled items improve zero-shot answers only; pass classes or knowledge, and no model")
    if model is not None and (classes is not None or knowledge is not None):
        raise UnibindError("a fitted model has its own classes; leave out the model, or the classes and knowledge")
    if model is None:
        opened = open_backbone(
            backbone,
            store=store or store_of(unlabeled),
            weights=weights,
            precision=precision,
            device=device,
            options=options,
        )
        if classes is None and knowledge is None:
            return UniBind(opened)
        return UniBind.zero_shot(classes, knowledge=knowledge, unlabeled=unlabeled, backbone=opened)
    if isinstance(model, UniBind):
        fitted, name = model, "the model"
    else:
        fitted = UniBind.from_pretrained(model, weights=weights, precision=precision, device=device, **(options or {}))
        name = str(model)
    asked = backbone if backbone is None else absolute_name(backbone if isinstance(backbone, str) else backbone.name)
    if asked not in (None, fitted.backbone.name):
        raise UnibindError(f"{name} was fitted on {fitted.backbone.name}, not on {asked}; leave out the backbone")
    return fitted


def search(
    query: Any,
    store: Store | str | Path,
    *,
    model: UniBind | str | Path | None = None,
    items: Any = None,
    negatives: Any = None,
    weights: Sequence[float] | None = None,
    where: str | Filter | None = None,
    modalities: Sequence[str] | None = None,
    k: int = 10,
    per_modality: int | None = None,
    diverse: bool = False,
    hybrid: bool = False,
    center: bool = True,
    query_modality: str | None = None,
    backbone: Backbone | str | None = None,
    backbone_weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Hits | list[Hits]:
    """Search a store by one query (Hits) or many (a list of Hits), with a model's heads or the bare backbone.

    See `UniBind.search`; without `model`, the store's own backbone embeds the query. `query_modality` is the modality
    of a query whose name does not tell it. `weights` are those of the query's parts; those of the backbone are
    `backbone_weights`.
    """
    opened = open_store(store)
    searcher = open_model(
        model,
        store=opened,
        backbone=backbone,
        weights=backbone_weights,
        precision=precision,
        device=device,
        options=options,
    )
    results: Hits | list[Hits] = searcher.search(
        query,
        opened,
        items=items,
        negatives=negatives,
        weights=weights,
        where=where,
        modalities=modalities,
        k=k,
        per_modality=per_modality,
        diverse=diverse,
        hybrid=hybrid,
        center=center,
        modality=query_modality,
    )
    return results


def classify_store(
    store: Store | str | Path,
    out: str | Path,
    *,
    model: UniBind | str | Path | None = None,
    classes: Sequence[str] | str | None = None,
    knowledge: KnowledgeSource | None = None,
    unlabeled: UnlabeledSource | None = None,
    calibrate: Store | str | Path | None = None,
    modalities: Sequence[str] | None = None,
    split: str | None = None,
    force: bool = False,
    answering: Answering | None = None,
    progress: bool | None = None,
    **backbone: Any,
) -> StoreAnswers:
    """Classify the items of a store, and write the answers as a table: `.csv`, `.jsonl` or `.parquet`.

    See `UniBind.classify_store`, which has the columns; nothing is read but the store, and memory does not grow with
    it. The model and `backbone` (backbone, weights, precision, device, options) are as for `open_model`. Raises
    UnknownNameError for another suffix, and UnibindError for a file that exists, unless `force` is set, and where there
    are no items.
    """
    check_streamed_name(Path(out))
    check_output(out, force=force)
    opened = open_store(store)
    named = {"store": opened, **backbone}
    fitted = open_model(model, classes=classes, knowledge=knowledge, unlabeled=unlabeled, **named)
    if calibrate is not None:
        fitted.calibrate(calibrate)
    how = Answering(top=1) if answering is None else answering
    tables = fitted.classify_store(opened, modalities=modalities, split=split, **how.of_one_item())
    with progress_bar("classifying", None, progress) as advance:
        return write_answers(tables, Path(out), advance)


def build_index(
    store: Store | str | Path,
    *,
    model: UniBind | str | Path | None = None,
    memory: int | None = None,
    engine: str = LOCAL,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> ViewDescription:
    """Make searches of a large store fast, with a model's heads or the bare backbone.

    `encode` does this by itself for stores of 50,000 items and more, with their backbone. The index is of the items as
    the model compares them; every model has its own. It follows the store by itself: items that are added, changed or
    removed later need no new one. The means that a search removes stay those of now until it is built again. `memory`
    is what the machine that searches has, in bytes, which the kind of index depends on (None: as this one). With the
    `engine` "ray", workers of a Ray cluster build an index of more than 200,000 items (see `encode`). Memory does not
    grow with the store. Raises UnibindError for an empty store, and where another process is building.
    """
    opened = open_store(store)
    fitted = open_model(
        model,
        store=opened,
        backbone=backbone,
        weights=weights,
        precision=precision,
        device=device,
        options=options,
    )
    with progress_bar("indexing", len(opened), progress) as advance:
        return describe_view(opened, build_view(opened, fitted, memory=memory, engine=engine, progress=advance))


def show_indexes(store: Store | str | Path) -> list[ViewDescription]:
    """The indexes of a store, one for each model that it was indexed with."""
    return describe_views(open_store(store))


def drop_indexes(store: Store | str | Path, name: str | None = None) -> list[str]:
    """Remove one index of a store, or all; returns the names of those that were there. The items stay.

    Raises UnibindError for a name that no index has.
    """
    return drop_views(open_store(store), name)


def export(
    store: Store | str | Path,
    out: str | Path,
    format: str,
    *,
    model: UniBind | str | Path | None = None,
    modalities: Sequence[str] | None = None,
    split: str | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> ExportSummary:
    """Write a store's items and vectors for another library: `format` is one of `unibind.exporting.FORMATS`.

    These are npy, parquet, lance, faiss (each a path) and qdrant (a folder, or http://HOST:6333/COLLECTION). Vectors
    are float32 of unit length, after the heads of `model` if it is given. Each has its item's id, modality, label,
    split, uri and the hash of its contract. Files whose originals are missing are left out. Memory does not grow with
    the store, but for FAISS, whose index is built in memory. Raises UnknownNameError for another format, and what
    `unibind.exporting.export_store` raises.
    """
    if format not in FORMATS:
        raise UnknownNameError("export format", format, FORMATS)
    opened = open_store(store)
    fitted = None if model is None else open_model(model)
    counts = opened.counts()
    total = sum(counts.get(name, 0) for name in modalities or counts) if split is None else None
    with progress_bar("exporting", total, progress) as advance:
        return export_store(
            opened,
            out,
            FORMATS[format],
            project=(lambda embeddings: embeddings) if fitted is None else fitted.project,
            modalities=modalities,
            split=split,
            force=force,
            progress=advance,
        )


def similarity(
    a: NDArray[np.floating] | Embeddings | TextEmbeddings, b: NDArray[np.floating] | Embeddings | TextEmbeddings
) -> NDArray[np.float32]:
    """Cosine of every vector of `a` [N, D] with every one of `b` [M, D]: float32 [N, M].

    A single vector [D] drops its axis. Stored embeddings are accepted too; raises ContractError where their contracts
    do not fit, and UnibindError for vectors of different widths.
    """
    if isinstance(a, Embeddings | TextEmbeddings) and isinstance(b, Embeddings | TextEmbeddings):
        a.contract.check_comparable(b.contract, here="the first vectors", there="the second ones")
    left, right = _vectors(a), _vectors(b)
    if left.shape[-1] != right.shape[-1]:
        raise UnibindError(
            f"vectors of {left.shape[-1]} and {right.shape[-1]} numbers cannot be compared; embed both with one model"
        )
    cosines = unit(np.atleast_2d(left)) @ unit(np.atleast_2d(right)).T
    return np.asarray(cosines.reshape(left.shape[:-1] + right.shape[:-1]), np.float32)


def _vectors(vectors: Any) -> NDArray[np.float32]:
    array = np.asarray(vectors.vectors if isinstance(vectors, Embeddings | TextEmbeddings) else vectors, np.float32)
    if array.ndim not in (1, 2):
        raise UnibindError(f"similarity takes vectors [D] or [N, D], not {list(array.shape)}")
    return array
