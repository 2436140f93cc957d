"""One journey, through Python and through the command line: encode, fit, eval, classify, search give the same."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import soundfile
from PIL import Image

import unibind
from tests.helpers.command import run_json
from tests.helpers.toy_store import RATE_HZ, picture, tone
from tests.helpers.toys import CATEGORIES
from unibind.evaluate.stores import evaluate_store

SENTENCES = ("a {} thing", "something {} from the kitchen", "it is {} all over", "the {} one")

pytestmark = pytest.mark.slow


def write_files(root):
    """Pictures and tones, two per category and split, as `split/category/file`."""
    for s, split in enumerate(("train", "val", "test")):
        for category in CATEGORIES:
            folder = root / split / category
            folder.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(picture(category, 10 * s + i).pixels.repeat(16, 0).repeat(16, 1)).save(
                    folder / f"{i}.png"
                )
                soundfile.write(folder / f"{i}.wav", tone(category, 10 * s + i).samples, RATE_HZ)


def plain(value):
    """A value as it comes out of JSON."""
    return json.loads(json.dumps(value, default=str))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("journey")
    write_files(root / "data")
    rows = [{"category": c, "text": sentence.format(c)} for c in CATEGORIES for sentence in SENTENCES]
    (root / "kb.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.fixture(scope="module")
def in_python(root):
    """Store, model and results of the journey in Python."""
    store = root / "python" / "store"
    summary = unibind.encode(root / "data", store)
    model = unibind.fit(store, knowledge=root / "kb.jsonl")
    model.save_pretrained(root / "python" / "model")
    return store, summary, model


@pytest.fixture(scope="module")
def on_the_command_line(root):
    """Store, model and output of the journey on the command line."""
    store, model = root / "cli" / "store", root / "cli" / "model"
    summary = run_json("encode", root / "data", "--out", store)
    fitted = run_json("fit", store, "--out", model, "--knowledge", root / "kb.jsonl")
    return store, summary, model, fitted


def test_encode_writes_the_same_store(in_python, on_the_command_line):
    (python_store, python_summary, _), (cli_store, cli_summary, *_) = in_python, on_the_command_line
    names = ("encoded", "unchanged", "quarantined")
    assert [cli_summary[name] for name in names] == [getattr(python_summary, name) for name in names] == [36, 0, 0]
    first, second = unibind.Store.open(python_store), unibind.Store.open(cli_store)
    assert first.counts() == second.counts()
    for modality in first.modalities():
        expected, written = first.vectors(modality), second.vectors(modality)
        assert (written.ids, written.labels, written.contract) == (expected.ids, expected.labels, expected.contract)
        assert np.array_equal(written.vectors, expected.vectors)


def test_fit_learns_the_same_model(in_python, on_the_command_line):
    model, (*_, folder, fitted) = in_python[-1], on_the_command_line
    loaded = unibind.UniBind.from_pretrained(folder)
    assert {m: h.fingerprint for m, h in loaded.heads.items()} == {m: h.fingerprint for m, h in model.heads.items()}
    assert loaded.calibration == model.calibration
    assert fitted["validation_top1"] == model.summary.validation_top1
    assert fitted["learned_parameters"] == model.summary.learned_parameters
    assert fitted["store_version"] == model.summary.store_version >= 1
    assert f"from version {fitted['store_version']} of the store" in (folder / "README.md").read_text()


def test_eval_measures_the_same(root, in_python, on_the_command_line):
    store, _, model = in_python
    expected = evaluate_store(store, model=model)
    cli_store, _, cli_model, _ = on_the_command_line
    own_title = {"title": "of the folder"}
    assert run_json("eval", cli_store, "--model", cli_model) | own_title == plain(expected.to_json()) | own_title


def test_classify_predicts_the_same(root, in_python, on_the_command_line):
    files = sorted((root / "data" / "test").rglob("*.*"))
    expected = in_python[-1].classify(files, top=3)
    predictions = run_json("classify", *files, "--model", on_the_command_line[2])
    assert predictions == [plain(asdict(prediction)) for prediction in expected]
    single = in_python[-1].classify(files[0], top=3)
    assert (single.label, single.item) == (expected[0].label, expected[0].item)


def test_classify_by_names_predicts_the_same(root):
    file = root / "data" / "test" / "red" / "0.png"
    expected = unibind.UniBind.zero_shot(list(CATEGORIES)).classify(file, top=3)
    assert run_json("classify", file, "--classes", ", ".join(CATEGORIES)) == [plain(asdict(expected))]


@pytest.mark.parametrize("query", ["something blue", "test/green/1.wav"])
def test_search_finds_the_same(root, in_python, on_the_command_line, query):
    item = query if " " in query else root / "data" / query
    store, _, model = in_python
    expected = model.search(item, store, k=4)
    cli_store, _, cli_model, _ = on_the_command_line
    found = run_json("search", item, "--store", cli_store, "--model", cli_model, "-k", 4)
    assert found["hits"] == [plain(asdict(hit)) for hit in expected]
    assert found["modality"] == expected.query_modality
    assert found["gaps"] == plain(dict(expected.gaps))
    assert found["store_version"] == expected.store_version >= 1
    by_function = unibind.search(item, store, model=model, k=4)
    assert list(by_function) == list(expected)
