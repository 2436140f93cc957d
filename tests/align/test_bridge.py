import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.helpers.labs import CATEGORIES, KNOWLEDGE, LABS, labeled_items, open_labs
from unibind import UniBind
from unibind.align.bridge import BridgeConfig, build_bridges, fit_map
from unibind.align.fit import FitConfig
from unibind.align.ridge import PENALTIES
from unibind.backbones import create_backbone
from unibind.backbones._shared.bridge_file import Bridge
from unibind.backbones.composed.table import load_parts
from unibind.cli import app
from unibind.data.encode import embed
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.evaluate import plots
from unibind.evaluate.protocols import CLASS_NAME, FITTED, evaluate
from unibind.evaluate.report import write_report, zero_shot_rows
from unibind.fitting import fit
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import embed_descriptions
from unibind.retrieval import Index

CHANCE = 1 / len(CATEGORIES)
PARTS = '[text]\nbackbone = "lab_a"\n[image]\nbackbone = "lab_a"\n[point_cloud]\nbackbone = "lab_c"\n'
UNBRIDGED = PARTS + '[audio]\nbackbone = "lab_b"\n'
BRIDGED = UNBRIDGED + 'bridge = "audio.safetensors"\n'


@pytest.fixture(autouse=True)
def labs(monkeypatch):
    open_labs(monkeypatch)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "parts.toml"
    path.write_text(BRIDGED)
    return path


def item_store(path, backbone, modalities=("audio",), splits=("train",), each=20):
    store = Store.create(path)
    for modality in modalities:
        for n, split in enumerate(splits):
            items, raws = labeled_items(modality, split, each, 1000 * n)
            store.add(items, embed(raws, backbone), backbone.contract(modality))
    return store


def accuracy(backbone, modality):
    items, raws = labeled_items(modality, "test", 40, 10_000)
    found = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=backbone).classify(raws)
    return np.mean([prediction.label == item.label for prediction, item in zip(found, items, strict=True)])


def test_texts_alone_bridge_and_unlabeled_items_mend_the_gap(file, tmp_path):
    """Audio of a wider space, read by descriptions of another: as good as a tower made for them, were there no gap."""
    config = BridgeConfig(noise=1.0)
    build_bridges(load_parts(file), KNOWLEDGE, config=config)
    plain = accuracy(create_backbone(f"composed:{file}"), "audio")

    own = LABS["lab_b"].create()
    store = item_store(tmp_path / "own", own)
    build_bridges(load_parts(file), KNOWLEDGE, items=store.path, config=config)
    bridged = create_backbone(f"composed:{file}")
    mended = accuracy(bridged, "audio")

    embedded = embed(labeled_items("audio", "test", 40, 10_000)[1], own)
    unmapped = accuracy_of_padded(bridged, embedded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LABS["lab_b"], "gap", 0.0)
        oracle = accuracy(LABS["lab_b"].create(), "audio")
    assert oracle > 0.8
    assert mended > oracle - 0.05
    assert plain < mended - 0.15
    assert plain > CHANCE + 0.3
    assert unmapped < CHANCE + 0.15


def accuracy_of_padded(bridged, vectors):
    """Accuracy of the test items' own vectors, merely padded, among the anchor's descriptions."""
    padded = np.pad(vectors, ((0, 0), (0, bridged.dim - vectors.shape[1])))
    model = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=bridged)
    items, _ = labeled_items("audio", "test", 40, 10_000)
    found = model.classify_vectors(padded, ["audio"] * len(items), [i.id for i in items])
    return np.mean([p.label == i.label for p, i in zip(found, items, strict=True)])


def test_the_file_says_how_well_and_from_what(file, tmp_path):
    store = item_store(tmp_path / "own", LABS["lab_b"].create())
    (built,) = build_bridges(load_parts(file), KNOWLEDGE, items=store.path, config=BridgeConfig(noise=1.0))
    bridge = Bridge.load(tmp_path / "audio.safetensors")
    assert (built.modality, built.path) == ("audio", tmp_path / "audio.safetensors")
    assert bridge.weight.shape == (16, 24)
    ends = bridge.ends
    assert (ends.modality, ends.tower, ends.source) == ("audio", "audio1", "lab_b@1")
    assert (ends.target, ends.target_text) == ("lab_a@1", "text1")
    made = bridge.made
    assert made["texts_read_by"] == {"own": "text1", "anchor": "text1"}
    assert (made["knowledge"], made["items"], made["held_out"]) == (KNOWLEDGE.fingerprint, 120, 30)
    assert made["texts"] == len({d.text for d in KNOWLEDGE.descriptions})
    assert made["gap"] > 0.3
    recall = made["recall"]
    assert list(recall) == ["padded", "procrustes", "ridge", "refined"]
    assert recall["padded"]["@1"] < 0.2
    assert recall["ridge"]["@1"] > 0.8
    assert recall["refined"]["@1"] > 0.8
    assert all(found["@5"] >= found["@1"] for found in recall.values())


def test_the_same_seed_gives_the_same_bytes(file, tmp_path):
    first = [
        (build_bridges(load_parts(file), KNOWLEDGE), (tmp_path / "audio.safetensors").read_bytes())[1] for _ in "ab"
    ]
    assert first[0] == first[1]


# --- the map -------------------------------------------------------------------------------------------------------


def paired(count=400, wide=9, narrow=5, seed=0):
    """Vectors [count, wide] and a known affine map of them [count, narrow]."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(count, wide)).astype(np.float32)
    weight, bias = rng.normal(size=(narrow, wide)).astype(np.float32), rng.normal(size=narrow).astype(np.float32)
    return own, own @ weight.T + bias, weight, bias


def test_without_noise_the_true_map_is_found():
    own, anchor, weight, bias = paired()
    found = fit_map(own, anchor, config=BridgeConfig(noise=0.0, steps=0))
    assert found.weight == pytest.approx(weight, abs=2e-3)
    assert found.bias == pytest.approx(bias, abs=2e-3)
    assert found.recall["ridge"] == {1: 1.0, 5: 1.0}
    assert (found.gap, found.held_out) == (None, 40)


def test_items_are_brought_to_the_texts_mean():
    own, anchor, weight, _ = paired()
    offset = np.arange(9, dtype=np.float32)
    config = BridgeConfig(noise=0.0, steps=0)
    found = fit_map(own, anchor, own + offset, config)
    plain = fit_map(own, anchor, None, config)
    assert np.array_equal(found.weight, plain.weight)
    moved = (own + offset) @ found.weight.T + found.bias
    assert moved.mean(axis=0) == pytest.approx(anchor.mean(axis=0), abs=0.3)  # the fitted texts' mean, not all texts'
    assert plain.bias - found.bias == pytest.approx(weight @ offset, abs=2.0)
    assert found.gap == pytest.approx(np.linalg.norm(offset), rel=0.05)


def test_more_noise_takes_a_coarser_map():
    own, anchor, *_ = paired(2000)
    penalties = [fit_map(own, anchor, config=BridgeConfig(noise=noise, steps=0)).penalty for noise in (0.0, 1.0)]
    assert penalties[0] == PENALTIES[0]
    assert penalties[1] >= 0.1


def test_refinement_goes_on_where_squares_stop():
    """Where no linear map is right, the one that tells texts apart is not the one of the least squares."""
    rng = np.random.default_rng(1)
    own, anchor, *_ = paired(600, 12, 8)
    crooked = anchor + np.abs(anchor) * 2.0 * rng.choice([1.0, 2.0], size=8)
    config = BridgeConfig(steps=300, lr=0.02, noise=0.0, patience=20)
    found = fit_map(own, crooked.astype(np.float32), config=config)
    assert found.best_step > 0
    assert found.recall["refined"][1] > found.recall["ridge"][1]


def test_too_few_texts_are_refused():
    own, anchor, *_ = paired(19)
    with pytest.raises(UnibindError, match="a bridge needs 20 unlike texts or more, not 19"):
        fit_map(own, anchor)


# --- what cannot be bridged ----------------------------------------------------------------------------------------


def test_a_part_without_a_text_tower_is_refused_and_nothing_written(file, tmp_path):
    file.write_text(BRIDGED.replace('"lab_c"', '"lab_c"\nbridge = "points.safetensors"'))
    words = r"lab_c has no text tower .*, so \[point_cloud\] cannot be bridged by texts; take its bridge out and fit it"
    with pytest.raises(UnibindError, match=words):
        build_bridges(load_parts(file), KNOWLEDGE, modalities=["point_cloud"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.toml"]


def test_a_part_in_the_anchors_space_needs_none(file):
    file.write_text('[text]\nbackbone = "lab_a"\n[image]\nbackbone = "lab_a"\nbridge = "b.safetensors"')
    with pytest.raises(UnibindError, match=r"\[image\] is in the space of the anchor and needs no bridge"):
        build_bridges(load_parts(file), KNOWLEDGE)


def test_only_tables_with_a_bridge_get_one(file):
    with pytest.raises(UnknownNameError, match="unknown modality with a bridge: 'image'; choose one of: audio"):
        build_bridges(load_parts(file), KNOWLEDGE, modalities=["image"])
    file.write_text(UNBRIDGED)
    with pytest.raises(UnibindError, match="no table names a bridge; write bridge = "):
        build_bridges(load_parts(file), KNOWLEDGE)


def test_items_of_other_encoders_are_refused(file, tmp_path):
    other = item_store(tmp_path / "other", LABS["lab_b"].create(weights="2"))
    with pytest.raises(ContractError, match="the vectors of lab_b live in the space lab_b@1 and those of"):
        build_bridges(load_parts(file), KNOWLEDGE, items=other.path)
    right = item_store(tmp_path / "right", LABS["lab_b"].create())
    with pytest.raises(ContractError, match="has no audio items of the split val that lab_b could take"):
        build_bridges(load_parts(file), KNOWLEDGE, items=right.path, split="val")
    build_bridges(load_parts(file), KNOWLEDGE, items=right.path)
    bridged = create_backbone(f"composed:{file}")
    over = item_store(tmp_path / "over", bridged)
    with pytest.raises(ContractError, match="live in the space"):
        build_bridges(load_parts(file), KNOWLEDGE, items=over.path)


def test_the_padding_of_a_composed_store_is_cut_off(file, tmp_path):
    """A store that was encoded by the composed backbone before its bridge was made serves as well as the tower's."""
    own = item_store(tmp_path / "own", LABS["lab_b"].create())
    (built,) = build_bridges(load_parts(file), KNOWLEDGE, items=own.path)
    file.write_text(UNBRIDGED)
    composed = item_store(tmp_path / "composed", create_backbone(f"composed:{file}"))
    file.write_text(BRIDGED)
    (again,) = build_bridges(load_parts(file), KNOWLEDGE, items=composed.path)
    assert again.bridge.fingerprint == built.bridge.fingerprint


# --- foreign parts without a bridge --------------------------------------------------------------------------------


@pytest.fixture
def foreign(file):
    file.write_text(UNBRIDGED)
    return create_backbone(f"composed:{file}")


def test_zero_shot_knows_nothing_of_foreign_parts_and_says_so(foreign):
    model = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=foreign)
    assert set(model.centers) == {"text", "image"}
    _, raws = labeled_items("point_cloud", "test", 1, 0)
    words = "the towers of point_cloud have spaces of their own, where no description is; fit them on labeled items"
    with pytest.raises(UnibindError, match=words):
        model.classify(raws)


def test_a_fit_leads_foreign_parts_to_the_texts(foreign, tmp_path):
    modalities = ("image", "audio", "point_cloud")
    store = item_store(tmp_path / "store", foreign, modalities, ("train", "val", "test"))
    model = fit(store, knowledge=KNOWLEDGE, backbone=foreign, config=FitConfig(steps=60, rank=2))
    dim, heads = foreign.dim, {"image": 2 * 2 * 24 + 24 + 1}
    heads |= dict.fromkeys(("audio", "point_cloud"), dim * dim + dim + 1)  # the rank is for those that may stay near
    assert model.summary.learned_parameters == sum(heads.values())
    model.save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model", modalities=["point_cloud"])
    _, raws = labeled_items("point_cloud", "test", 4, 50)
    assert np.array_equal(again.embed(raws), model.embed(raws))
    assert again.contract("point_cloud") == model.contract("point_cloud")
    assert again.classify(raws) == model.classify(raws)
    for modality in ("audio", "point_cloud"):
        assert model.summary.history[modality][0]["val_top1"] > 0.7  # the closed-form start
        assert model.contract(modality).space == foreign.contract("text").space
        items, raws = labeled_items(modality, "test", 40, 10_000)
        found = model.classify(raws)
        assert np.mean([p.label == i.label for p, i in zip(found, items, strict=True)]) > 0.75
    projected = model.project(store.vectors("audio", "test"))
    hits = Index({"audio": projected}).search(model.embed(["drum drum"], modality="text"), model.contract("text"), 5)
    assert [hit.label for hit in hits[0]].count("drum") >= 4


def test_a_head_over_a_bridge_keeps_both_in_its_contract(file, tmp_path):
    (built,) = build_bridges(load_parts(file), KNOWLEDGE)
    bridged = create_backbone(f"composed:{file}")
    store = item_store(tmp_path / "store", bridged, splits=("train", "val"))
    model = fit(store, knowledge=KNOWLEDGE, backbone=bridged, config=FitConfig(steps=20))
    assert model.contract("audio").head == f"{built.bridge.fingerprint}+{model.heads['audio'].fingerprint}"
    assert model.contract("audio").space == "lab_a@1"


def test_foreign_parts_are_refused_by_an_index_and_left_out_of_an_evaluation(foreign, tmp_path, monkeypatch):
    store = item_store(tmp_path / "store", foreign, ("image", "audio"), ("train", "val", "test"), each=8)
    parts = {m: store.vectors(m, "test") for m in ("image", "audio")}
    with pytest.raises(
        ContractError, match="audio has the space lab_b@1 to itself; fit it on labeled items, or bridge"
    ):
        Index(parts)
    with pytest.raises(ContractError, match="the query and the index's audio part cannot be compared"):
        Index({"audio": parts["audio"]}).search(embed(["drum"], foreign, modality="text"), foreign.contract("text"))

    texts = embed_descriptions(KNOWLEDGE, foreign)
    bare = evaluate(foreign, store, texts)
    assert bare.left_out == ("audio",)
    assert bare.before.modalities == ("image",)
    assert bare.to_json()["left_out"] == ("audio",)
    model = fit(store, knowledge=KNOWLEDGE, backbone=foreign, config=FitConfig(steps=20))
    found = evaluate(foreign, store, texts, fitted=model)
    assert found.before.modalities == ("image",)
    assert set(found.after.modalities) == {"image", "audio"}
    assert set(found.zero_shot.top1[CLASS_NAME]) == {"image"}
    assert set(found.zero_shot.top1[FITTED]) == {"image", "audio"}
    assert found.zero_shot.mean(FITTED) == found.zero_shot.top1[FITTED]["image"]  # as the others are measured
    header, rows = zero_shot_rows(found)
    assert header == ["top-1, %", "image", "audio", "average"]
    assert rows[0][2] == "-"
    monkeypatch.setattr(plots, "space_maps", lambda *_, **__: plots.zero_shot_bars(found.zero_shot))  # slow to draw
    splits = {m: store.vectors(m, "test") for m in ("image", "audio")}
    page = write_report(tmp_path, found, before=splits, after={m: model.project(e) for m, e in splits.items()})
    assert "after the fit" in page.read_text()


def test_an_evaluation_of_foreign_parts_alone_is_refused(foreign, tmp_path):
    store = item_store(tmp_path / "store", foreign, splits=("train", "val", "test"), each=2)
    with pytest.raises(UnibindError, match=r"every tower that encoded .* has a space of its own"):
        evaluate(foreign, store, embed_descriptions(KNOWLEDGE, foreign))


def test_stored_vectors_of_another_width_are_refused(foreign, tmp_path):
    narrow = item_store(tmp_path / "narrow", LABS["lab_a"].create(), ("image",), ("train", "val"))
    words = "the stored image vectors have 16 numbers, those of composed 24; encode with one backbone"
    with pytest.raises(ContractError, match=words):
        UniBind(foreign).project(narrow.vectors("image"))
    with pytest.raises(ContractError, match=words):
        fit(narrow, knowledge=KNOWLEDGE, backbone=foreign, config=FitConfig(steps=1))


# --- the command ---------------------------------------------------------------------------------------------------


def invoke(*arguments):
    return CliRunner().invoke(app, ["bridge", *map(str, arguments)])


def test_the_command_tells_recall_and_that_the_gap_stays(file, tmp_path):
    KNOWLEDGE.save(tmp_path / "base.jsonl")
    done = invoke(file, "--knowledge", tmp_path / "base.jsonl")
    assert done.exit_code == 0, done.output
    assert "no map" in done.stdout
    assert "rotation only" in done.stdout
    assert "the offset of its items from texts is not corrected" in done.stderr
    assert (tmp_path / "audio.safetensors").is_file()

    store = item_store(tmp_path / "own", LABS["lab_b"].create())
    done = invoke(file, "--knowledge", tmp_path / "base.jsonl", "--items", store.path, "--steps", 10, "--json")
    (told,) = json.loads(done.stdout)
    assert (told["modality"], told["items"]) == ("audio", 120)
    assert told["knowledge"] == KNOWLEDGE.fingerprint
    assert set(told["recall"]) == {"padded", "procrustes", "ridge", "refined"}
    assert (
        "corrected by the mean of 120"
        in invoke(file, "--knowledge", tmp_path / "base.jsonl", "--items", store.path).stderr
    )


def test_the_command_refuses_in_a_sentence(file):
    done = invoke(file.parent / "nowhere.toml")
    assert isinstance(done.exception, UnibindError)
    assert "there is no file" in str(done.exception)


def test_search_leaves_foreign_parts_out_unless_they_are_asked_for(foreign, tmp_path):
    store = item_store(tmp_path / "store", foreign, ("image", "audio"), ("test",), each=4)
    store.note_backbone(foreign.name, foreign.options)
    asked = ["search", "drum", "--store", str(store.path), "--no-correct-gap"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert {hit["modality"] for hit in json.loads(done.stdout)["hits"]} == {"image"}
    assert "audio is left out: it has another space than the query" in done.stderr
    refused = CliRunner().invoke(app, [*asked, "-m", "audio"]).exception
    assert isinstance(refused, ContractError)
    assert "audio has the space lab_b@1 to itself" in str(refused)


def test_few_descriptions_are_refused(file):
    small = KnowledgeBase(KNOWLEDGE.descriptions[:8])
    with pytest.raises(UnibindError, match="a bridge needs 20 unlike texts or more, not"):
        build_bridges(load_parts(file), small)


def test_a_saved_model_takes_its_bridges_along(file, tmp_path):
    build_bridges(load_parts(file), KNOWLEDGE)
    model = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=create_backbone(f"composed:{file}"))
    model.save_pretrained(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    for bridge in file.parent.glob("*.safetensors"):
        bridge.unlink()
    moved = UniBind.from_pretrained(tmp_path / "there")
    _, raws = labeled_items("audio", "test", 4, 50)
    assert np.array_equal(moved.embed(raws), model.embed(raws))
    moved.save_pretrained(tmp_path / "again")  # a copy of a copy
    assert UniBind.from_pretrained(tmp_path / "again").contract("audio") == model.contract("audio")
