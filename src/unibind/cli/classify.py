"""`unibind classify`: name the class of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UnibindError
from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    ANSWERS,
    INPUT,
    OUTPUT,
    CalibrateOption,
    ClassesOption,
    ForceOption,
    ItemTimeoutOption,
    JsonOption,
    KnowledgeOption,
    ModalityOption,
    ModelOption,
    UnlabeledOption,
    notify,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..data.encode import ReadOptions
    from ..predictions import Prediction, Unreadable

_GROUP = 100  # files whose answers are printed together
_LISTED = 50  # labels whose numbers of items are printed


@with_backbone_options
def classify(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Files of any modality.", show_default=False)
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Instead: all items of a store, into --out.", rich_help_panel=INPUT),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --store: only this split.", rich_help_panel=INPUT)
    ] = None,
    model: ModelOption = None,
    classes: ClassesOption = None,
    knowledge: KnowledgeOption = None,
    unlabeled: UnlabeledOption = None,
    modality: ModalityOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    none_prior: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of the files that belong to none of the classes, as far as you know; allows the answer "
            '"none of these".',
            rich_help_panel=ANSWERS,
        ),
    ] = 0.0,
    false_accept_rate: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Instead: share of such files that may be taken for one of the classes.",
            rich_help_panel=ANSWERS,
        ),
    ] = None,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label", help="Any number of classes may apply to a file.", rich_help_panel=ANSWERS),
    ] = False,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="P", help="With --multi-label: probability from which a class applies.", rich_help_panel=ANSWERS
        ),
    ] = 0.5,
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive",
            help="Classify all files at once: what is alike belongs together.",
            rich_help_panel=ANSWERS,
        ),
    ] = False,
    transductive_method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The same by this method: em (default), transclip.", rich_help_panel=ANSWERS),
    ] = None,
    calibrate: CalibrateOption = None,
    top: Annotated[int, typer.Option(min=1, help="Candidates to show.", rich_help_panel=OUTPUT)] = 3,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read files; 0 reads in this one.", rich_help_panel=ADVANCED)
    ] = 0,
    item_timeout: ItemTimeoutOption = 60,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="With --store: the table to write, .csv, .jsonl or .parquet.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Classify files, or all items of a store, with a fitted model, or zero-shot by class names or descriptions.

    Percentages are probabilities given that a file belongs to one of the classes. One unreadable file does not stop the
    others; the exit code is then 2.

    Examples:
      $ unibind classify dog.wav bunny.ply --model runs/demo/model
      $ unibind classify holiday.jpg --classes "cat, dog, car"
      $ unibind classify people.jpg --modality thermal --knowledge my_classes.jsonl
      $ unibind classify inbox/*.wav --model runs/demo/model --none-prior 0.1
      $ unibind classify inbox/*.wav --model runs/demo/model --multi-label
      $ unibind classify photos/*.jpg --model runs/demo/model --transductive
      $ unibind classify dog.wav --knowledge my_classes.jsonl --unlabeled runs/store
      $ unibind classify --store runs/mine --model runs/my_model --out answers.parquet
    """
    from ..align.transduction import method_named
    from ..api import open_model
    from ..predictions import Answering, Unreadable

    if model is None and classes is None and knowledge is None:
        raise UnibindError("there are no classes to choose from; pass --model, --classes or --knowledge")
    at_once = method_named(transductive_method or transductive)
    answering = Answering(top, none_prior, false_accept_rate, multi_label, threshold, at_once)
    model_options: dict[str, Any] = {"model": model, "classes": classes, "knowledge": knowledge, "unlabeled": unlabeled}
    if store is not None or not files:
        modalities = None if modality is None else [modality]
        given = {**model_options, **backbone.arguments, "calibrate": calibrate, "answering": answering}
        _classify_store(store, files, out, json, modalities=modalities, split=split, force=force, **given)
        return
    opened = open_model(**model_options, **backbone.arguments)
    if calibrate is not None:
        opened.calibrate(calibrate)
    size = _GROUP if answering.transductive is None else len(files)
    results: list[Prediction | Unreadable] = []
    try:
        for start in range(0, len(files), size):
            group = files[start : start + size]
            reading: ReadOptions = {"modality": modality, "workers": workers, "item_timeout": item_timeout}
            new = opened.classify(group, on_error="return", **asdict(answering), **reading)
            results += new
            if not json:
                _print(new, answers=answering.open)
    finally:  # also where a later file ends the run
        if json:
            print_json([asdict(result) for result in results])
    if any(isinstance(result, Unreadable) for result in results):
        raise typer.Exit(2)


def _classify_store(store: Path | None, files: list[Path] | None, out: Path | None, json: bool, **options: Any) -> None:
    """Classify the items of a store into a table, and print how many are of each class."""
    from ..api import classify_store

    if store is None or files or out is None:
        raise UnibindError("name the files to classify, or pass --store STORE with --out FILE and no files")
    found = classify_store(store, out, **options)
    if json:
        print_json(asdict(found))
        return
    print_table(("label", "items"), list(found.labels.items())[:_LISTED])
    notify(f"{found.items:,} items classified, {found.none_of_these:,} of them as none of these: {found.out}")


def _print(results: list[Prediction | Unreadable], *, answers: bool) -> None:
    """A table, and a line per file that has no prediction."""
    from ..predictions import Prediction, Unreadable

    _print_predictions([result for result in results if isinstance(result, Prediction)], answers)
    for result in results:
        if isinstance(result, Unreadable):
            notify(f"unibind: {result.message}")


def _print_predictions(predictions: list[Prediction], answers: bool) -> None:
    """A table. With `answers`, which of the candidates apply, or "none of these" and its probability if it is known;
    and what the answer was for an item by itself, where that differs from the answer for all at once.
    """
    if not predictions:
        return
    shown: dict[str, Callable[[Prediction], str]] = {
        "item": lambda p: p.item,
        "modality": lambda p: p.modality,
        "answer": lambda p: p.answer,
        "categories, %": lambda p: ", ".join(f"{label} {percent(share)}" for label, share in p.candidates),
        "none of these, %": lambda p: "-" if p.none_probability is None else percent(p.none_probability),
        "by itself, %": _by_itself,
        "nearest description": lambda p: p.description,
    }
    if not answers:
        del shown["answer"]
    if not answers or all(p.none_probability is None for p in predictions):
        del shown["none of these, %"]
    if not any(map(_by_itself, predictions)):
        del shown["by itself, %"]
    print_table(list(shown), [[cell(p) for cell in shown.values()] for p in predictions])


def _by_itself(prediction: Prediction) -> str:
    """The answer for the item by itself, where it is another one."""
    label, probability = prediction.inductive_label, prediction.inductive_probability
    if label is None or probability is None or label == prediction.label:
        return ""
    return f"{label} {percent(probability)}"
