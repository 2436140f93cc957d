import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.labs import LABS, Lab, labeled_items, open_labs, raw
from unibind.affine import AffineMap
from unibind.backbones import License, create_backbone
from unibind.backbones._shared.bridge_file import Bridge, BridgeEndpoints
from unibind.data.encode import embed, encode_items
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.text import Text

PARTS = {"text": "lab_a", "image": "lab_a", "audio": "lab_b", "point_cloud": "lab_c"}


@pytest.fixture(autouse=True)
def labs(monkeypatch):
    open_labs(monkeypatch)


def toml(folder, text=None, **lines):
    """A file of PARTS, with more lines in some tables, or of `text`."""
    body = "\n".join(f'[{m}]\nbackbone = "{name}"\n{lines.get(m, "")}' for m, name in PARTS.items())
    path = folder / "parts.toml"
    path.write_text(body if text is None else text)
    return path


def compose(folder, **options):
    return create_backbone(f"composed:{folder / 'parts.toml'}", **options)


def random_bridge(shape=(16, 24), **endpoints):
    own = LABS["lab_b"].create(modalities=["audio"]).contract("audio")
    anchor = LABS["lab_a"].create(modalities=["text"]).contract("text")
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[0]).astype(np.float32)
    return Bridge(AffineMap(weight, bias), replace(BridgeEndpoints.of(own, anchor), **endpoints))


# --- what it is ----------------------------------------------------------------------------------------------------


def test_it_is_as_wide_as_its_widest_part_and_keeps_every_vector(tmp_path):
    toml(tmp_path)
    composed = compose(tmp_path)
    assert (composed.name, composed.dim, composed.modalities) == ("composed", 24, tuple(PARTS))
    assert composed.logit_scale == LABS["lab_a"].logit_scale
    for modality, name in PARTS.items():
        item = Text("drum bell") if modality == "text" else raw(modality, "drum", 0)
        alone = embed([item], LABS[name].create())
        found = embed([item], composed)
        assert np.array_equal(found[:, : alone.shape[1]], alone)
        assert not found[:, alone.shape[1] :].any()


def test_equal_parts_share_a_backbone_with_only_their_modalities(tmp_path):
    toml(tmp_path)
    compose(tmp_path, device="cuda:7")
    made = [(name, modalities, device) for name, modalities, _, device in Lab.made]
    assert made == [
        ("lab_a", ("text", "image"), "cuda:7"),
        ("lab_b", ("audio",), "cuda:7"),
        ("lab_c", ("point_cloud",), "cuda:7"),
    ]


def test_parts_with_other_options_do_not_share(tmp_path):
    toml(tmp_path, image='options = { weights = "2" }')
    composed = compose(tmp_path)
    assert [made[:3] for made in Lab.made[:2]] == [("lab_a", ("text",), "1"), ("lab_a", ("image",), "2")]
    assert composed.contract("image").anchor == "lab_a@1"  # other weights are another space


def test_the_license_is_the_strictest(tmp_path):
    toml(tmp_path)
    assert compose(tmp_path).license == License("MIT AND Apache-2.0 AND CC-BY-NC-4.0", commercial=False)
    toml(tmp_path, '[text]\nbackbone = "lab_a"\n[audio]\nbackbone = "lab_b"')
    assert compose(tmp_path).license == License("MIT AND Apache-2.0", commercial=True)


def test_contracts_distinguish_parts_inside_and_outside_the_anchor_space(tmp_path):
    toml(tmp_path)
    composed, alone = compose(tmp_path), LABS["lab_a"].create()
    assert composed.contract("image") == alone.contract("image")
    outside = composed.contract("audio")
    assert (outside.space, outside.anchor, outside.head) == ("lab_b@1", "lab_a@1", None)
    composed.contract("image").check_comparable(composed.contract("text"))
    with pytest.raises(ContractError, match="the audio tower has its own space, lab_b@1"):
        outside.check_comparable(composed.contract("text"))


def test_its_name_and_options_rebuild_an_equal_backbone(tmp_path):
    random_bridge().save(tmp_path / "audio.safetensors")
    toml(tmp_path, audio='bridge = "audio.safetensors"')
    composed = compose(tmp_path, device="cuda", precision="int8")
    options = json.loads(json.dumps(composed.options))
    assert "cuda" not in json.dumps(options)
    (tmp_path / "parts.toml").unlink()
    again = create_backbone(composed.name, **options)
    assert all(again.contract(m) == composed.contract(m) for m in PARTS)
    assert again.contract("audio").precision == "int8"
    assert again.options == composed.options


def test_with_a_recorded_width_unused_parts_are_not_opened(tmp_path):
    toml(tmp_path)
    assert compose(tmp_path, modalities=["image"]).dim == 24  # by opening all parts
    options = compose(tmp_path).options
    Lab.made = ()
    some = create_backbone("composed", modalities=["point_cloud"], **options)
    assert [name for name, *_ in Lab.made] == ["lab_a", "lab_c"]
    assert (some.dim, some.modalities) == (24, ("point_cloud",))
    assert some.options == options
    assert embed([raw("point_cloud", "dog", 1)], some).shape == (1, 24)
    with pytest.raises(UnknownNameError, match="unknown modality 'text'"):
        some.contract("text")


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own.bin").touch()
    random_bridge().save(tmp_path / "here" / "b" / "audio.safetensors")
    path = toml(tmp_path / "here", audio='bridge = "b/audio.safetensors"', image='options = { weights = "own.bin" }')
    monkeypatch.chdir(tmp_path)
    composed = create_backbone(f"composed:{path.relative_to(tmp_path)}")
    assert composed.options["table"]["image"]["options"]["weights"] == str(tmp_path / "here" / "own.bin")
    assert composed.options["table"]["audio"]["bridge"] == str(tmp_path / "here" / "b" / "audio.safetensors")


def test_workers_get_a_copy_that_preprocesses(tmp_path):
    toml(tmp_path)
    composed = compose(tmp_path)
    item = raw("image", "car", 3)
    assert pickle.loads(pickle.dumps(composed)).preprocess("image", item).equal(composed.preprocess("image", item))


# --- bridges -------------------------------------------------------------------------------------------------------


def test_a_bridge_maps_into_the_anchors_space(tmp_path):
    bridge = random_bridge()
    bridge.save(tmp_path / "audio.safetensors")
    toml(tmp_path, audio='bridge = "audio.safetensors"')
    composed = compose(tmp_path)
    item = raw("audio", "rain", 5)
    alone = embed([item], LABS["lab_b"].create())[0]
    moved = bridge.map.weight @ alone + bridge.map.bias
    assert embed([item], composed)[0] == pytest.approx(np.pad(moved / np.linalg.norm(moved), (0, 8)), abs=1e-6)
    contract = composed.contract("audio")
    assert (contract.space, contract.anchor, contract.head) == ("lab_a@1", None, bridge.fingerprint)
    contract.check_comparable(composed.contract("text"))


def test_a_bridge_survives_its_file(tmp_path):
    bridge = replace(random_bridge(), provenance={"texts": 3, "recall": {"ridge": {"@1": 0.5}}})
    bridge.save(tmp_path / "b.safetensors")
    again = Bridge.load(tmp_path / "b.safetensors")
    assert np.array_equal(again.map.weight, bridge.map.weight)
    assert np.array_equal(again.map.bias, bridge.map.bias)
    assert (again.endpoints, again.provenance) == (bridge.endpoints, bridge.provenance)
    assert again.fingerprint == bridge.fingerprint
    assert replace(bridge, map=replace(bridge.map, bias=-bridge.map.bias)).fingerprint != bridge.fingerprint


@pytest.mark.parametrize(
    ("bridge", "words"),
    [
        (random_bridge(shape=(16, 20)), "maps width 20 to 16, not 24 to 16"),
        (random_bridge(shape=(24, 16)), "maps width 16 to 24, not 24 to 16"),
        (random_bridge(source="lab_b@9"), "created for other weights .source is lab_b@1, not lab_b@9."),
        (random_bridge(target="lab_z@1"), "target is lab_a@1, not lab_z@1"),
        (random_bridge(tower="audio9"), "tower is audio1, not audio9"),
        (random_bridge(target_text="text9"), "target_text is text1, not text9"),
        (random_bridge(modality="video"), "modality is audio, not video"),
    ],
)
def test_bridges_of_other_weights_or_widths_are_refused(tmp_path, bridge, words):
    bridge.save(tmp_path / "audio.safetensors")
    toml(tmp_path, audio='bridge = "audio.safetensors"')
    with pytest.raises(ContractError, match=words):
        compose(tmp_path)


def test_a_bridge_that_is_missing_or_not_needed(tmp_path):
    toml(tmp_path, audio='bridge = "audio.safetensors"')
    with pytest.raises(
        MissingFileError, match=r"the bridge .*audio.safetensors does not exist; create it with `unibind bridge`"
    ):
        compose(tmp_path)
    random_bridge().save(tmp_path / "b.safetensors")
    toml(tmp_path, image='bridge = "b.safetensors"')
    with pytest.raises(UnibindError, match=r"\[image\] is in the anchor's space and needs no bridge"):
        compose(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"\xff" * 64,
        lambda b: b.replace(b'\\"source\\"', b'\\"sauce_\\"'),
        lambda b: b.replace(b'"F32"', b'"I32"', 1),
        lambda b: b.replace(b"[16,24]", b"[24,16]"),
        lambda b: b[:-4] + b"\x00\x00\xc0\x7f",  # NaN
        lambda b: b.replace(b'"bridge"', b'"badger"'),
    ],
)
def test_damaged_bridges_are_refused(tmp_path, damage):
    path = tmp_path / "b.safetensors"
    random_bridge().save(path)
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(UnibindError, match=r"b\.safetensors.*; (create it|download the file) again"):
        Bridge.load(path)


# --- incomplete and wrong files -------------------------------------------------------------------------

A, B = '[text]\nbackbone = "lab_a"\n', '[audio]\nbackbone = "lab_b"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("text = [", "parts.toml is not TOML"),
        (B, r"parts.toml has no table \[text\]; add the backbone whose text tower is the anchor"),
        (
            A + '[smell]\nbackbone = "lab_b"',
            r"parts.toml has a table \[smell\]: unknown modality 'smell'; choose one of: .*image",
        ),
        ('text = "lab_a"', r"\[text\] of .*parts.toml names no backbone"),
        (A + "[audio]\nbackbone = 3", r"\[audio\] of .* names no backbone"),
        (A + B + "bridg = 'x'", r"unknown key in \[audio\] of .*parts.toml: 'bridg'; choose one of: backbone, options"),
        (A + B + "options = 3", r"\[audio\] of .* must have a table as options"),
        (A + "bridge = 'x'", r"\[text\] of .* is the anchor that bridges lead to"),
        (A + '[audio]\nbackbone = "composed:other.toml"', r"\[audio\] of .* is itself composed"),
        (
            A + '[audio]\nbackbone = "lab_a"',
            r"\[text\], \[audio\] cannot be encoded by lab_a: unknown modality 'audio'",
        ),
        (A + '[audio]\nbackbone = "lab_x"', r"\[audio\] cannot be encoded by lab_x: unknown backbone 'lab_x'"),
        (A + B + "options = { speed = 3 }", r"\[audio\] cannot be encoded by lab_b: .* does not take speed"),
        ('[text]\nbackbone = "lab_c"', r"\[text\] cannot be encoded by lab_c: unknown modality 'text'"),
    ],
)
def test_a_wrong_file_gets_one_sentence(tmp_path, text, words):
    toml(tmp_path, text)
    with pytest.raises(UnibindError, match=words):
        compose(tmp_path)


def test_a_missing_file_and_a_missing_name(tmp_path):
    with pytest.raises(MissingFileError, match=r"parts.toml does not exist"):
        compose(tmp_path)
    with pytest.raises(UnibindError, match=r"described by a file: write composed:FILE.toml"):
        create_backbone("composed")
    toml(tmp_path)
    options = compose(tmp_path).options
    with pytest.raises(UnibindError, match="dim is 20, but a part of the composed backbone is 24 wide"):
        create_backbone("composed", **{**options, "dim": 20})
    with pytest.raises(UnknownNameError, match="unknown modality 'video'; choose one of: text, image, audio"):
        compose(tmp_path, modalities=["video"])


# --- in a store ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_parts_share_a_store_that_refuses_other_backbones(tmp_path):
    toml(tmp_path)
    composed = compose(tmp_path)
    store = Store.create(tmp_path / "store")
    for modality in ("image", "audio", "point_cloud"):
        items, raws = labeled_items(modality, "test", 1, 0)
        store.add(items, embed(raws, composed), composed.contract(modality))
    encode_items([Item("t", "text", text="drum car")], composed, store)
    opened = Store.open(tmp_path / "store")
    assert opened.counts() == {"image": 6, "audio": 6, "point_cloud": 6, "text": 1}
    assert opened.contracts()["audio"] == composed.contract("audio")
    again = create_backbone(opened.backbone[0], **opened.backbone[1])
    assert again.contract("point_cloud") == composed.contract("point_cloud")
    with pytest.raises(ContractError, match="the new vectors live in the space lab_b@1"):
        opened.check_contract(replace(LABS["lab_b"].create().contract("audio"), modality="video"))
