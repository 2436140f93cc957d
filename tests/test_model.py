import numpy as np
import pytest
import torch
from PIL import Image as Picture

from tests.helpers.toy_store import KNOWLEDGE, QUICK, SwappedColors, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind import UniBind
from unibind.align.fit import FitConfig
from unibind.align.heads import Head
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities.text import Text
from unibind.model import _own_descriptions


@pytest.fixture(scope="module")
def swapped_store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store", SwappedColors())


@pytest.fixture(scope="module")
def fitted(swapped_store):
    return UniBind.fit(SwappedColors(), swapped_store, KNOWLEDGE, QUICK)


def labels(predictions):
    return [p.label for p in predictions]


# --- without a fit -------------------------------------------------------------------------------------------------


def test_an_unfitted_model_is_its_backbone_bit_for_bit():
    raws = [picture("red"), Text("blue thing"), tone("green"), picture("blue", 1)]
    model, backbone = UniBind(ToyBackbone()), ToyBackbone()
    assert np.array_equal(model.embed(raws), embed(raws, backbone))
    assert all(model.contract(m) == backbone.contract(m) for m in backbone.modalities)


def test_text_takes_no_head():
    with pytest.raises(UnibindError, match="text is the fixed center of the space and takes no head"):
        UniBind(ToyBackbone(), heads={"text": Head.identity(DIM)})


def test_zero_shot_needs_no_sample():
    model = UniBind.zero_shot(ToyBackbone(), KNOWLEDGE)
    found = model.classify([picture(name) for name in CATEGORIES] + [tone(name) for name in CATEGORIES])
    assert labels(found) == [*CATEGORIES, *CATEGORIES]
    first = found[0]
    assert (first.item, first.modality, first.candidates[0][0]) == ("item 0", "image", "red")
    assert first.probability == first.candidates[0][1] > 0.5
    assert sum(p for _, p in first.candidates) + first.none == pytest.approx(1, abs=1e-5)
    assert first.description_id.startswith("red-")
    assert first.description in KNOWLEDGE.texts("red")


def test_without_centers_nothing_can_be_named():
    with pytest.raises(UnibindError, match="this model has no centers for audio, image; fit it on that modality"):
        UniBind(ToyBackbone()).classify([picture("red"), tone("red")])


def test_top_limits_the_candidates():
    model = UniBind.zero_shot(ToyBackbone(), KNOWLEDGE)
    (found,) = model.classify([picture("green")], top=2)
    assert found.candidates[0][0] == "green"
    assert len(found.candidates) == 2
    assert model.classify([]) == []


def test_predictions_come_in_the_order_of_mixed_items(tmp_path):
    model = UniBind.zero_shot(ToyBackbone(), KNOWLEDGE)
    path = tmp_path / "green.png"
    Picture.fromarray(picture("green").pixels).save(path)
    found = model.classify([tone("blue"), path, Text("red, or red at least red"), picture("blue"), tone("red")])
    assert labels(found) == ["blue", "green", "red", "blue", "red"]
    assert [p.modality for p in found] == ["audio", "image", "text", "image", "audio"]
    assert [p.item for p in found] == ["item 0", str(path), "item 2", "item 3", "item 4"]


# --- with one ------------------------------------------------------------------------------------------------------


def test_a_fit_mends_what_the_backbone_gets_wrong(fitted):
    pictures = [picture(name, 1000 + i) for i in range(5) for name in CATEGORIES]
    truth = list(CATEGORIES) * 5
    before = labels(UniBind.zero_shot(SwappedColors(), KNOWLEDGE).classify(pictures))
    assert before == ["blue", "green", "red"] * 5
    assert labels(fitted.classify(pictures)) == truth
    assert labels(fitted.classify([tone(name, 7) for name in CATEGORIES])) == list(CATEGORIES)
    assert labels(fitted.classify(["blue indeed"], modality="text")) == ["blue"]


def test_the_summary_tells_what_was_learned(fitted):
    summary = fitted.summary
    assert summary.train_items == {"audio": 12, "image": 12}
    assert summary.validation_top1 == {"audio": 1.0, "image": 1.0}
    assert summary.history["image"][0] == {"step": 0, "val_top1": pytest.approx(1 / 3)}
    assert summary.best_step["image"] > 0
    rank = QUICK.rank
    assert summary.learned_parameters == 2 * (2 * rank * DIM + DIM + 1)


def test_a_fit_is_the_same_every_time(fitted, swapped_store):
    again = UniBind.fit(SwappedColors(), swapped_store, KNOWLEDGE, QUICK)
    assert {m: h.fingerprint for m, h in again.heads.items()} == {m: h.fingerprint for m, h in fitted.heads.items()}


def test_text_stays_where_it_is_and_contracts_name_the_heads(fitted):
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


def test_foreign_vectors_are_refused(fitted, tmp_path):
    stranger = SwappedColors(weights="2")
    store = filled_store(tmp_path / "store", stranger, per_category=1)
    with pytest.raises(
        ContractError, match="the backbone's vectors live in the space toy@1 and the stored ones in toy@2"
    ):
        fitted.project(store.vectors("image"))
    with pytest.raises(
        ContractError, match="the backbone's vectors live in the space toy@1 and the stored ones in toy@2"
    ):
        UniBind.fit(SwappedColors(), store, KNOWLEDGE, QUICK)


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_fit_needs_training_and_validation_items(tmp_path, missing):
    splits = [s for s in ("train", "val") if s != missing]
    store = filled_store(tmp_path / "store", ToyBackbone(), splits=splits, per_category=1)
    with pytest.raises(UnibindError, match=f"the store has no {missing} items of audio, image; encode a manifest"):
        UniBind.fit(ToyBackbone(), store, KNOWLEDGE, QUICK)


def test_labels_without_descriptions_are_refused(swapped_store):
    with pytest.raises(UnknownNameError, match="unknown audio label 'blue'; choose one of: red, green"):
        UniBind.fit(SwappedColors(), swapped_store, KNOWLEDGE.filter(categories=["red", "green"]), QUICK)


def test_own_descriptions_are_used_where_all_have_one(tmp_path):
    backbone = SwappedColors()
    store = filled_store(tmp_path / "store", backbone, described=True)
    backbone.encoded.clear()
    model = UniBind.fit(backbone, store, KNOWLEDGE, QUICK)
    assert backbone.encoded == {
        "text": len(KNOWLEDGE) + len(CATEGORIES)
    }  # texts only; equal descriptions are embedded once
    assert labels(model.classify([picture(name, 99) for name in CATEGORIES])) == list(CATEGORIES)


def with_data(*items):
    """KNOWLEDGE with descriptions of items that all say something else: (id, label)."""
    described = (Description(f"of-{name}", label, f"{label} seen in {name}", "data", name) for name, label in items)
    return KnowledgeBase([*KNOWLEDGE.descriptions, *described])


def test_descriptions_of_items_in_the_knowledge_are_their_own(tmp_path):
    backbone = SwappedColors()
    store = filled_store(tmp_path / "store", backbone)
    knowledge = with_data(*((f"image-train-{name}-{i}", name) for name in CATEGORIES for i in range(3)))  # of 4 each
    own = _own_descriptions({m: store.vectors(m, "train") for m in ("image", "audio")}, knowledge.of_items(), backbone)
    assert set(own) == {"image"}
    expected = [knowledge.of_items().get(name) for name in store.vectors("image", "train").ids]
    assert expected.count(None) == 3
    for text, vector in zip(expected, own["image"], strict=True):
        wanted = np.zeros(DIM) if text is None else embed([Text(text)], backbone)[0]
        assert vector == pytest.approx(wanted)
    model = UniBind.fit(backbone, store, knowledge, QUICK)
    assert labels(model.classify([picture(name, 99) for name in CATEGORIES])) == list(CATEGORIES)
    assert len(model.knowledge) == len(knowledge)


def test_the_knowledges_descriptions_come_before_the_manifests(tmp_path):
    backbone = SwappedColors()
    store = filled_store(tmp_path / "store", backbone, described=True)
    stored = store.vectors("image", "train")
    own = _own_descriptions({"image": stored}, {stored.ids[0]: "blue blue blue"}, backbone)["image"]
    assert own[0] == pytest.approx(embed([Text("blue")], backbone)[0])
    assert own[1] == pytest.approx(embed([Text(stored.descriptions[1])], backbone)[0])


@pytest.mark.parametrize("embedded", [False, True])
def test_descriptions_of_validation_and_test_items_are_left_out(swapped_store, embedded):
    knowledge = with_data(
        ("image-val-red-0", "red"), ("audio-test-blue-1", "blue"), ("image-train-red-0", "red"), ("elsewhere", "green")
    )
    backbone = SwappedColors()
    texts = embed_descriptions(knowledge, backbone) if embedded else None
    model = UniBind.fit(backbone, swapped_store, knowledge, QUICK, texts=texts)
    assert set(model.knowledge.of_items()) == {"image-train-red-0", "elsewhere"}
    chosen = {name for centers in model.centers.values() for name in centers.description_ids}
    assert not chosen & {"of-image-val-red-0", "of-audio-test-blue-1"}


def test_what_belongs_to_no_category_is_called_none(fitted):
    own, foreign = (np.eye(DIM, dtype=np.float32)[[axis]] for axis in (0, 6))
    (known,) = fitted.classify_vectors(own, ["audio"], ["a"])
    (unknown,) = fitted.classify_vectors(foreign, ["audio"], ["b"])
    assert known.none < 0.2 < 0.5 < unknown.none


def test_progress_is_reported(swapped_store):
    steps = []
    config = FitConfig(steps=3, batch_size=8)
    UniBind.fit(
        SwappedColors(),
        swapped_store,
        KNOWLEDGE,
        config,
        progress=lambda modality, step: steps.append((modality, step)),
    )
    assert steps == [(m, step) for m in ("audio", "image") for step in (1, 2, 3)]


def test_embedding_gives_unit_vectors_in_order(fitted):
    raws = [tone("red"), picture("blue"), Text("green"), picture("red"), tone("blue")]
    z = fitted.embed(raws)
    assert z.dtype == np.float32
    assert np.linalg.norm(z, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(z, np.concatenate([fitted.embed([raw]) for raw in raws]), atol=1e-6)
    assert torch.is_grad_enabled()
