"""A model of sentence-transformers in a folder: encode, search, fit and classify, by command line and in Python."""

import numpy as np
import pytest
from PIL import Image as Pillow

import unibind
from tests.helpers import tiny_embedders
from tests.helpers.command import run, run_json
from unibind.backbones import as_queries, create_backbone
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError

pytestmark = pytest.mark.slow  # the library takes seconds to import
COLORS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Names of backbones: of texts with prompts, of texts and pictures, and of both in one message."""
    root = tmp_path_factory.mktemp("models")
    kinds = ("texts", "clip", "messages")
    for kind in kinds:
        (root / kind).mkdir()
    return {kind: f"sentence_transformers:{getattr(tiny_embedders, kind)(root / kind)}" for kind in kinds}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four pictures of every color, of various sizes, in folders by label."""
    root = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0)
    for channel, color in enumerate(COLORS):
        (root / color).mkdir()
        for number in range(4):
            pixels = noise.integers(0, 90, (40 + 3 * number, 50 - number, 3), dtype=np.uint8)
            pixels[..., channel] += 160
            Pillow.fromarray(pixels).save(root / color / f"{number}.png")
    return root


def library(name):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(name.partition(":")[2], device="cpu", local_files_only=True)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_pictures_are_encoded_and_searched_by_text(models, pictures, tmp_path):
    shown = run_json("encode", pictures, "--backbone", models["clip"], "--out", tmp_path / "store")
    assert (shown["encoded"], shown["quarantined"]) == (12, 0)
    stored = Store.open(tmp_path / "store").vectors(modality="image")
    theirs = unit(library(models["clip"]).encode([Pillow.open(uri) for uri in stored.uris]))
    assert np.abs(stored.vectors - theirs).max() < 1e-6
    hits = unibind.search("a red dog", tmp_path / "store", k=12, center=False)
    expected = theirs @ unit(library(models["clip"]).encode("a red dog"))
    assert [hit.id for hit in hits] == [stored.ids[i] for i in np.argsort(-expected)]
    printed = run_json("search", "a red dog", "--store", tmp_path / "store", "-k", "12", "--no-center")
    assert [row["id"] for row in printed["hits"]] == [hit.id for hit in hits]


def test_a_fit_leaves_the_texts_bit_identical(models, pictures, tmp_path):
    texts = ["a red dog", "a sound of rain", "green"]
    before = unibind.UniBind.zero_shot(COLORS, backbone=models["clip"]).embed(texts)
    run("encode", pictures, "--backbone", models["clip"], "--out", tmp_path / "store")
    run("fit", tmp_path / "store", "--out", tmp_path / "model")
    fitted = unibind.UniBind.from_pretrained(tmp_path / "model")
    assert np.array_equal(fitted.embed(texts), before)
    files = sorted(pictures.glob("*/*.png"))
    right = [guess.label == file.parent.name for file, guess in zip(files, fitted.classify(files), strict=True)]
    assert np.mean(right) > 0.8
    shown = run_json("classify", pictures / "red" / "0.png", "--model", tmp_path / "model")
    assert shown[0]["label"] == "red"


def test_what_is_searched_for_gets_the_prompt_of_queries(models, tmp_path):
    notes = tmp_path / "notes.csv"
    texts = ["a red car", "the rain", "sound of a dog", "blue and green"]
    notes.write_text("text,modality\n" + "".join(f"{text},text\n" for text in texts))
    run("encode", notes, "--backbone", models["texts"], "--out", tmp_path / "store")
    model = library(models["texts"])
    documents = unit(model.encode_document(texts))
    expected = documents @ unit(model.encode_query("car"))
    hits = unibind.search("car", tmp_path / "store", k=4, center=False)
    assert [hit.text for hit in hits] == [texts[i] for i in np.argsort(-expected)]
    assert np.allclose([hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-6)
    both_sides_alike = documents @ unit(model.encode_document("car"))
    assert not np.allclose(np.sort(expected), np.sort(both_sides_alike), atol=1e-3)


def test_the_query_side_leaves_a_chosen_prompt_alone(models, tmp_path):
    backbone = create_backbone(models["texts"])
    queries = as_queries(backbone)
    assert queries.contract("text").preprocessing["prompt"] == "red "
    assert queries.contract("text").shares_space(backbone.contract("text"))
    assert queries.contract("text") == create_backbone(models["texts"], prompt="query").contract("text")
    for options in ({"prompt": "query"}, {"prompt": "other"}, {"instruction": "blue "}):
        chosen = create_backbone(models["texts"], **options)
        assert as_queries(chosen).contract("text") == chosen.contract("text")
    table = tmp_path / "parts.toml"
    table.write_text(f'[text]\nbackbone = "{models["texts"]}"\n')
    composed = create_backbone(f"composed:{table}")
    assert as_queries(composed).contract("text") == queries.contract("text")
    assert as_queries(create_backbone("mini")).contract("text") == create_backbone("mini").contract("text")


def test_options_travel_with_a_store_and_other_widths_are_refused(models, tmp_path):
    notes = tmp_path / "notes.csv"
    notes.write_text("text,modality\na red car,text\nthe rain,text\n")
    store = tmp_path / "store"
    run("encode", notes, "--backbone", models["texts"], "--set", "truncate_dim=8", "--out", store)
    assert Store.open(store).vectors(modality="text").vectors.shape == (2, 8)
    assert len(run_json("search", "car", "--store", store)["hits"]) == 2
    with pytest.raises(ContractError, match=r"\[:8\]"):
        unibind.search("car", store, options={"truncate_dim": 4})


def test_show_names_options_and_contracts(models):
    shown = run_json("backbones", "show", models["texts"])
    assert {"prompt", "instruction", "truncate_dim"} <= {option["name"] for option in shown["options"]}
    assert shown["contracts"]["text"]["preprocessing"]["prompt"] == "a dog of "


def test_a_tuple_is_one_item_of_several_parts(models, pictures, tmp_path):
    files = sorted(pictures.glob("*/*.png"))
    model = unibind.UniBind(create_backbone(models["messages"]))
    theirs = library(models["messages"])
    joint = {"image": Pillow.open(files[0]), "text": "a dog of rain"}
    expected = unit(theirs.encode_document([joint]))
    vectors = model.embed([(files[0], "a dog of rain"), files[0]])
    assert vectors.shape == (2, 32)
    assert np.abs(vectors[0] - expected[0]).max() < 1e-6
    assert np.array_equal(model.embed((str(files[0]), unibind.Text("a dog of rain"))), vectors[0])
    run("encode", pictures, "--backbone", models["messages"], "--out", tmp_path / "store")
    hits = unibind.search((files[0], "a dog of rain"), tmp_path / "store", k=12, center=False)
    assert hits.query_modality == "image+text"
    stored = Store.open(tmp_path / "store").vectors(modality="image")
    scores = stored.vectors @ unit(theirs.encode_query(joint))
    assert np.allclose([hit.score for hit in hits], np.sort(scores)[::-1], atol=1e-6)
    arguments = ("search", files[0], "--with", "a dog of rain", "--store", tmp_path / "store", "-k", "12")
    shown = run_json(*arguments, "--no-center")
    assert [row["id"] for row in shown["hits"]] == [hit.id for hit in hits]
    assert shown["query"] == f"{files[0]} + a dog of rain"


def test_a_tuple_that_cannot_be_one_item_is_one_sentence(models, pictures, tmp_path):
    (picture, *_) = sorted(pictures.glob("*/*.png"))
    for backbone in ("mini", models["clip"]):
        model = unibind.UniBind(create_backbone(backbone))
        with pytest.raises(UnibindError, match="does not embed several parts as one vector; pass a list for several"):
            model.embed([(picture, "a dog")])
    for wrong in (("a dog", "a car"), (picture,), (picture, ("a dog", picture))):
        with pytest.raises(UnibindError, match="needs at least two modalities; pass several items as a list"):
            model.embed([wrong])
    run("encode", pictures, "--backbone", "mini", "--out", tmp_path / "store")
    failed = run("search", picture, "--with", "a dog", "--store", tmp_path / "store", code=2)
    assert "mini does not embed several parts as one vector" in failed.stderr.replace("\n", " ")
