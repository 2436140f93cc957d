"""LanguageBind's repositories in one folder, in Python and on the command line: encode, fit, classify, search."""

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.tiny_languagebind import write_repository
from tests.helpers.toy_store import RATE_HZ, picture, tone
from tests.helpers.toys import CATEGORIES
from unibind.data.encode import embed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("languagebind")
    write_repository(root / "weights" / "LanguageBind_Image", "image")
    write_repository(root / "weights" / "LanguageBind_Audio_FT", "audio")
    for category in CATEGORIES:
        folder = root / "data" / "train" / category
        folder.mkdir(parents=True)
        for i in range(2):
            Image.fromarray(picture(category, i).pixels.repeat(16, 0).repeat(16, 1)).save(folder / f"{i}.png")
            soundfile.write(folder / f"{i}.wav", tone(category, i).samples, RATE_HZ)
    rows = [{"category": c, "text": s.format(c)} for c in CATEGORIES for s in ("a {} thing", "something {}")]
    (root / "kb.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.fixture(scope="module")
def choice(root):
    return ("--backbone", "languagebind", "--weights", root / "weights")


def test_python_and_the_command_line_give_the_same(root, choice):
    options = {"backbone": "languagebind", "weights": root / "weights"}
    unibind.encode(root / "data", root / "python", **options, workers=0)
    run("encode", root / "data", "--out", root / "cli", "--workers", 0, *choice)
    first, second = unibind.Store.open(root / "python"), unibind.Store.open(root / "cli")
    assert first.counts() == second.counts()
    for modality in ("image", "audio"):
        assert np.array_equal(first.vectors(modality).vectors, second.vectors(modality).vectors)

    model = unibind.fit(first, knowledge=root / "kb.jsonl")
    run("fit", root / "cli", "--out", root / "model", "--knowledge", root / "kb.jsonl")
    files = sorted((root / "data").glob("*/*/0.*"))
    found = [prediction.label for prediction in model.classify(files)]
    rows = run_json("classify", *files, "--model", root / "model")
    assert [row["label"] for row in rows] == found
    assert json.loads(run("search", "a red thing", "--store", root / "cli", "--json").stdout)


def test_texts_are_bit_identical_before_and_after_a_fit(root):
    backbone = unibind.create_backbone("languagebind", weights=root / "weights")
    texts = [unibind.Text(f"a {category} thing") for category in CATEGORIES]
    before, contract = embed(texts, backbone), backbone.contract("text")
    unibind.encode(root / "data", root / "store", backbone="languagebind", weights=root / "weights", workers=0)
    model = unibind.fit(unibind.Store.open(root / "store"), knowledge=root / "kb.jsonl")
    assert np.array_equal(before, model.embed(texts))
    assert backbone.contract("text").hash == contract.hash
    model.save_pretrained(root / "saved")
    assert np.array_equal(before, unibind.UniBind.from_pretrained(root / "saved").embed(texts))
