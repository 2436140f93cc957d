"""Models with a head for text: their space, and what is refused in it."""

import json

import numpy as np
import pytest

import unibind
from tests.helpers.toy_store import filled_store, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind import UniBind
from unibind.affine import AffineMap
from unibind.align.heads import Head, heads_fingerprint
from unibind.data.embeddings import Embeddings
from unibind.data.encode import embed
from unibind.errors import ContractError, UnibindError
from unibind.modalities.text import Text

TURNED = [1, 2, 0, *range(3, DIM)]  # where the head takes every axis


def turning_head():
    weight = np.zeros((DIM, DIM), np.float32)
    weight[TURNED, range(DIM)] = 1
    return Head(AffineMap(weight, np.zeros(DIM, np.float32)))


def unified_model(modalities=("text", "image")):
    heads = dict.fromkeys(modalities, turning_head())
    return UniBind(ToyBackbone(), heads=heads, unified=heads_fingerprint(heads))


def stored(modality, vectors, contract):
    nothing = [None] * len(vectors)
    ids = [f"{modality}{i}" for i in range(len(vectors))]
    return Embeddings(modality, ids, nothing, vectors, contract, nothing, nothing, nothing, nothing)


def test_a_unified_model_moves_texts_into_a_space_of_its_own():
    model, bare = unified_model(), ToyBackbone()
    assert np.array_equal(model.embed("green"), np.eye(DIM)[TURNED[CATEGORIES.index("green")]])
    texts, images = (model.contract(m) for m in ("text", "image"))
    assert texts.space == images.space == f"toy@1/unified@{model.unified}"
    assert texts.shares_space(images) and texts.in_anchor_space and texts.anchor_space == "toy@1"
    other_heads = {"text": Head.identity(DIM)}
    other = UniBind(bare, heads=other_heads, unified=heads_fingerprint(other_heads))
    assert not other.contract("text").shares_space(texts)


def test_vectors_from_before_a_unified_fit_are_refused_by_name():
    model, bare = unified_model(), ToyBackbone()
    old = stored("text", embed([Text("red")], bare), bare.contract("text"))
    new = model.project(old)
    assert new.contract == model.contract("text")
    refusal = r"the first vectors live in the space toy@1 and the second ones in toy@1/unified@\w{12}: a unified model"
    with pytest.raises(ContractError, match=refusal):
        unibind.similarity(old, new)
    sounds = stored("audio", embed([tone("red")], bare), bare.contract("audio"))
    with pytest.raises(ContractError, match="what it has no head for stays where it was"):
        unibind.similarity(new, model.project(sounds))


def test_search_by_a_unified_model_leaves_out_what_it_has_no_head_for(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone())
    hits = unified_model().search("red", store)
    assert {hit.modality for hit in hits} == {"image"}
    assert hits.outside_anchor_space == ("audio",)
    with pytest.raises(ContractError, match="a unified model moves texts, too"):
        unified_model().search("red", store, modalities=["audio"])


def test_a_part_of_a_saved_unified_model_stays_in_its_space(tmp_path):
    model = unified_model()
    model.save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model", backbone=ToyBackbone())
    assert again.unified == model.unified
    assert {m: again.contract(m) for m in again.modalities} == {m: model.contract(m) for m in model.modalities}
    assert np.array_equal(again.embed("red"), model.embed("red"))
    pictures_only = ToyBackbone()
    pictures_only.modalities = ("image",)
    part = UniBind.from_pretrained(tmp_path / "model", backbone=pictures_only)
    assert part.contract("image") == model.contract("image")


def test_heads_of_another_unified_model_are_refused(tmp_path):
    unified_model().save_pretrained(tmp_path / "model")
    manifest = tmp_path / "model" / "unibind.json"
    fields = json.loads(manifest.read_text())
    for wrong in (None, "0123456789ab"):
        manifest.write_text(json.dumps(fields | {"unified": wrong}))
        with pytest.raises(UnibindError, match=r"heads.safetensors does not belong to its unibind.json"):
            UniBind.from_pretrained(tmp_path / "model", backbone=ToyBackbone())
