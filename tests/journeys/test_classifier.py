"""A classifier on disk becomes a tower: its labels are described, its files are classified, encoded, searched, fitted.

Each step is walked with the command and in Python. Weights are random; what is known is that both give the same.
"""

import json
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

import unibind
from tests.helpers import tiny_classifiers
from tests.helpers.command import run, run_json
from tests.helpers.docs import code_blocks
from tests.helpers.llm_server import LLMServer
from tests.helpers.tiny_classifiers import ANIMALS, SOUNDS
from unibind.backbones._shared.picture_inputs import PICTURE_INPUTS
from unibind.backbones.classifier.labels import checkpoint_labels
from unibind.knowledge.llm import client as llm

pytestmark = pytest.mark.slow  # importing transformers takes seconds


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier of pictures and one of sounds, saved once."""
    root = tmp_path_factory.mktemp("classifiers")
    for name, make in {"vit": tiny_classifiers.vit, "ast": tiny_classifiers.ast}.items():
        (root / name).mkdir()
        make(root / name)
    return root


@pytest.fixture(autouse=True)
def folder(made, tmp_path, monkeypatch):
    """The current folder: both classifiers, four sounds and four pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("vit", "ast"):
        shutil.copytree(made / name, tmp_path / name)
    noise = np.random.default_rng(0)
    for label in ("rain", "engine"):
        for kind in ("sounds", "pictures"):
            (tmp_path / kind / label).mkdir(parents=True)
        for number in range(3):
            soundfile.write(tmp_path / "sounds" / label / f"{number}.wav", noise.normal(0, 0.1, 8000), 16_000)
            pixels = noise.integers(0, 256, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{number}.png")
    return tmp_path


@pytest.fixture
def server():
    with LLMServer() as running:
        yield running


def generate(server, *arguments, code=0):
    options = ("--model", "m", "--base-url", server.base_url, "--per-class", 6, "--max-similarity", 0)
    return run("knowledge", "generate", *arguments, *options, code=code)


def test_the_labels_of_a_classifier_are_described_for_its_modality(server):
    generate(server, "--labels-of", "ast", "--out", "kb")
    assert sorted(unibind.KnowledgeBase.load("kb").categories) == sorted(SOUNDS)
    asked = [request["messages"][-1]["content"] for request in server.requests]
    assert any('"Violin, fiddle"' in prompt for prompt in asked)
    assert all("sound" in prompt for prompt in asked) and not any("photo" in prompt for prompt in asked)
    assert {d.modality for d in unibind.KnowledgeBase.load("kb").descriptions} == {"audio"}
    labels = checkpoint_labels("ast")
    unibind.KnowledgeBase.generate(
        labels.labels, "kb_python", model="m", base_url=server.base_url, per_class=6, modalities=[labels.modality],
        filters={"max_similarity": None}, progress=False,
    )  # fmt: skip
    assert sorted(unibind.KnowledgeBase.load("kb_python").categories) == sorted(SOUNDS)
    described = unibind.create_backbone("classifier:ast", knowledge="kb")
    assert described.texts.named == () and min(map(len, described.texts.texts)) >= 6


def test_only_the_configuration_is_read_for_labels(server, folder):
    for file in (folder / "vit").iterdir():
        if file.name != "config.json":
            file.unlink()
    generate(server, "--labels-of", "vit", "--out", "kb")
    assert sorted(unibind.KnowledgeBase.load("kb").categories) == sorted(ANIMALS)


def test_one_source_of_classes_is_needed(server, folder):
    for arguments in ((), ("drum", "--labels-of", "ast")):
        shown = generate(server, *arguments, "--out", "kb", code=2)
        assert "name either the classes or, with --labels-of, the classifier whose labels they are" in shown.stderr
    config = folder / "ast" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"id2label": {0: "LABEL_0", 1: "LABEL_1"}}))
    shown = generate(server, "--labels-of", "ast", "--out", "kb", code=2)
    assert "2 of the 2 labels of ast are only numbers, such as 'LABEL_0', and say nothing" in shown.stderr
    assert not server.requests


def test_sounds_are_classified_with_any_words():
    options = ("--backbone", "classifier:ast", "--classes", "rain,an engine", "--set", "temperature=0.5")
    (found,) = run_json("classify", "sounds/rain/0.wav", *options)
    model = unibind.UniBind.zero_shot(
        classes=["rain", "an engine"], backbone=unibind.create_backbone("classifier:ast", temperature=0.5)
    )
    prediction = model.classify("sounds/rain/0.wav")
    assert [list(pair) for pair in prediction.candidates] == found["candidates"]


def test_a_store_is_encoded_searched_and_fitted_and_the_model_needs_no_knowledge_base(folder, monkeypatch, caplog):
    described = {"rain": ["drops that fall on a roof"], "Dog": ["a bark"], "Chainsaw": ["a motor that cuts wood"]}
    (folder / "cupl.json").write_text(json.dumps(described))
    run("knowledge", "import", "cupl.json", "--out", "kb", "--generator", "me")
    run("encode", "sounds", "--out", "store", "--backbone", "classifier:ast", "--set", "knowledge=kb")
    assert "2 of its 5 labels have no description, such as 'Speech'; their names stand for them" in caplog.text
    hits = run_json("search", "a motor", "--store", "store")["hits"]
    assert [hit.id for hit in unibind.search("a motor", store="store", k=len(hits))] == [hit["id"] for hit in hits]
    run("fit", "store", "--out", "model", "--knowledge", "rain,engine")
    (before,) = run_json("classify", "sounds/rain/0.wav", "--model", "model")
    shutil.rmtree("kb")
    (folder / "elsewhere").mkdir()
    shutil.move("model", "elsewhere/model")
    monkeypatch.chdir(folder / "elsewhere")
    (after,) = run_json("classify", "../sounds/rain/0.wav", "--model", "model")
    assert after["candidates"] == before["candidates"]
    again = unibind.UniBind.from_pretrained("model")
    bare = unibind.UniBind(unibind.create_backbone("mini", modalities=["text"]))
    assert np.array_equal(again.embed("rain on a roof"), bare.embed("rain on a roof"))  # texts have no head
    assert [list(pair) for pair in again.classify("../sounds/rain/0.wav").candidates] == before["candidates"]


@pytest.mark.parametrize("other", ["mini", "photo", "starter"])
def test_a_classifier_is_one_part_of_a_composed_backbone(folder, other):
    (folder / "parts.toml").write_text(
        f'[text]\nbackbone = "{other}"\n[image]\nbackbone = "{other}"\n'
        '[audio]\nbackbone = "classifier:ast"\noptions = { knowledge = { Rain = ["drops that fall on a roof"] } }\n'
    )
    composed = unibind.create_backbone("composed:parts.toml")
    assert all(composed.contract(m).in_anchor_space for m in ("text", "image", "audio"))
    assert composed.contract("audio") == composed.part("audio").contract("audio")
    model = unibind.UniBind.zero_shot(classes=["rain", "an engine"], backbone=composed)
    before = model.classify(["sounds/rain/0.wav", "pictures/rain/0.png"])
    model.save_pretrained("model")
    assert len(list((folder / "model").glob("classes_*.parquet"))) == 1
    again = unibind.UniBind.from_pretrained("model").classify(["sounds/rain/0.wav", "pictures/rain/0.png"])
    assert [p.candidates for p in again] == [p.candidates for p in before]
    found = run_json("classify", "sounds/rain/0.wav", "pictures/rain/0.png", "--model", "model")
    assert [f["candidates"] for f in found] == [[list(pair) for pair in p.candidates] for p in before]


def test_a_classifier_is_shown_with_its_options_and_contracts():
    page = run_json("backbones", "show", "classifier:vit")
    assert {"anchor", "knowledge", "temperature", "kept", "scores", "frames"} <= {o["name"] for o in page["options"]}
    assert all(option["meaning"] for option in page["options"])
    assert set(page["contracts"]) == {"text", *PICTURE_INPUTS}


def test_the_function_of_the_documentation_tells_day_from_night(folder, capsys):
    block = code_blocks("how-to/turn-a-classifier-into-a-tower.md")["daylight.py"]
    for brightness, answer in ((240, "sunny beach"), (10, "night sky")):
        Image.fromarray(np.full((20, 30, 3), brightness, np.uint8)).save("holiday.jpg")
        exec(compile(block, "daylight.py", "exec"), {})
        assert capsys.readouterr().out.strip() == answer
