"""Towers on another device than the CPU: what can be proved of it on a machine that has none."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError
from torch.nn import functional

from tests.helpers import tiny_classifiers, tiny_languagebind, tiny_models
from tests.helpers.elsewhere import DEVICE, check_elsewhere, forward, run_elsewhere
from tests.helpers.tiny_imagebind import SIZES, public_state
from unibind.backbones import create_backbone
from unibind.backbones._shared.precision import Int8Linear, PackedLinear
from unibind.errors import UnibindError
from unibind.preprocess.points import farthest_points


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    run_elsewhere(monkeypatch)


@pytest.fixture
def fused(monkeypatch):
    """The fused attentions that ran, by the length of their queries."""
    attend, lengths = functional.scaled_dot_product_attention, []

    def recorded(query, *arguments, **options):
        lengths.append(query.shape[-2])
        return attend(query, *arguments, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", recorded)
    return lengths


class CreatedInside(nn.Module):
    def forward(self, x):
        return x + torch.arange(x.shape[1])


class NoBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.ones(3)

    def forward(self, x):
        return x * self.gain


@pytest.mark.slow
def test_a_tensor_that_does_not_follow_its_tower_is_found():
    for tower in (CreatedInside(), NoBuffer()):
        with pytest.raises(FakeTensorDeviceMismatchError, match="two devices, meta and cpu"):
            forward(tower, torch.ones(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_mini(precision, fused):
    check_elsewhere(create_backbone("mini", device=DEVICE, precision=precision))
    assert len(fused) == 6  # the layers of its text tower, the only one with attention


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_photo(precision):
    check_elsewhere(create_backbone("photo", device=DEVICE, precision=precision))


@pytest.mark.slow
def test_imagebind(tmp_path, monkeypatch, fused):
    torch.save(public_state(), tmp_path / "imagebind_huge.pth")
    monkeypatch.setattr(  # its loop of 832 steps takes ten seconds here
        "unibind.backbones.imagebind.points.farthest_points",
        lambda xyz, count: farthest_points(xyz, 3)[:, :1].expand(-1, count),
    )
    check_elsewhere(create_backbone("imagebind", weights=tmp_path, sizes=SIZES, device=DEVICE, precision="bfloat16"))
    assert len(fused) == 8 * 2 + 15  # two layers each, and the point tower's three times five


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clip", "siglip", "clap", "sentence", "dinov2"])
def test_transformers(tmp_path, kind, fused):
    getattr(tiny_models, kind)(tmp_path)
    check_elsewhere(create_backbone(f"transformers:{tmp_path}", device=DEVICE, precision="bfloat16"))
    assert bool(fused) == (kind != "clap")  # which transformers does not offer with fused attention


@pytest.mark.slow
def test_languagebind(tmp_path, fused):
    tiny_languagebind.write_all(tmp_path)
    check_elsewhere(create_backbone("languagebind", weights=tmp_path, device=DEVICE, precision="bfloat16"))
    assert fused


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "ast", "videomae"])
def test_classifiers(tmp_path, monkeypatch, kind, fused):
    monkeypatch.setattr(
        "unibind.backbones.classifier.model.class_vectors", lambda texts, anchor: torch.ones(len(texts.labels), 384)
    )
    getattr(tiny_classifiers, kind)(tmp_path)
    check_elsewhere(create_backbone(f"classifier:{tmp_path}", device=DEVICE, precision="bfloat16"))
    assert fused


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["text", "image"])
def test_only_cpus_have_packed_layers(tmp_path, modality):
    torch.save(public_state(), tmp_path / "imagebind_huge.pth")
    for name, options in [("mini", {}), ("imagebind", {"weights": tmp_path, "sizes": SIZES})]:
        backbone = create_backbone(name, device=DEVICE, precision="bfloat16", **options)
        tower = backbone._towers[{"image": "vision"}.get(modality, modality) if name == "imagebind" else modality]
        assert not any(isinstance(layer, PackedLinear | Int8Linear) for layer in tower.modules())
        assert all(tensor.is_meta for tensor in tower.state_dict().values())
        with pytest.raises(UnibindError, match=f"int8 runs on CPUs, not on {DEVICE}; use bfloat16 there"):
            create_backbone(name, device=DEVICE, precision="int8", **options)
