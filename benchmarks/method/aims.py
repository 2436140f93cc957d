"""What was aimed at, beside what was measured; and what did not work, in sentences made from the figures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unibind.evaluate.methods import NEIGHBORS, PROBE

from . import heptad_page as heptad
from . import photo_page
from .estimates import Runs
from .records import Record
from .tables import Estimate, listed, percent, points, table, words

PAPER_NAMES, PAPER_FIT, PAPER_SEARCH = 0.0636, 0.0675, 0.1796  # arXiv 2403.12532, on its own data
_CALIBRATED = 0.04
_FEW = 4  # labels per class, from which on a fit must gain

YES, NO, NEARLY, UNCLEAR, OPEN = "yes", "no", "not shown: the interval includes it", "within chance", "not measured"


def verdict(estimate: Estimate | None, least: float = 0.0) -> str:
    """Whether a gain reaches an aim: its measured value must, and its interval must be above 0."""
    if estimate is None:
        return OPEN
    value, low, high = estimate
    if low <= 0:
        return UNCLEAR if value > 0 else NO
    return YES if value >= least else NEARLY if high >= least else NO


def aims_table(runs: Runs, pictures: Record | None) -> str:
    """Every aim, what was measured, and whether it was reached."""
    return table(["aim", "measured", "reached"], [list(row) for row in _aims(runs, pictures)])


def _aims(runs: Runs, pictures: Record | None) -> Iterator[tuple[str, str, str]]:
    names = heptad.over_names(runs)
    yield "descriptions over class names, Heptad, by 6.36 points", points(names), verdict(names, PAPER_NAMES)
    control, gain = heptad.over_strongest(runs)
    yield f"descriptions over the strongest control, Heptad ({control})", points(gain), verdict(gain)
    if pictures is not None:
        names = photo_page.over_names(pictures)
        yield "descriptions over class names, photographs, by 6.36 points", points(names), verdict(names, PAPER_NAMES)
        control, gain = photo_page.over_strongest(pictures)
        yield f"descriptions over the strongest control, photographs ({control})", points(gain), verdict(gain)
    for shots in (n for n in heptad.shots_of(runs) if n >= _FEW):
        few = heptad.few_over_unfitted(runs, shots)
        yield f"fit with {shots} labels per class over descriptions without labels", points(few), verdict(few)
    yield from _of_unified(runs)
    for method, facts in runs.first["fits"].items():
        if facts.get("calibration_error") is not None and method == heptad.DEFAULT_FIT:
            error = runs.mean(lambda record, m=method: record["fits"][m]["calibration_error"])
            yield "calibration error on test: below 4 %", f"{percent(error)} %", YES if error < _CALIBRATED else NO


def _of_unified(runs: Runs) -> Iterator[tuple[str, str, str]]:
    pairs = heptad.text_pairs(runs)
    gain = heptad.search_gain(runs, heptad.UNIFIED, pairs)
    aim = f"unified over before, {heptad.SHOWN_MEASURE} from captions to all others, by 17.96 points"
    yield aim, points(gain), verdict(gain, PAPER_SEARCH)
    if heptad.UNIFIED in runs.first["unity"]:
        share, expected = (unity_of(runs, heptad.UNIFIED, name) for name in (TEXT_NEIGHBORS, EXPECTED))
        at_first = unity_of(runs, heptad.BEFORE, TEXT_NEIGHBORS)
        measured = f"{percent(at_first)} % before, {percent(share)} % unified (mixed at random: {percent(expected)} %)"
        yield (
            "unified texts are no island: at least half as many neighbors of other modalities as by chance",
            measured,
            (YES if share >= expected / 2 else NO),
        )


TEXT_NEIGHBORS, EXPECTED = "neighbors of a text that are not texts", "the same, mixed at random"


def unity_of(runs: Runs, moment: str, name: str) -> float:
    return runs.mean(lambda record: record["unity"][moment][name])


# --- what did not work -----------------------------------------------------------------------------------------------


def what_did_not_work(runs: Runs, pictures: Record | None) -> str:
    """One paragraph of all that fell short, as far as the figures show it."""
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in _shortcomings(runs, pictures))


def _shortcomings(runs: Runs, pictures: Record | None) -> Iterator[str]:
    missed = [
        f"{aim}, measured {measured}"
        for aim, measured, reached in _aims(runs, pictures)
        if reached in (NO, NEARLY, UNCLEAR)
    ]
    if missed:
        yield f"not reached, or not beyond chance: {'; '.join(missed)}"
    lost = [words(m) for m in runs.modalities if _loses(runs, m)]
    if lost:
        yield f"descriptions are not better than the best control for {listed(lost)}"
    rivals = [
        m
        for m in heptad.unfitted(runs)[:-1]
        if runs.difference("top1", heptad.DESCRIPTIONS, m, runs.modalities)[1] <= 0
    ]
    if rivals:
        yield f"on the average of Heptad they are not distinguishable from {listed(rivals)}"
    useless = [str(n) for n in heptad.shots_of(runs) if (e := heptad.few_over_names(runs, n)) is not None and e[1] <= 0]
    if useless:
        yield (
            f"with {listed(useless)} labels per class, a fit with class names is not distinguishable from one with "
            "descriptions: labels take the place of knowledge"
        )
    for moment in heptad.moments_of(runs)[1:]:
        yield from _lost_in_search(runs, moment)
    yield from _of_fits(runs)


def _of_fits(runs: Runs) -> Iterator[str]:
    """What learns from all labels and is as good as the default fit, or better."""
    default, parts = heptad.DEFAULT_FIT, runs.modalities
    others = [m for m in runs.first["fits"] if m not in (default, heptad.UNIFIED)]
    others += [m for m in (NEIGHBORS, PROBE) if m in runs.methods("top1")] + heptad.learned_on_controls(runs)
    gains = {method: runs.difference("top1", default, method, parts) for method in others}
    better = [method for method, (_, _, high) in gains.items() if high < 0]
    equal = [method for method, (_, low, high) in gains.items() if low <= 0 <= high]
    if better:
        yield f"with all labels, the default fit is worse than {listed(better)}"
    if equal:
        yield f"with all labels, the default fit is not distinguishable from {listed(equal)}"


def _loses(runs: Runs, modality: str) -> bool:
    measured = runs.bootstrap("top1").measured
    best = max(measured[method][modality] for method in heptad.unfitted(runs)[:-1])
    return measured[heptad.DESCRIPTIONS][modality] <= best


def _lost_in_search(runs: Runs, moment: str) -> Iterator[str]:
    """Pairs and measures that a moment makes worse than before."""
    pairs = [pair for pair in heptad.text_pairs(runs) if (e := heptad.search_gain(runs, moment, [pair])) and e[2] < 0]
    if pairs:
        yield f"{heptad.WORDS[moment]}, {heptad.SHOWN_MEASURE} falls for {listed(list(map(words, pairs)))}"
    at_first, later = (
        float(np.nanmean(heptad.matrix(runs, m, "by_object", heptad.SHOWN_MEASURE))) for m in (heptad.BEFORE, moment)
    )
    if later < at_first:
        yield (
            f"{heptad.WORDS[moment]}, an item's own object is found less often among the first 20 of another modality: "
            f"{percent(later)} % instead of {percent(at_first)} %"
        )
