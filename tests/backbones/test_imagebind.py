import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.reference import REFERENCE, SAMPLES
from tests.helpers.tiny_imagebind import SIZES, public_state
from unibind import Audio, Depth, Events, Image, Imu, PointCloud, Text, Thermal, read
from unibind.backbones import Backbone, create_backbone
from unibind.backbones._shared.golden import rule_normal
from unibind.backbones.imagebind import SPEC
from unibind.backbones.imagebind.checkpoint import locate
from unibind.backbones.imagebind.golden import _tiny_tower, golden
from unibind.backbones.imagebind.model import TOWER_OF
from unibind.data.encode import embed
from unibind.errors import MissingFileError, UnibindError, UnknownNameError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "imagebind_huge.pth"
    torch.save(public_state(), path)
    return path


@pytest.fixture(scope="module")
def tiny(weights):
    return create_backbone("imagebind", weights=weights, sizes=SIZES)


def random_items():
    noise = np.random.default_rng(0)
    n = 400
    return [
        Image(noise.integers(0, 255, (60, 90, 3), dtype=np.uint8)),
        Text("a folding chair"),
        Audio(noise.standard_normal(50_000).astype(np.float32) / 9, 22_050),
        PointCloud(noise.standard_normal((900, 3)).astype(np.float32)),
        Thermal(noise.random((50, 40), dtype=np.float32), celsius=False),
        Events(
            np.arange(n),
            noise.integers(0, 30, n).astype(np.int32),
            noise.integers(0, 20, n).astype(np.int32),
            noise.random(n) > 0.5,
            30,
            20,
        ),
        Depth(noise.random((30, 30), dtype=np.float32) * 9),
        Imu(noise.standard_normal((6, 700)).astype(np.float32), 200.0),
    ]


def test_the_card_agrees_with_the_towers():
    assert SPEC.card.modalities == tuple(TOWER_OF)


@pytest.mark.slow
def test_it_is_a_backbone_of_all_modalities(tiny):
    assert isinstance(tiny, Backbone)
    assert tiny.dim == 32
    assert set(tiny.modalities) == {
        *("image", "text", "audio", "point_cloud", "thermal", "video", "event", "depth", "imu")
    }
    assert not tiny.license.commercial


@pytest.mark.slow
def test_every_modality_is_embedded_at_unit_length(tiny):
    z = embed(random_items(), tiny)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    assert len({tuple(np.round(row, 3)) for row in z}) == len(z)


def test_logit_scales_come_from_the_checkpoint(tiny):
    assert tiny.logit_scale == pytest.approx(100 / 7, rel=1e-5)
    assert tiny.logit_scales["audio"] == pytest.approx(20, rel=1e-5)
    assert "vision" not in tiny.logit_scales


def test_clips_are_averaged(tiny):
    facts = golden()["modalities"]["audio"]
    clips = torch.from_numpy(rule_normal("input.audio", tuple(facts["input"])))
    z = tiny.encode("audio", clips).numpy()
    np.testing.assert_allclose(z, np.array(facts["output"]), atol=1e-4)
    apart = tiny.encode("audio", clips.flatten(0, 1)[:, None]).unflatten(0, clips.shape[:2]).mean(dim=1)
    np.testing.assert_allclose(z, torch.nn.functional.normalize(apart, dim=1).numpy(), atol=1e-5)


def test_only_the_towers_in_use_are_read(weights, tmp_path):
    few = tmp_path / "few.pth"
    torch.save(public_state("audio", "text"), few)
    backbone = create_backbone("imagebind", weights=few, sizes=SIZES)
    assert set(backbone.modalities) == {"text", "audio"}
    backbone.encode("text", backbone.preprocess("text", Text("a dog"))[None])
    assert set(backbone._towers.built) == {"text"}
    with pytest.raises(UnibindError, match=r"few.pth has no vision tower, which video needs"):
        create_backbone("imagebind", weights=few, modalities=["video"], sizes=SIZES)


def test_towers_stay_frozen(tiny):
    tower = tiny._towers["audio"]
    tower.train()
    assert not tiny._towers["audio"].training
    assert not any(p.requires_grad for p in tower.parameters())


@pytest.mark.slow
def test_contracts_contain_what_decides_an_embedding(weights, tiny):
    def contract(modality="audio", **options):
        return create_backbone("imagebind", weights=weights, sizes=SIZES, **options).contract(modality)

    assert contract().hash == tiny.contract("audio").hash
    assert contract("image").space == contract("audio").space
    changed = [{"clips": 5}, {"clip_seconds": 1.0}, {"stride": 1.0}, {"pooling": "max"}, {"precision": "bfloat16"}]
    assert len({contract(**options).hash for options in [{}, *changed]}) == len(changed) + 1
    assert contract("image", clips=5).hash == contract("image").hash
    assert contract("point_cloud", precision="bfloat16").precision == "float32"
    assert json.loads(contract(stride=0.5).to_json())["preprocessing"]["policy"]["stride"] == 0.5


def test_its_options_rebuild_an_equal_backbone(weights):
    made = create_backbone("imagebind", weights=weights, sizes=SIZES, precision="bfloat16", stride=0.5, clips=4)
    again = create_backbone("imagebind", **json.loads(json.dumps(made.options)))
    assert again.contract("video").hash == made.contract("video").hash


@pytest.mark.slow
def test_recordings_of_different_length_may_have_different_numbers_of_clips(weights):
    backbone = create_backbone("imagebind", weights=weights, sizes=SIZES, stride=1.0, clips=10)
    noise = np.random.default_rng(0)
    recordings = [Audio(noise.standard_normal(16_000 * s).astype(np.float32) / 9, 16_000) for s in (1, 3, 5, 30)]
    assert [len(backbone.preprocess("audio", r)) for r in recordings] == [1, 2, 4, 10]
    together = embed(recordings, backbone)
    alone = np.concatenate([embed([r], backbone) for r in recordings])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.999), ("int8", 0.99)])
def test_lower_precisions_are_close_to_float32(weights, tiny, precision, least):
    rough = embed(random_items(), create_backbone("imagebind", weights=weights, sizes=SIZES, precision=precision))
    assert (rough * embed(random_items(), tiny)).sum(axis=1).min() >= least


def test_pickles_for_workers_contain_no_weights(tiny):
    copy = pickle.dumps(tiny)
    assert len(copy) < 20_000
    text = Text("a dog")
    assert torch.equal(pickle.loads(copy).preprocess("text", text), tiny.preprocess("text", text))


def test_a_long_text_is_read_at_its_end_token(tiny):
    ids = tiny.preprocess("text", Text("word " * 200))
    assert len(ids) == 77
    assert ids[-1] == 49407


def test_missing_weights_are_explained_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.delenv("UNIBIND_WEIGHTS", raising=False)
    with pytest.raises(MissingFileError, match=r"ImageBind.*CC-BY-NC.*dl.fbaipublicfiles.com.*--weights"):
        create_backbone("imagebind")
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(tmp_path / "gone"))
    with pytest.raises(MissingFileError, match="gone"):
        create_backbone("imagebind")


def test_weights_are_found_by_the_environment(weights, monkeypatch, tiny):
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(weights.parent))
    assert create_backbone("imagebind", sizes=SIZES).contract("imu").hash == tiny.contract("imu").hash


@pytest.mark.slow
def test_damaged_weights_are_named(tmp_path, weights):
    state = public_state()
    lacking = {n: t for n, t in state.items() if n != "modality_trunks.audio.blocks.1.mlp.fc1.bias"}
    misshapen = state | {"modality_heads.audio.0.bias": torch.zeros(7)}
    for name, wrong, word in (("a", lacking, "blocks.1.fc1.bias"), ("b", misshapen, "norm_out.bias")):
        torch.save(wrong, tmp_path / f"{name}.pth")
        backbone = create_backbone("imagebind", weights=tmp_path / f"{name}.pth", sizes=SIZES)
        with pytest.raises(UnibindError, match=word):
            backbone.encode("audio", torch.zeros(1, 1, 1, 128, 204))
    huge = create_backbone("imagebind", weights=weights)
    with pytest.raises(UnibindError, match=r"lacks .* and 137 more"):
        huge.encode("audio", torch.zeros(1, 1, 1, 128, 204))


def test_wrong_requests_are_refused(weights, tiny):
    with pytest.raises(UnknownNameError, match="unknown pooling 'median'"):
        create_backbone("imagebind", weights=weights, pooling="median")
    with pytest.raises(UnibindError, match="must be positive"):
        create_backbone("imagebind", weights=weights, clips=0)
    with pytest.raises(UnknownNameError, match="precision"):
        create_backbone("imagebind", weights=weights, precision="half")
    with pytest.raises(UnibindError, match="audio tower was given text"):
        tiny.preprocess("audio", Text("a dog"))


@pytest.mark.slow
@pytest.mark.reference
def test_point_clouds_are_embedded_as_by_the_reference():
    shapes = {name: tuple(shape) for name, shape in golden()["shapes"].items()}
    tower = _tiny_tower("point_cloud", locate(shapes)[0]["point_cloud"], shapes)
    expected = load_file(REFERENCE / "imagebind_tiny.golden.safetensors")
    tower.projection.data = torch.from_numpy(rule_normal("pc_projection", (384, 512))) * 512**-0.5
    files = [SAMPLES / "point_cloud" / f"point_{name}.pt" for name in ("airplane", "car")]
    clouds = torch.stack([torch.tensor(read(file).xyz) for file in files])
    with torch.inference_mode():
        assert (tower(clouds) - expected["point"]).abs().max() < 1e-4
        # the reference's own features are 5e-4 from those in double precision, ours 1e-4; the largest is 5.7
        assert (tower.features(clouds) - expected["point_features"]).abs().max() < 1e-3
