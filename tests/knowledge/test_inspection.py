"""What is said of a base, on one whose faults are known."""

from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.helpers.toys import ToyBackbone
from unibind.cli import app
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.base import description_id
from unibind.knowledge.embedding import embed_descriptions
from unibind.knowledge.inspection import Limits, check_base, flatten, inspect_base
from unibind.knowledge.page import draw_texts, write_page


def described(category, text, **facts):
    return Description(description_id(category, text, facts.get("item")), category, text, **facts)


def base_of(**texts):
    return KnowledgeBase(described(category, text) for category, those in texts.items() for text in those)


def look(base, **checks):
    embedded = embed_descriptions(base, ToyBackbone())
    reports = inspect_base(base, embedded)
    return reports, check_base(base, reports, **checks)


def kinds(faults):
    return {(fault.category, fault.kind) for fault in faults}


def test_a_report_counts_and_names_the_nearest_class():
    base = base_of(
        red=["red", "red red green", "red x"], green=["green", "green green"], blue=["blue", "blue blue blue green"]
    )
    reports, _ = look(base)
    red = reports[0]
    assert (red.category, red.texts, red.counts["kind"]) == ("red", 3, Counter(category=3))
    assert {r.category: r.nearest for r in reports} == {"red": "green", "green": "red", "blue": "green"}
    vectors = embed_descriptions(base, ToyBackbone()).vectors
    means = [v / np.linalg.norm(v) for v in (vectors[:3].sum(axis=0), vectors[3:5].sum(axis=0))]
    assert red.cosine == pytest.approx(float(means[0] @ means[1]), abs=1e-6)


def test_a_text_that_fits_elsewhere_is_counted_where_it_belongs():
    reports, faults = look(
        base_of(red=["red", "red red", "red red red", "blue", "blue blue"], blue=["blue", "blue blue blue"]),
        limits=Limits(1),
    )
    assert reports[0].misfits == Counter(blue=2)
    assert ("red", "ambiguous") in kinds(faults)
    assert ("blue", "ambiguous") not in kinds(faults)


def test_thin_and_missing_classes_are_named():
    base = base_of(red=["red"] + [f"red {'x ' * i}y" for i in range(5)], green=["green", "green green"])
    _, faults = look(base, limits=Limits(fewest=4, cosine=1.0), wanted=["red", "green", "blue"])
    assert kinds(faults) == {("blue", "thin"), ("green", "thin")}


def test_leaks_are_shared_texts_other_names_and_held_out_items():
    base = KnowledgeBase(
        [
            described("electric guitar", "A guitar with pickups"),  # a word of its own name is no leak
            described("electric guitar", "Steel strings over a flat body"),
            described("drum", "A DRUM beside a guitar."),  # names itself too
            described("drum", "It stands beside pianos"),  # a leak
            described("drum", "A thing to play, round"),
            described("piano", "A thing to play: round!"),
            described("piano", "Keys", kind="data", item="test/7"),
        ]
    )
    _, faults = look(base, limits=Limits(1, 1.0, 1.0), held_out={"test/7"})
    texts = {d.id: d.text for d in base.descriptions}
    assert {(f.category, texts[name]) for f in faults for name in f.ids} == {
        ("drum", "It stands beside pianos"),
        ("drum", "A thing to play, round"),
        ("piano", "A thing to play: round!"),
        ("piano", "Keys"),
    }
    assert {f.kind for f in faults} == {"leaking"}


def test_a_sound_base_has_no_faults_and_one_class_no_neighbor():
    assert look(base_of(red=["red", "red x"], blue=["blue", "blue x"]), limits=Limits(2))[1] == []
    reports, faults = look(base_of(red=["red", "red x"]), limits=Limits(2))
    assert (reports[0].nearest, faults) == (None, [])


@pytest.mark.parametrize("count", [1, 3, 5, 60])
def test_any_number_of_texts_is_drawn(count):
    base = base_of(**{name: [f"{name} {'x ' * i}" for i in range(count)] for name in ("red", "blue")})
    embedded = embed_descriptions(base, ToyBackbone())
    places, classes = flatten(embedded, most=50)
    assert np.isfinite(places).all()
    assert len(places) == len(classes) == min(50, 2 * count)
    assert draw_texts(embedded).startswith(b"\x89PNG")


def test_the_page_escapes_what_models_say(tmp_path):
    base = base_of(**{"<b>red": ["red <script>alert(1)</script>", "red"], "blue $x^2$": ["blue"]})
    reports, faults = look(base)
    page = write_page(tmp_path / "kb.html", "a <base>", reports, faults, b"", {}, "toy")
    written = page.read_text()
    assert "<script" not in written
    assert "<b>red" not in written
    assert "&lt;script&gt;" in written
    assert draw_texts(embed_descriptions(base, ToyBackbone()))


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
    assert run(app, ["knowledge", "check", str(path), "--at-least", "1", "--misfits", "1"]).exit_code == 0
    thin = run(app, ["knowledge", "check", str(path), "--at-least", "2", "--json"])
    assert thin.exit_code == 1
    assert '"kind": "thin"' in thin.stdout
