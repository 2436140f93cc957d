"""Classifying items at once against one by one, on pools of many shapes, and what the guard says of each pool.

    python benchmarks/transduction.py runs/seed101 runs/seed102 runs/seed103 --json transduction.json
    python benchmarks/transduction.py runs/seed101 --uncalibrated    # at the scale of the backbone
    python benchmarks/transduction.py runs/seed101 --fitted          # on test items, after a fit on the others

The stores are of Heptad, encoded by mini. Centers are of the packaged base, without a fit; means are those of the
store, and confidences are calibrated on its split val. Pools are drawn from all items; nothing is learned from their
labels. Figures are means over modalities, stores and draws, in percent: top-1 one by one, of both methods wherever they
are used, and of both where the guard lets them; the share of pools that it refuses; and then, one by one and by "em",
guarded: top-1 of items of rare classes (at most 3 in the pool), where there are some, and the calibration error.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import numpy as np

from unibind import fit
from unibind.align.calibration import Calibration
from unibind.align.pools import why_not_at_once
from unibind.align.transduction import METHODS, transduce
from unibind.data.embeddings import joined
from unibind.data.store import Store
from unibind.data.store_means import store_means
from unibind.evaluate.metrics import expected_calibration_error
from unibind.modalities import ANCHOR
from unibind.model import UniBind

CLASSES, FULL = 24, 42
RARE = 3  # items in a pool


def pools(each: int) -> dict[str, list[int]]:
    """Items per class of every pool that so many items of each class allow."""
    counts = {
        "every item": [FULL] * CLASSES,
        "12 of each class": [12] * CLASSES,
        "3 of each class": [3] * CLASSES,
        "1 of each class": [1] * CLASSES,
        "long tail, 42 to 1": [max(1, round(FULL * 0.85**i)) for i in range(CLASSES)],
        "long tail, 12 to 1": [max(1, round(12 * 0.85**i)) for i in range(CLASSES)],
        "6 classes, 42 of each": [FULL] * 6,
        "3 classes, 42 of each": [FULL] * 3,
        "3 classes, 12 of each": [12] * 3,
        "1 class, 42": [FULL],
        "1 class, 12": [12],
        "42 of one class, 1 of each other": [FULL] + [1] * (CLASSES - 1),
    }
    return {name: drawn for name, drawn in counts.items() if max(drawn) <= each}


def measure(model: UniBind, store: Store, modality: str, rng: np.random.Generator) -> Mapping[str, list[float]]:
    """For every pool, the figures that are described above."""
    parts = [store.vectors(modality, split) for split in (("test",) if model.heads else ("train", "val", "test"))]
    items = model.project(reduce(joined, parts))
    vectors, centers = model.centered(items.vectors, modality), model.centers[modality]
    calibration = model.calibration.get(modality, Calibration(model.backbone.logit_scale))
    truth = np.array([centers.labels.index(label) for label in items.known_labels()])
    rows = {}
    for name, counts in pools(int(np.bincount(truth).min())).items():
        drawn = zip(rng.permutation(CLASSES), counts, strict=False)
        pool = np.concatenate([rng.choice(np.flatnonzero(truth == c), count, replace=False) for c, count in drawn])
        probabilities = calibration.probabilities(centers.scores(vectors[pool]))
        alone = float(np.mean(probabilities.argmax(axis=1) == truth[pool]))
        everywhere, refused, answers = [], [], [probabilities]
        for method in METHODS:
            posterior = transduce(vectors[pool], np.log(np.maximum(probabilities, 1e-300)), method=method)
            everywhere.append(float(np.mean(posterior.argmax(axis=1) == truth[pool])))
            refused.append(why_not_at_once(probabilities, method=method) is not None)
            answers.append(probabilities if refused[-1] else posterior)
        right = [answer.argmax(axis=1) == truth[pool] for answer in answers]
        rare = np.bincount(truth[pool])[truth[pool]] <= RARE
        rows[name] = [alone, *everywhere, *(each.mean() for each in right[1:]), *refused]
        rows[name] += [each[rare].mean() if rare.any() else np.nan for each in right[:2]]
        rows[name] += [
            expected_calibration_error(answer.max(axis=1), each)
            for answer, each in zip(answers[:2], right[:2], strict=True)
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--uncalibrated", action="store_true")
    parser.add_argument("--fitted", action="store_true")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unfitted = UniBind.zero_shot(knowledge="heptad", backbone="mini")
    found: dict[str, list[list[float]]] = defaultdict(list)
    for path in arguments.stores:
        store, rng = Store.open(path), np.random.default_rng(arguments.seed)
        model = fit(store, knowledge="heptad") if arguments.fitted else unfitted
        if not arguments.fitted:
            model.means, model.calibration = store_means(store), {}
        if not arguments.fitted and not arguments.uncalibrated:
            model.calibrate(store)
        for modality in (m for m in store.modalities() if m != ANCHOR):
            for _ in range(arguments.draws):
                for name, row in measure(model, store, modality, rng).items():
                    found[name].append(row)
    means = {name: [round(100 * value, 1) for value in np.mean(rows, axis=0)] for name, rows in found.items()}
    columns = ["one by one", *METHODS, *(f"{m} guarded" for m in METHODS), *(f"{m} refused" for m in METHODS)]
    columns += [f"{figure} {how}" for figure in ("rare", "error") for how in ("one by one", "em")]
    print(f"{'':34}" + "".join(f"{column:>19}" for column in columns))
    for name, values in means.items():
        print(f"{name:34}" + "".join(f"{value:19.1f}" for value in values))
    if arguments.json is not None:
        table = {name: dict(zip(columns, values, strict=True)) for name, values in means.items()}
        facts = {"calibrated": not arguments.uncalibrated, "fitted": arguments.fitted, "pools": table}
        arguments.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
