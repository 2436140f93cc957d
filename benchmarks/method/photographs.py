"""Photographs with the backbone photo: their stores.

The folder has pictures and a labels.csv with the columns `uri`, `name` (of an ImageNet class) and `family` (an everyday
word, empty where there is none). The texts and the setting of photo were chosen on these pictures, so that how many are
recognized is a development figure. Of the method nothing was chosen on them. The pictures of each family are
dealt in turn to two halves: each half is measured with what was learned from the other.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unibind.align.centered_texts import centered_texts
from unibind.backbones import Backbone
from unibind.backbones.classifier.model import ClassifierBackbone
from unibind.backbones.photo.efficientnet import MEAN, STD, load_network
from unibind.backbones.photo.imagenet_texts import class_names
from unibind.backbones.photo.model import Photo
from unibind.centering import Mean
from unibind.data.embeddings import class_means
from unibind.data.encode import encode_items
from unibind.data.intake import read_manifest
from unibind.data.opening import open_backbone
from unibind.data.store import Store
from unibind.data.tables import read_rows
from unibind.evaluate.ablations import Cell
from unibind.evaluate.controls import CLASS_NAME, SHUFFLED
from unibind.evaluate.cross_modal import BY_CLASS
from unibind.evaluate.intervals import Group, Groups
from unibind.evaluate.methods import DESCRIPTIONS, TextSources
from unibind.evaluate.metrics import category_relevance, mean_score, ranked, ranking
from unibind.evaluate.parts import TEST, TRAIN
from unibind.evaluate.runs import Run as MeasuredRun
from unibind.evaluate.texts import class_texts
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions

from .estimates import ALL
from .measure import DEFAULT_FIT, FITS, Bed, fitted, recognized
from .plan import RESULTS
from .records import Record

LABELS = "labels.csv"
HALVES = (0, 1)


@dataclass(frozen=True)
class Picture:
    """A row of labels.csv, and the half it is in; pictures without a family are in both training halves."""

    uri: str
    name: str
    family: str
    half: int | None


def read_pictures(folder: Path) -> list[Picture]:
    """The pictures by file name, those of each family dealt in turn to the halves."""
    rows = sorted((cells for _, cells in read_rows(folder / LABELS, ("uri", "name", "family"))), key=lambda r: r["uri"])
    seen: dict[str, int] = {}
    pictures = []
    for row in rows:
        family = row.get("family") or ""
        half = None
        if family:
            half = seen.get(family, 0) % len(HALVES)
            seen[family] = seen.get(family, 0) + 1
        pictures.append(Picture(row["uri"], row["name"], family, half))
    return pictures


def stores(out: Path, work: Path, folder: Path, pictures: Sequence[Picture], backbone: Backbone) -> list[Path]:
    """A store per half that is measured, with the other half to learn from; encoded where that is not done."""
    found = []
    for half in HALVES:
        manifest = work / "data" / f"photographs-{half}.csv"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        with manifest.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["uri", "modality", "label", "split"])
            for p in pictures:
                split = TEST if p.half == half else TRAIN
                writer.writerow([(folder / p.uri).resolve(), "image", p.family, split])
        path = out / f"half{half}"
        encode_items(list(read_manifest(manifest)), backbone, Store.open_or_create(path), workers=0)
        found.append(path)
    return found


# --- what is measured ------------------------------------------------------------------------------------------------

BASE = RESULTS / "families.jsonl"  # ten descriptions of each family, written by a language model that saw no picture
CHOSEN = {name: FITS[name] for name in (DEFAULT_FIT, "gda")}
SOURCES = (DESCRIPTIONS, CLASS_NAME)


def named() -> Backbone:
    """photo's classifier, with the bare name of each class instead of what a language model says of it."""
    photo, network = Photo(["image"]), load_network()

    @torch.inference_mode()
    def classify(batch: Tensor) -> Tensor:
        pictures = (batch.permute(0, 3, 1, 2).float() - MEAN) / STD
        return torch.softmax(network.classifier(network.features(pictures)), dim=1)

    return ClassifierBackbone.from_callable(
        classify,
        class_names(),
        version="1",
        prepare=lambda raw: photo.preprocess("image", raw)[0],
    )


BEDS: dict[str, Callable[[], Backbone]] = {"photographs": lambda: open_backbone("photo"), "photographs-named": named}


def measure(bed: str, work: Path, folder: Path, shots: Sequence[int], draws: Sequence[int]) -> Record:
    """The record of the photographs with one of the backbones: every picture of a family is measured once."""
    start = time.monotonic()
    backbone, base, pictures = BEDS[bed](), KnowledgeBase.open(BASE), read_pictures(folder)
    beds = [Bed(backbone, path, base) for path in stores(work / "stores" / bed, work, folder, pictures, backbone)]
    found = search(backbone, beds[0], pictures)
    fits = [fitted(each, CHOSEN)[0] for each in beds]
    evaluations = [each.evaluate() for each in beds]
    measures = {
        "top1": joined([recognized(b, e, models) for b, e, models in zip(beds, evaluations, fits, strict=True)]),
        "few labels": joined([few_labels(each, shots, draws) for each in beds]),
    }
    return {
        "bed": bed,
        "pictures": len(pictures),
        "of_families": sum(p.half is not None for p in pictures),
        "families": len({p.family for p in pictures if p.family}),
        "modalities": list(beds[0].measured),
        "search": found,
        "run": MeasuredRun(bed, "photographs", measures).to_json(),
        "seconds": time.monotonic() - start,
    }


def joined(halves: Sequence[Groups]) -> Groups:
    """The halves as one."""
    found = {}
    for part in halves[0]:
        objects = [name for half in halves for name in half[part].objects]
        methods = halves[0][part].correct
        found[part] = Group(objects, {m: np.concatenate([half[part].correct[m] for half in halves]) for m in methods})
    return found


def few_labels(bed: Bed, shots: Sequence[int], draws: Sequence[int]) -> Groups:
    """The share of draws in which each picture is right, by "SHOTS/TEXTS/FIT"."""
    unlabeled = bed.grid({f"0/{texts}/none": Cell(texts) for texts in SOURCES})[ALL]
    found = dict(unlabeled.correct)
    for texts in SOURCES:
        for name, config in CHOSEN.items():
            for count in shots:
                drawn = bed.grid({str(d): Cell(texts, count, fit=config, seed=d) for d in draws})[ALL]
                found[f"{count}/{texts}/{name}"] = np.mean(list(drawn.correct.values()), axis=0)
    return {ALL: Group(unlabeled.objects, found)}


def search(backbone: Backbone, bed: Bed, pictures: Sequence[Picture]) -> Record:
    """What texts find among all pictures, and pictures among the names, without a fit; means over queries."""
    stored = bed.store.vectors(modality="image")
    by_uri = {Path(str(uri)).name: row for row, uri in enumerate(stored.uris)}
    vectors = Mean.of(stored.vectors)(stored.vectors)[[by_uri[Path(p.uri).name] for p in pictures]]
    families = [p.family for p in pictures]
    found = {}
    sources = TextSources(backbone, class_texts(bed.knowledge, (), backbone, texts=bed.texts), full=True)
    for source in (CLASS_NAME, SHUFFLED, DESCRIPTIONS):
        texts = centered_texts(sources.embedded(source, stored.modality))
        means = class_means(texts.vectors, texts.category_index(), len(texts.category_names()))
        ranks = ranked(ranking(means @ vectors.T), category_relevance(texts.category_names(), families))
        found[f"family by {source}"] = {name: mean_score(score(ranks)) for name, score in BY_CLASS.items()}
    names = embed_descriptions({p.name: [p.name] for p in pictures}, backbone)
    own = category_relevance(list(names.categories), [p.name for p in pictures])
    similarity = centered_texts(names).vectors @ vectors.T
    for direction, ranks in (
        ("picture by its own name", ranked(ranking(similarity), own)),
        ("own name by picture", ranked(ranking(similarity.T), own.T)),
    ):
        found[direction] = {name: mean_score(score(ranks)) for name, score in BY_CLASS.items() if "hit" in name}
    return found
