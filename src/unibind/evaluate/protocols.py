"""Protocols: what is measured on a store, before and after a fit, beside the controls.

Nothing is chosen on the measured items, and what a method without a fit may see is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..backbones import Backbone
from ..data.embeddings import Embeddings, TextEmbeddings, check_stored
from ..data.store import Store
from ..errors import UnibindError
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind
from .evaluation import Evaluation
from .leakage import find_leakage
from .methods import FITTED, TextSources
from .parts import TEST, Inventory, Part, labeled, load_part, recognized_modalities, sampled, store_name, take_inventory
from .recognition import Recognition, Recognized, category_index
from .recognizing import calibration_of, fits_on_controls, recognize, unknown_classes
from .spaces import measure_space, searched_space
from .texts import class_texts


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
    name of the store. With `full`, controls always have as many texts as there are descriptions; with a fitted model
    and a split "test", the fit is also done again on the texts of every control, and without some classes, whose items
    should be told from the others. Raises UnibindError where there is nothing to measure, UnknownNameError for a
    measured label that `knowledge` lacks, and ContractError for a store of another backbone.
    """
    inventory = take_inventory(store)
    base = knowledge or (fitted.knowledge if fitted is not None else None)
    leaking = store.non_train_ids() if inventory.split is not None else store.ids()
    known = class_texts(base, inventory.labels, backbone, leaking=leaking, texts=texts)
    sources = None
    if known.classes and ANCHOR in backbone.modalities:
        sources = TextSources(backbone, known, seed=seed, full=full)
    fits = {} if fitted is None else {FITTED: dict.fromkeys(fitted.centers, fitted)}
    refit = fitted if full and inventory.split == TEST else None  # nothing that is measured may be learned from
    if refit is not None and sources is not None:
        fits |= fits_on_controls(refit, sources, store, seed=seed)
    samples, recognized, left_out = dict[str, Embeddings](), dict[str, Recognized](), dict[str, dict[str, int]]()
    for part in _parts(store, backbone, inventory):
        modality = part.measured.modality
        samples[modality] = sampled(part.measured, seed=seed)
        if modality not in recognized_modalities(inventory):
            continue
        if knowledge is not None:  # what was asked for must describe every measured class
            category_index(labeled(part.measured).known_labels(), known.classes)
        models = {name: by_modality[modality] for name, by_modality in fits.items() if modality in by_modality}
        found, missing = recognize(part, sources, models, seed=seed)
        if missing:
            left_out[modality] = missing
        if found is not None:
            recognized[modality] = found
    comparable = {m: e for m, e in samples.items() if e.contract.in_anchor_space}
    if not recognized and len(comparable) < 2:
        raise _nothing_to_measure(store, inventory, comparable)
    unknown = None
    if refit is not None:
        unknown = unknown_classes(refit, store, {m: r.items for m, r in recognized.items()}, seed=seed)
    named = {} if sources is None else {"classes": sources.classes}
    return Evaluation(
        title=title or store_name(store),
        backbone=backbone.name,
        seed=seed,
        inventory=inventory,
        texts=known,
        control_texts=0 if sources is None else sources.count,
        recognition=Recognition(recognized, seed=seed) if recognized else None,
        uncentered=measure_space(comparable, seed=seed) if comparable else None,
        before=searched_space(UniBind(backbone), store, samples, **named, seed=seed),
        after=None if fitted is None else searched_space(fitted, store, samples, **named, seed=seed),
        learned_parameters=0 if fitted is None or fitted.summary is None else fitted.summary.learned_parameters,
        calibrated={m: c for m, r in recognized.items() if (c := calibration_of(r.answers.get(FITTED))) is not None},
        left_out=left_out,
        outside_anchor_space=tuple(m for m in samples if m not in comparable),
        unknown=unknown,
        leakage=find_leakage(store, inventory),
    )


def _parts(store: Store, backbone: Backbone, inventory: Inventory) -> Iterator[Part]:
    """The measured modalities, one after another, checked against the backbone."""
    for modality in store.modalities():
        part = load_part(store, modality, inventory)
        if len(part.measured):
            check_stored(part.measured, backbone)
            yield part


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
