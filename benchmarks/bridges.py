"""How well bridges work: mini's towers, bridged into a foreign space made by latent semantic analysis.

    python benchmarks/bridges.py runs/demo/store [--split val] [--noise 4 1]

The store is one of Heptad's, encoded by mini (`unibind demo` makes one). Prints zero-shot top-1, mean over modalities.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from unibind.align.bridge import BridgeConfig, fit_map
from unibind.align.selection import select_centers
from unibind.backbones import create_backbone
from unibind.centering import Mean
from unibind.data.embeddings import TextEmbeddings, unit
from unibind.data.store import Store
from unibind.evaluate.parts import split_of
from unibind.evaluate.recognition import top1_of
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions

AXES = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--split", default="test")
    parser.add_argument("--noise", type=float, nargs="+", default=[4.0])
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 200])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()

    store = Store.open(arguments.store)
    train, test = ({m: e for m, e in split_of(store, s).items() if m != "text"} for s in ("train", arguments.split))
    knowledge = KnowledgeBase.load("heptad")
    texts = [d.text for d in knowledge.descriptions]
    first = [texts.index(text) for text in dict.fromkeys(texts)]  # the first row of every distinct text
    own = embed_descriptions(knowledge, create_backbone("mini"))
    counts = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    axes = unit(TruncatedSVD(AXES, random_state=0).fit_transform(counts).astype(np.float32))
    anchor = TextEmbeddings(own.ids, own.categories, axes, own.contract)
    own_centers, centers = select_centers(own), select_centers(anchor)

    def mean_top1(chosen, move):
        """Of items without the mean of the training items, because centers are without that of their texts."""
        means = {m: Mean.of(move(m, train[m].vectors)) for m in test}
        return np.mean([top1_of(chosen, means[m](move(m, e.vectors)), e.known_labels()) for m, e in test.items()])

    print(f"among their own texts {mean_top1(own_centers, lambda _, x: x):.3f}")
    print(f"padded                {mean_top1(centers, lambda _, x: x[:, :AXES]):.3f}")
    for noise in arguments.noise:
        for steps in arguments.steps:
            for with_items in (False, True):
                accuracies, recall = [], []
                for seed in range(arguments.seeds):
                    config = BridgeConfig(noise=noise, steps=steps, seed=seed)
                    maps = {
                        m: fit_map(own.vectors[first], axes[first], e.vectors if with_items else None, config)
                        for m, e in train.items()
                    }
                    accuracies.append(mean_top1(centers, lambda m, x, maps=maps: unit(maps[m].map(x))))
                    recall.append(list(next(iter(maps.values())).recall.values())[-1][1])
                setting = f"noise {noise:g}, {steps} steps, {'with' if with_items else 'without'} items"
                print(
                    f"{setting}: {np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})",
                    f"text recall {np.mean(recall):.2f}",
                )


if __name__ == "__main__":
    main()
