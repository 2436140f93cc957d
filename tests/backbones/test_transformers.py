"""The backbone `transformers`, compared with the forward passes of tiny models (see `tiny_models`)."""

import json
import pickle
import shutil
import struct
import sys

import numpy as np
import pytest
import torch

from tests.helpers import tiny_models
from unibind.backbones import Backbone, License, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.errors import MissingExtraError, MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.depth import Depth
from unibind.modalities.event import EventFrame
from unibind.modalities.image import Image
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video

FAMILIES = ("clip", "siglip", "clap", "clap_fused", "sentence", "dinov2")
NOISE = np.random.default_rng(0)
TEXTS = [Text("a red dog"), Text("Rain!"), Text("blue car, green car, red car " * 9)]
PICTURES = NOISE.integers(0, 256, (3, 50, 41, 3), dtype=np.uint8)


def recording(seconds, rate=16_000, seed=0):
    return Audio(np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32), rate)


class Frames:
    def frames(self, timestamps_s):
        return PICTURES[np.floor(timestamps_s).astype(int)]


RAW = {
    "text": TEXTS,
    "image": [Image(p) for p in PICTURES],
    "video": [Video(Frames(), 3.0, 1.0, 41, 50)],
    "thermal": [Thermal(NOISE.normal(20, 5, (30, 44)).astype(np.float32), celsius=True)],
    "depth": [Depth(NOISE.uniform(0.5, 4, (30, 44)).astype(np.float32))],
    "event": [EventFrame(PICTURES[0])],
    "audio": [recording(0.4), recording(1.0, seed=1), recording(2.7, seed=2)],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder and model of every family, each saved once."""
    root = tmp_path_factory.mktemp("models")
    makers = {name: getattr(tiny_models, name.split("_")[0]) for name in FAMILIES}
    options = {"clap_fused": {"fused": True}, "sentence": {"pooling": {"pooling_mode_cls_token": True}}}
    made = {}
    for name, make in makers.items():
        (root / name).mkdir()
        made[name] = root / name, make(root / name, **options.get(name, {}))
    return made


@pytest.fixture
def folder(models, tmp_path):
    """A private copy of a model's folder, to be damaged."""

    def copy(name):
        return shutil.copytree(models[name][0], tmp_path / name)

    return copy


def create(folder, **options):
    return create_backbone(f"transformers:{folder}", **options)


def embed(backbone, modality, raws):
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


def pooled(features):
    """What `get_*_features` returned, at unit length: a tensor, or since transformers 5 an output that holds it."""
    features = features if isinstance(features, torch.Tensor) else features.pooler_output
    return torch.nn.functional.normalize(features, dim=-1)


def own_processor(folder, kind):
    import transformers

    options = {"backend": "pil"} if kind == "AutoImageProcessor" else {}
    return getattr(transformers, kind).from_pretrained(folder, **options)


# --- against the models' own forward passes ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("modality", RAW)
def test_batches_and_single_items_agree_at_unit_length(models, name, modality):
    backbone = create(models[name][0])
    assert isinstance(backbone, Backbone)
    if modality not in backbone.modalities:
        with pytest.raises(UnknownNameError, match=f"unknown modality '{modality}'"):
            backbone.contract(modality)
        return
    together = embed(backbone, modality, RAW[modality])
    alone = torch.cat([embed(backbone, modality, [raw]) for raw in RAW[modality]])
    assert together.shape == (len(RAW[modality]), backbone.dim)
    assert together.dtype == torch.float32 and not together.is_inference()
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(len(together)))
    assert len(together) == 1 or (together[0] - together[1]).abs().max() > 0.001


@pytest.mark.slow
@pytest.mark.parametrize(("name", "length"), [("clip", 16), ("siglip", 12)])
def test_texts_and_images_are_the_models_own(models, name, length):
    folder, model = models[name]
    backbone = create(folder)
    padding = {"clip": True, "siglip": "max_length"}[name]  # as each family's documentation asks
    ids = own_processor(folder, "AutoTokenizer")(
        [t.text for t in TEXTS], padding=padding, truncation=True, max_length=length, return_tensors="pt"
    )
    pixels = own_processor(folder, "AutoImageProcessor")(images=list(PICTURES), return_tensors="pt")
    with torch.no_grad():
        mask = {"attention_mask": ids["attention_mask"]} if name == "clip" else {}
        texts = pooled(model.get_text_features(input_ids=ids["input_ids"], **mask))
        images = pooled(model.get_image_features(**pixels))
    torch.testing.assert_close(embed(backbone, "text", TEXTS), texts, atol=1e-5, rtol=0)
    torch.testing.assert_close(embed(backbone, "image", RAW["image"]), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(backbone.logit_scale), model.logit_scale.exp().detach().reshape(()))


def test_siglip_probabilities_are_a_sigmoid_of_scale_and_bias(models):
    folder, model = models["siglip"]
    with torch.no_grad():
        model.logit_scale.fill_(1.2), model.logit_bias.fill_(-3.0)
        model.save_pretrained(folder)
        backbone = create(folder)
        inputs = {
            "pixel_values": torch.cat([backbone.preprocess("image", raw) for raw in RAW["image"]]),
            "input_ids": torch.stack([backbone.preprocess("text", raw) - 1 for raw in TEXTS]),
        }
        expected = model(**inputs).logits_per_image
    cosines = embed(backbone, "image", RAW["image"]) @ embed(backbone, "text", TEXTS).T
    torch.testing.assert_close(cosines * backbone.logit_scale + backbone.logit_bias, expected, atol=1e-4, rtol=0)
    assert create(models["clip"][0]).logit_bias is None


def test_clap_texts_and_recordings_within_the_window_are_the_models_own(models):
    folder, model = models["clap"]
    backbone = create(folder)
    ids = own_processor(folder, "AutoTokenizer")(
        [t.text for t in TEXTS], padding=True, truncation=True, max_length=18, return_tensors="pt"
    )
    eights = [recording(seconds, rate=8_000, seed=i) for i, seconds in enumerate((0.3, 1.0))]
    sound = own_processor(folder, "ClapFeatureExtractor")(
        [raw.samples for raw in eights], sampling_rate=8_000, return_tensors="pt"
    )
    with torch.no_grad():
        texts, sounds = pooled(model.get_text_features(**ids)), pooled(model.get_audio_features(**sound))
    torch.testing.assert_close(embed(backbone, "text", TEXTS), texts, atol=1e-5, rtol=0)
    torch.testing.assert_close(embed(backbone, "audio", eights), sounds, atol=1e-5, rtol=0)
    assert backbone.logit_scale == pytest.approx(model.logit_scale_a.exp().item())


def test_clap_takes_the_middle_of_long_recordings(models):
    backbone = create(models["clap"][0], modalities=["audio"])
    long = recording(2.0, rate=8_000)
    middle = Audio(long.samples[4_000:12_000], 8_000)
    assert torch.equal(backbone.preprocess("audio", long), backbone.preprocess("audio", middle))


def test_fused_clap_stacks_the_whole_and_three_windows(models):
    folder, model = models["clap_fused"]
    backbone = create(folder, modalities=["audio"])
    long, short = recording(2.8, rate=8_000), recording(0.5, rate=8_000)
    features = backbone.preprocess("audio", long)  # [4, 81, 16]: windows of 80 hops in 224
    extractor = own_processor(folder, "ClapFeatureExtractor")
    options = {"sampling_rate": 8_000, "return_tensors": "pt"}
    whole = extractor(long.samples, max_length=len(long.samples), **options)["input_features"][0, 0]  # [225, 16]
    for window, start in zip(features[1:], (24, 72, 120), strict=True):  # (225 - 81) * 1/6, 3/6, 5/6
        torch.testing.assert_close(window, whole[start : start + 81].float())
    assert torch.equal(features, backbone.preprocess("audio", long))
    alike = backbone.preprocess("audio", short)
    assert all(torch.equal(alike[0], mel) for mel in alike[1:])
    with torch.no_grad():
        batch = {"input_features": torch.stack([features, alike]), "is_longer": torch.tensor([[True], [False]])}
        expected = pooled(model.get_audio_features(**batch))
    torch.testing.assert_close(embed(backbone, "audio", [long, short]), expected, atol=1e-5, rtol=0)


def test_a_recording_hardly_longer_than_the_window_is_not_fused(models):
    backbone = create(models["clap_fused"][0], modalities=["audio"])
    features = backbone.preprocess("audio", recording(8_050 / 8_000, rate=8_000))
    assert features.shape == (4, 81, 16)
    assert all(torch.equal(features[0], mel) for mel in features[1:])


def test_dinov2_images_are_class_tokens(models):
    folder, model = models["dinov2"]
    pixels = own_processor(folder, "AutoImageProcessor")(images=list(PICTURES), return_tensors="pt")
    with torch.no_grad():
        expected = pooled(model(**pixels).last_hidden_state[:, 0])
    backbone = create(folder)
    torch.testing.assert_close(embed(backbone, "image", RAW["image"]), expected, atol=1e-5, rtol=0)
    assert backbone.modalities == ("image", "video", "thermal", "depth", "event")
    assert backbone.contract("image").space == f"transformers:dinov2@{backbone.contract('image').weights}"


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        (None, "mean"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_sentences_are_pooled_as_the_repository_says(tmp_path, pooling, pool):
    model = tiny_models.sentence(tmp_path, pooling=pooling)
    ids = own_processor(tmp_path, "AutoTokenizer")([t.text for t in TEXTS], padding=True, truncation=True,
                                                   max_length=32, return_tensors="pt")  # fmt: skip
    with torch.no_grad():
        hidden = model(**ids).last_hidden_state
    mask = ids["attention_mask"][..., None]
    expected = {"mean": (hidden * mask).sum(1) / mask.sum(1), "cls": hidden[:, 0]}[pool]
    torch.testing.assert_close(embed(create(tmp_path), "text", TEXTS), pooled(expected), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_sentence_encoder_of_mini_gives_the_same_vectors_here():
    from unibind.backbones._shared.minilm import model_folder

    real = create(model_folder())
    mini = create_backbone("mini", modalities=["text"])
    torch.testing.assert_close(embed(real, "text", TEXTS), embed(mini, "text", TEXTS), atol=1e-6, rtol=0)
    assert real.license == License("Apache-2.0", commercial=True)


# --- inputs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "limit", "end"), [("clip", 16, "<|endoftext|>"), ("clap", 18, "</s>")])
def test_long_texts_keep_their_end_token(models, name, limit, end):
    backbone = create(models[name][0], modalities=["text"])
    ids = backbone.preprocess("text", TEXTS[-1])
    assert len(ids) == limit
    assert own_processor(models[name][0], "AutoTokenizer").convert_ids_to_tokens([int(ids[-1]) - 1]) == [end]


def test_siglip_pads_every_text_and_cuts_before_the_end_token(models):
    backbone = create(models["siglip"][0], modalities=["text"])
    short, long = (backbone.preprocess("text", text) - 1 for text in (TEXTS[0], TEXTS[-1]))
    assert len(short) == len(long) == 12
    assert short[-8:].tolist() == [1] * 8 and long[-1] == 1 and 1 not in long[:-1]


def test_token_zero_is_not_taken_for_padding(models):
    """The letter a is CLIP's token 0 here, the start token CLAP's."""
    backbone = create(models["clip"][0], modalities=["text"])
    ids = backbone.preprocess("text", Text("xa ax"))
    assert (ids > 0).all()
    shifted = backbone.encode("text", torch.nn.functional.pad(ids, (0, 5))[None])
    torch.testing.assert_close(shifted, backbone.encode("text", ids[None]), atol=1e-6, rtol=0)


def test_videos_are_the_mean_of_their_frames(models):
    backbone = create(models["clip"][0], frames=3)
    video = embed(backbone, "video", RAW["video"])
    mean = embed(backbone, "image", RAW["image"]).mean(dim=0, keepdim=True)
    torch.testing.assert_close(video, torch.nn.functional.normalize(mean, dim=-1), atol=1e-5, rtol=0)
    assert backbone.contract("video").preprocessing["frames"] == 3
    assert backbone.contract("image").preprocessing["frames"] == 1


def test_thermal_pictures_become_gray(models):
    from unibind.preprocess.pictures import thermal_picture

    backbone = create(models["siglip"][0])
    thermal = RAW["thermal"][0]
    drawn = Image(np.repeat(thermal_picture(thermal.values, celsius=True)[..., None], 3, axis=-1))
    assert torch.equal(backbone.preprocess("thermal", RAW["thermal"][0]), backbone.preprocess("image", drawn))


def test_pictures_three_pixels_high_are_not_taken_for_three_channels(models):
    backbone = create(models["clip"][0], modalities=["image"])
    flat = Image(np.repeat(PICTURES[0][:3, :1], 9, axis=1))
    assert backbone.preprocess("image", flat).shape == (1, 3, 32, 32)


def test_an_item_of_another_modality_is_refused(models):
    with pytest.raises(UnibindError, match="the image tower was given text"):
        create(models["clip"][0]).preprocess("image", TEXTS[0])


# --- what is in memory, and what travels ---------------------------------------------------------------------------


def test_only_the_towers_in_use_are_in_memory(models):
    backbone = create(models["clip"][0], modalities=["image", "event"])
    embed(backbone, "image", RAW["image"])
    embed(backbone, "event", RAW["event"])
    parameters = [name for tower in backbone._towers.built.values() for name, _ in tower.named_parameters()]
    assert len(backbone._towers.built) == 1
    assert parameters and not [name for name in parameters if "text" in name or "token" in name]
    with pytest.raises(UnknownNameError, match="unknown modality 'text'"):
        backbone.encode("text", torch.ones(1, 3, dtype=torch.long))
    assert all(not p.requires_grad for tower in backbone._towers.built.values() for p in tower.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_copies_for_workers_are_small_and_preprocess_alike(models, name):
    backbone = create(models[name][0])
    modality = backbone.modalities[-1]
    before = embed(backbone, modality, RAW[modality])
    sent = pickle.dumps(backbone)
    assert len(sent) < 2_000
    copy = pickle.loads(sent)
    for raw in RAW[modality]:
        assert torch.equal(copy.preprocess(modality, raw), backbone.preprocess(modality, raw))
    assert copy.contract(modality) == backbone.contract(modality)
    assert torch.equal(embed(copy, modality, RAW[modality]), before)


def test_contracts_depend_on_weights_and_not_on_folders(models, folder, tmp_path):
    here, copy = create(models["clip"][0]), create(folder("clip"))
    (tmp_path / "other").mkdir()
    tiny_models.clip(tmp_path / "other", seed=1)
    other = create(tmp_path / "other")
    for modality in here.modalities:
        assert here.contract(modality) == copy.contract(modality)
        assert here.contract(modality).weights != other.contract(modality).weights
        json.loads(here.contract(modality).to_json())
    assert here.contract("image").space == here.contract("text").space != other.contract("text").space
    assert here.contract("text").weights in here.contract("image").space
    image_only = create(models["clip"][0], modalities=["image"])
    assert image_only.contract("image") == here.contract("image")


@pytest.mark.slow
def test_bfloat16_is_near_float32_and_in_the_contract(models):
    exact, rounded = (create(models["clip"][0], precision=p) for p in ("float32", "bfloat16"))
    for modality in ("text", "image"):
        cosine = (embed(exact, modality, RAW[modality]) * embed(rounded, modality, RAW[modality])).sum(-1)
        assert float(cosine.min()) > 0.98 and float(cosine.max()) < 1.00001
    assert rounded.contract("text").precision == "bfloat16"
    assert rounded.contract("text").weights == exact.contract("text").weights
    assert create_backbone(rounded.name, **rounded.options).contract("text") == rounded.contract("text")
    assert create(models["clip"][0], precision="auto").precision in ("float32", "bfloat16")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "int8"}, "unknown precision 'int8'; choose one of: auto, float32, bfloat16"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"frames": 0}, "at least 1 frame"),
        ({"modalities": ["point_cloud"]}, "unknown modality 'point_cloud'"),
    ],
)
def test_options_out_of_range_are_named(models, options, sentence):
    with pytest.raises(UnibindError, match=sentence):
        create(models["clip"][0], **options)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: cc-by-nc-4.0\n---\n", License("CC-BY-NC-4.0", commercial=False)),
        ("---\nlicense: other\n---\n", License("other", commercial=False)),
        ("---\nlicense: [mit\n---\n", License("unknown", commercial=False)),
        ("# no metadata\n", License("unknown", commercial=False)),
        (None, License("unknown", commercial=False)),
    ],
)
def test_the_license_is_the_cards_and_unknown_ones_are_not_commercial(folder, card, expected):
    path = folder("sentence")
    (path / "README.md").unlink() if card is None else (path / "README.md").write_text(card)
    assert create(path).license == expected


# --- the Hub -------------------------------------------------------------------------------------------------------


def test_models_of_the_hub_are_fetched_file_by_file(models, monkeypatch):
    asked = []

    def snapshot_download(repository, *, revision, allow_patterns):
        asked.append((repository, revision, allow_patterns))
        return str(models["sentence"][0])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    backbone = create_backbone("transformers:someone/sentences", revision="v1")
    assert [(repository, revision) for repository, revision, _ in asked] == [("someone/sentences", "v1")]
    assert "model.safetensors" in asked[0][2] and not [p for p in asked[0][2] if p.endswith((".py", ".bin"))]
    assert backbone.name == "transformers:someone/sentences"
    assert backbone.options["revision"] == "v1"


def test_a_model_that_cannot_be_reached_is_one_sentence(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot_download(*_, **__):
        raise LocalEntryNotFoundError("no network\nand no cache")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(MissingFileError, match=r"'someone/nothing' is not a folder .*no network\); check the") as e:
        create_backbone("transformers:someone/nothing")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("argument", ["./nothing", "/nothing/at/all", "a/b/c"])
def test_paths_are_not_looked_for_on_the_hub(monkeypatch, argument):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    with pytest.raises(MissingFileError, match=r"the folder .* does not exist"):
        create_backbone(f"transformers:{argument}")


def test_what_is_not_installed_is_named(models, monkeypatch):
    def from_pretrained(*_, **__):
        raise ImportError("this tokenizer requires SentencePiece")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", from_pretrained)
    with pytest.raises(MissingExtraError, match=r"requires SentencePiece\).*unibind\[transformers\]"):
        create(models["siglip"][0])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="the backbone transformers needs an optional dependency"):
        create(models["siglip"][0])


def test_the_model_must_be_named():
    with pytest.raises(UnibindError, match="write transformers:REPO_OR_DIR"):
        create_backbone("transformers")


# --- hostile and broken folders ------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return (print, ("code of a checkpoint was run",))


def rewrite_config(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


def without_config(path):
    (path / "config.json").unlink()


def broken_config(path):
    (path / "config.json").write_text('{"model_type": "cl')


def list_for_config(path):
    (path / "config.json").write_text("[1, 2]")


def nameless_config(path):
    (path / "config.json").write_text("{}")


def another_architecture(path):
    rewrite_config(path, model_type="llama")


def code_of_its_own(path):
    rewrite_config(path, model_type="mine", auto_map={"AutoConfig": "configuration.Mine", "AutoModel": "model.Mine"})
    (path / "configuration.py").write_text("print('code of a repository was run')")


def naflex(path):
    rewrite_config(path, model_type="siglip2")


def senseless_sizes(path):
    rewrite_config(path, text_config={"hidden_size": "wide", "num_hidden_layers": None})


def other_sizes(path):
    config = json.loads((path / "config.json").read_text())
    rewrite_config(path, text_config=config["text_config"] | {"hidden_size": 64})


def without_weights(path):
    (path / "model.safetensors").unlink()


def truncated_weights(path):
    whole = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def endless_header(path):
    (path / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


def pickled_code(path):
    (path / "model.safetensors").unlink()
    torch.save({"logit_scale": Bomb()}, path / "pytorch_model.bin")


def without_scale(path):
    drop_weight(path, "logit_scale")


def infinite_scale(path):
    change_weights(path, lambda state: state | {"logit_scale": torch.tensor(1e9)})


def without_tokenizer(path):
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (path / name).unlink()


def without_image_processor(path):
    (path / "preprocessor_config.json").unlink()


def processor_of_its_own(path):
    config = {"image_processor_type": "Mine", "auto_map": {"AutoImageProcessor": "processing.Mine"}}
    tiny_models.write_json(path / "preprocessor_config.json", config)
    (path / "processing.py").write_text("print('code of a repository was run')")


def change_weights(path, change):
    from safetensors.torch import load_file, save_file

    save_file(change(load_file(path / "model.safetensors")), path / "model.safetensors", metadata={"format": "pt"})


def drop_weight(path, name):
    change_weights(path, lambda state: {k: v for k, v in state.items() if k != name})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_config, r"has no config\.json"),
        (broken_config, r"config\.json cannot be read: JSONDecodeError"),
        (list_for_config, "is not a JSON object"),
        (nameless_config, "names no model_type"),
        (another_architecture, r"architecture 'llama' is not supported; choose a model of one of: clip, siglip, clap"),
        (code_of_its_own, "architecture 'mine' is not supported"),
        (naflex, "architecture 'siglip2' is not supported"),
        (senseless_sizes, "the configuration of the model in .* cannot be read"),
        (without_weights, "has no weights; it needs model.safetensors"),
        (truncated_weights, "the weights of the model in .* cannot be read"),
        (endless_header, "the weights of the model in .* cannot be read"),
        (pickled_code, "the weights of the model in .* cannot be read: UnpicklingError"),
        (without_scale, r"has no weights logit_scale\*"),
        (infinite_scale, "has the logit scale inf"),
        (without_tokenizer, "has no tokenizer"),
        (without_image_processor, "the processor of the model in .* cannot be read"),
        (processor_of_its_own, "the processor of the model in .* cannot be read"),
    ],
)
def test_broken_folders_are_one_sentence_and_run_nothing(folder, capsys, damage, sentence):
    path = folder("clip")
    damage(path)
    with pytest.raises(UnibindError, match=sentence) as error:
        create(path)
    assert "\n" not in str(error.value)
    assert "was run" not in capsys.readouterr().out


def test_a_weight_that_is_missing_is_an_error_not_a_warning(folder):
    path = folder("clip")
    drop_weight(path, "text_model.final_layer_norm.weight")
    backbone = create(path)
    embed(backbone, "image", RAW["image"])
    with pytest.raises(UnibindError, match=r"lacks 1 weights of CLIPTextModelWithProjection, e.g. .*layer_norm"):
        embed(backbone, "text", TEXTS)


def test_weights_of_other_sizes_are_an_error(folder):
    path = folder("clip")
    other_sizes(path)
    with pytest.raises(UnibindError, match=r"35 weights of other shapes than its config.json says") as error:
        embed(create(path), "text", TEXTS)
    assert "\n" not in str(error.value)


def test_weights_of_a_pickle_without_code_are_read(models, folder):
    from safetensors.torch import load_file

    path = folder("clip")
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    here, there = create(path), create(models["clip"][0])
    assert torch.equal(embed(here, "text", TEXTS), embed(there, "text", TEXTS))
    assert here.contract("text") == there.contract("text")


def test_code_in_a_pickle_beside_good_scalars_is_not_run(folder, capsys):
    """The second of two shards: found only when a tower is read."""
    path = folder("clip")
    change_weights(path, lambda state: state)
    from safetensors.torch import load_file

    torch.save({"logit_scale": load_file(path / "model.safetensors")["logit_scale"]}, path / "one.bin")
    torch.save({"text_model.final_layer_norm.weight": Bomb()}, path / "two.bin")
    index = {"weight_map": {"logit_scale": "one.bin", "text_model.final_layer_norm.weight": "two.bin"}}
    tiny_models.write_json(path / "pytorch_model.bin.index.json", {"metadata": {}, **index})
    (path / "model.safetensors").unlink()
    with pytest.raises(UnibindError, match=r"the weights of the model in .* cannot be read"):
        create(path)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pooling", "modules", "sentence"),
    [
        ({"pooling_mode": "lasttoken"}, [], "pools by lasttoken; supported are mean, cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, [], r"pools by mean\+max"),
        ({"pooling_mode": "mean"}, [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "module Dense"),
    ],
)
def test_pooling_that_is_not_known_is_refused(tmp_path, pooling, modules, sentence):
    tiny_models.sentence(tmp_path, pooling=pooling)
    known = json.loads((tmp_path / "modules.json").read_text())
    tiny_models.write_json(tmp_path / "modules.json", known + modules)
    with pytest.raises(UnibindError, match=sentence):
        embed(create(tmp_path), "text", TEXTS)
