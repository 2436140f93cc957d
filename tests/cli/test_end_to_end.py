"""The whole way at a tiny size, through the installed `unibind` command."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unibind
import unibind.heptad
from tests.helpers.llm_server import LLMServer
from tests.helpers.reference import SAMPLE_FILES, SAMPLES
from unibind.evaluate.protocols import METHODS

COMMAND = Path(sys.executable).parent / "unibind"
NON_TEXT = ("image", "audio", "point_cloud", "thermal", "video", "event")


def run(*arguments, code=0):
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done


def run_json(*arguments, code=0):
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return out, run_json("demo", "--out", out, "--per-category", 3)


def test_the_demo_measures_every_method_on_every_modality(demo):
    out, facts = demo
    assert tuple(facts["zero_shot"]["top1"]) == METHODS
    for by_modality in facts["zero_shot"]["top1"].values():
        assert set(by_modality) == set(NON_TEXT)
        assert all(0 <= share <= 1 for share in by_modality.values())
    assert facts["items"]["test"] == dict.fromkeys(facts["items"]["test"], 72)
    for moment in ("before", "after"):
        assert np.array(facts["retrieval"][moment]["recall"]["@20"]).shape == (7, 7)
    assert json.loads((out / "report.json").read_text())["zero_shot"] == facts["zero_shot"]


def test_even_three_objects_a_category_teach_something(demo):
    _, facts = demo
    mean = facts["zero_shot"]["mean"]
    assert mean["LLM centers"] > 2 / 24
    assert mean["fitted UniBind"] > mean["class name"]


def test_equal_text_counts_stand_beside_each_other(demo):
    counts = demo[1]["zero_shot"]["texts_per_class"]
    assert counts["random words"] == counts["LLM centers"]


def test_the_report_needs_no_network_and_its_pictures_open(demo):
    out, _ = demo
    page = (out / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "Seven modalities" in page
    pictures = sorted((out / "pictures").glob("*.png"))
    assert {"zero_shot.png", "recall.png", "space.png", "search_event_after.png"} <= {p.name for p in pictures}
    for picture in pictures:
        with Image.open(picture) as image:
            image.verify()


def test_text_vectors_are_bit_identical_before_and_after_the_fit(demo):
    out, _ = demo
    texts = [unibind.Text(t) for t in ("a drum", "Something that rings, far away.", "ein Hund")]
    fitted = unibind.UniBind.from_pretrained(out / "model")
    bare = unibind.create_backbone("mini", modalities=["text"])
    assert fitted.embed(texts).tobytes() == unibind.embed(texts, bare).tobytes()
    stored = unibind.Store.open(out / "store").vectors(modality="text", split="test")
    assert fitted.project(stored).vectors.tobytes() == stored.vectors.tobytes()
    assert fitted.contract("text") == bare.contract("text")


def test_fitting_and_measuring_again_gives_the_same_figures(demo, tmp_path):
    out, facts = demo
    run("fit", out / "store", "--out", tmp_path / "model")
    again = json.loads((tmp_path / "model" / "unibind.json").read_text())
    assert again["heads"] == json.loads((out / "model" / "unibind.json").read_text())["heads"]
    measured = run_json("eval", out / "store", "--model", tmp_path / "model")
    assert measured == {key: facts[key] for key in measured}


def test_another_seed_gives_another_head(demo, tmp_path):
    out, _ = demo
    run("fit", out / "store", "--out", tmp_path / "model", "--seed", 1, "--steps", 40)
    heads = [json.loads((p / "unibind.json").read_text())["heads"] for p in (tmp_path / "model", out / "model")]
    assert heads[0] != heads[1]


def test_encoding_again_skips_everything(demo):
    out, _ = demo
    again = run_json("encode", out / "heptad" / "manifest.csv", "--out", out / "store")
    assert again["encoded"] == 0
    assert again["skipped"] == sum(len(list((out / "heptad").rglob(f"*.{s}"))) for s in ("png", "txt", "wav")) * 7 / 3


def test_classify_mixed_files_keeps_their_order(demo):
    out, _ = demo
    files = [out / "heptad" / "test" / "drum" / f"0000.{s}" for s in ("wav", "png", "ply", "tiff", "mp4", "bin", "txt")]
    found = run_json("classify", *files, "--model", out / "model")
    assert [p["item"] for p in found] == [str(f) for f in files]
    assert [p["modality"] for p in found] == ["audio", "image", "point_cloud", "thermal", "video", "event", "text"]
    for p in found:
        assert p["candidates"][0][0] == p["label"]
        assert p["probability"] + p["none"] <= 1 + 1e-6
        assert p["description"]


def test_classify_goes_on_past_a_bad_file(demo, tmp_path):
    out, _ = demo
    (tmp_path / "broken.wav").write_bytes(b"RIFF0000WAVE")
    good = out / "heptad" / "test" / "bell" / "0001.wav"
    found = run_json("classify", tmp_path / "broken.wav", good, "--model", out / "model", code=2)
    assert found[0]["item"] == str(good)
    assert "broken.wav" in found[1]["error"]


def test_search_by_text_and_by_file(demo, tmp_path):
    out, _ = demo
    common = ("--store", out / "store", "--model", out / "model", "-k", 4)
    by_text = run_json("search", "A photo of a drum", *common, "-m", "event", "-m", "image")
    assert {h["modality"] for h in by_text["hits"]} <= {"event", "image"}
    assert [h["rank"] for h in by_text["hits"]] == [1, 2, 3, 4]
    by_file = run_json("search", out / "heptad" / "test" / "dog" / "0000.wav", *common, "-m", "audio")
    assert by_file["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    run("search", "a dog", *common, "--png", tmp_path / "hits.png")
    assert Image.open(tmp_path / "hits.png").width > 100


def test_inspect_draws_every_modality(demo, tmp_path):
    out, _ = demo
    files = [
        out / "heptad" / "val" / "kettle" / f"0001.{s}" for s in ("wav", "png", "ply", "tiff", "mp4", "bin", "txt")
    ]
    found = run_json("inspect", *files, "--png", tmp_path / "seen.png")
    assert [f["modality"] for f in found] == ["audio", "image", "point_cloud", "thermal", "video", "event", "text"]
    assert found[0]["rate_hz"] == 16000
    assert found[3]["unit"] == "celsius"
    assert Image.open(tmp_path / "seen.png").width > 300


@pytest.mark.reference
def test_inspect_and_classify_take_real_files(demo):
    out, _ = demo
    for modality, names in SAMPLE_FILES.items():
        files = [SAMPLES / modality / name for name in names]
        assert len(run_json("inspect", *files, "-m", modality)) == len(files)
        found = run_json("classify", *files, "-m", modality, "--model", out / "model")
        assert [p["item"] for p in found] == [str(f) for f in files]


def test_a_model_without_its_manifest_is_refused(demo, tmp_path):
    out, _ = demo
    for file in (out / "model").iterdir():
        if file.name != "unibind.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = run("classify", out / "report.html", "--model", tmp_path, code=2)
    assert "no complete unibind model" in done.stderr


def test_damaged_heads_are_refused(demo, tmp_path):
    out, _ = demo
    for file in (out / "model").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    heads = bytearray((tmp_path / "heads.safetensors").read_bytes())
    heads[-1] ^= 1
    (tmp_path / "heads.safetensors").write_bytes(heads)
    done = run("classify", out / "heptad" / "test" / "dog" / "0000.wav", "--model", tmp_path, code=2)
    assert "does not belong" in done.stderr


def test_the_artifact_carries_a_model_card_with_figures(demo):
    card = (demo[0] / "model" / "README.md").read_text()
    assert "learned parameters" in card
    assert "| audio | 144 |" in card


# --- a base of one's own -------------------------------------------------------------------------------------------


def test_a_base_from_a_server_fits_the_demo(demo, tmp_path):
    base, out = tmp_path / "kb", tmp_path / "demo"
    shutil.copytree(demo[0], out)
    classes = ",".join(unibind.heptad.CATEGORIES)
    with LLMServer() as server:
        asked = ("--model", "m", "--base-url", server.base_url, "--per-class", 6, "--max-similarity", 0)
        made = run_json("knowledge", "generate", classes, "--out", base, *asked)
    assert run_json("demo", "--out", out, "--per-category", 3, "--knowledge", base)["zero_shot"]
    knowledge = unibind.UniBind.from_pretrained(out / "model").knowledge
    assert knowledge.fingerprint == unibind.KnowledgeBase.load(base).fingerprint
    assert len(knowledge) == made["descriptions"] >= 6 * 24


def test_a_base_without_the_demos_categories_is_refused_before_anything_is_drawn(tmp_path):
    base = tmp_path / "kb.csv"
    base.write_text("category,text\nbell,It rings from far away.\n")
    done = run("demo", "--out", tmp_path / "demo", "--knowledge", base, code=2)
    assert "the knowledge base lacks 23 of the demo's categories" in done.stderr
    assert not (tmp_path / "demo").exists()
