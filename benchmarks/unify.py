"""What a unified fit gives and costs, and what captions alone teach, on stores whose items know their objects.

    python benchmarks/unify.py runs/heptad/store [STORE ...] --knowledge heptad --json unify.json   # minutes for each

Spaces are those that a search compares, of the split test: of the backbone as it is (plain), centered, after the
default fit, and unified; and of closed-form ridge maps to one target per class, which a unified fit could have been.
Recall@20 is by class, from text to each other modality and the mean over all pairs, and also of a quarter of the
classes, which the fits never saw ("unseen"); recall@1 is of the same object. Then, with labels taken away and each
object's text as the caption of its items: text finds its object before and after a fit from captions, and top-1 without
a label, by modality.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unibind import KnowledgeBase, UniBind, fit
from unibind.align.heads import Head, heads_fingerprint
from unibind.align.ridge import best_ridge_map
from unibind.backbones import Backbone
from unibind.data.embeddings import Embeddings, class_means, unit
from unibind.data.manifest import Item
from unibind.data.opening import open_backbone
from unibind.data.store import Store
from unibind.evaluate.parts import TEST, TRAIN, split_of
from unibind.evaluate.spaces import searched_space
from unibind.evaluate.unity import neighbor_mix, separability
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities import ANCHOR

NEIGHBORS = 20
UNSEEN = 4  # a class in so many is left out
Figures = dict[str, float]


# --- spaces ----------------------------------------------------------------------------------------------------------


def models(store: Store, backbone: Backbone, base: KnowledgeBase, classes: list[str]) -> dict[str, UniBind]:
    """A model for each space, fitted on some of the classes."""

    def fitted(*, unify: bool) -> UniBind:
        return fit(store, knowledge=base, classes=classes, backbone=backbone, unify=unify, progress=False)

    return {
        "centered": UniBind(backbone),
        "fitted": fitted(unify=False),
        "ridge to classes": ridge(store, backbone, base.of_categories(classes)),
        "unified": fitted(unify=True),
    }


def ridge(store: Store, backbone: Backbone, base: KnowledgeBase) -> UniBind:
    """Heads that map every modality, text included, to one target per class: orthogonal, in the span of its texts."""
    texts = embed_descriptions(base, backbone)
    names = list(texts.category_names())
    train = {m: kept(e, names) for m, e in split_of(store, TRAIN).items()}
    vectors = {m: e.vectors for m, e in train.items()}
    labels = {m: np.array([names.index(name) for name in e.known_labels()]) for m, e in train.items()}
    vectors[ANCHOR] = np.concatenate([vectors[ANCHOR], texts.vectors])
    labels[ANCHOR] = np.concatenate([labels[ANCHOR], texts.category_index()])
    means = class_means(vectors[ANCHOR], labels[ANCHOR], len(names))
    left, _, right = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    targets = unit(left[:, :-1] @ right[:-1]).astype(np.float32)
    heads = {m: Head(best_ridge_map(x, targets[labels[m]])) for m, x in vectors.items()}
    return UniBind(backbone, heads=heads, unified=heads_fingerprint(heads))


def kept(items: Embeddings, classes: list[str]) -> Embeddings:
    return items.take([row for row, label in enumerate(items.labels) if label in classes])


def measured(space: Mapping[str, Embeddings], unseen: Mapping[str, Embeddings] | None = None) -> Figures:
    """The figures of a space; those of unseen classes in the space of another fit."""
    vectors = {m: e.vectors for m, e in space.items()}
    mixes = neighbor_mix(vectors, NEIGHBORS)
    found = {
        "separability": separability(vectors, {m: [str(o) for o in e.objects] for m, e in space.items()}),
        "text's neighbors that are not texts": mixes[ANCHOR].share,
        "neighbors of other modalities": float(np.mean([mix.share for mix in mixes.values()])),
    }
    recall = pairs(space, by_object=False, k=20)
    found |= {f"text to {m}": recall[ANCHOR, m] for m in space if m != ANCHOR}
    found["all pairs"] = float(np.mean(list(recall.values())))
    found["same object, recall@1"] = float(np.mean(list(pairs(space, by_object=True, k=1).values())))
    return found


def pairs(
    space: Mapping[str, Embeddings], *, by_object: bool, k: int, queries: list[str] | None = None
) -> dict[tuple[str, str], float]:
    """Recall@k of every pair of modalities, by class or by object, for queries of some classes."""
    found = {}
    for a, query in space.items():
        asked = query if queries is None else kept(query, queries)
        for b, gallery in space.items():
            if a != b:
                own, others = (asked.objects, gallery.objects) if by_object else (asked.labels, gallery.labels)
                relevant = np.array(own)[:, None] == np.array(others)[None, :]
                nearest = np.argsort(-(asked.vectors @ gallery.vectors.T), axis=1, kind="stable")[:, :k]
                hits = np.take_along_axis(relevant, nearest, axis=1).sum(axis=1)
                found[a, b] = float(np.mean(hits / np.minimum(k, relevant.sum(axis=1))))
    return found


def compared(model: UniBind, store: Store, items: Mapping[str, Embeddings]) -> dict[str, Embeddings]:
    space = searched_space(model, store, items)
    assert space is not None
    return space.embeddings


def spaces(store: Store, backbone: Backbone, base: KnowledgeBase) -> dict[str, Figures]:
    test = split_of(store, TEST)
    classes = sorted({label for e in test.values() for label in e.known_labels()})
    unseen, seen = classes[::UNSEEN], [name for i, name in enumerate(classes) if i % UNSEEN]
    found = {"plain": measured(test)}
    every, some = (models(store, backbone, base, names) for names in (classes, seen))
    for name, model in every.items():
        found[name] = measured(compared(model, store, test))
        recall = pairs(compared(some[name], store, test), by_object=False, k=20, queries=unseen)
        found[name]["unseen classes, all pairs"] = float(np.mean(list(recall.values())))
        found[name]["unseen classes, from text"] = float(np.mean([r for (a, _), r in recall.items() if a == ANCHOR]))
    return found


# --- captions --------------------------------------------------------------------------------------------------------


def captions(store: Store, backbone: Backbone, base: KnowledgeBase) -> dict[str, Figures]:
    """By modality: how text finds its object, and top-1 without labels, before and after a fit from captions."""
    test, found = split_of(store, TEST), dict[str, Figures]()
    with tempfile.TemporaryDirectory() as folder:
        bare = without_labels(store, Path(folder) / "store")
        after = fit(bare, knowledge=base, backbone=backbone, progress=False, allow_duplicates=True)
        before = UniBind.zero_shot(knowledge=base, unlabeled=bare, backbone=backbone)
        for moment, model in (("before", before), ("after", after)):
            space = compared(model, bare, test)
            by_rank = {k: pairs(space, by_object=True, k=k) for k in (1, 5)}
            for m, items in test.items():
                if m == ANCHOR:
                    continue
                vectors = model.centered(model.project(items).vectors, m)
                top1 = model.centers[m].top1(vectors, items.known_labels())
                figures = {f"object@{k}, {moment}": by_rank[k][ANCHOR, m] for k in by_rank}
                found.setdefault(m, {}).update(figures | {f"top-1, {moment}": top1})
        assert after.summary is not None
        for m in after.summary.unfitted:
            found[m]["stays unfitted"] = 1.0
    return found


def without_labels(store: Store, path: Path) -> Store:
    """A store of the training items without labels, whose objects are the only thing that pairs them with texts."""
    bare = Store.create(path)
    for m, e in split_of(store, TRAIN).items():
        facts = zip(e.ids, e.objects, strict=True)
        items = [Item(name, m, uri=f"/{name}", split=TRAIN, object=shared) for name, shared in facts]
        bare.add(items, e.vectors, e.contract)
    return bare


# --- tables ----------------------------------------------------------------------------------------------------------


def mean_of(runs: list[dict[str, Figures]]) -> dict[str, Figures]:
    """The mean of every figure over stores."""
    rows = {row for run in runs for row in run}
    ordered = [row for row in runs[0] if row in rows]
    return {
        row: {name: float(np.mean([run[row].get(name, 0.0) for run in runs])) for name in runs[0][row]}
        for row in ordered
    }


def show(table: Mapping[str, Figures], *, by_column: bool) -> None:
    """Percentages with a row per figure, or with a row per name."""
    names = list(dict.fromkeys(name for figures in table.values() for name in figures))
    if by_column:
        print("| |", " | ".join(table), "|\n|---|" + "---|" * len(table))
        for name in names:
            cells = [f"{100 * f[name]:.1f}" if name in f else "" for f in table.values()]
            print(f"| {name} |", " | ".join(cells), "|")
    else:
        print("| |", " | ".join(names), "|\n|---|" + "---|" * len(names))
        for row, figures in table.items():
            print(f"| {row} |", " | ".join(f"{100 * figures[n]:.1f}" if n in figures else "" for n in names), "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--knowledge", default="heptad")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    base, runs = KnowledgeBase.open(arguments.knowledge), []
    for path in arguments.stores:
        store = Store.open(path)
        backbone = open_backbone(None, store=store)
        runs.append({"spaces": spaces(store, backbone, base), "captions": captions(store, backbone, base)})
        print(f"{path}: measured", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(dict(zip(map(str, arguments.stores), runs, strict=False)), indent=1))
    show(mean_of([run["spaces"] for run in runs]), by_column=True)
    print()
    show(mean_of([run["captions"] for run in runs]), by_column=False)


if __name__ == "__main__":
    main()
