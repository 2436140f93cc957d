"""The demo and every verb on its store and model, at the smallest size."""

import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import unibind
import unibind.heptad
from tests.helpers.command import run, run_installed, run_json
from tests.helpers.llm_server import LLMServer
from tests.helpers.reference import SAMPLE_FILES, SAMPLES
from unibind.data.encode import embed
from unibind.demo import Demo
from unibind.evaluate.methods import FITTED, NEIGHBORS, PROBE, UNLEARNED
from unibind.knowledge import KnowledgeBase

pytestmark = pytest.mark.slow

MODALITY_OF = {
    "wav": "audio",
    "png": "image",
    "ply": "point_cloud",
    "tiff": "thermal",
    "mp4": "video",
    "bin": "event",
    "txt": "text",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Every eighth packaged description, 8 per category: enough to fit by, and quick."""
    path = tmp_path_factory.mktemp("knowledge") / "kb.parquet"
    KnowledgeBase(KnowledgeBase.load("heptad").descriptions[::8]).save(path)
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory, base):
    """The folder of a tiny demo, and its figures."""
    out = tmp_path_factory.mktemp("demo")
    return out, json.loads(
        run_installed("demo", "--out", out, "--per-category", 3, "--knowledge", base, "--json").stdout
    )


def object_files(folder, number):
    """The files of one object, one per modality."""
    return [folder / f"{number:04}.{ending}" for ending in MODALITY_OF]


def test_the_demo_measures_every_method_on_every_modality(demo):
    out, facts = demo
    assert tuple(facts["recognition"]["top1"]) == (*UNLEARNED, NEIGHBORS, PROBE, FITTED)
    for by_modality in facts["recognition"]["top1"].values():
        assert set(by_modality) == set(MODALITY_OF.values()) - {"text"}
        assert all(0 <= share <= 1 for share in by_modality.values())
    assert facts["items"]["test"] == dict.fromkeys(facts["items"]["test"], 72)
    for moment in ("before", "after"):
        assert np.array(facts["retrieval"][moment]["by_class"]["recall@20"]).shape == (7, 7)
    assert json.loads((out / "report.json").read_text())["recognition"] == facts["recognition"]


def test_the_demo_is_encoded_by_the_image_centered_backbone(demo):
    name, _ = unibind.Store.open(demo[0] / "store").backbone
    assert name == "mini"


def test_a_fit_on_a_few_objects_per_category_beats_class_names(demo):
    _, facts = demo
    mean = facts["recognition"]["mean"]
    assert mean["descriptions"] > 2 / 24
    assert mean["fitted UniBind"] > mean["class name"]


def test_controls_use_as_many_texts_as_the_centers(demo):
    counts = demo[1]["recognition"]["texts_per_class"]
    assert counts["random words"] == counts["descriptions"]


def test_the_report_is_one_page_that_needs_no_network(demo):
    out, _ = demo
    page = (out / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<h1>Heptad: 7 modalities, one space</h1>" in page
    assert "<audio controls" in page
    assert page.count("data:image/jpeg;base64,") > 20
    assert "cannot be read" not in page


def test_text_vectors_are_bit_identical_before_and_after_the_fit(demo):
    out, _ = demo
    texts = [unibind.Text(t) for t in ("a drum", "Something that rings, far away.", "ein Hund")]
    fitted = unibind.UniBind.from_pretrained(out / "model")
    bare = unibind.create_backbone("mini", modalities=["text"])
    assert fitted.embed(texts).tobytes() == embed(texts, bare).tobytes()
    stored = unibind.Store.open(out / "store").vectors(modality="text", split="test")
    assert fitted.project(stored).vectors.tobytes() == stored.vectors.tobytes()
    assert fitted.contract("text") == bare.contract("text")


def test_fitting_and_measuring_again_gives_the_same_figures(demo, base, tmp_path):
    out, facts = demo
    run("fit", out / "store", "--out", tmp_path / "model", "--knowledge", base)
    again = json.loads((tmp_path / "model" / "unibind.json").read_text())
    assert again["heads"] == json.loads((out / "model" / "unibind.json").read_text())["heads"]
    measured = run_json("eval", out / "store", "--model", tmp_path / "model")
    assert measured.pop("title") == out.name
    assert measured == {key: facts[key] for key in measured}


def test_another_seed_gives_another_head(demo, base, tmp_path):
    out, _ = demo
    run("fit", out / "store", "--out", tmp_path / "model", "--knowledge", base, "--seed", 1)
    heads = [json.loads((p / "unibind.json").read_text())["heads"] for p in (tmp_path / "model", out / "model")]
    assert heads[0] != heads[1]


def test_the_snippet_of_the_model_card_runs(demo):
    out, _ = demo
    _, _, rest = (out / "model" / "README.md").read_text().partition("```python\n")
    snippet, _, _ = rest.partition("```")
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("(384,)\n"), done.stderr


def test_encoding_again_skips_everything(demo):
    out, _ = demo
    again = run_json("encode", out / "heptad" / "manifest.csv", "--out", out / "store")
    assert again["encoded"] == 0
    assert again["unchanged"] == len(unibind.Store.open(out / "store"))


def test_classify_keeps_the_order_of_mixed_files(demo):
    out, _ = demo
    files = object_files(out / "heptad" / "test" / "drum", 0)
    predictions = run_json("classify", *files, "--model", out / "model")
    assert [p["item"] for p in predictions] == [str(f) for f in files]
    assert [p["modality"] for p in predictions] == list(MODALITY_OF.values())
    for p in predictions:
        assert p["candidates"][0][0] == p["label"]
        assert p["labels"] == [p["label"]]
        assert p["none_probability"] == 0  # calibrated, and no share of such items was stated
        assert p["description"]


def test_classify_continues_after_an_unreadable_file(demo, tmp_path):
    out, _ = demo
    (tmp_path / "broken.wav").write_bytes(b"RIFF0000WAVE")
    good = out / "heptad" / "test" / "bell" / "0001.wav"
    broken, prediction = run_json("classify", tmp_path / "broken.wav", good, "--model", out / "model", code=2)
    assert prediction["item"] == str(good)
    assert "broken.wav" in broken["message"]


def test_search_takes_a_text_or_a_file(demo, tmp_path):
    out, _ = demo
    common = ("--store", out / "store", "--model", out / "model", "-k", 4)
    by_text = run_json("search", "A photo of a drum", *common, "--in", "event,image")
    assert {h["modality"] for h in by_text["hits"]} <= {"event", "image"}
    assert [h["rank"] for h in by_text["hits"]] == [1, 2, 3, 4]
    by_file = run_json("search", out / "heptad" / "test" / "dog" / "0000.wav", *common, "--in", "audio")
    assert by_file["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    run("search", "a dog", *common, "--png", tmp_path / "hits.png")
    assert Image.open(tmp_path / "hits.png").width > 100


def test_the_demo_suggests_a_search_that_finds_one_kind_of_object_in_all_modalities(demo):
    out, _ = demo
    command = Demo(None, out / "report.html", out / "model", out / "store", out / "heptad").next_search()
    hits = run_json(*shlex.split(command)[1:])["hits"]
    assert {hit["modality"] for hit in hits} == set(MODALITY_OF.values())
    assert Counter(hit["label"] for hit in hits)["guitar"] >= 4
    assert (out / "search.html").is_file()


def test_inspect_describes_and_draws_every_modality(demo, tmp_path):
    out, _ = demo
    files = object_files(out / "heptad" / "val" / "kettle", 1)
    facts = run_json("inspect", *files, "--png", tmp_path / "seen.png")
    assert [f["modality"] for f in facts] == list(MODALITY_OF.values())
    assert facts[0]["rate_hz"] == 16000
    assert facts[3]["unit"] == "celsius"
    assert Image.open(tmp_path / "seen.png").width > 300


@pytest.mark.reference
def test_inspect_and_classify_take_real_files(demo):
    out, _ = demo
    for modality, names in SAMPLE_FILES.items():
        files = [SAMPLES / modality / name for name in names]
        assert len(run_json("inspect", *files, "-m", modality)) == len(files)
        predictions = run_json("classify", *files, "-m", modality, "--model", out / "model")
        assert [p["item"] for p in predictions] == [str(f) for f in files]


def test_a_model_without_its_manifest_is_refused(demo, tmp_path):
    out, _ = demo
    for file in (out / "model").iterdir():
        if file.name != "unibind.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = run("classify", out / "report.html", "--model", tmp_path, code=2)
    assert "not a complete unibind model" in done.stderr


def test_a_model_with_damaged_heads_is_refused(demo, tmp_path):
    out, _ = demo
    for file in (out / "model").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    heads = bytearray((tmp_path / "heads.safetensors").read_bytes())
    heads[-1] ^= 1
    (tmp_path / "heads.safetensors").write_bytes(heads)
    done = run("classify", out / "heptad" / "test" / "dog" / "0000.wav", "--model", tmp_path, code=2)
    assert "does not belong" in done.stderr


def test_the_model_card_has_figures(demo):
    card = (demo[0] / "model" / "README.md").read_text()
    assert "learned parameters" in card
    assert "| audio | 192 |" in card  # validation items train, too


# --- another knowledge base ----------------------------------------------------------------------------------------


@pytest.fixture
def demo_to_run_again(demo, tmp_path):
    """The demo's folder; what a run writes is undone, so that other tests find the first run's model."""
    out, _ = demo
    shutil.copytree(out / "model", tmp_path / "first_model")
    yield out
    shutil.rmtree(out / "model")
    shutil.copytree(tmp_path / "first_model", out / "model")


def test_the_demo_takes_a_generated_knowledge_base(demo_to_run_again, tmp_path):
    base, out = tmp_path / "kb", demo_to_run_again
    classes = ",".join(unibind.heptad.CATEGORIES)
    with LLMServer() as server:
        asked = ("--model", "m", "--base-url", server.base_url, "--per-class", 6, "--max-similarity", 0)
        made = run_json("knowledge", "generate", classes, "--out", base, *asked)
    assert run_json("demo", "--out", out, "--per-category", 3, "--knowledge", base)["recognition"]
    knowledge = unibind.UniBind.from_pretrained(out / "model").knowledge
    assert knowledge.fingerprint == unibind.KnowledgeBase.load(base).fingerprint
    assert len(knowledge) == made["descriptions"] >= 6 * 24


def test_a_base_that_lacks_categories_is_refused_before_anything_is_generated(tmp_path):
    base = tmp_path / "kb.csv"
    base.write_text("category,text\nbell,It rings from far away.\n")
    done = run("demo", "--out", tmp_path / "demo", "--knowledge", base, code=2)
    assert "the knowledge base lacks 23 of the demo's categories" in done.stderr
    assert not (tmp_path / "demo").exists()
