"""Measure whether the answers of `classify` can be trusted: how sure they are, and whether unknown classes are told.

    python benchmarks/answers.py runs/demo/store --knowledge heptad

For each store, a model is fitted and, apart from it, descriptions alone are calibrated on the split val; both meet the
split test. Averages over the stores, in percent, by modality:

- top-1, and the calibration error (ECE, ten bins) of the probabilities, beside what exact ones would show by chance;
- with six classes at a time left out of everything, every class once: AUROC of known against unknown classes, and the
  shares of items of unknown and of known classes that are accepted at a stated false-accept rate of 5 %; the mean
  probability of "none of these" with the share of such items as prior, beside that share.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import unibind
from unibind.backbones import Backbone
from unibind.data.embeddings import Embeddings
from unibind.data.opening import open_backbone, open_store
from unibind.data.store import Store
from unibind.evaluate.metrics import calibration_error_by_chance, expected_calibration_error
from unibind.evaluate.parts import labeled
from unibind.evaluate.unknown import leave_classes_out
from unibind.knowledge import KnowledgeBase
from unibind.modalities import ANCHOR

COLUMNS = ("top-1", "ECE", "by chance", "AUROC", "false accepts", "true accepts", "none, mean", "none, true")
Maker = Callable[[Sequence[str]], unibind.UniBind]


def models(store: Store, base: KnowledgeBase, backbone: Backbone) -> dict[str, Maker]:
    """Ways to make a calibrated model of some classes."""
    return {
        "fitted": lambda classes: unibind.fit(
            store, knowledge=base, classes=classes, backbone=backbone, progress=False
        ),
        "descriptions": lambda classes: unibind.UniBind.zero_shot(classes, knowledge=base, backbone=backbone).calibrate(
            store
        ),
    }


def figures(make: Maker, test: dict[str, Embeddings], seed: int) -> dict[str, list[float]]:
    """The columns of one store, by modality."""
    rows = {}
    model = make(sorted({label for items in test.values() for label in items.known_labels()}))
    told = leave_classes_out(make, test, seed=seed).by_modality
    for modality, items in test.items():
        centers = model.centers[modality]
        scores = centers.scores(model.centered(model.project(items).vectors, modality))
        confidence = model.calibration[modality].probabilities(scores).max(axis=1)
        correct = np.array(centers.labels)[scores.argmax(axis=1)] == np.array(items.known_labels())
        one = told[modality]
        rows[modality] = [
            float(correct.mean()),
            expected_calibration_error(confidence, correct),
            calibration_error_by_chance(confidence),
            one.auroc,
            one.false_accepts or 0.0,
            one.true_accepts or 0.0,
            one.none_probability or 0.0,
            one.unknown_share,
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--knowledge", default="heptad")
    arguments = parser.parse_args()
    base = KnowledgeBase.open(arguments.knowledge)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for seed, path in enumerate(arguments.stores):
        store = open_store(path)
        backbone = open_backbone(None, store=store)
        test = {m: labeled(store.vectors(m, "test")) for m in store.modalities() if m != ANCHOR}
        for kind, make in models(store, base, backbone).items():
            for modality, row in figures(make, test, seed).items():
                found.setdefault(kind, {}).setdefault(modality, []).append(row)
    for kind, by_modality in found.items():
        means = {modality: 100 * np.mean(rows, axis=0) for modality, rows in by_modality.items()}
        means["mean"] = np.mean(list(means.values()), axis=0)
        print(f"\n| {kind} | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        for modality, row in means.items():
            print(f"| {modality} | {' | '.join(f'{value:.1f}' for value in row)} |")


if __name__ == "__main__":
    main()
