"""The backbone over open_clip, with a small stand-in for the library: it needs a torchvision that is not here."""

import pickle
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

from tests.helpers.elsewhere import DEVICE, check_elsewhere, run_elsewhere
from unibind.backbones import Backbone, SigmoidBackbone, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.backbones.open_clip.transform import PictureTransform
from unibind.errors import MissingExtraError, UnibindError, UnknownNameError
from unibind.modalities.depth import Depth
from unibind.modalities.event import EventFrame
from unibind.modalities.image import Image
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video
from unibind.preprocess.images import square, to_tensor

NAME = "open_clip:ViT-T-8/tiny"
CONTEXT, WIDTH, SIZE = 10, 16, 24
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
CONFIG = {"size": SIZE, "mode": "RGB", "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
PICTURES = np.random.default_rng(0).integers(0, 256, (4, 40, 57, 3), dtype=np.uint8)


class Visual(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(3 * SIZE * SIZE, WIDTH)
        self.preprocess_cfg = dict(CONFIG)

    def forward(self, pictures):
        return self.proj(pictures.flatten(1))


class Model(nn.Module):
    """What open_clip.CLIP shows: `visual`, the text tower's parts beside it, `logit_scale`, `logit_bias`."""

    def __init__(self, seed, bias):
        super().__init__()
        torch.manual_seed(seed)
        self.visual = Visual()
        self.token_embedding = nn.Embedding(256, WIDTH)
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.randn(WIDTH, WIDTH))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.logit_bias = nn.Parameter(torch.tensor(bias)) if bias is not None else None

    def encode_image(self, image, normalize=False):
        return self.visual(image)

    def encode_text(self, text, normalize=False):
        x = self.ln_final(self.token_embedding(text))
        return x[torch.arange(len(text)), text.argmax(dim=1)] @ self.text_projection


class Library(ModuleType):
    def __init__(self):
        super().__init__("open_clip")
        self.seed, self.bias = 0, None
        self.asked = []

    def list_models(self):
        return ["ViT-T-8", "ViT-S-8"]

    def list_pretrained_tags_by_model(self, model):
        return {"ViT-T-8": ["tiny", "other"]}[model]

    def get_model_config(self, model_name):
        return {"embed_dim": WIDTH, "vision_cfg": {}, "text_cfg": {}}

    def create_model_from_pretrained(self, model_name, pretrained=None, return_transform=True):
        self.asked.append((model_name, pretrained))
        assert not return_transform
        return Model(self.seed, self.bias)

    def get_tokenizer(self, model_name):
        def tokenize(texts):
            ids = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
            for row, text in zip(ids, texts, strict=True):
                letters = [*text.lower().encode()[: CONTEXT - 1], 255]
                row[: len(letters)] = torch.tensor(letters)
            return ids

        return tokenize


@pytest.fixture
def library(monkeypatch):
    stand_in = Library()
    monkeypatch.setitem(sys.modules, "open_clip", stand_in)
    return stand_in


class Frames:
    def frames(self, timestamps_s):
        return PICTURES[np.floor(timestamps_s).astype(int)]


RAW = {
    "text": [Text("a red dog"), Text("rain"), Text("a sentence longer than the context")],
    "image": [Image(picture) for picture in PICTURES],
    "video": [Video(Frames(), 4.0, 1.0, 57, 40)],
    "thermal": [Thermal(np.random.default_rng(1).normal(20, 4, (30, 40)).astype(np.float32), celsius=True)],
    "depth": [Depth(np.random.default_rng(2).uniform(0.5, 4, (30, 40)).astype(np.float32))],
    "event": [EventFrame(PICTURES[0])],
}


def test_its_towers_run_on_other_devices(library, monkeypatch):
    run_elsewhere(monkeypatch)
    check_elsewhere(create_backbone(NAME, device=DEVICE, precision="bfloat16"))


def embed(backbone, modality, raws):
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


def test_without_the_library_the_message_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingExtraError, match=r"open_clip_torch, and the torchvision built for .*\[open_clip\]"):
        create_backbone(NAME)


@pytest.mark.parametrize("error", [RuntimeError("operator torchvision::nms does not exist"), AttributeError("nms")])
def test_a_torchvision_built_for_another_torch_gives_the_same_message(monkeypatch, error):
    def import_module(name):
        raise error

    monkeypatch.setattr("importlib.import_module", import_module)
    from unibind.backbones.open_clip.model import OpenClip

    with pytest.raises(MissingExtraError, match="torchvision built for torch"):
        OpenClip("ViT-T-8/tiny")


@pytest.mark.parametrize("name", ["open_clip", "open_clip:ViT-T-8", "open_clip:ViT-T-8/", "open_clip:/tiny"])
def test_architecture_and_tag_must_be_named(library, name):
    with pytest.raises(UnibindError, match="write open_clip:ARCH/TAG"):
        create_backbone(name)


def test_unknown_architectures_and_tags_list_the_known_ones(library):
    with pytest.raises(UnknownNameError, match="architecture 'ViT-X'; choose one of: ViT-T-8, ViT-S-8"):
        create_backbone("open_clip:ViT-X/tiny")
    with pytest.raises(UnknownNameError, match="tag of ViT-T-8 'huge'; choose one of: tiny, other"):
        create_backbone("open_clip:ViT-T-8/huge")
    assert library.asked == []


def test_embeddings_are_the_models_own_at_unit_length(library):
    backbone, model = create_backbone(NAME), Model(0, None)
    assert isinstance(backbone, Backbone) and isinstance(backbone, SigmoidBackbone)
    assert library.asked == [("ViT-T-8", "tiny")]
    assert backbone.dim == WIDTH and backbone.modalities == ("text", "image", "video", "thermal", "depth", "event")
    pictures = to_tensor(np.stack([square(picture, SIZE) for picture in PICTURES]), MEAN, STD)
    ids = library.get_tokenizer("ViT-T-8")([raw.text for raw in RAW["text"]])
    with torch.no_grad():
        expected = {"image": model.encode_image(pictures), "text": model.encode_text(ids)}
    for modality, vectors in expected.items():
        z = embed(backbone, modality, RAW[modality])
        torch.testing.assert_close(z, nn.functional.normalize(vectors, dim=-1), atol=1e-6, rtol=0)
        assert not z.is_inference() and not z.requires_grad
    frames = embed(create_backbone(NAME, frames=4), "video", RAW["video"])
    mean = nn.functional.normalize(expected["image"], dim=-1).mean(dim=0, keepdim=True)
    torch.testing.assert_close(frames, nn.functional.normalize(mean, dim=-1), atol=1e-6, rtol=0)


def test_other_modalities_become_pictures(library):
    backbone = create_backbone(NAME)
    for modality in ("thermal", "event", "image"):
        assert backbone.preprocess(modality, RAW[modality][0]).shape == (1, 3, SIZE, SIZE)
    assert backbone.preprocess("video", RAW["video"][0]).shape == (8, 3, SIZE, SIZE)
    with pytest.raises(UnibindError, match="the image tower was given text"):
        backbone.preprocess("image", RAW["text"][0])


def test_temperature_and_bias_come_from_the_checkpoint(library):
    assert create_backbone(NAME).logit_scale == pytest.approx(np.exp(2))
    assert create_backbone(NAME).logit_bias is None
    library.bias = -10.0
    assert create_backbone(NAME).logit_bias == -10.0


@pytest.mark.parametrize(("modality", "gone"), [("image", "token_embedding"), ("text", "visual")])
def test_towers_that_are_not_requested_are_dropped(library, modality, gone):
    backbone, whole = create_backbone(NAME, modalities=[modality]), create_backbone(NAME)
    assert getattr(backbone._model, gone) is None
    assert torch.equal(embed(backbone, modality, RAW[modality]), embed(whole, modality, RAW[modality]))
    assert backbone.contract(modality) == whole.contract(modality)


def test_copies_for_workers_are_small_and_only_preprocess(library):
    backbone = create_backbone(NAME)
    embed(backbone, "text", RAW["text"])  # the tokenizer is read, and cannot be pickled
    sent = pickle.dumps(backbone)
    assert len(sent) < 2_000
    copy = pickle.loads(sent)
    for modality in backbone.modalities:
        raw = RAW[modality][0]
        assert torch.equal(copy.preprocess(modality, raw), backbone.preprocess(modality, raw))
    assert copy.contract("image") == backbone.contract("image")
    with pytest.raises(UnibindError, match="only preprocesses"):
        embed(copy, "image", RAW["image"])


def test_contracts_follow_weights_and_precision(library):
    first = create_backbone(NAME)
    library.bias = -1.0
    assert create_backbone(NAME).contract("image") == first.contract("image")
    assert first.contract("image").space == first.contract("text").space
    rounded = create_backbone(NAME, precision="bfloat16")
    assert rounded.contract("image").precision == "bfloat16"
    assert rounded.contract("image").weights == first.contract("image").weights
    cosine = embed(rounded, "image", RAW["image"]) * embed(first, "image", RAW["image"])
    assert float(cosine.sum(-1).min()) > 0.99
    library.seed = 1
    assert create_backbone(NAME).contract("image").space != first.contract("image").space


def one(**changes):
    return PictureTransform.from_config(CONFIG | changes)


def denormalized(tensor):
    return ((tensor * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255).round()


@pytest.mark.parametrize(("name", "filter_"), [("bicubic", Pillow.BICUBIC), ("bilinear", Pillow.BILINEAR)])
def test_squashed_pictures_lose_their_aspect(name, filter_):
    drawn = one(resize_mode="squash", interpolation=name, size=(SIZE, SIZE))(PICTURES[:1])[0]
    expected = np.asarray(Pillow.fromarray(PICTURES[0]).resize((SIZE, SIZE), filter_))
    assert np.array_equal(denormalized(drawn).permute(1, 2, 0).numpy(), expected)


def test_pictures_fitted_by_their_long_side_are_padded():
    drawn = denormalized(one(resize_mode="longest", fill_color=7)(PICTURES[:1])[0])
    inner = np.asarray(Pillow.fromarray(PICTURES[0]).resize((24, 17), Pillow.BICUBIC))  # 40 x 57 -> 17 x 24
    assert np.array_equal(drawn[:, 3:20].permute(1, 2, 0).numpy(), inner)
    assert (drawn[:, :3] == 7).all() and (drawn[:, 20:] == 7).all()


def test_pictures_that_are_not_square_are_refused():
    with pytest.raises(UnibindError, match="pictures of 24 x 48"):
        one(size=(24, 48))
