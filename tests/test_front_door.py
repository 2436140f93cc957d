"""The Python front door: any kind of item, one or many, streamed; zero-shot, search, explain and similarity."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture

import unibind
from tests.helpers.toy_store import KNOWLEDGE, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError, UnreadableError


@pytest.fixture
def model():
    return unibind.UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=ToyBackbone())


@pytest.fixture
def green(tmp_path):
    path = tmp_path / "green.png"
    Picture.fromarray(picture("green").pixels).save(path)
    return path


# --- kinds of items ------------------------------------------------------------------------------------------------


def test_one_item_in_one_result_out(model, green):
    assert model.embed("red").shape == (DIM,)
    assert model.embed(["red"]).shape == (1, DIM)
    assert model.classify(green).label == "green"
    assert [p.label for p in model.classify([green, "blue"])] == ["green", "blue"]
    assert model.embed([]).shape == (0, DIM)


def test_every_kind_of_item_is_the_same_picture(model, green):
    expected = model.embed(picture("green"))
    data = green.read_bytes()
    kinds = [
        green,
        str(green),
        green.as_uri(),
        Picture.open(green),
        model.backbone and unibind.Image(picture("green").pixels),
    ]
    for item in kinds:
        assert np.array_equal(model.embed(item), expected), item
    assert np.array_equal(model.embed(data, modality="image"), expected)
    assert np.array_equal(model.embed(io.BytesIO(data), modality="image"), expected)
    with green.open("rb") as file:
        assert np.array_equal(model.embed(file), expected)  # its name tells the modality


def test_a_str_is_a_file_a_text_or_an_error(model, green, monkeypatch):
    monkeypatch.chdir(green.parent)
    assert model.classify("green.png").modality == "image"
    assert model.classify("green png").modality == "text"
    with pytest.raises(MissingFileError, match=r"no such file: red\.png"):
        model.embed("red.png")
    with pytest.raises(UnibindError, match="at least one visible character"):
        model.embed("  ")


def test_an_array_needs_a_raw_type(model):
    with pytest.raises(UnibindError, match="a ndarray is not an item; pass a path"):
        model.embed([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(UnibindError, match="bytes"):
        model.embed(b"\x89PNG")


def test_a_modality_that_the_backbone_lacks_is_named(model):
    with pytest.raises(UnknownNameError, match="unknown modality 'point_cloud'"):
        model.embed(unibind.PointCloud(np.zeros((4, 3), np.float32)))


def test_items_may_come_from_a_generator(model):
    assert model.embed(picture(name) for name in CATEGORIES).shape == (3, DIM)


@pytest.mark.slow
def test_workers_read_files_and_leave_items_in_memory_alone(model, green):
    items = [green, picture("red"), "blue", str(green), tone("blue")]
    assert np.array_equal(model.embed(items, workers=1), model.embed(items))


def test_vectors_may_be_a_tensor(model):
    vectors = model.embed(["red", "blue"], as_tensor=True)
    assert isinstance(vectors, torch.Tensor)
    assert vectors.dtype == torch.float32


# --- classification ------------------------------------------------------------------------------------------------


def test_an_unreadable_item_can_be_returned_in_its_place(model, green, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UnreadableError, match=r"broken\.png"):
        model.classify([green, broken])
    results = model.classify([broken, green, tmp_path / "missing.wav"], on_error="return")
    assert [type(r).__name__ for r in results] == ["Unreadable", "Prediction", "Unreadable"]
    assert results[0].item == str(broken)
    assert "missing.wav" in results[2].message


def test_zero_shot_from_names_alone_says_that_descriptions_do_better(caplog):
    named = unibind.UniBind.zero_shot(["red", "green", "blue"], backbone=ToyBackbone())
    assert "descriptions usually do better" in caplog.text
    assert [named.classify(make("blue")).label for make in (picture, tone)] == ["blue", "blue"]
    assert named.classify(picture("red")).description != ""


def test_classes_limit_a_knowledge_base():
    limited = unibind.UniBind.zero_shot(["red", "blue"], knowledge=KNOWLEDGE, backbone=ToyBackbone())
    assert {label for label, _ in limited.classify(picture("green")).candidates} == {"red", "blue"}
    with pytest.raises(UnknownNameError, match="unknown category 'purple'"):
        unibind.UniBind.zero_shot(["purple"], knowledge=KNOWLEDGE, backbone=ToyBackbone())
    with pytest.raises(UnibindError, match="needs `classes`"):
        unibind.UniBind.zero_shot(backbone=ToyBackbone())


def test_a_sigmoid_backbone_can_give_every_class_a_probability_of_its_own():
    backbone = ToyBackbone()
    backbone.logit_bias = -4.0
    model = unibind.UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=backbone)
    prediction = model.classify("red", top=3, multi_label=True)
    scores = model.centers["text"].scores(model.centered(model.embed(["red"]), "text"))[0]
    assert prediction.probability == pytest.approx(1 / (1 + np.exp(-(10.0 * scores.max() - 4.0))), abs=1e-5)
    assert prediction.labels == ["red"]
    assert model.classify("red", multi_label=True, threshold=0.999).labels == []
    of_one = model.classify("red", top=3)  # given that exactly one class applies, these odds are a softmax
    odds = np.exp(10.0 * scores)
    assert of_one.probability == pytest.approx(odds.max() / odds.sum(), abs=1e-5)
    assert of_one.none_probability is None


def test_an_explanation_names_the_descriptions_by_their_share(model):
    explanation = model.explain(picture("red"))
    assert explanation.prediction.label == "red"
    for case, candidate in zip(
        (explanation.winner, explanation.runner_up), explanation.prediction.candidates, strict=True
    ):
        assert (case.label, case.probability) == candidate
        shares = [e.share for e in case.evidence]
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
        assert sum(e.contribution for e in case.evidence) == pytest.approx(case.score)
        assert {e.label for e in case.evidence} == {case.label}
    second = model.explain([picture("red"), tone("blue")], top=1)[1]
    assert len(second.winner.evidence) == 1
    assert second.winner.descriptions == 3
    assert second.sentence.startswith("item 1 is most like blue (")


# --- search and similarity -----------------------------------------------------------------------------------------


def test_search_takes_one_query_or_many(model, tmp_path):
    filled_store(tmp_path / "store", ToyBackbone())
    hits = model.search("red", tmp_path / "store", modalities=["image"], k=3)
    assert [hit.label for hit in hits] == ["red"] * 3
    assert hits.query_modality == "text"
    both = model.search(["red", picture("blue")], tmp_path / "store", k=4)
    assert [h[0].label for h in both] == ["red", "blue"]
    assert set(hits.gaps) == set()
    assert set(both[0].gaps) == {"audio", "image"}


def test_similarity_is_cosine_and_checks_contracts(model, tmp_path):
    a, b = model.embed(["red", "blue"]), model.embed("red")
    assert unibind.similarity(a, b) == pytest.approx([1, 0], abs=1e-6)
    assert unibind.similarity(a, a).shape == (2, 2)
    stored = filled_store(tmp_path / "store", ToyBackbone()).vectors("image")
    other = filled_store(tmp_path / "other", ToyBackbone(weights="2")).vectors("image")
    assert unibind.similarity(stored, stored).shape == (36, 36)
    with pytest.raises(ContractError, match="toy@1"):
        unibind.similarity(stored, other)
    with pytest.raises(UnibindError, match="cannot be compared"):
        unibind.similarity(a, np.ones(3))


# --- stores and fits -----------------------------------------------------------------------------------------------


def test_encode_takes_a_folder_or_a_list_of_files(tmp_path, green):
    folder = tmp_path / "pictures" / "red"
    folder.mkdir(parents=True)
    Picture.fromarray(picture("red").pixels).save(folder / "1.png")
    summary = unibind.encode(tmp_path / "pictures", tmp_path / "store", backbone=ToyBackbone(), progress=False)
    assert (summary.encoded, summary.unchanged) == (1, 0)
    again = unibind.encode([green], tmp_path / "store", backbone=ToyBackbone())
    assert again.encoded == 1
    assert len(unibind.Store.open(tmp_path / "store")) == 2


def test_a_fit_without_knowledge_uses_the_names_of_the_labels(tmp_path, caplog):
    store = filled_store(tmp_path / "store", ToyBackbone())
    model = unibind.fit(store, backbone=ToyBackbone(), progress=False)
    assert "represented by their names" in caplog.text
    assert model.classify(picture("blue")).label == "blue"


def test_a_fit_without_a_validation_split_learns_from_every_item(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone(), splits=("train",), per_category=8)
    model = unibind.fit(store, knowledge=KNOWLEDGE, backbone=ToyBackbone(), progress=False)
    assert model.summary.train_items["image"] == 24
    assert model.summary.measured_on["image"] == "cross-validation"


def test_a_fit_by_steps_without_a_validation_split_makes_one(tmp_path, caplog):
    store = filled_store(tmp_path / "store", ToyBackbone(), splits=("train",), per_category=8)
    config = unibind.FitConfig(loss="multi_positive", steps=2)
    model = unibind.fit(store, knowledge=KNOWLEDGE, backbone=ToyBackbone(), config=config, progress=False)
    assert "there is no validation split" in caplog.text
    assert model.summary.train_items["image"] < 24


def test_few_shot_keeps_that_many_items_per_class(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone(), per_category=4)
    model = unibind.fit(
        store,
        knowledge=KNOWLEDGE,
        few_shot=2,
        backbone=ToyBackbone(),
        progress=False,
    )
    assert model.summary.train_items == {"audio": 6, "image": 6}


def test_centers_can_be_fixed_as_the_paper_does(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone())
    model = unibind.fit(
        store,
        knowledge=KNOWLEDGE,
        centers=unibind.CenterConfig(strategy="adaptive", k=2, scoring="max"),
        backbone=ToyBackbone(),
        progress=False,
    )
    assert {(c.strategy, max(c.sizes), c.scoring.kind) for m, c in model.centers.items() if m != "text"} == {
        ("adaptive", 2, "max")
    }


def test_the_names_of_the_readme_exist():
    assert Path(unibind.__file__).name == "__init__.py"
    for name in ("encode", "fit", "search", "similarity", "read", "list_backbones", "read_manifest"):
        assert callable(getattr(unibind, name)), name
