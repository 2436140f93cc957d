import numpy as np
import pytest

from tests.helpers.labs import BRIDGED, CATEGORIES, KNOWLEDGE, LABS, UNBRIDGED, item_store, labeled_items, open_labs
from tests.helpers.plain_items import items_of, search_in
from unibind import UniBind
from unibind.align.bridge import BridgeConfig, build_bridges, fit_map
from unibind.align.problem import FitConfig
from unibind.align.ridge import PENALTIES
from unibind.backbones import create_backbone
from unibind.backbones._shared.bridge_file import Bridge
from unibind.backbones.composed.table import load_parts
from unibind.data.encode import embed
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.evaluate.controls import CLASS_NAME
from unibind.evaluate.methods import FITTED, NEIGHBORS, PROBE
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.report import charts, recognition_rows, write_report
from unibind.fitting import fit
from unibind.knowledge import KnowledgeBase

CHANCE = 1 / len(CATEGORIES)


@pytest.fixture(autouse=True)
def labs(monkeypatch):
    open_labs(monkeypatch)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "parts.toml"
    path.write_text(BRIDGED)
    return path


def accuracy(backbone, modality):
    items, raws = labeled_items(modality, "test", 40, 10_000)
    predictions = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=backbone).classify(raws)
    return np.mean([prediction.label == item.label for prediction, item in zip(predictions, items, strict=True)])


@pytest.mark.slow
def test_texts_alone_build_a_bridge_and_unlabeled_items_remove_the_gap(file, tmp_path):
    """Bridged audio, classified by descriptions of another space, is as accurate as without any modality gap."""
    config = BridgeConfig(noise=1.0)
    build_bridges(load_parts(file), KNOWLEDGE, config=config)
    plain = accuracy(create_backbone(f"composed:{file}"), "audio")

    own = LABS["lab_b"].create()
    store = item_store(tmp_path / "own", own)
    build_bridges(load_parts(file), KNOWLEDGE, items=store.path, config=config, force=True)
    bridged = create_backbone(f"composed:{file}")
    corrected = accuracy(bridged, "audio")

    embedded = embed(labeled_items("audio", "test", 40, 10_000)[1], own)
    unmapped = accuracy_of_padded(bridged, embedded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LABS["lab_b"], "gap", 0.0)
        oracle = accuracy(LABS["lab_b"].create(), "audio")
    assert oracle > 0.8
    assert corrected > oracle - 0.05
    assert plain < corrected - 0.15
    assert plain > CHANCE + 0.25
    assert unmapped < CHANCE + 0.15


def accuracy_of_padded(bridged, vectors):
    """Accuracy of the test items' own vectors, only padded, among the anchor's descriptions."""
    padded = np.pad(vectors, ((0, 0), (0, bridged.dim - vectors.shape[1])))
    model = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=bridged)
    items, _ = labeled_items("audio", "test", 40, 10_000)
    predictions = model.classify_vectors(padded, ["audio"] * len(items), [i.id for i in items])
    return np.mean([p.label == i.label for p, i in zip(predictions, items, strict=True)])


@pytest.mark.slow
def test_the_file_records_its_provenance(file, tmp_path):
    store = item_store(tmp_path / "own", LABS["lab_b"].create())
    (built,) = build_bridges(load_parts(file), KNOWLEDGE, items=store.path, config=BridgeConfig(noise=1.0))
    bridge = Bridge.load(tmp_path / "audio.safetensors")
    assert (built.modality, built.path) == ("audio", tmp_path / "audio.safetensors")
    assert (bridge.map.dim_in, bridge.map.dim_out) == (24, 16)
    endpoints = bridge.endpoints
    assert (endpoints.modality, endpoints.tower, endpoints.source) == ("audio", "audio1", "lab_b@1")
    assert (endpoints.target, endpoints.target_text) == ("lab_a@1", "text1")
    made = bridge.provenance
    assert made["texts_read_by"] == {"own": "text1", "anchor": "text1"}
    assert (made["knowledge"], made["items"], made["holdout_count"]) == (KNOWLEDGE.fingerprint, 120, 30)
    assert made["texts"] == len({d.text for d in KNOWLEDGE.descriptions})
    assert made["gap"] > 0.3
    recall = made["recall"]
    assert list(recall) == ["padded", "procrustes", "ridge", "refined"]
    assert recall["padded"]["@1"] < 0.2
    assert recall["ridge"]["@1"] > 0.8
    assert recall["refined"]["@1"] > 0.8
    assert all(by_k["@5"] >= by_k["@1"] for by_k in recall.values())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(file, tmp_path):
    first = [
        (build_bridges(load_parts(file), KNOWLEDGE, force=True), (tmp_path / "audio.safetensors").read_bytes())[1]
        for _ in "ab"
    ]
    assert first[0] == first[1]


# --- the map -------------------------------------------------------------------------------------------------------


def paired(count=400, wide=9, narrow=5, seed=0):
    """Vectors [count, wide], their images under a random affine map [count, narrow], and its weight and bias."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(count, wide)).astype(np.float32)
    weight, bias = rng.normal(size=(narrow, wide)).astype(np.float32), rng.normal(size=narrow).astype(np.float32)
    return own, own @ weight.T + bias, weight, bias


def test_without_noise_the_true_map_is_recovered():
    own, anchor, weight, bias = paired()
    fitted = fit_map(own, anchor, config=BridgeConfig(noise=0.0, steps=0))
    assert fitted.map.weight == pytest.approx(weight, abs=2e-3)
    assert fitted.map.bias == pytest.approx(bias, abs=2e-3)
    assert fitted.recall["ridge"] == {1: 1.0, 5: 1.0}
    assert (fitted.gap, fitted.holdout_count) == (None, 40)


def test_items_are_moved_to_the_mean_of_the_texts():
    own, anchor, weight, _ = paired()
    offset = np.arange(9, dtype=np.float32)
    config = BridgeConfig(noise=0.0, steps=0)
    fitted = fit_map(own, anchor, own + offset, config)
    plain = fit_map(own, anchor, None, config)
    assert np.array_equal(fitted.map.weight, plain.map.weight)
    mapped = fitted.map(own + offset)
    assert mapped.mean(axis=0) == pytest.approx(anchor.mean(axis=0), abs=0.3)  # mean of the training texts, not of all
    assert plain.map.bias - fitted.map.bias == pytest.approx(weight @ offset, abs=2.0)
    assert fitted.gap == pytest.approx(np.linalg.norm(offset), rel=0.05)


def test_more_noise_selects_a_larger_penalty():
    own, anchor, *_ = paired(2000)
    penalties = [fit_map(own, anchor, config=BridgeConfig(noise=noise, steps=0)).penalty for noise in (0.0, 1.0)]
    assert penalties[0] == PENALTIES[0]
    assert penalties[1] >= 0.1


@pytest.mark.slow
def test_refinement_improves_on_least_squares():
    """If no linear map is exact, the one that distinguishes texts best is not the one of least squares."""
    rng = np.random.default_rng(1)
    own, anchor, *_ = paired(600, 12, 8)
    nonlinear = anchor + np.abs(anchor) * 2.0 * rng.choice([1.0, 2.0], size=8)
    config = BridgeConfig(steps=300, lr=0.02, noise=0.0, patience=20)
    fitted = fit_map(own, nonlinear.astype(np.float32), config=config)
    assert fitted.best_step > 0
    assert fitted.recall["refined"][1] > fitted.recall["ridge"][1]


def test_too_few_texts_are_refused():
    own, anchor, *_ = paired(19)
    with pytest.raises(UnibindError, match="a bridge needs at least 20 distinct texts, not 19"):
        fit_map(own, anchor)


# --- what cannot be bridged ----------------------------------------------------------------------------------------


def test_a_part_without_a_text_tower_is_refused_and_nothing_written(file, tmp_path):
    file.write_text(BRIDGED.replace('"lab_c"', '"lab_c"\nbridge = "points.safetensors"'))
    words = r"lab_c has no text tower .*, so \[point_cloud\] cannot be bridged from texts; remove its bridge line"
    with pytest.raises(UnibindError, match=words):
        build_bridges(load_parts(file), KNOWLEDGE, modalities=["point_cloud"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.toml"]


def test_a_part_in_the_anchor_space_needs_no_bridge(file):
    file.write_text('[text]\nbackbone = "lab_a"\n[image]\nbackbone = "lab_a"\nbridge = "b.safetensors"')
    with pytest.raises(UnibindError, match=r"\[image\] is already in the anchor space and needs no bridge"):
        build_bridges(load_parts(file), KNOWLEDGE)


def test_only_tables_with_a_bridge_get_one(file):
    with pytest.raises(UnknownNameError, match="unknown modality with a bridge: 'image'; choose one of: audio"):
        build_bridges(load_parts(file), KNOWLEDGE, modalities=["image"])
    file.write_text(UNBRIDGED)
    with pytest.raises(UnibindError, match="no table names a bridge; add bridge = "):
        build_bridges(load_parts(file), KNOWLEDGE)


@pytest.mark.slow
def test_items_of_other_encoders_are_refused(file, tmp_path):
    other = item_store(tmp_path / "other", LABS["lab_b"].create(weights="2"))
    with pytest.raises(ContractError, match="the vectors of lab_b live in the space lab_b@1 and those of"):
        build_bridges(load_parts(file), KNOWLEDGE, items=other.path)
    right = item_store(tmp_path / "right", LABS["lab_b"].create())
    with pytest.raises(ContractError, match="has no audio items of the split val that lab_b can use"):
        build_bridges(load_parts(file), KNOWLEDGE, items=right.path, split="val")
    build_bridges(load_parts(file), KNOWLEDGE, items=right.path)
    bridged = create_backbone(f"composed:{file}")
    over = item_store(tmp_path / "over", bridged)
    with pytest.raises(ContractError, match="live in the space"):
        build_bridges(load_parts(file), KNOWLEDGE, items=over.path, force=True)


@pytest.mark.slow
def test_the_padding_of_a_composed_store_is_cut_off(file, tmp_path):
    """A store that the composed backbone encoded before it had a bridge gives the same bridge as one of the tower."""
    own = item_store(tmp_path / "own", LABS["lab_b"].create())
    (built,) = build_bridges(load_parts(file), KNOWLEDGE, items=own.path)
    file.write_text(UNBRIDGED)
    composed = item_store(tmp_path / "composed", create_backbone(f"composed:{file}"))
    file.write_text(BRIDGED)
    (again,) = build_bridges(load_parts(file), KNOWLEDGE, items=composed.path, force=True)
    assert again.bridge.fingerprint == built.bridge.fingerprint


# --- parts outside the anchor space, without a bridge -----------------------------------------------------------------


@pytest.fixture
def unbridged(file):
    file.write_text(UNBRIDGED)
    return create_backbone(f"composed:{file}")


def test_zero_shot_refuses_parts_outside_the_anchor_space(unbridged):
    model = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=unbridged)
    assert set(model.centers) == {"text", "image"}
    _, raws = labeled_items("point_cloud", "test", 1, 0)
    words = "the point_cloud tower is not in the space of the descriptions; fit it on labeled items, or bridge it"
    with pytest.raises(UnibindError, match=words):
        model.classify(raws)


@pytest.mark.slow
def test_a_fit_brings_parts_into_the_anchor_space(unbridged, tmp_path):
    modalities = ("image", "audio", "point_cloud")
    store = item_store(tmp_path / "store", unbridged, modalities, ("train", "val", "test"))
    model = fit(
        store, knowledge=KNOWLEDGE, backbone=unbridged, config=FitConfig(loss="multi_positive", steps=60, rank=2)
    )
    dim, heads = unbridged.dim, {"image": 2 * 2 * 24 + 24 + 1}
    heads |= dict.fromkeys(("audio", "point_cloud"), dim * dim + dim + 1)  # the rank does not apply to these
    assert model.summary.learned_parameters == sum(heads.values())
    model.save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model", modalities=["point_cloud"])
    _, raws = labeled_items("point_cloud", "test", 4, 50)
    assert np.array_equal(again.embed(raws), model.embed(raws))
    assert again.contract("point_cloud") == model.contract("point_cloud")
    assert again.classify(raws) == model.classify(raws)
    for modality in ("audio", "point_cloud"):
        assert model.contract(modality).space == unbridged.contract("text").space
        items, raws = labeled_items(modality, "test", 40, 10_000)
        predictions = model.classify(raws)
        assert np.mean([p.label == i.label for p, i in zip(predictions, items, strict=True)]) > 0.75
    projected = model.project(store.vectors("audio", "test"))
    hits = search_in(
        items_of({"audio": projected}), model.embed(["drum drum"], modality="text"), model.contract("text"), 5
    )
    assert [hit.label for hit in hits[0]].count("drum") >= 4


@pytest.mark.slow
def test_a_head_over_a_bridge_keeps_both_in_its_contract(file, tmp_path):
    (built,) = build_bridges(load_parts(file), KNOWLEDGE)
    bridged = create_backbone(f"composed:{file}")
    store = item_store(tmp_path / "store", bridged, splits=("train", "val"))
    model = fit(store, knowledge=KNOWLEDGE, backbone=bridged)
    assert model.contract("audio").head == f"{built.bridge.fingerprint}+{model.heads['audio'].fingerprint}"
    assert model.contract("audio").space == "lab_a@1"


@pytest.mark.slow
def test_a_search_refuses_parts_outside_the_anchor_space_and_an_evaluation_leaves_them_out(
    unbridged, tmp_path, monkeypatch
):
    store = item_store(tmp_path / "store", unbridged, ("image", "audio"), ("train", "val", "test"), each=8)
    parts = {m: store.vectors(m, "test") for m in ("image", "audio")}
    query, contract = embed(["drum"], unbridged, modality="text"), unbridged.contract("text")
    with pytest.raises(ContractError, match="the audio tower has its own space, lab_b@1; fit it on labeled items, or"):
        search_in(items_of(parts), query, contract, modalities=("image", "audio"))
    with pytest.raises(ContractError, match="the query and the stored audio items cannot be compared"):
        search_in(items_of({"audio": parts["audio"]}), query, contract)

    bare = evaluate(unbridged, store, knowledge=KNOWLEDGE)
    assert bare.outside_anchor_space == ("audio",)
    assert set(bare.before.embeddings) == {"image"}
    assert bare.to_json()["outside_anchor_space"] == ("audio",)
    assert set(bare.recognition.by_modality["audio"].answers) == {NEIGHBORS, PROBE}  # which need no text
    model = fit(store, knowledge=KNOWLEDGE, backbone=unbridged)
    measured = evaluate(unbridged, store, knowledge=KNOWLEDGE, fitted=model)
    assert set(measured.before.embeddings) == {"image"}
    assert set(measured.after.embeddings) == {"image", "audio"}
    found = measured.recognition
    assert set(found.top1(CLASS_NAME)) == {"image"}
    assert set(found.top1(FITTED)) == {"image", "audio"}
    assert found.mean(FITTED) == found.top1(FITTED)["image"]  # as the others are measured
    header, rows = recognition_rows(measured)
    assert header == ["top-1, %", "image", "audio", "average"]
    assert rows[1][2] == "-"
    monkeypatch.setattr(charts, "space_map", lambda *_, **__: None)  # slow to draw
    assert "after the fit" in write_report(tmp_path, measured).read_text()


def test_an_evaluation_without_any_part_in_the_anchor_space_is_refused(unbridged, tmp_path):
    store = item_store(tmp_path / "store", unbridged, splits=("test",), each=2)
    with pytest.raises(UnibindError, match=r"no tower that encoded .* is in the space of its texts"):
        evaluate(unbridged, store, knowledge=KNOWLEDGE)


def test_stored_vectors_of_another_width_are_refused(unbridged, tmp_path):
    narrow = item_store(tmp_path / "narrow", LABS["lab_a"].create(), ("image",), ("train", "val"))
    words = "the stored image vectors have 16 numbers, those of composed 24; encode with one backbone"
    with pytest.raises(ContractError, match=words):
        UniBind(unbridged).project(narrow.vectors("image"))
    with pytest.raises(ContractError, match=words):
        fit(narrow, knowledge=KNOWLEDGE, backbone=unbridged)


def test_few_descriptions_are_refused(file):
    small = KnowledgeBase(KNOWLEDGE.descriptions[:8])
    with pytest.raises(UnibindError, match="a bridge needs at least 20 distinct texts, not"):
        build_bridges(load_parts(file), small)


@pytest.mark.slow
def test_a_saved_model_contains_its_bridges(file, tmp_path):
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
