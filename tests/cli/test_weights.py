"""`unibind weights`, `unibind backbones` and the backbone options, on a tiny ImageBind."""

import json

import numpy as np
import pytest
import soundfile

from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.released import centers, linear, pickled, saved
from tests.helpers.tiny_imagebind import SIZES, public_state
from tests.helpers.toys import ToyBackbone
from unibind.backbones import License
from unibind.backbones.imagebind import towers
from unibind.backbones.imagebind.towers import Size
from unibind.extras import Extra


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Tiny towers, an empty working directory, and no weights or license policy from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "")
    monkeypatch.delenv("UNIBIND_WEIGHTS", raising=False)
    for tower, size in SIZES.items():
        monkeypatch.setitem(towers.SIZES, tower, Size(*size))


@pytest.fixture
def fitted(tmp_path):
    """A released checkpoint with a fitted map, beside centers.pkl."""
    pickled(tmp_path / "centers.pkl", centers())
    return saved(tmp_path / "fitted.pt", public_state("text", "audio") | linear("audio"))


@pytest.fixture
def items(tmp_path):
    (tmp_path / "items" / "dog").mkdir(parents=True)
    (tmp_path / "items" / "dog" / "a.txt").write_text("a dog")
    return tmp_path / "items"


# --- weights -------------------------------------------------------------------------------------------------------


def test_a_converted_model_classifies(fitted, tmp_path):
    converted = run("weights", "convert", fitted, "centers.pkl", "model")
    assert "audio" in converted.stdout
    assert "--model model" in converted.stderr
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(48000) / 9), 16000)
    done = run("classify", "tone.wav", "--model", "model", "--json")
    assert done.stderr == ""
    (prediction,) = json.loads(done.stdout)
    assert prediction["label"] in centers()
    assert prediction["description_id"].startswith(prediction["label"] + "/")


def test_a_conversion_lists_what_it_wrote(fitted):
    facts = run_json("weights", "convert", fitted, "centers.pkl", "model")
    assert facts["folder"] == "model"
    assert set(facts["towers"]) == {"text", "audio"}
    assert (facts["heads"], facts["centers"]) == (["audio"], ["audio"])


@pytest.mark.slow
def test_converted_towers_are_weights(items, tmp_path):
    saved(tmp_path / "tiny.pth", public_state("text", "audio"))
    assert "--backbone imagebind --weights towers" in run("weights", "convert", "tiny.pth", "towers").stderr
    run("encode", items, "--out", "store", "--backbone", "imagebind", "--weights", "towers")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("none.pth", "out"), "none.pth"),
        (("centers.pkl", "out"), "no tower"),
        (("fitted.pt", "centers.pkl", "out", "--modality", "smell"), "smell"),
        (("fitted.pt", "notes.pt", "out"), "notes.pt"),
    ],
)
def test_a_file_that_cannot_be_converted_is_named(fitted, tmp_path, arguments, word):
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    error = run("weights", "convert", *arguments, code=2).stderr
    assert error.startswith("unibind: ")
    assert word in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_existing_files_are_replaced_with_force_only(fitted):
    run("weights", "convert", fitted, "out")
    assert "--force" in run("weights", "convert", fitted, "out", code=2).stderr
    run("weights", "convert", fitted, "out", "--force")


# --- backbones -----------------------------------------------------------------------------------------------------


def listed(*options):
    return {facts["name"].partition(":")[0]: facts for facts in run_json("backbones", "list", *options)}


def test_every_backbone_is_listed():
    backbones = listed()
    assert {"mini", "imagebind", "transformers", "open_clip", "composed"} <= set(backbones)
    assert backbones["mini"]["width"] == 384
    assert backbones["mini"]["missing"] == ""
    assert backbones["imagebind"]["license"] == "CC-BY-NC-SA-4.0 (non-commercial)"
    assert "imagebind_huge.pth" in backbones["imagebind"]["weights"]
    assert "UNIBIND_WEIGHTS" in backbones["imagebind"]["missing"]
    assert backbones["transformers"]["missing"] is None  # depends on the model
    shown = run("backbones", "list").stdout
    assert "(non-commercial)" in shown.replace("\n", "")
    assert "what it is" in shown and "mini's for the rest" in " ".join(shown.split())


def test_models_worth_having_are_listed_and_filtered_by_license():
    models = {model["name"]: model for model in listed()["sentence_transformers"]["models"]}
    gemma = models["google/embeddinggemma-2"]
    assert set(gemma["modalities"]) == {"text", "image", "audio", "video"}
    assert (gemma["parameters"], gemma["memory_gb"], gemma["width"], gemma["commercial"]) == (740, 1.48, 768, True)
    assert any(not model["commercial"] for model in models.values())
    assert all(model["commercial"] for model in listed("--commercial-only")["sentence_transformers"]["models"])
    for verb in (["list"], ["show", "sentence_transformers"]):
        shown = run("backbones", *verb).stdout
        assert "write sentence_transformers:MODEL" in shown
        assert "Qwen/Qwen3-VL-Embedding-2B" in shown


def test_weights_in_the_environment_are_not_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(saved(tmp_path / "tiny.pth", public_state("text", "audio"))))
    assert listed()["imagebind"]["missing"] == ""


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("unibind.doctor.EXTRAS", {"imagebind": Extra("texts", ("no_such_module",))})
    assert listed()["imagebind"]["missing"] == "install unibind[imagebind]"


def broken():
    raise ImportError("no such package")


def test_third_party_backbones_are_listed_even_if_they_cannot_be_loaded(monkeypatch):
    paid = spec("paid", ToyBackbone, license=License("Proprietary", commercial=False), weights="bought")
    register(monkeypatch, entry("bare", None, load=broken), entry("paid", paid))
    backbones = listed()
    assert backbones["bare"]["commercial"] is None
    assert "cannot be imported" in backbones["bare"]["missing"]
    assert backbones["paid"]["commercial"] is False
    run("backbones", "list")


@pytest.mark.parametrize(
    "arguments", [("--commercial-only", "backbones", "list"), ("backbones", "list", "--commercial-only")]
)
def test_commercial_only_lists_no_other_license(arguments):
    names = {facts["name"].partition(":")[0] for facts in run_json(*arguments)}
    assert {"mini", "transformers"} <= names
    assert "imagebind" not in names


@pytest.mark.slow
def test_commercial_only_refuses_other_licenses(items, tmp_path, monkeypatch):
    saved(tmp_path / "tiny.pth", public_state("text", "audio"))
    arguments = ("encode", items, "--out", "store", "--backbone", "imagebind", "--weights", "tiny.pth")
    error = run("--commercial-only", *arguments, code=2).stderr
    assert "CC-BY-NC-SA-4.0, which forbids commercial use" in error
    assert not (tmp_path / "store").exists()
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "0")
    run(*arguments)
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "1")
    run(*arguments, code=2)
