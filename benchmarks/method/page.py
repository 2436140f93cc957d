"""docs/results.md: the whole page from the committed records; equal records give equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import heptad_page as heptad
from . import photo_page
from .aims import aims_table, what_did_not_work
from .estimates import Runs
from .grid_page import gains_by_captions, grid_table
from .plan import Plan, Run
from .records import ABLATIONS, UNKNOWN, Record, read_record, read_runs
from .tables import listed, table

_WIDTH = 120
PAGE, CURVES, SPACE = "results.md", "images/few-labels.svg", "space.png"

_TITLE = """What the method reaches, beside what needs no knowledge. `python benchmarks/results.py report` makes this
page from the files in `benchmarks/results/`, and `python benchmarks/results.py run` makes those; which runs there are
was declared in `benchmarks/results/plan.toml` before any of them."""
_INTERVALS = """In parentheses are 95 % intervals, by bootstrap over tower seeds, data seeds and objects at once; all
modalities of an object are drawn together, and differences are paired. The levels have few seeds, so the intervals
are, if anything, too narrow. Everything that had to be chosen was chosen on other seeds of Heptad (101 to 103). What
a method may see is the same for all: unlabeled training items select centers, and the test split is only measured."""
_AIMS = """The first, the fit's and the search's aims are the gains that the paper ([arXiv
2403.12532](https://arxiv.org/abs/2403.12532)) reports on its own data. It does not say what its recall@20 counts;
here it is the share of the query's class among the first 20 hits, of what can be there."""
_CONTROLS = """Each row lets other texts stand for the classes. All get the same help: the mean is removed from texts
and items, the texts that separate the classes best on unlabeled training items are selected (at most 16 per class),
and the score of a class is the mean cosine. Rows with "random", "generic" or "shuffled" have as many texts as the
descriptions, and no knowledge. The gain over the strongest control is measured against whichever control is the
strongest in each replicate: {strongest}."""
_SHOTS = """The same fit, with other texts and few labels per class and modality. "none" learns nothing. A fit may
find by cross-validation that it does not help, and then changes nothing."""
_FITS = """All 24 training labels per class (the closed forms also learn from the split `val`). Linear probe and
nearest neighbors are without text: they cannot search, and know no class without labels. {parameters} Seconds were
measured beside other load."""
_SEARCH = """Before a fit, the mean of each modality is removed, as search does. "Unified" heads are fitted to all
modalities at once, texts included (`--unify`), so that texts move too, and older text vectors are not valid any more:
they are an option. What they gain is in the rows of the query's class, and what they cost or gain for single objects
in those of its own object."""
_TEXT_SEARCH = "From captions to each modality, by class:"
_UNITY = """A space is one where a linear classifier cannot tell modalities apart, and the neighbors of an item are of
all modalities. It is balanced where pairs of modalities find each other equally well, once the accuracy of both
towers is accounted for: the plain spread mostly says how good the towers are. "Uncentered" is the backbone as it is."""
_SPACE = "The same test items of a development seed, as t-SNE maps; each map is made for itself:"
_ABLATIONS = "One thing is varied at a time, with the shipped towers, on the data of the grid; the default comes first."
_UNKNOWN = """Six classes were left out of everything in turn (labels, descriptions, calibration): an item of a known
class looks more known than one of an unknown class with a probability of {auroc} % (AUROC). With a threshold for a
stated false-accept rate of 5 %, {false_accepts} % of the unknown items are accepted, and {true_accepts} % of the
known ones."""
_GRID = """How mini's towers were trained decides how much is left to gain. Each row is other towers (seed 0), on
{seeds} of the data; the row of 35 % and 128 objects is the shipped one. {gains}"""
_PHOTOGRAPHS = """Backbone `photo`, real pictures ([photographs](concepts/photographs.md)). The classes are everyday
families, such as dog, boat or furniture, with ten descriptions each by a language model that saw no picture. {facts}
Each half of a family is measured with what was learned from the other half. photo's own texts and settings were
chosen on these very pictures, so that the level is a development figure; nothing of what is compared here was chosen
on them."""
_PHOTO_SEARCH = """Without a fit, among all pictures: families by their texts, and single pictures by the name of
their class, of which each picture has its own. That photo's embedding of a picture is made of texts helps all rows
alike."""

_NAMED = """photo's embedding of a picture is made of what a language model says of its 1,000 classes. Here it is
made of their bare names instead, with the same classifier and setting. By class name, {here} % of the pictures are
recognized then, instead of {there} %; [photographs](concepts/photographs.md) says how much of that is due to the
setting."""


class Found:
    """What was measured of a plan: Heptad's runs, and the photographs, None where they were not."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        found = read_runs(folder, [run.name for run in plan])
        self.records = {run: found[run.name] for run in plan if run.name in found}
        self.varied = Runs(_parts(folder, plan.varied, ABLATIONS))
        self.unknown = Runs(_parts(folder, plan.main, UNKNOWN))
        self.main = Runs.planned(plan.main, self.records)
        self.photographs: Record | None = read_record(folder, "photographs")
        self.named: Record | None = read_record(folder, "photographs-named")


def _parts(folder: Path, runs: Sequence[Run], part: str) -> list[Record]:
    """The records of a part that were measured."""
    return [record for run in runs if (record := read_record(folder, f"{run.name}-{part}")) is not None]


def page(found: Found) -> str:
    """The page in Markdown."""
    parts = ["# Results", _TITLE, *(_heptad(found) if found.main else ["Nothing of Heptad was measured yet."])]
    if found.photographs is not None:
        parts += _of_photographs(found.photographs, found.named)
    return "\n\n".join(map(_wrapped, [*parts, "## How it was measured", *_how(found)])) + "\n"


def _wrapped(block: str) -> str:
    """Prose in lines of 120 characters; headings, tables and pictures as they are."""
    if block.startswith(("#", "|", "!", "<")):
        return block
    return textwrap.fill(block, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _heptad(found: Found) -> Iterator[str]:
    runs = found.main
    yield _measured(found)
    yield _INTERVALS
    yield from ("## The aims", aims_table(runs, found.photographs), _AIMS)
    yield from ("## What did not work", what_did_not_work(runs, found.photographs))
    yield from ("## Without labels", _CONTROLS.format(strongest=heptad.over_strongest_in_words(runs)))
    yield heptad.controls_table(runs)
    yield from ("## Few labels", _SHOTS, f"![Top-1 by labels per class]({CURVES})", heptad.shots_table(runs))
    yield heptad.gains_table(runs)
    yield from ("## Ways to fit", _FITS.format(parameters=heptad.parameters_in_words(runs)), heptad.fits_table(runs))
    if found.unknown:
        yield _UNKNOWN.format(**heptad.unknown(found.unknown))
    yield from ("## Search", _SEARCH, heptad.measures_table(runs), _TEXT_SEARCH, heptad.text_search_table(runs))
    for moment in heptad.moments_of(runs):
        measure = heptad.SHOWN_MEASURE
        yield f"<details markdown><summary>{measure} by class, all ordered pairs, {heptad.WORDS[moment]}</summary>"
        yield heptad.matrix_table(runs, moment, "by_class", measure)
        yield "</details>"
    yield from ("## Unity and balance", _UNITY, heptad.unity_table(runs), _SPACE, f"![The space]({SPACE})")
    if found.varied:
        yield from ("## Ablations", _ABLATIONS)
        for what in heptad.ablations_of(found.varied):
            yield heptad.ablation_table(found.varied, what)
    seeds = _seeds(len(found.plan.declared["grid"]["data_seeds"]))
    grid = found.plan.grid, found.records
    yield from ("## Other towers", _GRID.format(seeds=seeds, gains=gains_by_captions(*grid)), grid_table(*grid))


def _of_photographs(record: Record, named: Record | None) -> Iterator[str]:
    controls, shots, gains, search = photo_page.tables(record)
    yield from ("## Real photographs", _PHOTOGRAPHS.format(facts=photo_page.facts(record)), controls)
    yield from ("With labels of at most so many pictures of each family:", shots, gains, _PHOTO_SEARCH, search)
    if named is not None:
        names = {"here": photo_page.by_names(named), "there": photo_page.by_names(record)}
        yield from ("### The same pictures, without a language model in the tower", _NAMED.format(**names))
        yield from photo_page.tables(named)


def _measured(found: Found) -> str:
    """Which of the planned runs these figures are from."""
    part, used = found.plan.declared["heptad"], len(found.main.records)
    data, planned = len(part["data_seeds"]), len(found.plan.main)
    towers, objects = used // data, found.plan.objects
    missing = list(dict.fromkeys(run.towers.name for run in found.plan if run not in found.records))
    text = (
        f"[Heptad](concepts/heptad.md), backbone mini: {_seeds(towers)} of the towers, {_seeds(data)} of the data, "
        f"{objects['train']} training, {objects['val']} validation and {objects['test']} "
        "test objects for each of 24 classes, in six modalities beside text."
    )
    if used < planned:
        text += f" Planned were {planned // data} seeds of the towers; {planned - used} runs are left out."
    return text + (
        f" Runs are missing with the towers {listed(missing)}." if missing else " No planned run is missing."
    )


def _seeds(count: int) -> str:
    return f"{count} {'seed' if count == 1 else 'seeds'}"


def _how(found: Found) -> tuple[str, str]:
    """Machine, versions and time."""
    records = [*found.records.values(), *([found.photographs] if found.photographs else [])]
    rows = {(r["machine"]["cores"], r["machine"]["memory_gib"], *r["versions"].items()) for r in records}
    lines = [
        [str(cores), f"{memory} GiB", ", ".join(f"{name} {version}" for name, version in versions)]
        for cores, memory, *versions in sorted(rows)
    ]
    minutes = sum(record["seconds"] for record in records) / 60
    words = f"{len(records)} runs, {minutes:.0f} minutes in all beside other load, without generating and encoding."
    return words, table(["cores", "memory", "versions"], lines)
