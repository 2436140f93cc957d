"""`unibind.fit`: from a store and descriptions to heads, centers and calibration."""

import numpy as np
import pytest

from tests.helpers.toy_store import KNOWLEDGE, STEPS, SwappedColors, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind import UniBind
from unibind.align.problem import FitConfig
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.fitting import fit
from unibind.fitting.own_descriptions import own_descriptions
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities.text import Text


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store", SwappedColors())


def quick_fit(store, knowledge=KNOWLEDGE, backbone=None, progress=False, **options):
    return fit(store, knowledge=knowledge, backbone=backbone or SwappedColors(), progress=progress, **options)


@pytest.fixture(scope="module")
def fitted(store):
    return quick_fit(store)


def labels(predictions):
    return [p.label for p in predictions]


@pytest.mark.slow
def test_a_fit_corrects_what_the_backbone_gets_wrong(fitted):
    pictures = [picture(name, 1000 + i) for i in range(5) for name in CATEGORIES]
    before = labels(UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=SwappedColors()).classify(pictures))
    assert before == ["blue", "green", "red"] * 5
    assert labels(fitted.classify(pictures)) == list(CATEGORIES) * 5
    assert labels(fitted.classify([tone(name, 7) for name in CATEGORIES])) == list(CATEGORIES)
    assert fitted.classify("blue indeed", modality="text").label == "blue"


def test_the_summary_says_what_was_learned(fitted):
    summary = fitted.summary
    assert summary.train_items == {"audio": 24, "image": 24}  # validation items train, too
    assert summary.class_items["image"] == {"blue": 8, "green": 8, "red": 8}
    assert summary.chance["image"] == pytest.approx(1 / 3)
    assert summary.validation_top1 == {"audio": 1.0, "image": 1.0}
    assert set(summary.measured_on.values()) == {"cross-validation"}
    assert summary.learned_parameters == 2 * (2 * (DIM + 1) + 1)  # along the two differences of three classes
    assert summary.learned("image").startswith("gradient, penalty ")
    assert not summary.unfitted
    assert len(summary.history["image"]) == 4


@pytest.mark.slow
def test_a_fit_over_batches_holds_the_validation_split_out(store):
    model = quick_fit(store, config=STEPS)
    summary = model.summary
    assert summary.train_items == {"audio": 12, "image": 12}
    assert summary.validation_top1 == {"audio": 1.0, "image": 1.0}
    assert set(summary.measured_on.values()) == {"validation"}
    assert [row["step"] for row in summary.history["image"]] == [20, 40, 60, 80, 100, 120]
    assert summary.learned_parameters == 2 * (DIM**2 + DIM + 1)
    assert labels(model.classify([picture(name, 1000) for name in CATEGORIES])) == list(CATEGORIES)


@pytest.mark.slow
def test_a_fit_is_the_same_every_time(fitted, store):
    again = quick_fit(store)
    assert {m: h.fingerprint for m, h in again.heads.items()} == {m: h.fingerprint for m, h in fitted.heads.items()}


def test_progress_is_reported(store):
    steps = []
    config = FitConfig(loss="multi_positive", steps=3, batch_size=8)
    quick_fit(store, config=config, progress=lambda modality, step: steps.append((modality, step)))
    assert steps == [(m, step) for m in ("audio", "image") for step in (1, 2, 3)]
    steps.clear()
    quick_fit(store, config=FitConfig(), progress=lambda modality, step: steps.append((modality, step)))
    assert steps == [("audio", 1), ("image", 1)]


# --- what is refused -----------------------------------------------------------------------------------------------


def test_a_store_of_another_backbone_is_refused(tmp_path):
    store = filled_store(tmp_path / "store", SwappedColors(weights="2"), per_category=1)
    with pytest.raises(
        ContractError, match="the backbone's vectors live in the space toy@1 and the stored ones in toy@2"
    ):
        quick_fit(store)


def test_a_fit_needs_training_items(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone(), splits=["val"], per_category=1)
    with pytest.raises(UnibindError, match="train"):
        quick_fit(store, backbone=ToyBackbone())


def test_labels_without_descriptions_are_refused(store):
    partial = KnowledgeBase(d for d in KNOWLEDGE.descriptions if d.category != "blue")
    with pytest.raises(UnknownNameError, match="unknown audio label 'blue'; choose one of: red, green"):
        quick_fit(store, partial)


# --- descriptions of items -----------------------------------------------------------------------------------------


def with_items_described(*items):
    """KNOWLEDGE with a distinct description of each item: (id, label)."""
    described = (Description(f"of-{name}", label, f"{label} seen in {name}", "data", name) for name, label in items)
    return KnowledgeBase([*KNOWLEDGE.descriptions, *described])


@pytest.mark.slow
def test_descriptions_in_the_manifest_are_embedded_once_each(tmp_path):
    backbone = SwappedColors()
    store = filled_store(tmp_path / "store", backbone, described=True)
    backbone.encoded.clear()
    model = quick_fit(store, backbone=backbone, config=STEPS)
    assert backbone.encoded == {"text": len(KNOWLEDGE) + len(CATEGORIES)}  # items of a category share theirs
    assert labels(model.classify([picture(name, 99) for name in CATEGORIES])) == list(CATEGORIES)


@pytest.mark.slow
def test_descriptions_of_training_items_in_the_knowledge_base_belong_to_the_items(tmp_path):
    backbone = SwappedColors()
    store = filled_store(tmp_path / "store", backbone)
    knowledge = with_items_described(*((f"image-train-{name}-{i}", name) for name in CATEGORIES for i in range(3)))
    described = knowledge.of_items()
    own = own_descriptions({m: store.vectors(m, "train") for m in ("image", "audio")}, described, backbone)
    assert set(own) == {"image"}
    expected = [described.get(name) for name in store.vectors("image", "train").ids]
    assert expected.count(None) == 3  # one of four per category has none
    for text, vector in zip(expected, own["image"], strict=True):
        assert vector == pytest.approx(np.zeros(DIM) if text is None else embed([Text(text)], backbone)[0])
    model = quick_fit(store, knowledge, backbone, config=STEPS)
    assert labels(model.classify([picture(name, 99) for name in CATEGORIES])) == list(CATEGORIES)
    assert len(model.knowledge) == len(knowledge)


def test_the_knowledge_base_takes_precedence_over_the_manifest(tmp_path):
    backbone = SwappedColors()
    stored = filled_store(tmp_path / "store", backbone, described=True).vectors("image", "train")
    own = own_descriptions({"image": stored}, {stored.ids[0]: "blue blue blue"}, backbone)["image"]
    assert own[0] == pytest.approx(embed([Text("blue")], backbone)[0])
    assert own[1] == pytest.approx(embed([Text(stored.descriptions[1])], backbone)[0])


@pytest.mark.slow
@pytest.mark.parametrize("embedded", [False, True])
def test_descriptions_of_validation_and_test_items_are_left_out(store, embedded):
    knowledge = with_items_described(
        ("image-val-red-0", "red"), ("audio-test-blue-1", "blue"), ("image-train-red-0", "red"), ("elsewhere", "green")
    )
    texts = embed_descriptions(knowledge, SwappedColors()) if embedded else None
    model = quick_fit(store, knowledge, texts=texts)
    assert set(model.knowledge.of_items()) == {"image-train-red-0", "elsewhere"}
    chosen = {name for centers in model.centers.values() for name in centers.description_ids}
    assert not chosen & {"of-image-val-red-0", "of-audio-test-blue-1"}


def test_a_fit_may_be_limited_to_classes(store):
    model = quick_fit(store, classes=["red", "blue"])
    assert set(model.centers["image"].labels) == {"red", "blue"}
    assert set(model.summary.class_items["image"]) == {"red", "blue"}
    with pytest.raises(UnibindError, match="fewer than two of the classes have training items of audio"):
        quick_fit(store, classes=["red"])
    with pytest.raises(UnknownNameError, match="unknown category 'purple'"):
        quick_fit(store, classes=["red", "blue", "purple"])


def test_labeled_texts_of_the_validation_split_calibrate_what_is_said_of_texts(tmp_path):
    backbone, store = SwappedColors(), filled_store(tmp_path / "store", SwappedColors())
    items = [
        Item(f"text-{split}-{name}-{i}", "text", text=f"{name} {i}", label=name, split=split)
        for split in ("train", "val")
        for name in CATEGORIES
        for i in range(3)
    ]
    store.add(items, embed([Text(item.text) for item in items], backbone), backbone.contract("text"))
    model = quick_fit(store)
    assert set(model.calibration) == {"audio", "image", "text"}
    assert model.classify("blue indeed", modality="text", none_prior=0.1).none_probability < 0.5
