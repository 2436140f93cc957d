"""Reports and checks of bases whose problems are known."""

from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.helpers.toys import ToyBackbone
from unibind.cli import app
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.base import description_id
from unibind.knowledge.embedding import embed_descriptions
from unibind.knowledge.inspection import CheckThresholds, check_base, inspect_base, project_2d
from unibind.knowledge.page import text_map_png, write_page


def described(category, text, **facts):
    return Description(description_id(category, text, facts.get("item")), category, text, **facts)


def base_of(**texts):
    return KnowledgeBase(described(category, text) for category, those in texts.items() for text in those)


def inspect(base, **checks):
    inspection = inspect_base(base, embed_descriptions(base, ToyBackbone()))
    return inspection, check_base(inspection, **checks)


def kinds(problems):
    return {(problem.category, problem.kind) for problem in problems}


def test_a_report_counts_and_names_the_nearest_class():
    base = base_of(
        red=["red", "red red green", "red x"], green=["green", "green green"], blue=["blue", "blue blue blue green"]
    )
    reports = inspect(base)[0].reports
    red = reports[0]
    assert (red.category, red.texts, red.counts["kind"]) == ("red", 3, Counter(category=3))
    assert {r.category: r.nearest for r in reports} == {"red": "green", "green": "red", "blue": "green"}
    vectors = embed_descriptions(base, ToyBackbone()).vectors
    means = [v / np.linalg.norm(v) for v in (vectors[:3].sum(axis=0), vectors[3:5].sum(axis=0))]
    assert red.cosine == pytest.approx(float(means[0] @ means[1]), abs=1e-6)


def test_a_text_that_fits_another_class_is_counted_as_a_misfit():
    inspection, problems = inspect(
        base_of(red=["red", "red red", "red red red", "blue", "blue blue"], blue=["blue", "blue blue blue"]),
        thresholds=CheckThresholds(1),
    )
    assert inspection.reports[0].misfits == Counter(blue=2)
    assert ("red", "ambiguous") in kinds(problems)
    assert ("blue", "ambiguous") not in kinds(problems)


def test_thin_and_missing_classes_are_named():
    base = base_of(red=["red"] + [f"red {'x ' * i}y" for i in range(5)], green=["green", "green green"])
    _, problems = inspect(
        base, thresholds=CheckThresholds(min_texts=4, max_cosine=1.0), expected_classes=["red", "green", "blue"]
    )
    assert kinds(problems) == {("blue", "thin"), ("green", "thin")}


def test_leaks_are_shared_texts_other_names_and_non_training_items():
    base = KnowledgeBase(
        [
            described("electric guitar", "A guitar with pickups"),  # a word of its own name is not a leak
            described("electric guitar", "Steel strings over a flat body"),
            described("drum", "A DRUM beside a guitar."),  # names itself too
            described("drum", "It stands beside pianos"),  # a leak
            described("drum", "A thing to play, round"),
            described("piano", "A thing to play: round!"),
            described("piano", "Keys", kind="data", item="test/7"),
        ]
    )
    _, problems = inspect(base, thresholds=CheckThresholds(1, 1.0, 1.0), non_train_ids={"test/7"})
    texts = {d.id: d.text for d in base.descriptions}
    assert {(p.category, texts[name]) for p in problems for name in p.ids} == {
        ("drum", "It stands beside pianos"),
        ("drum", "A thing to play, round"),
        ("piano", "A thing to play: round!"),
        ("piano", "Keys"),
    }
    assert {p.kind for p in problems} == {"leaking"}


def test_a_good_base_has_no_problems_and_a_single_class_no_neighbor():
    assert inspect(base_of(red=["red", "red x"], blue=["blue", "blue x"]), thresholds=CheckThresholds(2))[1] == []
    inspection, problems = inspect(base_of(red=["red", "red x"]), thresholds=CheckThresholds(2))
    assert (inspection.reports[0].nearest, problems) == (None, [])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 5, 60])
def test_any_number_of_texts_is_mapped(count):
    base = base_of(**{name: [f"{name} {'x ' * i}" for i in range(count)] for name in ("red", "blue")})
    embedded = embed_descriptions(base, ToyBackbone())
    points, classes = project_2d(embedded, max_texts=50)
    assert np.isfinite(points).all()
    assert len(points) == len(classes) == min(50, 2 * count)
    assert text_map_png(embedded).startswith(b"\x89PNG")


def test_texts_that_are_all_alike_are_mapped():
    points, _ = project_2d(embed_descriptions(base_of(red=[f"red {'x ' * i}" for i in range(6)]), ToyBackbone()))
    assert np.isfinite(points).all()


def test_the_page_escapes_what_models_say(tmp_path):
    base = base_of(**{"<b>red": ["red <script>alert(1)</script>", "red"], "blue $x^2$": ["blue"]})
    inspection, problems = inspect(base)
    page = write_page(tmp_path / "kb.html", "a <base>", inspection, problems, b"", "toy")
    written = page.read_text()
    assert "<script" not in written
    assert "<b>red" not in written
    assert "&lt;script&gt;" in written
    assert text_map_png(embed_descriptions(base, ToyBackbone()))


@pytest.mark.slow
def test_the_commands(tmp_path):
    path = tmp_path / "kb.jsonl"
    base_of(drum=["a round drum with a skin", "sticks hit it"], bell=["a bell of bronze that rings"]).save(path)
    run = CliRunner().invoke
    shown = run(
        app, ["knowledge", "show", str(path), "--html", str(tmp_path / "kb.html"), "--png", str(tmp_path / "p.png")]
    )
    assert shown.exit_code == 0
    assert "drum" in shown.stdout
    assert (tmp_path / "kb.html").stat().st_size > 10_000
    one = run(app, ["knowledge", "show", str(path), "--class", "bell", "--json"])
    assert '"category": "bell"' in one.stdout
    assert '"category": "drum"' not in one.stdout
    assert run(app, ["knowledge", "check", str(path), "--min-texts", "1", "--max-misfits", "1"]).exit_code == 0
    thin = run(app, ["knowledge", "check", str(path), "--min-texts", "2", "--json"])
    assert thin.exit_code == 1
    assert '"kind": "thin"' in thin.stdout
