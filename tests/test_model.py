"""UniBind without a fit, and what a fitted one keeps of its backbone."""

import numpy as np
import pytest
import torch

from tests.helpers.toy_store import KNOWLEDGE, SwappedColors, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind import UniBind, fit
from unibind.align.heads import Head
from unibind.backbones import create_backbone
from unibind.centering import Mean
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError
from unibind.modalities.text import Text


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    store = filled_store(tmp_path_factory.mktemp("stores") / "store", SwappedColors())
    return fit(store, knowledge=KNOWLEDGE, backbone=SwappedColors(), progress=False)


@pytest.fixture
def zero_shot():
    return UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=ToyBackbone())


def labels(predictions):
    return [p.label for p in predictions]


# --- without a fit -------------------------------------------------------------------------------------------------


def test_an_unfitted_model_equals_its_backbone_bit_for_bit():
    raws = [picture("red"), Text("blue thing"), tone("green"), picture("blue", 1)]
    model, backbone = UniBind(ToyBackbone()), ToyBackbone()
    assert np.array_equal(model.embed(raws), embed(raws, backbone))
    assert all(model.contract(m) == backbone.contract(m) for m in backbone.modalities)


def test_means_change_no_embedding_and_no_contract():
    raws = [picture("red"), Text("blue thing"), tone("green")]
    backbone = ToyBackbone()
    means = dict.fromkeys(backbone.modalities, Mean.of(embed([Text("green"), Text("green thing")], backbone)))
    model = UniBind(backbone, means=means)
    assert np.array_equal(model.embed(raws), embed(raws, backbone))
    assert all(model.contract(m) == backbone.contract(m) for m in backbone.modalities)
    assert not np.array_equal(model.centered(model.embed(raws[:1]), "image"), model.embed(raws[:1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mini", "photo"])
def test_a_fit_leaves_every_bit_of_text_vectors(name, tmp_path):
    backbone = create_backbone(name, modalities=["image", "text"])
    texts = [Text(words) for words in ("red", "A photo of something blue.", "two\nlines, and ümlauts")]
    before, pictures = embed(texts, backbone), [picture(c, i) for c in CATEGORIES for i in range(4)]
    vectors = embed(pictures, backbone)
    store = Store.create(tmp_path / "store")
    items = [Item(f"{i}", "image", uri=f"{i}.png", label=CATEGORIES[i // 4]) for i in range(len(vectors))]
    store.add(items, vectors, backbone.contract("image"))
    fit(store, knowledge=KNOWLEDGE, backbone=backbone, progress=False).save_pretrained(tmp_path / "model")
    model = UniBind.from_pretrained(tmp_path / "model", backbone=backbone)
    assert model.means["text"].items == len(KNOWLEDGE)
    assert model.embed(texts).tobytes() == before.tobytes()
    assert model.contract("text") == backbone.contract("text")
    bare = UniBind(backbone, means=model.means | {"image": Mean.of(vectors)})
    assert bare.embed([*pictures, *texts]).tobytes() == vectors.tobytes() + before.tobytes()


def test_text_takes_no_head():
    with pytest.raises(UnibindError, match="text is the fixed center of the space and takes no head, except in a uni"):
        UniBind(ToyBackbone(), heads={"text": Head.identity(DIM)})


def test_zero_shot_needs_no_sample(zero_shot):
    predictions = zero_shot.classify([make(name) for make in (picture, tone) for name in CATEGORIES])
    assert labels(predictions) == [*CATEGORIES, *CATEGORIES]
    first = predictions[0]
    assert (first.item, first.modality, first.candidates[0][0]) == ("item 0", "image", "red")
    assert first.probability == first.candidates[0][1] > 0.5
    assert sum(p for _, p in first.candidates) == pytest.approx(1, abs=1e-5)
    assert first.none_probability is None  # nothing was calibrated
    assert first.description_id.startswith("red-")
    assert first.description in KNOWLEDGE.texts("red")


def test_classification_needs_centers():
    with pytest.raises(UnibindError, match="this model has no centers for image; fit it on that modality"):
        UniBind(ToyBackbone()).classify(picture("red"))


def test_top_limits_the_candidates(zero_shot):
    prediction = zero_shot.classify(picture("green"), top=2)
    assert prediction.candidates[0][0] == "green"
    assert len(prediction.candidates) == 2
    assert zero_shot.classify([]) == []


def test_predictions_follow_the_order_of_mixed_items(zero_shot):
    items = [tone("blue"), Text("red, or red at least red"), picture("blue"), tone("red")]
    predictions = zero_shot.classify(items)
    assert labels(predictions) == ["blue", "red", "blue", "red"]
    assert [p.modality for p in predictions] == ["audio", "text", "image", "audio"]
    assert [p.item for p in predictions] == ["item 0", "red, or red at least red", "item 2", "item 3"]


# --- with a fit ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_text_embeddings_do_not_change_and_contracts_name_the_heads(fitted):
    assert set(fitted.heads) == {"audio", "image"}
    assert np.array_equal(fitted.embed([Text("red")]), embed([Text("red")], SwappedColors()))
    assert fitted.contract("text") == fitted.backbone.contract("text")
    assert fitted.contract("image").head == fitted.heads["image"].fingerprint


def test_stored_vectors_are_projected_as_items_are(fitted, tmp_path):
    raws = [picture("red", 5), picture("green", 6)]
    store = Store.create(tmp_path / "store")
    items = [Item(f"i{n}", "image", uri=f"{n}.png") for n in range(2)]
    store.add(items, embed(raws, SwappedColors()), SwappedColors().contract("image"))
    projected = fitted.project(store.vectors("image"))
    assert np.allclose(projected.vectors, fitted.embed(raws), atol=1e-6)
    assert projected.contract == fitted.contract("image")
    with pytest.raises(ContractError, match="differ in head"):
        fitted.project(projected)  # twice


def test_vectors_of_another_backbone_are_not_projected(fitted, tmp_path):
    store = filled_store(tmp_path / "store", SwappedColors(weights="2"), per_category=1)
    with pytest.raises(
        ContractError, match="the backbone's vectors live in the space toy@1 and the stored ones in toy@2"
    ):
        fitted.project(store.vectors("image"))


def test_an_item_of_no_category_has_a_high_none_probability(fitted):
    inside, outside = (np.eye(DIM, dtype=np.float32)[[axis]] for axis in (0, 6))
    (known,) = fitted.classify_vectors(inside, ["audio"], ["a"], none_prior=0.3)
    (unknown,) = fitted.classify_vectors(outside, ["audio"], ["b"], none_prior=0.3)
    assert known.none_probability < 0.2 < 0.5 < unknown.none_probability
    assert (known.accepted, known.labels, known.answer) == (True, ["red"], "red")
    assert (unknown.accepted, unknown.labels, unknown.answer) == (False, [], "none of these")


def test_embeddings_are_unit_vectors_in_order(fitted):
    raws = [tone("red"), picture("blue"), Text("green"), picture("red"), tone("blue")]
    z = fitted.embed(raws)
    assert z.dtype == np.float32
    assert np.linalg.norm(z, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(z, np.stack([fitted.embed(raw) for raw in raws]), atol=1e-6)
    assert torch.is_grad_enabled()
