import json
from pathlib import Path

import pytest

from tests.evaluate.test_protocols import BACKBONE, KNOWLEDGE, TEXTS, filled_store
from unibind.align.fit import FitConfig
from unibind.evaluate import plots
from unibind.evaluate.protocols import evaluate, split_of
from unibind.evaluate.report import ExplainedItem, Search, retrieval_rows, write_report, zero_shot_rows
from unibind.fitting import fit
from unibind.retrieval import Index


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="module")
def fitted(store):
    return fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE, config=FitConfig(steps=120, batch_size=6, lr=0.02))


@pytest.fixture
def quick_plots(monkeypatch):
    """Without t-SNE, which is slow."""
    monkeypatch.setattr(plots, "space_maps", lambda panels, **_: plots.strip([[[0.0]]], ["space"], [plots.INK]))


@pytest.mark.slow
def test_the_page_counts_modalities_and_shows_the_calibration(store, fitted, tmp_path, quick_plots):
    measured = evaluate(BACKBONE, store, TEXTS, fitted=fitted)
    before = split_of(store, "test")
    after = {m: fitted.project(e) for m, e in before.items()}
    query, contract = before["text"].vectors[:1], before["text"].contract
    hits = [Index({"image": e["image"]}).search(query, contract, 3)[0] for e in (before, after)]
    prediction = fitted.classify_vectors(after["image"].vectors[:1], ["image"], ["0.x"])[0]
    page = write_report(
        tmp_path,
        measured,
        before=before,
        after=after,
        searches=[Search("red", "red", "image", *hits)],
        explanations=[ExplainedItem(str(Path("0.x")), "red", prediction)],
    )
    text = page.read_text()
    assert "<h1>3 modalities, one space</h1>" in text
    assert "18 items" in text
    assert "Expected calibration error" in text
    assert "For 1 test item:" in text
    data = json.loads((tmp_path / "report.json").read_text())
    assert set(data["calibration_error"]) == {"audio", "image"}
    assert data["searches"][0]["label"] == "red"
    images = {p.stem for p in (tmp_path / "pictures").iterdir()}
    assert images == {"zero_shot", "recall", "space", "search_image_before", "search_image_after", "item_0"}


@pytest.mark.slow
def test_tables_of_recognition_and_retrieval(store, fitted):
    measured = evaluate(BACKBONE, store, TEXTS, fitted=fitted)
    header, rows = zero_shot_rows(measured)
    assert header == ["top-1, %", "audio", "image", "average"]
    assert rows[-1] == ["fitted UniBind", "100.0", "100.0", "100.0"]
    header, values = retrieval_rows(measured, k=1)
    assert header[0] == "recall@1 between distinct modalities, %"
    assert header[3:] == ["text to audio", "text to image"]
    assert values["before"][2:] == [pytest.approx(1 / 3), 1.0]
    assert values["after"] == [1.0, 0.0, 1.0, 1.0]
    assert list(retrieval_rows(evaluate(BACKBONE, store, TEXTS), k=1)[1]) == ["before"]
