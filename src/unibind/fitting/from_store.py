"""The fit of a store: what is learned from, and which way, by what the store has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..align.centered_texts import centered_texts, text_mean
from ..align.problem import FitConfig
from ..align.selection import CenterConfig
from ..backbones import Backbone
from ..centering import Mean
from ..data.duplicates import refuse_leaks
from ..data.embeddings import TextEmbeddings, check_stored
from ..data.file_facts import file_stamp
from ..data.opening import open_backbone, open_store
from ..data.splits import Split, Validation, few_shot, train_and_validation
from ..data.store import Store
from ..data.store_means import store_means
from ..errors import NoLabelsError, UnibindError
from ..knowledge import KnowledgeBase, KnowledgeSource
from ..knowledge.embedding import embed_descriptions
from ..modalities import ANCHOR
from ..model import UniBind
from .assembly import assemble, with_calibrated_texts
from .captions import captioned_store, fit_from_captions
from .labels import one_by_one
from .unified import METHOD as UNIFIED
from .unified import learned_texts, moved, together

_log = logging.getLogger(__name__)

_CENTERS = CenterConfig(strategy="all")  # a head is fitted for the mean of all descriptions


def fit(
    store: Store | str | Path,
    *,
    knowledge: KnowledgeSource | None = None,
    modalities: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    few_shot: int | None = None,
    hold_out_validation: bool = False,
    config: FitConfig | None = None,
    centers: CenterConfig | None = None,
    unify: bool = False,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    texts: TextEmbeddings | None = None,
    allow_duplicates: bool = False,
    progress: bool | Callable[[str, int], None] | None = None,
) -> UniBind:
    """Fit heads on a store's labeled items; calibrate on items that are held out.

    Every item of the splits "train" and "val" (or of a store without splits) is learned from. What has to be chosen is
    chosen by cross-validation, whose held-out items calibrate, too, so that no label is wasted; the split "test" is
    never touched. With `hold_out_validation`, or `few_shot` (that many training items per class and modality), the
    split "val" is not learned from, but calibrates. A fit over batches (`config.loss` "multi_positive" or "released")
    always holds items out: those of the split "val", or a stratified sample where there is none (seeded by
    `config.seed`). A modality whose unfitted head is proven better stays unfitted, with a warning. `model.summary` says
    what was done.

    `knowledge` is what `KnowledgeBase.open` takes; None stands for the names of the store's labels. `classes` limits
    the model to these, and items of others take no part. A class without training items stands where its texts say.
    `centers` selects centers instead of the mean of all descriptions, on the items held out if it says `tune`.
    `backbone` defaults to the one that encoded the store; it embeds texts only, for items are taken as stored. `texts`
    are the knowledge's embeddings where they are at hand. `progress` is a bool (None: a bar where there is a terminal)
    or a function that is called with (modality, step).

    Of a store without labels, whose items have captions, heads are fitted from these alone (see
    `unibind.align.captions`): descriptions that the knowledge or the manifest has of training items, or the stored
    texts of their objects. Captions teach what they speak of: one that speaks of colors does not teach what a thing
    sounds like, so a modality whose held-out captions do not prove that it learns stays unfitted. The model has centers
    only where `knowledge` is given; then they are those of `UniBind.zero_shot` with the store as its unlabeled items.

    With `unify`, the heads of all modalities, one of them for text, are fitted together, so that modalities mix (see
    `unibind.align.unify`): an item finds its class in other modalities far more often, and its own object about as
    often as before. It costs what text does not cost otherwise: all vectors, those of text too, get a space of their
    own, and older text vectors cannot be compared with them; classes and properties that the store's labels do not tell
    apart are found less often. Stored texts of training items, and descriptions that items have of their own, are
    learned from. `config` then has `steps` and `seed` only.

    With `unify` or a loss over batches, descriptions that the knowledge has of training items are their own
    descriptions, before those that came with the manifest; descriptions of the store's other items are left out,
    because they give labels away. Raises UnibindError where no modality has labeled training items of two classes,
    UnknownNameError for a label without descriptions, and ContractError where the store was encoded by another
    backbone. Also raises UnibindError where the same content is in several splits, unless `allow_duplicates`:
    validation would measure memory.
    """
    config, opened = config or FitConfig(), open_store(store)
    if unify:
        _check_plain(config, "a unified fit")
    refuse_leaks(opened, modalities, allow=allow_duplicates)
    encoder = open_backbone(
        backbone, store=opened, weights=weights, precision=precision, device=device, options=options
    )
    hold_out = hold_out_validation or few_shot is not None
    validation_use: Validation = "make" if config.by_batches else "hold out" if hold_out else "learn"
    try:
        split = _split(opened, encoder, modalities, classes, few_shot, validation_use, config.seed, texts=unify)
    except NoLabelsError:
        base = None if knowledge is None else _of_classes(KnowledgeBase.open(knowledge), classes)
        captioned = captioned_store(opened, modalities, base, encoder)
        if not captioned.items:
            raise
        for name, asked in (("unify", unify), ("few_shot", few_shot), ("hold_out_validation", hold_out_validation)):
            if asked:
                raise UnibindError(f"the store has captions, but no labels, which {name} needs; leave it out") from None
        _check_plain(config, "a fit from captions")
        return fit_from_captions(captioned, encoder, config=config, centers=centers, progress=progress)
    base, texts = _learnable(knowledge, texts, classes, split, encoder)
    _warn_of_moved_files(base, opened)
    if not unify:
        mean, texts = _mean_of_texts(opened, texts), centered_texts(texts)
        fitted = one_by_one(split, base, texts, encoder, config, progress)
        model = assemble(
            encoder, fitted, texts, {ANCHOR: mean}, split, base, centers or _CENTERS, opened.version, config.method
        )
        return with_calibrated_texts(model, opened)
    learned = learned_texts(split, texts, base, encoder)
    split = replace(split, train=split.train | {ANCHOR: learned.items})
    fitted = together(split, learned, texts, encoder, config, progress)
    texts = moved(texts, fitted, texts.contract)
    return assemble(encoder, fitted, texts, {}, split, base, centers or _CENTERS, opened.version, UNIFIED)


def _check_plain(config: FitConfig, fit: str) -> None:
    """Raise UnibindError for settings that a fit with a method of its own does not have."""
    plain = FitConfig()
    chosen = [name for name in ("method", "loss", "rank") if getattr(config, name) != getattr(plain, name)]
    if chosen:
        raise UnibindError(f"{fit} has a method of its own; leave out {', '.join(chosen)}")


def _split(
    store: Store,
    backbone: Backbone,
    modalities: Sequence[str] | None,
    classes: Sequence[str] | None,
    shots: int | None,
    validation: Validation,
    seed: int,
    *,
    texts: bool,
) -> Split:
    """Training and validation items, checked against the backbone; stored texts are among them with `texts`."""
    split = train_and_validation(store, modalities, validation=validation, seed=seed, texts=texts)
    for stored in split.train.values():
        check_stored(stored, backbone)
    if split.message:
        _log.warning(split.message)
    if classes is not None:
        split = split.of_classes(classes)
    if shots is None:
        return split
    return replace(split, train={m: few_shot(e, shots, seed) for m, e in split.train.items()})


def _learnable(
    knowledge: KnowledgeSource | None,
    texts: TextEmbeddings | None,
    classes: Sequence[str] | None,
    split: Split,
    backbone: Backbone,
) -> tuple[KnowledgeBase, TextEmbeddings]:
    """The knowledge without descriptions of items that are not in train, and its embeddings."""
    if knowledge is None:
        labels = {
            label for side in (split.train, split.validation) for e in side.values() for label in e.known_labels()
        }
        _log.warning("no knowledge was given: classes are represented by their names; descriptions usually do better")
        base = KnowledgeBase.from_names(sorted(labels))
    else:
        base = KnowledgeBase.open(knowledge)
    learnable = _of_classes(base, classes).without_items(split.non_train_ids)
    if texts is None:
        return learnable, embed_descriptions(learnable, backbone)
    dropped = {d.id for d in base.descriptions} - {d.id for d in learnable.descriptions}
    return learnable, texts.without(dropped)


def _of_classes(base: KnowledgeBase, classes: Sequence[str] | None) -> KnowledgeBase:
    """The descriptions of some classes; None: of all."""
    return base if classes is None else base.of_categories(classes)


def _warn_of_moved_files(base: KnowledgeBase, store: Store) -> None:
    """Warn of descriptions whose files are gone: if they were moved, nobody knows which of them are test items."""
    described = {d.item for d in base.descriptions if d.item is not None and Path(d.item).is_absolute()}
    gone = sorted(name for name in described - store.ids() if file_stamp(name) is None)
    if gone:
        _log.warning(
            f"the knowledge describes {len(gone)} files that are gone and not in the store, such as {gone[0]}; if they "
            "were moved, describe them again, for test items may be among them"
        )


def _mean_of_texts(store: Store, descriptions: TextEmbeddings) -> Mean:
    """The mean of the store's texts, or of the descriptions where it has none."""
    return store_means(store)[ANCHOR] if ANCHOR in store.modalities() else text_mean(descriptions)
