"""The figures in fewer words, as the README and docs/benchmarks.md show them between their marks."""

from __future__ import annotations

import textwrap
from pathlib import Path

from unibind.errors import UnibindError
from unibind.evaluate.controls import CLASS_NAME

from . import heptad_page as heptad
from . import photo_page
from .estimates import Runs
from .records import Record
from .tables import percent, percent_of, points, table, words

SUMMARIES = {
    "README.md": "docs/results.md",
    "docs/benchmarks.md": "results.md",
}  # link to the page
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
_WIDTH = 120


def summary(runs: Runs, pictures: Record | None, page: str, other_towers: str = "") -> str:
    """A table of the methods that matter most, and what they gain; `page` is the link to all figures, and
    `other_towers` a sentence about those.
    """
    blocks = [_introduction(page), _table(runs), *_sentences(runs, pictures, other_towers)]
    return "\n\n".join(b if b.startswith("|") else textwrap.fill(b, _WIDTH, break_on_hyphens=False) for b in blocks)


def _introduction(page: str) -> str:
    return (
        "On Heptad's test split, with 95 % intervals over seeds and objects; all texts get the same help, and none was "
        f"chosen on these items ([all results]({page}), those that fell short too):"
    )


def _table(runs: Runs) -> str:
    control, _ = heptad.over_strongest(runs)
    methods = {
        CLASS_NAME: CLASS_NAME,
        control: f"{control}, the strongest control",
        heptad.DESCRIPTIONS: "LLM descriptions",
        "linear probe": "linear probe, all labels, no text",
        heptad.DEFAULT_FIT: "fitted, all labels",
    }
    draws, rows = runs.bootstrap("top1"), []
    for method, name in methods.items():
        if method in draws.measured:
            figures = [percent(draws.measured[method][m]) for m in runs.modalities]
            rows.append([name, *figures, percent_of(runs.share("top1", method, runs.modalities))])
    return table(["top-1, %", *map(words, runs.modalities), "average"], rows)


def _sentences(runs: Runs, pictures: Record | None, other_towers: str) -> list[str]:
    control, gain = heptad.over_strongest(runs)
    over_names = points(heptad.over_names(runs))
    text = (
        f"Without labels, descriptions gain {over_names} points over class names (the paper: +6.4), "
        f"and {points(gain)} over {control}, the strongest of the controls, which know nothing but the name."
    )
    if other_towers:
        text += f" {other_towers}"
    if pictures is not None:
        text += f" {_on_photographs(pictures)}"
    few = heptad.few_over_unfitted(runs, 4)
    if few is not None:
        text += f" Four labels per class add {points(few)} points."
    found = heptad.search_gain(runs, heptad.UNIFIED, heptad.text_pairs(runs))
    if found is not None:
        text += f" Unified heads find {points(found)} points more of a caption's class among the first 20 hits."
    return [text]


def _on_photographs(pictures: Record) -> str:
    control, gain = photo_page.over_strongest(pictures)
    found = f"On real photographs, class names already find {photo_page.by_names(pictures)} %"
    if control == CLASS_NAME:
        return f"{found}, at least as many as any other control; descriptions gain {points(gain)}."
    over_names = points(photo_page.over_names(pictures))
    return (
        f"{found}; descriptions gain {over_names} over them, and {points(gain)} over {control}, the strongest control."
    )


def with_summary(document: Path, block: str) -> str:
    """The document with this block between its marks; raises UnibindError for one without them."""
    text = document.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UnibindError(f"{document} has no {BEGIN} and {END}; add both where the figures belong")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"
