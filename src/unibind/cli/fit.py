"""`unibind fit`: heads, centers and confidences from a store with labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    CENTERS,
    INPUT,
    OUTPUT,
    AllowDuplicatesOption,
    ForceOption,
    JsonOption,
    KnowledgeOption,
    notify,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..align.centers import Centers
    from ..fit_summary import FitSummary


@with_backbone_options
def fit(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store with labels (see `unibind encode`).")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the fitted model.", rich_help_panel=OUTPUT),
    ],
    knowledge: KnowledgeOption = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality", "-m", metavar="MODALITY", help="Fit only this modality; repeatable.", rich_help_panel=INPUT
        ),
    ] = None,
    few_shot: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use N training items per class only.", rich_help_panel=INPUT),
    ] = None,
    hold_out_val: Annotated[
        bool,
        typer.Option(
            "--hold-out-val",
            help="Do not learn from the split val: calibrate on it. Implied by --few-shot and by losses over batches.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    unify: Annotated[
        bool,
        typer.Option(
            "--unify",
            help="Fit all modalities together, text too, so that they mix: finds far more of a class across "
            "modalities; older text vectors cannot be compared with the model's, and classes and properties that no "
            "label names are found less.",
        ),
    ] = False,
    backbone: BackboneChoice = NO_CHOICE,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="all, consensus, adaptive or discriminative. Default: the mean of all descriptions.",
            rich_help_panel=CENTERS,
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Centers per class.", rich_help_panel=CENTERS)] = None,
    scoring: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="mean, centroid, max, top_mean or log_mean_exp.", rich_help_panel=CENTERS),
    ] = None,
    tune_centers: Annotated[
        bool,
        typer.Option(
            "--tune-centers",
            help="Choose on held-out items what you leave open of --strategy, -k and --scoring.",
            rich_help_panel=CENTERS,
        ),
    ] = False,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="gradient; or in closed form gda (Gaussian classes and text scores) or ridge.",
            rich_help_panel=ADVANCED,
        ),
    ] = "gradient",
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the method gradient: cross_entropy, multi_positive or released (the paper's code).",
            rich_help_panel=ADVANCED,
        ),
    ] = "cross_entropy",
    rank: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of the method gradient: rank of a head's learned change. Default: not limited.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of the method gradient: steps per head. Default: 20 for cross_entropy, else 400; 150 for --unify.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of cross-validation, steps and splits.", rich_help_panel=ADVANCED)
    ] = 0,
    allow_duplicates: AllowDuplicatesOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Fit one small head per modality on stored embeddings: seconds for some thousand items.

    Items with a label are learned from, except those of the split "test". Choices and confidences come from
    cross-validation, so no split "val" is needed; where there is one, its labels are used, too. A modality whose
    labels do not prove that learning from them helps stays unfitted. Without --knowledge, classes are represented by
    their names.

    A store without labels is fitted from the descriptions of its items, which teach what they speak of: a caption that
    speaks of color does not teach sounds. With --knowledge the model then knows its classes, else it only searches.

    Examples:
      $ unibind fit runs/store --out runs/model --knowledge kb
      $ unibind fit runs/store --out runs/model -m audio -m image
      $ unibind fit runs/store --out runs/model --knowledge my_classes.jsonl --few-shot 16
      $ unibind fit runs/store --out runs/model --knowledge kb --method gda
      $ unibind fit runs/store --out runs/one_space --knowledge kb --unify
      $ unibind fit runs/store --out runs/paper --knowledge kb --strategy adaptive -k 50 --scoring max --loss released
    """
    from ..align.problem import FitConfig
    from ..align.selection import CenterConfig
    from ..files import check_output
    from ..fitting import fit as fit_store
    from ..serialization import MODEL

    check_output(out, kind=MODEL, force=force)
    chosen = strategy or k or scoring or tune_centers
    model = fit_store(
        store,
        knowledge=knowledge,
        modalities=modality or None,
        few_shot=few_shot,
        hold_out_validation=hold_out_val,
        config=FitConfig(method=method, loss=loss, rank=rank, steps=steps, seed=seed),
        centers=CenterConfig(strategy=strategy, k=k, scoring=scoring, tune=tune_centers) if chosen else None,
        unify=unify,
        allow_duplicates=allow_duplicates,
        **backbone.arguments,
    )
    model.save_pretrained(out)
    summary = model.summary
    assert summary is not None
    if json:
        print_json({"model": str(out), **summary.to_json()})
        return
    if summary.captioned:
        _print_captioned(summary)
    else:
        _print_summary(summary, model.centers)
    learned = f"{summary.learned_parameters:,} learned parameters from version {summary.store_version} of the store"
    notify(f"{learned}; the model is in {out}")


def _print_summary(summary: FitSummary, centers: Mapping[str, Centers]) -> None:
    columns = (
        "modality",
        "items",
        "classes",
        "per class",
        "fit",
        "chance %",
        "most frequent class %",
        "held-out top-1 %",
    )
    rows = []
    for m, counts in summary.class_items.items():
        top1, chosen = summary.validation_top1[m], centers[m]
        rows.append(
            (
                m,
                summary.train_items[m],
                len(counts),
                _span(counts.values()),
                summary.learned(m),
                percent(summary.chance[m]),
                percent(summary.majority[m]),
                "unknown" if top1 is None else percent(top1),
                summary.measured_on[m],
                f"{chosen.strategy}, K = {max(chosen.sizes)}, {chosen.scoring}",
            )
        )
    print_table((*columns, "held out by", "centers"), rows)


def _print_captioned(summary: FitSummary) -> None:
    """How often a held-out item is nearest to its own caption, before and after the fit."""
    rows = []
    for m, count in summary.captioned.items():
        by_penalty = {row.get("penalty"): percent(row["held_out_top1"]) for row in summary.history[m]}
        fitted = "" if m in summary.unfitted else by_penalty.get(summary.penalty[m], "unknown")
        rows.append((m, count, summary.learned(m), by_penalty.get(None, "unknown"), fitted))
    print_table(("modality", "captions", "fit", "own caption nearest, unfitted %", "fitted %"), rows)


def _span(counts: Collection[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"
