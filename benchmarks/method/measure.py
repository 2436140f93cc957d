"""One run on Heptad: everything that docs/results.md reports of one kind of towers and one data seed.

Nothing is chosen here: the library's defaults are measured, and what they are compared with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unibind.align.centers import Scoring
from unibind.align.problem import FitConfig
from unibind.backbones import Backbone
from unibind.backbones.mini.towers import TOWERS
from unibind.data.embeddings import Embeddings
from unibind.evaluate.ablations import Cell, run_grid
from unibind.evaluate.controls import CLASS_NAME, RANDOM_WORDS, SHUFFLED
from unibind.evaluate.evaluation import Evaluation
from unibind.evaluate.intervals import Group, Groups
from unibind.evaluate.methods import DESCRIPTIONS, FITTED
from unibind.evaluate.parts import labeled, load_part, recognized_modalities, shared_names, take_inventory
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.recognition import Answers, answers_of
from unibind.evaluate.recognizing import calibration_of
from unibind.evaluate.runs import Run as MeasuredRun
from unibind.evaluate.spaces import Space, searched_space
from unibind.evaluate.unknown import leave_classes_out
from unibind.fitting import fit
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities import ANCHOR
from unibind.model import UniBind

from .beds import HeldStore
from .estimates import ALL
from .plan import Run
from .records import Record

DEFAULT_FIT, UNIFIED = "gradient", "unified"
FITS = {
    DEFAULT_FIT: FitConfig(),
    "gda": FitConfig(method="gda"),
    "ridge": FitConfig(method="ridge"),
}

_SHOTS, _FEW_SHOTS = (1, 2, 4, 8, 16, 24), (1, 4, 24)  # of what matters most; of the other controls
_SOURCES = {DESCRIPTIONS: _SHOTS, CLASS_NAME: _SHOTS, RANDOM_WORDS: _FEW_SHOTS, SHUFFLED: _FEW_SHOTS}
FEW_LABELS = (
    {f"0/{texts}/none": Cell(texts) for texts in _SOURCES}
    | {
        f"{n}/{texts}/{DEFAULT_FIT}": Cell(texts, n, fit=FITS[DEFAULT_FIT])
        for texts, shots in _SOURCES.items()
        for n in shots
    }
    | {f"{n}/{DESCRIPTIONS}/gda": Cell(shots=n, fit=FITS["gda"]) for n in _SHOTS}
)
ABLATIONS = (
    {f"K, without labels/{k}": Cell(k=None if k == 16 else k) for k in (16, 1, 4, 8, 32, 50)}
    | {"strategy, without labels/discriminative": Cell()}
    | {f"strategy, without labels/{name}": Cell(strategy=name) for name in ("all", "consensus", "adaptive")}
    | {"scoring, without labels/mean": Cell()}
    | {
        f"scoring, without labels/{scoring}": Cell(scoring=scoring)
        for scoring in (Scoring("log_mean_exp", 20.0), Scoring("top_mean", 5), Scoring("max"))
    }
    | {
        f"descriptions per class, without labels/{n}": Cell(base_size=None if n == 64 else n)
        for n in (64, 4, 8, 16, 32)
    }
    | {"loss, 24 labels/cross_entropy": Cell(shots=24, fit=FitConfig())}
    | {f"loss, 24 labels/{loss}": Cell(shots=24, fit=FitConfig(loss=loss)) for loss in ("multi_positive", "released")}
    | {"heads, 24 labels/full rank": Cell(shots=24, fit=FitConfig())}
    | {f"heads, 24 labels/rank {rank}": Cell(shots=24, fit=FitConfig(rank=rank)) for rank in (8, 64)}
)


class Bed:
    """What is measured on: a store, the descriptions of its classes, and the measured items of every modality."""

    def __init__(self, backbone: Backbone, path: Path, knowledge: KnowledgeBase) -> None:
        self.backbone, self.store, self.knowledge = backbone, HeldStore(path), knowledge
        self.texts = embed_descriptions(knowledge, backbone)
        inventory = take_inventory(self.store)
        parts = {m: load_part(self.store, m, inventory) for m in self.store.modalities()}
        self.samples = {m: part.measured for m, part in parts.items()}
        self.measured = {m: labeled(self.samples[m]) for m in recognized_modalities(inventory)}

    def fit(self, config: FitConfig, classes: Sequence[str] | None = None, *, unify: bool = False) -> UniBind:
        """A model that learned from all labels."""
        return fit(
            self.store,
            knowledge=self.knowledge,
            texts=self.texts,
            backbone=self.backbone,
            config=config,
            classes=classes,
            unify=unify,
            allow_duplicates=True,  # captions of two objects can be the same words
            progress=False,
        )

    def evaluate(self, fitted: UniBind | None = None, *, full: bool = True) -> Evaluation:
        """The library's evaluation."""
        return evaluate(self.backbone, self.store, knowledge=self.knowledge, texts=self.texts, fitted=fitted, full=full)

    def answers(self, model: UniBind) -> dict[str, Answers]:
        """A model's answers by modality."""
        return {m: answers(model, items) for m, items in self.measured.items()}

    def grid(self, cells: Mapping[str, Cell]) -> Groups:
        """Right answers of every cell by its name, averaged over the modalities of each object."""
        rows = run_grid(cells.values(), self.store, self.backbone, self.knowledge, texts=self.texts)
        return one_group({name: row.correct for name, row in zip(cells, rows, strict=True)})


def answers(model: UniBind, items: Embeddings) -> Answers:
    vectors = model.centered(model.project(items).vectors, items.modality)
    centers, calibration = model.centers[items.modality], model.calibration.get(items.modality)
    return answers_of(centers, vectors, items.known_labels(), calibration)


def one_group(measured: Mapping[str, Groups]) -> Groups:
    """Methods that were measured one by one, each averaged over the modalities of each object."""
    every = {name: _averaged(by_modality) for name, by_modality in measured.items()}
    objects = list(next(iter(every.values())))
    return {ALL: Group(objects, {name: np.array([by[o] for o in objects]) for name, by in every.items()})}


def _averaged(by_modality: Groups) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for group in by_modality.values():
        (correct,) = group.correct.values()
        for name, right in zip(group.objects, correct, strict=True):
            found.setdefault(name, []).append(float(right))
    return {name: float(np.mean(values)) for name, values in found.items()}


def measure(run: Run, backbone: Backbone, path: Path, *, in_full: bool) -> Record:
    """The record of a run; without `in_full`, only what the grid reports."""
    start = time.monotonic()
    bed = Bed(backbone, path, KnowledgeBase.open("heptad"))
    models, fits = fitted(bed, FITS if in_full else {DEFAULT_FIT: FITS[DEFAULT_FIT]})
    evaluation = bed.evaluate(models[DEFAULT_FIT])
    spaces = evaluation.spaces
    measures = {"top1": recognized(bed, evaluation, models), "recall@20": text_queries(spaces)}
    if in_full:
        measures["few labels"] = bed.grid(FEW_LABELS)
    return {
        "bed": "heptad",
        "towers": {"named": run.towers.named, "objects": run.towers.objects, "seed": run.towers.seed},
        "data_seed": run.data_seed,
        "modalities": list(bed.measured),
        "tower_parameters": sum(p.numel() for build in TOWERS.values() for p in build().parameters()),
        "fits": fits,
        "search": {moment: searched(space) for moment, space in spaces.items() if moment != "uncentered"},
        "unity": {moment: unity(space) for moment, space in spaces.items()},
        "run": MeasuredRun(run.towers.name, str(run.data_seed), measures).to_json(),
        "seconds": time.monotonic() - start,
    }


def measure_ablations(run: Run, backbone: Backbone, path: Path) -> Record:
    """The record of a run in which one thing is varied at a time."""
    start = time.monotonic()
    bed = Bed(backbone, path, KnowledgeBase.open("heptad"))
    measured = MeasuredRun(run.towers.name, str(run.data_seed), {"ablations": bed.grid(ABLATIONS)})
    return {"run": measured.to_json(), "seconds": time.monotonic() - start}


def measure_unknown(run: Run, backbone: Backbone, path: Path) -> Record:
    """How well the default fit tells items of six classes that it has never heard of; other six for other seeds."""
    start = time.monotonic()
    bed = Bed(backbone, path, KnowledgeBase.open("heptad"))
    found = leave_classes_out(
        lambda classes: bed.fit(FITS[DEFAULT_FIT], classes), bed.measured, groups=1, seed=run.data_seed
    )
    figures = {name: found.mean(name) for name in ("auroc", "false_accepts", "true_accepts")}
    return {"unknown": figures, "seconds": time.monotonic() - start}


def measure_unified(run: Run, backbone: Backbone, path: Path) -> Record:
    """The record of unified heads on a run."""
    start = time.monotonic()
    bed = Bed(backbone, path, KnowledgeBase.open("heptad"))
    model = bed.fit(FitConfig(), unify=True)
    seconds = time.monotonic() - start
    space = searched_space(model, bed.store, bed.samples, tuple(bed.knowledge.categories))
    assert space is not None
    right = {m: Group(shared_names(bed.measured[m]), {UNIFIED: a.correct}) for m, a in bed.answers(model).items()}
    return {
        "fits": {UNIFIED: facts_of(bed, model, seconds)},
        "search": {UNIFIED: searched(space)},
        "unity": {UNIFIED: unity(space)},
        "run": MeasuredRun(
            run.towers.name, str(run.data_seed), {"top1": right, "recall@20": text_queries({UNIFIED: space})}
        ).to_json(),
        "seconds": time.monotonic() - start,
    }


def fitted(bed: Bed, configs: Mapping[str, FitConfig]) -> tuple[dict[str, UniBind], Record]:
    """Models that learned from all labels, and of each what it learned, in what time, and how far off it is."""
    models, facts = dict[str, UniBind](), dict[str, Any]()
    for name, config in configs.items():
        start = time.monotonic()
        models[name] = bed.fit(config)
        facts[name] = facts_of(bed, models[name], time.monotonic() - start)
    return models, facts


def facts_of(bed: Bed, model: UniBind, seconds: float) -> Record:
    """What a model learned in so many seconds, and how far its confidences are from its accuracy on average."""
    errors = [c.error for a in bed.answers(model).values() if (c := calibration_of(a)) is not None]
    return {
        "seconds": seconds,
        "learned_parameters": 0 if model.summary is None else model.summary.learned_parameters,
        "calibration_error": float(np.mean(errors)) if errors else None,
    }


def recognized(bed: Bed, evaluation: Evaluation, models: Mapping[str, UniBind]) -> Groups:
    """Right answers by modality of every method of the evaluation and of every fit, by its name here."""
    assert evaluation.recognition is not None
    found = {}
    for modality, group in evaluation.recognition.groups.items():
        correct = {name: values for name, values in group.correct.items() if name != FITTED}
        fits = {name: answers(model, bed.measured[modality]).correct for name, model in models.items()}
        found[modality] = Group(group.objects, correct | fits)
        assert list(group.objects) == shared_names(bed.measured[modality])
    return found


def text_queries(spaces: Mapping[str, Space]) -> Groups:
    """Recall@20 by class of every caption, by gallery, with the moments as methods."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    objects: dict[str, Sequence[str]] = {}
    for moment, space in spaces.items():
        for pair, group in space.retrieval.queries["class"].items():
            if moment != "uncentered" and pair.startswith(f"{ANCHOR} to "):
                objects[pair] = group.objects
                (scores.setdefault(pair, {})[moment],) = group.correct.values()
    return {pair: Group(objects[pair], by_moment) for pair, by_moment in scores.items()}


def searched(space: Space) -> Record:
    """What the page shows of search."""
    found = space.retrieval.to_json()
    return {name: found[name] for name in ("modalities", "by_class", "by_object", "by_name") if name in found}


def unity(space: Space) -> Record:
    """The figures of unity by their names on the page."""
    found = space.unity
    assert found is not None
    balance = found.balance
    return {
        "modality gap of texts": found.gaps[ANCHOR],
        "modality gap, mean of the others": float(np.mean([gap for m, gap in found.gaps.items() if m != ANCHOR])),
        "separability of modalities": found.separability,
        "the same, by chance": found.chance,
        "neighbors of a text that are not texts": found.neighbors[ANCHOR].share,
        "the same, mixed at random": found.neighbors[ANCHOR].expected,
        "neighbors of other modalities, mean of all": float(np.mean([mix.share for mix in found.neighbors.values()])),
        "cosine, same object": found.cosines.same_object,
        "cosine, same class": found.cosines.same_class,
        "cosine, other class": found.cosines.other_class,
        "recall@20, spread over pairs": None if balance is None else balance.spread,
        "spread of log recall": None if balance is None else balance.log_spread,
        "the same after tower accuracies": None if balance is None else balance.residual_spread,
        "correlation of log recall with accuracies": None if balance is None else balance.correlation,
    }
