"""What removing the means of modalities does to a search, by a text, in stores whose items know their objects.

    python benchmarks/centering.py runs/demo/store [STORE ...] --json centering.json    # a second for each store

Texts of the split test are searched for in each other modality of that split: recall@20 of their category and of their
own object, and of the names of all categories; and how many of the 20 nearest items of all modalities, to a text, are
not texts. Rows are settings of the search: plain vectors; centered by the means of the store; the same as if the store
had no texts; and as if the store had only so many training items of each modality, or of one category alone, to learn
means from. In parentheses is the 95 % interval of the difference from plain vectors, by bootstrap over objects.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from unibind import UniBind
from unibind.centering import Mean
from unibind.data.embeddings import Embeddings, Vectors
from unibind.data.encode import EmbeddedBatch, embed
from unibind.data.opening import open_backbone
from unibind.data.store import Store
from unibind.evaluate.intervals import Group, bootstrap
from unibind.evaluate.parts import TEST, TRAIN, split_of
from unibind.modalities import ANCHOR
from unibind.modalities.text import Text
from unibind.retrieval import Hits, ItemSearch, SearchOptions
from unibind.retrieval.conditions import Comparison
from unibind.retrieval.queries import composed, parts_of
from unibind.retrieval.streamed import StreamedItems

K, FEW = 20, (1, 3, 10)
PLAIN, CENTERED, NO_TEXTS = "plain", "centered", "centered, no texts in the store"
Scores = dict[str, dict[str, list[np.ndarray]]]  # measure -> gallery -> setting's scores, by query


def settings(
    model: UniBind, store: Store, train: Mapping[str, Embeddings], seed: int
) -> Iterator[tuple[str, UniBind, bool]]:
    """The name of each setting, a model that searches so, and whether it centers."""
    rng = np.random.default_rng(seed)
    yield PLAIN, model, False
    yield CENTERED, model, True
    generic = model.generic_texts
    yield NO_TEXTS, UniBind(model.backbone, means={ANCHOR: Mean.of(generic)}), True
    for count in FEW:
        few = {m: e.vectors[rng.choice(len(e), count, replace=False)] for m, e in train.items()}
        yield f"centered by {count} items of each", UniBind(model.backbone, means=means_of(few, generic)), True
    category = str(rng.choice(sorted(set(train[ANCHOR].known_labels()))))
    one = {m: e.vectors[np.array(e.labels) == category] for m, e in train.items()}
    yield "centered by one category", UniBind(model.backbone, means=means_of(one, generic)), True


def means_of(vectors: Mapping[str, Vectors], generic: Vectors) -> dict[str, Mean]:
    texts = np.concatenate([vectors[ANCHOR], generic])
    return {m: Mean.of(texts if m == ANCHOR else own) for m, own in vectors.items()}


def found_by(items: StreamedItems, vectors: Vectors, names: list[str], k: int) -> list[Hits]:
    """The k hits of each of these embedded texts among the test items."""
    parts = parts_of(EmbeddedBatch(list(range(len(names))), names, ANCHOR, vectors), items)
    search = ItemSearch(items, SearchOptions(k, where=Comparison("split", "=", TEST)))
    return search.hits([composed(parts[place], (), ()) for place in range(len(names))])


def scores(items: StreamedItems, texts: Embeddings, names: Vectors, categories: list[str]) -> dict[str, np.ndarray]:
    """Per query: recall@K of its category, of its own object, and of categories by name."""
    hits = found_by(items, texts.vectors, texts.ids, K)
    by_name = found_by(items, names, categories, K)
    sizes = {c: texts.labels.count(c) for c in categories}
    return {
        "category": recalls(hits, texts.labels, sizes),
        "same object": np.array([any(own in hit.id for hit in h) for h, own in zip(hits, texts.objects, strict=True)]),
        "names": recalls(by_name, categories, sizes),
    }


def recalls(hits, labels, sizes) -> np.ndarray:
    found = [sum(hit.label == own for hit in h) / min(K, sizes[own]) for h, own in zip(hits, labels, strict=True)]
    return np.array(found)


def others_near(items: StreamedItems, texts: Embeddings) -> np.ndarray:
    """Per text, the share of its K nearest items, itself apart, that are not texts."""
    hits = found_by(items, texts.vectors, texts.ids, K + 1)
    near = [[h for h in found if h.id != own][:K] for found, own in zip(hits, texts.ids, strict=True)]
    return np.array([sum(hit.modality != ANCHOR for hit in found) / K for found in near])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, dict[str, dict[str, list[np.ndarray]]]] = {}
    objects: dict[str, list[str]] = {"names": [], "texts": []}
    for seed, path in enumerate(arguments.stores):
        store = Store.open(path)
        model = UniBind(open_backbone(None, store=store))
        test, train = split_of(store, TEST), split_of(store, TRAIN)
        texts, categories = test[ANCHOR], sorted(set(test[ANCHOR].known_labels()))
        names = embed([Text(name) for name in categories], model.backbone)
        objects["texts"] += [f"{seed}/{name}" for name in texts.objects]
        objects["names"] += [f"{seed}/{name}" for name in categories]
        for setting, searcher, center in settings(model, store, train, seed):
            for gallery in [m for m in test if m != ANCHOR]:
                searched = StreamedItems(store, searcher, modalities=[gallery], center=center)
                for measure, values in scores(searched, texts, names, categories).items():
                    found.setdefault(measure, {}).setdefault(gallery, {}).setdefault(setting, []).append(values)
            every = StreamedItems(store, searcher, center=center)
            near = found.setdefault("not texts among the nearest", {}).setdefault(ANCHOR, {})
            near.setdefault(setting, []).append(others_near(every, texts))
    report = {measure: summary(measure, by, objects) for measure, by in found.items()}
    for measure, rows in report.items():
        print(f"\n{measure}, %")
        for setting, row in rows.items():
            print(f"  {setting:34} {row['mean']:5.1f} ({row['low']:+.1f} to {row['high']:+.1f})  {row['galleries']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


def summary(measure: str, by_gallery: Mapping[str, Mapping[str, list[np.ndarray]]], objects) -> dict[str, dict]:
    """Of every setting: the mean over galleries, and the interval of its difference from plain vectors."""
    own = objects["names" if measure == "names" else "texts"]
    joined = {g: {s: np.concatenate(parts).astype(float) for s, parts in by.items()} for g, by in by_gallery.items()}
    drawn = bootstrap({g: Group(own, by) for g, by in joined.items()})
    rows = {}
    for setting in next(iter(joined.values())):
        low, high = drawn.difference(setting, PLAIN, list(joined))
        means = {g: round(100 * float(by[setting].mean()), 1) for g, by in joined.items()}
        rows[setting] = {"mean": float(np.mean(list(means.values()))), "low": 100 * low, "high": 100 * high}
        rows[setting]["galleries"] = means
    return rows


if __name__ == "__main__":
    main()
