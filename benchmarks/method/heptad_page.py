"""Tables of docs/results.md about Heptad, from the records of its runs.

Methods of the measure "top1" are recognized by modality. Those of "few labels" are named "SHOTS/TEXTS/FIT", those of
"ablations" "WHAT/SETTING", and both are averaged over the modalities of each object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from unibind.evaluate.controls import CLASS_NAME, CONTROLS
from unibind.evaluate.intervals import Gain
from unibind.evaluate.methods import FITTED_ON, NEIGHBORS, PROBE
from unibind.modalities import ANCHOR

from .estimates import Runs
from .tables import MISSING, Estimate, percent, percent_of, points, table, words

DESCRIPTIONS = "descriptions"
UNCENTERED, BEFORE, AFTER, UNIFIED = "uncentered", "before", "after", "unified"  # moments of search
WORDS = {UNCENTERED: "uncentered", BEFORE: "before a fit", AFTER: "after the fit", UNIFIED: "unified"}
SHOWN_MEASURE = "recall@20"
DEFAULT_FIT = "gradient"


# --- without labels --------------------------------------------------------------------------------------------------


def unfitted(runs: Runs) -> list[str]:
    """The kinds of text that were compared without labels, descriptions last."""
    found = runs.methods("top1")
    return [*(name for name in CONTROLS if name in found), DESCRIPTIONS]


def over_strongest(runs: Runs) -> tuple[str, Estimate]:
    """The strongest control, and what descriptions gain over whichever control is the strongest in each replicate."""
    gain: Gain = runs.bootstrap("top1").gain(DESCRIPTIONS, unfitted(runs)[:-1], runs.modalities)
    return gain.strongest, (gain.gain, *gain.interval)


def over_strongest_in_words(runs: Runs) -> str:
    """The gain over the strongest control in a sentence."""
    control, gain = over_strongest(runs)
    return f"{points(gain)} points, over {control}"


def over_names(runs: Runs) -> Estimate:
    """What descriptions gain over class names."""
    return runs.difference("top1", DESCRIPTIONS, CLASS_NAME, runs.modalities)


def controls_table(runs: Runs) -> str:
    """Top-1 of every kind of text by modality, and what descriptions gain over it."""
    draws, parts = runs.bootstrap("top1"), runs.modalities
    rows = []
    for method in unfitted(runs):
        figures = [percent(draws.measured[method][m]) for m in parts]
        ahead = "" if method == DESCRIPTIONS else points(runs.difference("top1", DESCRIPTIONS, method, parts))
        cells = [method, *figures, percent_of(runs.share("top1", method, parts)), ahead]
        rows.append([f"**{cell}**" if cell and method == DESCRIPTIONS else cell for cell in cells])
    return table(["top-1, %", *map(words, parts), "average", "descriptions over it, points"], rows)


# --- few labels ------------------------------------------------------------------------------------------------------


def split_names(methods: Iterable[str]) -> list[list[str]]:
    return [method.split("/") for method in methods]


def shots_of(runs: Runs) -> list[int]:
    """The numbers of labels per class that were measured."""
    return sorted({int(shots) for shots, *_ in split_names(runs.methods("few labels"))})


def curves(runs: Runs) -> dict[tuple[str, str], dict[int, Estimate]]:
    """Texts and fit -> labels per class -> top-1."""
    found: dict[tuple[str, str], dict[int, Estimate]] = {}
    for method in runs.methods("few labels"):
        shots, texts, fit = method.split("/")
        found.setdefault((texts, fit), {})[int(shots)] = runs.share("few labels", method)
    return found


def shots_table(runs: Runs) -> str:
    """Top-1 by texts, fit and number of labels."""
    shots = shots_of(runs)
    rows = [
        [texts, fit, *(percent(by[n][0]) if n in by else MISSING for n in shots)]
        for (texts, fit), by in curves(runs).items()
    ]
    return table(["top-1, %, by labels per class", "fit", *map(str, shots)], rows)


def few_over_unfitted(runs: Runs, shots: int, fit: str = DEFAULT_FIT) -> Estimate | None:
    """What a fit with descriptions and few labels gains over descriptions without any; None where not measured."""
    return _few(runs, f"{shots}/{DESCRIPTIONS}/{fit}", f"0/{DESCRIPTIONS}/{_NONE}")


def few_over_names(runs: Runs, shots: int, fit: str = DEFAULT_FIT) -> Estimate | None:
    """What descriptions gain over class names in a fit with the same few labels."""
    return _few(runs, f"{shots}/{DESCRIPTIONS}/{fit}", f"{shots}/{CLASS_NAME}/{fit}")


_NONE = "none"  # the fit of what is not fitted


def _few(runs: Runs, better: str, baseline: str) -> Estimate | None:
    known = runs.methods("few labels")
    return runs.difference("few labels", better, baseline) if {better, baseline} <= set(known) else None


def gains_table(runs: Runs) -> str:
    """What few labels gain, and what descriptions add to them."""
    fits = [fit for texts, fit in curves(runs) if texts == DESCRIPTIONS and fit != _NONE]
    header = ["points, by labels per class", *map(str, (shots := [n for n in shots_of(runs) if n]))]
    rows = [[f"{fit}, over no labels", *(points(few_over_unfitted(runs, n, fit)) for n in shots)] for fit in fits]
    rows += [[f"{fit}, over class names in it", *(points(few_over_names(runs, n, fit)) for n in shots)] for fit in fits]
    return table(header, [row for row in rows if set(row[1:]) != {MISSING}])


def fits_table(runs: Runs) -> str:
    """What learns from all labels: accuracy, what the default gains over it, calibration, and learned numbers."""
    rows = []
    rivals = [*(m for m in (NEIGHBORS, PROBE) if m in runs.methods("top1")), *learned_on_controls(runs)]
    for method in [*runs.first["fits"], *rivals]:
        facts = runs.first["fits"].get(method, {})
        learned = facts.get("learned_parameters")
        error = (
            runs.mean(lambda record, m=method: record["fits"][m]["calibration_error"])
            if facts.get("calibration_error") is not None
            else None
        )
        ahead = runs.difference("top1", DEFAULT_FIT, method, runs.modalities)
        rows.append(
            [
                method,
                percent_of(runs.share("top1", method, runs.modalities)),
                "" if method == DEFAULT_FIT else points(ahead),
                percent(error),
                MISSING if learned is None else f"{learned:,}",
            ]
        )
    header = ["all labels", "top-1, %", f"{DEFAULT_FIT} over it, points", "calibration error, %"]
    return table([*header, "learned parameters"], rows)


def learned_on_controls(runs: Runs) -> list[str]:
    """The default fit on the texts of controls, the strongest first."""
    found = [method for method in FITTED_ON.values() if method in runs.methods("top1")]
    return sorted(found, key=lambda method: -runs.share("top1", method, runs.modalities)[0])


def unknown(runs: Runs) -> dict[str, str]:
    """How well unknown classes are told, in percent."""
    found = {}
    for name in runs.first["unknown"]:
        known = [record["unknown"][name] for record in runs.records if record["unknown"][name] is not None]
        found[name] = percent(float(np.mean(known)) if known else None)
    return found


def parameters_in_words(runs: Runs) -> str:
    """What is learned, beside what a full fine-tuning would learn."""
    learned = runs.first["fits"][DEFAULT_FIT]["learned_parameters"]
    towers = runs.first["tower_parameters"]
    return (
        f"The default fit learns {learned:,} numbers. Training the towers themselves would learn {towers:,}: "
        f"{100 * learned / towers:.0f} % of that."
    )


# --- search ----------------------------------------------------------------------------------------------------------


def moments_of(runs: Runs) -> list[str]:
    """The moments at which search was measured."""
    return list(runs.first["search"])


def matrix(runs: Runs, moment: str, kind: str, measure: str) -> np.ndarray:
    """A measure by class or by object, from every modality (rows) to every other."""
    return runs.means(lambda record: record["search"][moment][kind][measure])


def matrix_table(runs: Runs, moment: str, kind: str, measure: str) -> str:
    """The matrix as a table."""
    modalities = runs.first["search"][moment]["modalities"]
    rows = [
        [words(m), *(MISSING if np.isnan(v) else percent(float(v)) for v in row)]
        for m, row in zip(modalities, matrix(runs, moment, kind, measure), strict=True)
    ]
    return table([f"{measure}, %, from row to column", *map(words, modalities)], rows)


def measures_table(runs: Runs) -> str:
    """Every measure by class, by object, and by class name: means over pairs of distinct modalities, by moment."""
    moments = moments_of(runs)
    first = runs.first["search"][moments[0]]
    rows = []
    for kind, name in (("by_class", "the query's class"), ("by_object", "the query's own object")):
        for measure in first[kind]:
            found = [matrix(runs, moment, kind, measure) for moment in moments]
            rows.append([f"{name}, {measure}, all pairs", *(percent(_across(each)) for each in found)])
            text = [_of_row(each, first["modalities"].index(ANCHOR)) for each in found]
            rows.append([f"{name}, {measure}, by caption", *map(percent, text)])
    for measure, by in first.get("by_name", {}).items():
        values = [
            runs.mean(
                lambda record, t=moment, q=measure: float(np.mean(list(record["search"][t]["by_name"][q].values())))
            )
            for moment in moments
        ]
        rows.append([f"a class name's class, {measure}, mean of {len(by)} modalities", *map(percent, values)])
    return table(["found, %", *(WORDS[m] for m in moments)], rows)


def _across(values: np.ndarray) -> float:
    return float(np.nanmean(values[~np.eye(len(values), dtype=bool)]))


def _of_row(values: np.ndarray, row: int) -> float:
    return float(np.nanmean(np.delete(values[row], row)))


def text_pairs(runs: Runs) -> list[str]:
    """The pairs of a caption and another modality whose queries were kept."""
    return list(next(iter(runs.bootstrap(SHOWN_MEASURE).measured.values())))


def search_gain(runs: Runs, moment: str, pairs: Sequence[str]) -> Estimate | None:
    """What a moment gains over before, in recall@20 by class, averaged over pairs; None where not measured."""
    if moment not in runs.methods(SHOWN_MEASURE):
        return None
    return runs.difference(SHOWN_MEASURE, moment, BEFORE, pairs)


def text_search_table(runs: Runs) -> str:
    """Recall@20 by caption, by gallery."""
    later = [m for m in (AFTER, UNIFIED) if m in runs.methods(SHOWN_MEASURE)]
    rows = []
    for name, pairs in [*((pair, [pair]) for pair in text_pairs(runs)), ("average", text_pairs(runs))]:
        start = runs.share(SHOWN_MEASURE, BEFORE, pairs)
        rows.append([words(name), percent_of(start), *(points(search_gain(runs, m, pairs)) for m in later)])
    header = [f"{SHOWN_MEASURE} by caption", f"{WORDS[BEFORE]}, %", *(f"{WORDS[m]}, points more" for m in later)]
    return table(header, rows)


def unity_table(runs: Runs) -> str:
    """Unity and balance, by moment."""
    moments = list(runs.first["unity"])
    rows = [
        [name, *(f"{runs.mean(lambda record, t=moment, n=name: record['unity'][t][n]):.3f}" for moment in moments)]
        for name in runs.first["unity"][moments[0]]
    ]
    return table(["", *(WORDS[m] for m in moments)], rows)


# --- ablations -------------------------------------------------------------------------------------------------------


def ablations_of(runs: Runs) -> dict[str, list[str]]:
    """What was varied -> settings, the default first."""
    found: dict[str, list[str]] = {}
    for what, setting in split_names(runs.methods("ablations")):
        found.setdefault(what, []).append(setting)
    return found


def ablation_table(runs: Runs, what: str) -> str:
    """Top-1 of every setting, and its paired difference from the default."""
    default, *others = ablations_of(runs)[what]
    rows = [[f"{default} (default)", percent_of(runs.share("ablations", f"{what}/{default}")), ""]]
    rows += [
        [
            setting,
            percent_of(runs.share("ablations", f"{what}/{setting}")),
            points(runs.difference("ablations", f"{what}/{setting}", f"{what}/{default}")),
        ]
        for setting in others
    ]
    return table([what, "top-1, %", "over the default, points"], rows)
