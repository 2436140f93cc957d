"""Protocols: what is measured on a store, before and after a fit, beside the controls.

Nothing is chosen on the measured items, and what a method without a fit may see is the same for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from ..align.centers import Centers
from ..align.selection import text_mean
from ..backbones import Backbone
from ..centering import Mean
from ..data.embeddings import Embeddings, TextEmbeddings, joined
from ..data.store import Store
from ..data.store_means import store_means
from ..errors import UnibindError
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind, check_stored
from .controls import CLASS_NAME
from .cross_modal import Splits
from .evaluation import Calibrated, Evaluation
from .leakage import find_leakage
from .methods import FITTED, TextSources
from .metrics import expected_calibration_error, reliability
from .parts import Inventory, Part, labeled, load_part, recognized_modalities, sampled, store_name, take_inventory
from .recognition import Answers, Recognition, Recognized, answers_of, category_index, probe_answers
from .spaces import centered, measure_space
from .texts import ClassTexts, class_texts


def in_anchor_space(embeddings: Splits) -> dict[str, Embeddings]:
    """The embeddings that can be compared with texts."""
    return {m: e for m, e in embeddings.items() if e.contract.in_anchor_space}


def evaluate(
    backbone: Backbone,
    store: Store,
    *,
    knowledge: KnowledgeBase | None = None,
    texts: TextEmbeddings | None = None,
    fitted: UniBind | None = None,
    title: str | None = None,
    seed: int = 0,
    full: bool = False,
) -> Evaluation:
    """Measure zero-shot recognition and cross-modal retrieval on a store; with `fitted` also after its fit.

    Classes are those of `knowledge` (else of the fitted model's knowledge), else the labels of the store, by their
    names. `texts` are the embeddings of the knowledge's descriptions, where they are at hand. `title` defaults to the
    name of the store. With `full`, controls always have as many texts as there are descriptions. Raises UnibindError
    where there is nothing to measure, UnknownNameError for a measured label that `knowledge` lacks, and ContractError
    for a store of another backbone.
    """
    inventory = take_inventory(store)
    base = knowledge or (fitted.knowledge if fitted is not None else None)
    leaking = store.non_train_ids() if inventory.split is not None else store.ids()
    known = class_texts(base, inventory.labels, backbone, leaking=leaking, texts=texts)
    sources = None
    if known.classes and ANCHOR in backbone.modalities:
        sources = TextSources(backbone, known, seed=seed, full=full)
    recognized: dict[str, Recognized] = {}
    calibrated: dict[str, Calibrated] = {}
    left_out: dict[str, dict[str, int]] = {}
    samples: dict[str, Embeddings] = {}
    for modality in store.modalities():
        part = load_part(store, modality, inventory)
        if not len(part.measured):
            continue
        check_stored(part.measured, backbone)
        samples[modality] = sampled(part.measured, seed=seed)
        if modality not in recognized_modalities(inventory):
            continue
        if knowledge is not None:  # what was asked for must describe every measured class
            category_index(labeled(part.measured).known_labels(), known.classes)
        found, unknown = _recognize(part, sources, fitted, seed)
        if unknown:
            left_out[modality] = unknown
        if found is not None:
            recognized[modality] = found
            calibrated |= _calibrated(modality, found.answers.get(FITTED))
    comparable = in_anchor_space(samples)
    if not recognized and len(comparable) < 2:
        raise _nothing_to_measure(store, inventory, comparable)
    means = _means(store, known)
    names = None if sources is None else sources.embedded(CLASS_NAME, ANCHOR)
    before = centered(comparable, means)
    after, removed = dict[str, Embeddings](), means
    if fitted is not None:
        removed = {m: mean for m, mean in means.items() if m not in fitted.heads} | fitted.means
        after = centered(in_anchor_space({m: fitted.project(e) for m, e in samples.items()}), removed)
    return Evaluation(
        title=title or store_name(store),
        backbone=backbone.name,
        seed=seed,
        inventory=inventory,
        texts=known,
        control_texts=0 if sources is None else sources.count,
        recognition=Recognition(recognized, seed=seed) if recognized else None,
        uncentered=measure_space(comparable, seed=seed) if comparable else None,
        before=measure_space(before, _queries(names, means), seed=seed) if before else None,
        after=measure_space(after, _queries(names, removed, fitted), seed=seed) if after else None,
        learned_parameters=0 if fitted is None or fitted.summary is None else fitted.summary.learned_parameters,
        calibrated=calibrated,
        left_out=left_out,
        outside_anchor_space=tuple(m for m in samples if m not in comparable),
        leakage=find_leakage(store, inventory),
        samples={name: vectors for name, vectors in (("before", before), ("after", after)) if vectors},
    )


def _means(store: Store, texts: ClassTexts) -> dict[str, Mean]:
    """What a search in the store removes from each modality; that of texts is of the descriptions where it has none."""
    means = store_means(store)
    if ANCHOR not in means and texts.descriptions is not None:
        means[ANCHOR] = text_mean(texts.descriptions)
    return means


def _queries(
    names: TextEmbeddings | None, means: Mapping[str, Mean], model: UniBind | None = None
) -> TextEmbeddings | None:
    """Embedded class names as a search compares them: after the model's head of texts, and without their mean."""
    if names is None:
        return None
    head = None if model is None else model.heads.get(ANCHOR)
    if model is not None and head is not None:
        names = replace(names, vectors=head(names.vectors), contract=model.contract(ANCHOR))
    return replace(names, vectors=means[ANCHOR](names.vectors)) if ANCHOR in means else names


def _recognize(
    part: Part, sources: TextSources | None, fitted: UniBind | None, seed: int
) -> tuple[Recognized | None, dict[str, int]]:
    """The answers of every method to one modality's labeled items, and the items by label that no method knows.

    A class that one method lacks is left out for all of them, so that all are measured on the same items.
    """
    items, modality = labeled(part.measured), part.measured.modality
    centers: dict[str, Centers] = {}
    if sources is not None and items.contract.in_anchor_space:
        centers = sources.centers(modality, part)
    if fitted is not None and modality in fitted.centers and fitted.contract(modality).in_anchor_space:
        centers[FITTED] = fitted.centers[modality]
    known = set(items.known_labels()).intersection(*(c.labels for c in centers.values()))
    unknown = dict(Counter(label for label in items.known_labels() if label not in known))
    items = items.take([row for row, label in enumerate(items.labels) if label in known])
    if not len(items):
        return None, unknown
    answers = probe_answers(joined(labeled(part.train), part.validation), items, seed=seed)  # as a fit learns from both
    for method, own in centers.items():
        model = fitted if method == FITTED else None
        if model is None:
            vectors = part.centered(items).vectors
        else:
            vectors = model.centered(model.project(items).vectors, modality)
        calibration = None if model is None else model.calibration.get(modality)
        answers[method] = answers_of(own, vectors, items.known_labels(), calibration)
    if not answers:
        return None, unknown
    classes = max([len(c.labels) for c in centers.values()] or [len(set(items.labels))])
    return Recognized(items, answers, centers, classes), unknown


def _calibrated(modality: str, answers: Answers | None) -> dict[str, Calibrated]:
    """By modality; nothing where no confidence was calibrated.

    Every measured item belongs to one of the classes, so confidences are conditioned on that: "none of these" is not an
    answer here.
    """
    if answers is None or answers.confidence is None:
        return {}
    pair = answers.confidence, answers.correct
    return {modality: Calibrated(expected_calibration_error(*pair), reliability(*pair))}


def _nothing_to_measure(store: Store, inventory: Inventory, comparable: Mapping[str, Embeddings]) -> UnibindError:
    if any(inventory.labeled.values()) and not comparable:
        return UnibindError(
            f"no tower that encoded {store.path} is in the space of its texts; bridge one with `unibind bridge`, or "
            "fit a model and classify with it"
        )
    if any(inventory.labeled.values()):
        return UnibindError(f"no method knows a class of {store.path}; pass knowledge that describes its labels")
    return UnibindError(
        f"there is nothing to measure in {store.path}: {inventory.measured} have no labels, and there is no second "
        "modality to search; encode a manifest with a label column"
    )
