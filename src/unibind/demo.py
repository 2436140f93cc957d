"""The demo: files of seven modalities become one space, are classified, searched, fitted and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import heptad
from ._version import __version__
from .align.fit import FitConfig
from .backbones import Backbone, create_backbone
from .data.encode import embed, encode
from .data.manifest import read_manifest
from .data.store import Store
from .errors import UnibindError
from .evaluate.protocols import Evaluation, evaluate, split_of
from .evaluate.report import Explanation, Search, write_report
from .files import write_whole
from .knowledge import KnowledgeBase
from .knowledge.embedding import embed_descriptions
from .modalities.text import Text
from .model import UniBind
from .retrieval import Index

QUERY, WANTED = "A photo of a drum", "drum"
EXPLAINED = (("audio", "bell"), ("thermal", "kettle"), ("point_cloud", "chair"))


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    evaluation: Evaluation
    report: Path
    model: Path
    store: Path
    data: Path


def run_demo(
    out: Path,
    *,
    per_category: dict[str, int],
    seed: int = 0,
    workers: int = 2,
    stage: Callable[[str, int], Callable[[int], None]],
    backbone: Backbone | None = None,
    knowledge: KnowledgeBase | None = None,
) -> Demo:
    """Make Heptad, encode it with the backbone (default: mini), fit by the knowledge base (default: the packaged one),
    measure and report under `out`.

    Only the backbone's modalities take part. `per_category` is the number of objects of each split;
    `stage(name, total)` opens a progress bar and returns the function that advances it. Raises UnibindError, before
    anything is drawn, where the base lacks one of Heptad's categories.
    """
    backbone = backbone or create_backbone("mini")
    knowledge = knowledge or KnowledgeBase.heptad()
    described = set(knowledge.categories)
    missing = [category for category in heptad.CATEGORIES if category not in described]
    if missing:
        raise UnibindError(
            f"the knowledge base lacks {len(missing)} of the demo's categories, such as {missing[0]}; describe them too"
        )
    _claim(out, {"unibind": __version__, "per_category": per_category, "seed": seed, "backbone": backbone.name})
    folders = {name: out / name for name in ("heptad", "store", "model")}
    total = sum(per_category.values()) * len(heptad.CATEGORIES)
    manifest = heptad.make(
        folders["heptad"], per_category, seed=seed, workers=workers, progress=stage("drawing objects", total)
    )
    items = [item for item in read_manifest(manifest) if item.modality in backbone.modalities]
    store = Store.open_or_create(folders["store"])
    encode(items, backbone, store, workers=workers, progress=stage("encoding files", len(items)))

    knowledge = knowledge.without_items(store.non_train_ids())
    advance = stage("reading the knowledge base", 1)
    texts = embed_descriptions(knowledge, backbone)
    advance(1)
    config = FitConfig(seed=seed)
    fitting = stage("fitting heads", config.steps * (len(store.modalities()) - 1))
    model = UniBind.fit(backbone, store, knowledge, config, texts=texts, progress=lambda modality, step: fitting(1))
    advance = stage("measuring and reporting", 3)
    evaluation = evaluate(backbone, store, texts, fitted=model, seed=seed)
    advance(1)
    model.save_pretrained(folders["model"], measured=evaluation.to_json()["zero_shot"]["top1"])
    advance(1)
    before = split_of(store, "test")
    after = {m: model.project(e) for m, e in before.items()}
    query = embed([Text(QUERY)], backbone)
    text_contract = backbone.contract("text")
    searches = [
        Search(
            QUERY,
            WANTED,
            gallery,
            Index({gallery: before[gallery]}).search(query, text_contract, 5)[0],
            Index({gallery: after[gallery]}).search(query, text_contract, 5)[0],
        )
        for gallery in ("event", "image")
        if gallery in evaluation.before.modalities
    ]
    explanations = []
    for modality, label in EXPLAINED:
        if modality not in after:
            continue
        row = after[modality].labels.index(label)
        uri = str(after[modality].uris[row])
        prediction = model.classify_vectors(after[modality].vectors[row : row + 1], [modality], [uri])[0]
        explanations.append(Explanation(uri, label, prediction))
    report = write_report(out, evaluation, before=before, after=after, searches=searches, explanations=explanations)
    advance(1)
    return Demo(evaluation, report, folders["model"], folders["store"], manifest)


def _claim(out: Path, run: dict[str, Any]) -> None:
    """Mark `out` as this run's; raises UnibindError where it holds another's: its embeddings would pass for ours."""
    mark = out / "demo.json"
    held = json.loads(mark.read_text()) if mark.is_file() else None
    if held != run and (held is not None or (out / "store").exists()):
        raise UnibindError(f"{out} holds a demo with other settings; name another folder with --out, or remove it")
    write_whole(mark, json.dumps(run))
