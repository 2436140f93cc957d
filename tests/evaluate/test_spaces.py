"""A measured space is what a search sees."""

import numpy as np
import pytest

from tests.evaluate.test_protocols import BACKBONE, KNOWLEDGE, filled_store
from tests.helpers.toys import CATEGORIES, DIM
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.evaluate.parts import split_of
from unibind.evaluate.spaces import measure_space, searched_space
from unibind.fitting import fit
from unibind.model import UniBind


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="module")
def models(store):
    return {"bare": UniBind(BACKBONE), "fitted": fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE)}


@pytest.mark.parametrize("name", ["bare", "fitted"])
def test_class_names_find_what_a_search_finds(store, models, name):
    space = searched_space(models[name], store, split_of(store, "test"), CATEGORIES)
    for modality in ("image", "audio"):
        hits = [
            models[name].search(c, store, modalities=[modality], where="split = 'test'", k=1)[0] for c in CATEGORIES
        ]
        right = np.mean([hit.label == c for hit, c in zip(hits, CATEGORIES, strict=True)])
        assert space.retrieval.by_name["hit@1"][modality] == pytest.approx(right)


def test_items_find_what_a_search_finds(store, models):
    samples = split_of(store, "test")
    space = searched_space(models["fitted"], store, samples)
    scores = space.embeddings["audio"].vectors @ space.embeddings["image"].vectors.T
    assert space.retrieval.by_name == {}
    assert space.retrieval.pair("audio", "image", "hit@1") == 1
    right = np.array(samples["image"].labels)[scores.argmax(axis=1)] == np.array(samples["audio"].labels)
    assert right.all()


def test_a_single_modality_has_no_unity_and_none_no_space(store, models):
    images = split_of(store, "test")["image"]
    space = measure_space({"image": images})
    assert space.unity is None
    assert space.retrieval.mean_gap is None
    assert searched_space(models["fitted"], store, {}) is None


def test_unity_of_the_toy_space(store, models):
    spaces = {name: searched_space(model, store, split_of(store, "test")) for name, model in models.items()}
    assert all(space.unity.chance == pytest.approx(1 / 3) for space in spaces.values())
    assert spaces["fitted"].unity.cosines.margin > spaces["bare"].unity.cosines.margin  # red tones are where red is
    assert spaces["bare"].unity.accuracy == {"audio": 1, "image": 1, "text": 1}  # each tower alone tells the classes
    facts = spaces["bare"].unity.to_json()
    assert facts["neighbors"]["text"].keys() == {"share", "expected"}
    assert facts["balance"]["pairs"] == 6


def test_in_a_unified_space_texts_and_class_names_pass_the_head_of_texts(store):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0].astype(np.float32)
    heads = dict.fromkeys(("image", "audio", "text"), Head(AffineMap(turn, np.zeros(DIM, np.float32))))
    samples = split_of(store, "test")
    unified = searched_space(UniBind(BACKBONE, heads=heads, unified="all turned"), store, samples, CATEGORIES)
    plain = measure_space(samples)  # a rotation of everything changes nothing, and these heads remove no mean
    for measure, matrix in plain.retrieval.by_class.items():
        assert unified.retrieval.by_class[measure] == pytest.approx(matrix, nan_ok=True)
    assert unified.retrieval.by_name["hit@1"] == {"image": 1, "audio": pytest.approx(1 / 3)}
    assert unified.unity.neighbors == plain.unity.neighbors
    assert "unified" in unified.embeddings["text"].contract.space
