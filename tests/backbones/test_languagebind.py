import json
import pickle
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch

from tests.helpers.reference import REFERENCE
from tests.helpers.tiny_languagebind import KINDS, LOGIT_SCALE, tiny_state, write_all, write_repository
from unibind import Audio, Depth, Events, Image, Text, Thermal, Video
from unibind.backbones import Backbone, create_backbone
from unibind.backbones._shared.golden import rule_normal
from unibind.backbones.languagebind import SPEC
from unibind.backbones.languagebind.checkpoint import PICTURES, locate
from unibind.backbones.languagebind.golden import GeneratedWeights, golden, golden_checks, tiny_config, tiny_weights
from unibind.backbones.languagebind.loading import TowerFile, build_tower
from unibind.backbones.languagebind.model import TOWER_OF
from unibind.backbones.languagebind.preprocessing import Preprocessing
from unibind.backbones.languagebind.repositories import assemble
from unibind.data.encode import embed
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError

INPUTS = json.loads((REFERENCE / "languagebind_inputs.json").read_text())
SOUND = golden()["models"]["audio"]["config"]
inputs = Preprocessing(
    {"image": {}, "thermal": {}, "text": {}, "event": {}, "audio": SOUND, "video": {"num_frames": 8}}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("languagebind"))


@pytest.fixture(scope="module")
def tiny(folder):
    return create_backbone("languagebind", weights=folder)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("UNIBIND_WEIGHTS", raising=False)


class Frames:
    """Frames of a video in memory, at 10 a second."""

    def __init__(self, pixels):
        self.pixels = pixels

    def frames(self, timestamps_s):
        return self.pixels[np.floor(np.asarray(timestamps_s) * 10 + 1e-6).astype(int)]

    def video(self):
        count, height, width, _ = self.pixels.shape
        return Video(self, count / 10, 10.0, width, height)


def pixels(name, height, width):
    return (rule_normal(name, (height, width, 3)) * 40 + 128).clip(0, 255).astype(np.uint8)


def random_items():
    noise = np.random.default_rng(0)
    n = 400
    across, down = noise.integers(0, 30, n).astype(np.int32), noise.integers(0, 20, n).astype(np.int32)
    return [
        Image(noise.integers(0, 255, (60, 90, 3), dtype=np.uint8)),
        Text("a folding chair"),
        Audio(noise.standard_normal(50_000).astype(np.float32) / 9, 22_050),
        Thermal(noise.random((50, 40), dtype=np.float32), celsius=False),
        Frames(noise.integers(0, 255, (12, 40, 60, 3), dtype=np.uint8)).video(),
        Events(np.arange(n), across, down, noise.random(n) > 0.5, 30, 20),
        Depth(noise.random((30, 30), dtype=np.float32) * 9),
    ]


# --- towers ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_outputs_equal_those_of_the_released_code():
    checks = {check.what: check for check in golden_checks()}
    assert {
        f"languagebind {kind}" for kind in (*KINDS.values(), "text", "video_lora", "video_v1.5", "audio_lora")
    } == set(checks)
    assert {what: check.difference for what, check in checks.items() if check.difference > 2e-6} == {}


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["image", "video", "audio", "thermal", "depth"])
def test_the_backbone_gives_the_golden_outputs_from_files(tiny, modality):
    facts = golden()["models"][modality]
    x = torch.from_numpy(rule_normal(f"input.{modality}", tuple(facts["input"])))
    z = tiny.encode(modality, x.transpose(1, 2) if modality == "video" else x).numpy()
    np.testing.assert_allclose(z, np.array(facts["output"]), atol=2e-6)


def test_texts_are_read_at_their_end_whatever_they_are_padded_to(tiny):
    texts = golden()["texts"]
    for ids, expected in zip(texts["ids"], texts["output"], strict=True):
        z = tiny.encode("text", torch.tensor([ids + [0] * (77 - len(ids))])).numpy()
        np.testing.assert_allclose(z[0], expected, atol=2e-6)


@pytest.mark.slow
def test_frames_matter_in_their_order(tiny):
    facts = golden()["models"]["video"]
    x = torch.from_numpy(rule_normal("input.video", tuple(facts["input"]))).transpose(1, 2)
    assert (tiny.encode("video", x) - tiny.encode("video", x.flip(1))).abs().max() > 1e-4


def test_a_lora_is_added_to_its_weight():
    pieces = locate(
        [
            "vision_model.encoder.base_model.model.layers.0.mlp.fc1.weight",
            "vision_model.encoder.base_model.model.layers.0.mlp.fc1.lora_A.default.weight",
            "vision_model.encoder.base_model.model.layers.0.mlp.fc1.lora_B.default.weight",
        ]
    )[0][PICTURES]
    stored = {
        "weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "down": torch.tensor([[1.0, 10.0]]),
        "up": torch.tensor([[1.0], [2.0]]),
    }

    class Memory:
        path = "memory"

        def mapped(self, names):
            return {
                name: stored["down" if "lora_A" in name else "up" if "lora_B" in name else "weight"] for name in names
            }

        @property
        def shapes(self):
            return {
                name: tuple(tensor.shape) for name, tensor in self.mapped(next(iter(pieces.values()))[0].names).items()
            }

    merged = TowerFile(PICTURES, Memory(), pieces, 0.5).mapped(["blocks.0.fc1.weight"])
    assert merged["blocks.0.fc1.weight"].tolist() == [[1.5, 7.0], [4.0, 14.0]]  # + 0.5 * [[1, 10], [2, 20]]


def test_both_spellings_of_peft_are_read():
    name = "vision_model.encoder.base_model.model.layers.3.self_attn.q_proj"
    old, new = locate([f"{name}.weight"]), locate([f"{name}.base_layer.weight"])
    assert old[0][PICTURES].keys() == new[0][PICTURES].keys() == {"blocks.3.attention.qkv.weight"}
    assert old[1] == new[1] == []


def test_half_a_lora_belongs_to_no_tower():
    name = "vision_model.encoder.base_model.model.layers.3.self_attn.q_proj"
    assert locate([f"{name}.weight", f"{name}.lora_A.default.weight"])[1] == [
        f"{name}.weight",
        f"{name}.lora_A.default.weight",
    ]


PUBLIC_KEYS = json.loads((REFERENCE / "languagebind.keys.json").read_text())


def full_size(name):
    """Configuration and shapes of a public model."""
    facts = PUBLIC_KEYS[name]
    shapes = {
        pattern.replace("*", str(i)): tuple(shape)
        for pattern, (shape, count) in facts["entries"].items()
        for i in range(count)
    }
    return facts["config"], shapes


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC_KEYS)
def test_every_weight_of_a_public_model_has_its_place(name):
    config, shapes = full_size(name)
    assert len(shapes) == PUBLIC_KEYS[name]["count"]
    opened = assemble(Path(name), config, GeneratedWeights(shapes))
    for tower, file in opened.towers.items():
        built = build_tower(file, opened.size(tower)).state_dict()
        assert {ours: tuple(entry.shape) for ours, entry in built.items()} == file.shapes
    assert opened.dim == config["projection_dim"]


# --- preprocessing ---------------------------------------------------------------------------------------------------


def check_input(key, tensor, atol=2e-5):
    expected = INPUTS[key]
    assert list(tensor.shape) == expected["shape"]
    flat = tensor.numpy().reshape(-1).astype(np.float64)
    at = np.linspace(0, flat.size - 1, len(expected["values"])).astype(int)
    np.testing.assert_allclose(flat[at], expected["values"], atol=atol)
    assert flat.mean() == pytest.approx(expected["mean"], abs=1e-5)
    assert flat.std() == pytest.approx(expected["std"], abs=1e-5)


def sizes(kind):
    return [key for key in INPUTS if key.startswith(f"{kind}.")]


@pytest.mark.parametrize("key", sizes("image"))
def test_images_become_what_the_released_processor_makes(key):
    _, height, width = key.split(".")
    check_input(key, inputs("image", Image(pixels(key, int(height), int(width)))))


@pytest.mark.parametrize("key", sizes("thermal"))
def test_thermal_pictures_become_what_the_released_processor_makes(key):
    _, height, width = key.split(".")
    gray = pixels(key, int(height), int(width))[..., 0]
    check_input(key, inputs("thermal", Thermal(np.float32(gray / 255), celsius=False)))


@pytest.mark.parametrize("key", sizes("depth"))
def test_depths_become_what_the_released_processor_makes(key):
    name, _, farthest = key.rpartition(".")
    _, height, width = name.split(".")
    millimeters = (np.abs(rule_normal(name, (int(height), int(width)))) * 6000).astype(np.uint16)
    millimeters[:40] = 0  # unknown
    depth = Preprocessing({"depth": {"max_depth": int(farthest)}})
    check_input(key, depth("depth", Depth(millimeters.astype(np.float32) / 1000)))


@pytest.mark.parametrize("key", sizes("audio"))
def test_sounds_become_what_the_released_processor_makes(key):
    _, rate, seconds = key.split(".", 2)
    count = int(int(rate) * float(seconds))
    t = np.arange(count) / int(rate)
    samples = 0.2 * np.sin(2 * np.pi * (300 + 200 * t) * t) + 0.05 * rule_normal(key, (count,)) + 0.1
    check_input(key, inputs("audio", Audio(samples.astype(np.float32), int(rate))), atol=1e-3)


@pytest.mark.parametrize("key", sizes("video"))
def test_videos_become_what_the_released_processor_makes(key):
    _, height, width, count = key.split(".")
    frames = np.stack([pixels(f"{key}.{i}", int(height), int(width)) for i in range(int(count))])
    check_input(key, inputs("video", Frames(frames).video()))


@pytest.mark.parametrize("text", INPUTS["texts"])
def test_texts_become_the_released_tokens(text):
    assert inputs("text", Text(text)).tolist() == INPUTS["texts"][text]


@pytest.mark.parametrize("count", [1, 100, 400, 16_000])
def test_short_sounds_are_repeated(count):
    found = inputs("audio", Audio(np.ones(count, np.float32), 16_000))
    assert found.shape == (3, 112, 1036)
    assert torch.isfinite(found).all()
    assert torch.equal(found[0], found[2])


# --- the backbone ----------------------------------------------------------------------------------------------------


def test_the_card_agrees_with_the_towers():
    assert SPEC.card.modalities == tuple(TOWER_OF)


def test_it_is_a_backbone_that_may_be_used_commercially(tiny):
    assert isinstance(tiny, Backbone)
    assert tiny.dim == 32
    assert tiny.modalities == tuple(TOWER_OF)
    assert tiny.license.commercial


@pytest.mark.slow
def test_every_modality_is_embedded_at_unit_length(tiny):
    z = embed(random_items(), tiny)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    assert len({tuple(np.round(row, 3)) for row in z}) == len(z)


def test_logit_scales_come_from_the_checkpoints(tiny):
    assert tiny.logit_scale == pytest.approx(100, rel=1e-5)
    assert tiny.logit_scales["audio"] == pytest.approx(LOGIT_SCALE["audio"], rel=1e-5)


def test_only_the_towers_in_use_are_read(folder):
    backbone = create_backbone("languagebind", weights=folder)
    backbone.encode("text", backbone.preprocess("text", Text("a dog"))[None])
    assert set(backbone._towers.built) == {"texts"}


def test_only_the_repositories_in_use_are_opened(folder):
    backbone = create_backbone("languagebind", weights=folder, modalities=["text", "thermal"])
    assert set(backbone._opened) == {"thermal"}
    assert backbone.modalities == ("text", "thermal")


def test_all_repositories_share_a_space_if_their_text_towers_are_equal(tiny):
    contracts = [tiny.contract(modality) for modality in tiny.modalities]
    assert len({contract.space for contract in contracts}) == 1
    assert len({contract.hash for contract in contracts}) == len(contracts)
    assert all(contract.in_anchor_space for contract in contracts)


@pytest.mark.slow
def test_a_repository_with_another_text_tower_has_its_own_space(folder, tmp_path):
    state = tiny_state("audio")
    state["text_projection.weight"] = state["text_projection.weight"] * 1.001
    other = write_repository(tmp_path / "audio", "audio", state=state)
    places = {"image": str(folder / "LanguageBind_Image"), "audio": str(other)}
    backbone = create_backbone("languagebind", repositories=places)
    audio, text = backbone.contract("audio"), backbone.contract("text")
    assert audio.space != text.space
    assert audio.anchor_space == text.space
    with pytest.raises(ContractError, match=r"the audio tower has its own space"):
        audio.check_comparable(text)


@pytest.mark.slow
def test_contracts_contain_what_decides_an_embedding(folder, tmp_path):
    def contract(kind="thermal", **changed):
        config = tiny_config(kind)
        config["vision_config"] |= changed
        path = write_repository(tmp_path / f"{kind}{changed}", kind, config=config)
        return create_backbone("languagebind", weights=path).contract(kind)

    assert contract().hash == contract().hash
    assert contract(lora_alpha=8).hash != contract().hash  # the same file, another weight
    assert contract("depth", max_depth=5).hash != contract("depth").hash
    bfloat16 = create_backbone("languagebind", weights=folder, precision="bfloat16")
    assert bfloat16.contract("thermal").hash != contract().hash


@pytest.mark.slow
def test_its_options_rebuild_an_equal_backbone(folder):
    places = {"thermal": str(folder / "LanguageBind_Thermal"), "depth": str(folder / "LanguageBind_Depth")}
    for options in ({"weights": folder}, {"repositories": places}):
        made = create_backbone("languagebind", precision="bfloat16", **options)
        again = create_backbone("languagebind", **json.loads(json.dumps(made.options)))
        assert again.contract("depth").hash == made.contract("depth").hash


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.999), ("int8", 0.99)])
def test_lower_precisions_are_close_to_float32(folder, tiny, precision, least):
    rough = embed(random_items(), create_backbone("languagebind", weights=folder, precision=precision))
    assert (rough * embed(random_items(), tiny)).sum(axis=1).min() >= least


def test_pickles_for_workers_contain_no_weights(tiny):
    copy = pickle.dumps(tiny)
    assert len(copy) < 20_000
    item = Text("a dog")
    worker = pickle.loads(copy)
    assert torch.equal(worker.preprocess("text", item), tiny.preprocess("text", item))
    with pytest.raises(UnibindError, match="only preprocesses"):
        worker.encode("text", worker.preprocess("text", item)[None])


@pytest.mark.slow
def test_safetensors_and_shards_are_the_same_weights(folder, tmp_path):
    whole = create_backbone("languagebind", weights=folder / "LanguageBind_Depth").contract("depth")
    state = tiny_state("depth")
    one = write_repository(tmp_path / "one", "depth", safetensors=True)
    assert create_backbone("languagebind", weights=one).contract("depth").hash == whole.hash
    split = write_repository(tmp_path / "split", "depth")
    (split / "pytorch_model.bin").unlink()
    names = sorted(state)
    files = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(names)}
    for file in set(files.values()):
        torch.save({name: state[name] for name in names if files[name] == file}, split / file)
    (split / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))
    backbone = create_backbone("languagebind", weights=split)
    assert backbone.contract("depth").hash == whole.hash
    assert backbone.encode("text", backbone.preprocess("text", Text("a dog"))[None]).shape == (1, 32)


@pytest.mark.slow
def test_half_precision_files_are_used_in_float32(folder, tmp_path, tiny):
    state = {n: t.half() if t.is_floating_point() else t for n, t in tiny_state("thermal").items()}
    half = create_backbone("languagebind", weights=write_repository(tmp_path / "half", "thermal", state=state))
    item = random_items()[3]
    z = embed([item], half)
    assert float((z * embed([item], tiny)).sum()) > 0.9999
    assert half._towers["thermal"].project.weight.dtype == torch.float32


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(match, error=UnibindError, **options):
    with pytest.raises(error, match=match) as caught:
        create_backbone("languagebind", **options)
    assert "\n" not in str(caught.value)


def test_without_weights_it_says_where_they_are():
    refused(r"MIT at https://huggingface.co/LanguageBind, one .* \(LanguageBind_Image, .*--weights", MissingFileError)


def test_a_folder_without_repositories_is_refused(tmp_path):
    refused("contains no repository of LanguageBind", MissingFileError, weights=tmp_path)


@pytest.mark.parametrize("shards", [None, {}, [1], {"a": 1}, {"a": "../b.bin"}])
def test_an_index_must_name_files_beside_it(tmp_path, shards):
    path = write_repository(tmp_path, "depth")
    (path / "pytorch_model.bin").unlink()
    (path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": shards}))
    refused("'weight_map' is not an object whose values are names of files beside it; download it", weights=path)


def test_two_repositories_of_one_modality_are_refused(folder, tmp_path):
    for name in ("a", "b"):
        write_repository(tmp_path / name, "thermal")
    refused(r"are both for thermal; choose with the option repositories", weights=tmp_path)


def test_a_missing_repository_is_named(folder):
    refused(
        r"no repository with the video tower, which video needs; add LanguageBind_Video_FT beside",
        weights=folder / "LanguageBind_Depth",
        modalities=["video"],
    )


def test_repositories_are_checked(folder, tmp_path):
    depth = str(folder / "LanguageBind_Depth")
    refused("is a repository for depth, not video", repositories={"video": depth})
    refused("were both given", repositories={"depth": depth}, weights=folder)
    refused("no repository was named", repositories={})
    refused("modality", UnknownNameError, repositories={"smell": depth})
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    refused("is for clip, not LanguageBind", repositories={"image": str(tmp_path)})


@pytest.mark.slow
def test_names_on_the_hub_are_downloaded(folder, monkeypatch):
    asked = []

    def snapshot_download(repository, *, revision, allow_patterns):
        asked.append(repository)
        return str(folder / repository.split("/")[1])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    backbone = create_backbone("languagebind", repositories={"depth": "LanguageBind/LanguageBind_Depth"})
    assert set(asked) == {"LanguageBind/LanguageBind_Depth"}
    assert backbone.modalities == ("text", "depth")
    assert backbone.options["repositories"] == {"depth": "LanguageBind/LanguageBind_Depth"}
    one = create_backbone("languagebind", weights="hf:LanguageBind/LanguageBind_Depth")
    assert one.contract("depth").hash == backbone.contract("depth").hash
    assert one.options["weights"] == "hf:LanguageBind/LanguageBind_Depth"


def test_embeddings_of_different_width_are_refused(folder, tmp_path):
    state = tiny_state("audio")
    for name in ("visual_projection.weight", "text_projection.weight"):
        state[name] = state[name][:16]
    wide = write_repository(tmp_path / "audio", "audio", state=state)
    refused(
        "of width 32 and .* of width 16; use repositories of one size",
        repositories={"image": str(folder / "LanguageBind_Image"), "audio": str(wide)},
    )


@pytest.mark.parametrize(
    ("kind", "changed", "match"),
    [
        ("video", {"num_frames": 12}, "has 8 frames instead of 12"),
        ("audio", {"target_length": 500}, "has 593 positions instead of 281"),
        ("thermal", {"lora_r": 4}, "has 2 LoRA ranks instead of 4"),
        ("image", {"hidden_act": "quick_gelu"}, "'hidden_act' is not one of gelu"),
        ("image", {"num_hidden_layers": "2"}, "'num_hidden_layers' is not a whole number"),
        ("image", {"num_hidden_layers": 1 << 40}, "has 2 layers of pictures instead of 1099511627776"),
        ("image", {"num_attention_heads": 5}, "5 heads do not divide a width of 64"),
        ("image", {"num_attention_heads": 0}, "0 heads do not divide a width of 64"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path, kind, changed, match):
    config = tiny_config(kind)
    config["vision_config"] |= changed
    refused(match, weights=write_repository(tmp_path, kind, config=config))


def test_weights_that_do_not_fit_are_refused(tmp_path):
    state = tiny_state("image")
    lacking = {name: tensor for name, tensor in state.items() if name != "vision_model.post_layernorm.bias"}
    refused("lacks norm_out.bias", weights=write_repository(tmp_path / "a", "image", state=lacking))
    more = state | {"vision_model.head.weight": torch.zeros(2)}
    refused(
        "belong to no tower, such as vision_model.head.weight",
        weights=write_repository(tmp_path / "b", "image", state=more),
    )
    none = {name: tensor for name, tensor in state.items() if not name.startswith(("text", "logit"))}
    refused("lacks texts", weights=write_repository(tmp_path / "c", "image", state=none))


@pytest.mark.slow
def test_every_weight_is_checked_before_any_is_read(tmp_path):
    """Without any one of its weights, or with another shape, a repository is refused in one sentence."""
    config = tiny_config("video_lora")
    shapes = tiny_weights("video_lora").shapes
    assemble(tmp_path, config, GeneratedWeights(shapes))
    for name in (name for name in shapes if ".layers.1." not in name and not name.endswith(".bias")):
        for changed in ({}, {name: ()}, {name: (*shapes[name], 1)}):
            if changed == {name: shapes[name]}:
                continue
            with pytest.raises(UnibindError) as caught:
                assemble(tmp_path, config, GeneratedWeights({n: s for n, s in shapes.items() if n != name} | changed))
            assert "\n" not in str(caught.value)
