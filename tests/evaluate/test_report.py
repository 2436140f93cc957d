import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.evaluate.test_protocols import BACKBONE, KNOWLEDGE, filled_store
from tests.helpers.plain_items import items_of, search_in
from unibind.evaluate.leakage import Copy, Leakage
from unibind.evaluate.parts import split_of
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.report import (
    ExplainedItem,
    Search,
    charts,
    gain_rows,
    recognition_rows,
    retrieval_rows,
    same_object_rows,
    sections,
    unity_rows,
    write_report,
)
from unibind.fitting import fit


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="module")
def fitted(store):
    return fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE)


@pytest.fixture(scope="module")
def measured(store, fitted):
    return evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, title="Words & <b>colors</b>")


@pytest.fixture
def quick_maps(monkeypatch):
    """Without t-SNE, which is slow."""
    monkeypatch.setattr(charts, "_flattened", lambda vectors, seed: np.full((len(vectors), 2), 50.0))


def sections_of(page):
    """The headings of the page's sections."""
    return re.findall(r"<h2>(.*?)</h2>", page)


def data_of(page, first):
    """The other cells of the header that begins with this one."""
    row = next(row for row in re.findall(r"<tr>(.*?)</tr>", page) if row.startswith(f"<th>{first}</th>"))
    return re.findall(r"<th>(.*?)</th>", row)[1:]


@pytest.mark.slow
def test_the_page_shows_what_there_is_to_say(store, fitted, measured, tmp_path, quick_maps):
    before = split_of(store, "test")
    after = {m: fitted.project(e) for m, e in before.items()}
    query, contract = before["text"].vectors[:1], before["text"].contract
    hits = [search_in(items_of({"image": e["image"]}), query, contract, 3)[0] for e in (before, after)]
    prediction = fitted.classify_vectors(after["image"].vectors[:1], ["image"], ["0.x"])[0]
    path = write_report(
        tmp_path,
        measured,
        searches=[Search("red", "red", "image", *hits)],
        explanations=[ExplainedItem(str(Path("0.x")), "red", prediction)],
        command="unibind eval 'a & b'",
    )
    page = path.read_text()
    assert "<h1>Words &amp; &lt;b&gt;colors&lt;/b&gt;</h1>" in page
    assert "18 measured items of 3 modalities and 3 classes: the test split" in page
    assert "<code>unibind eval &#39;a &amp; b&#39;</code>" in page
    shown = [
        "What did not work",
        "The data",
        "Recognition",
        "Classes and confusions",
        "Calibration",
        "Search between modalities",
        "Unity and balance",
        "The space",
    ]
    assert "fitted over the best unfitted, top-1 (" in page
    assert "Within chance, so not shown by these items: " in page
    assert data_of(page, "unity and balance") == ["uncentered", "before a fit", "after the fit"]
    assert sections_of(page) == [
        *shown,
        "Search",
        "The nearest descriptions",
        "What these figures do not tell",
    ]  # there is no mistake to show
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    data = json.loads((tmp_path / "report.json").read_text())
    assert set(data["calibration_error"]) == {"audio", "image"}
    assert data["searches"][0]["label"] == "red"
    assert data["title"] == "Words & <b>colors</b>"
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "report.json"}


@pytest.mark.slow
def test_the_figures_of_equal_runs_are_equal_bytes(store, fitted, tmp_path, quick_maps):
    for name in ("a", "b"):
        again = evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted)
        write_report(tmp_path / name, again, command=f"unibind eval --out {name}")
    assert (tmp_path / "a" / "report.json").read_bytes() == (tmp_path / "b" / "report.json").read_bytes()
    pages = [(tmp_path / name / "report.html").read_text().splitlines() for name in ("a", "b")]
    differing = [line for line, other in zip(*pages, strict=True) if line != other]
    assert len(differing) == 1
    assert "unibind eval --out a" in differing[0]


@pytest.mark.slow
def test_tables_of_recognition_and_retrieval(store, measured):
    header, rows = recognition_rows(measured)
    assert header == ["top-1, %", "audio", "image", "average"]
    assert rows[0] == ["chance", "33.3", "33.3", "-"]
    name, *cells = rows[-1]
    assert name == "fitted UniBind"
    assert [cell.split(" ±")[0] for cell in cells] == ["100.0", "100.0", "100.0"]
    header, rows = retrieval_rows(measured)
    assert header == ["search by class, %", "R-precision", "hit@1", "hit@5", "hit@20", "recall@20"]
    kinds = ("all pairs", "stored texts to others", "class names to others")
    moments = ("before a fit", "after the fit")
    assert [row[0] for row in rows] == [f"{kind}, {moment}" for moment in moments for kind in kinds]
    assert [row[2] for row in rows] == ["55.6", "66.7", "66.7", "100.0", "100.0", "100.0"]
    header, rows = same_object_rows(measured)
    assert [row[0] for row in rows] == [f"{kind}, {moment}" for moment in moments for kind in kinds[:2]]
    assert [row[-1] for row in rows] == ["100.0"] * 4
    unfitted = evaluate(BACKBONE, store, knowledge=KNOWLEDGE)
    assert [row[0] for row in retrieval_rows(unfitted)[1]] == [f"{kind}, before a fit" for kind in kinds]


def test_tables_of_gains_and_unity(measured):
    header, rows = gain_rows(measured)
    assert header == ["gain, points", "measured", "95 % interval"]
    assert rows[0] == ["descriptions over class names, top-1", "+0.0", "+0.0 to +0.0"]
    assert rows[1][0] == "descriptions over the strongest control, top-1 (class name)"
    assert rows[-1][0] == "all pairs by object, after the fit over before, recall@20"
    header, rows = unity_rows(measured)
    assert header == ["unity and balance", "uncentered", "before a fit", "after the fit"]
    assert {len(row) for row in rows} == {4}
    assert {row[0]: row[1:] for row in rows}["modalities told apart, % (by chance)"][0].endswith("(33.3)")


def test_a_confusion_matrix_is_drawn_up_to_a_hundred_classes():
    matrix = charts.confusion_matrix({("a", "a"): 3, ("a", "b"): 1})
    assert matrix.classes == ("a", "b")
    assert [(c.row, c.column, c.share, c.right) for c in matrix.cells] == [(0, 0, 0.75, True), (0, 1, 0.25, False)]
    many = {(f"{i:03}", f"{i:03}"): 1 for i in range(charts.MATRIX_CLASSES + 1)}
    assert charts.confusion_matrix(many) is None


def test_a_class_is_named_at_its_most_central_item():
    dots = [charts.Dot(x, 0.0, 0, 0, "") for x in (0.0, 10.0, 90.0)]
    assert charts._label_places(dots) == [(0, 10.0, 0.0)]


def test_what_was_seen_before_is_listed_by_item():
    copy = Copy("point_cloud", "test/a", "train/b", "train", 0.9999, False)
    leakage = sections._leakage(SimpleNamespace(leakage=Leakage({"point_cloud": 12}, (copy,), ())))
    assert leakage["looked_at"] == 12
    assert leakage["words"][0].startswith("1 measured point cloud item seems to be in another split too")
    assert leakage["copies"][1] == [["point cloud", "test/a", "train/b", "train", "cosine 0.9999"]]
