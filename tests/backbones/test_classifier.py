"""The backbone `classifier`, compared with the forward passes of tiny models and with mixtures made by hand."""

import functools
import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from tests.helpers import tiny_classifiers
from tests.helpers.tiny_classifiers import ACTIONS, ANIMALS, SOUNDS
from unibind.backbones import Backbone, PortableBackbone, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.backbones.classifier.labels import CheckpointLabels, checkpoint_labels
from unibind.errors import MissingExtraError, MissingFileError, UnibindError, UnknownNameError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.base import Description
from unibind.modalities.audio import Audio
from unibind.modalities.depth import Depth
from unibind.modalities.event import EventFrame
from unibind.modalities.image import Image
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video

pytestmark = pytest.mark.slow  # importing transformers takes seconds

KINDS = ("vit", "ast", "wav2vec2", "whisper", "videomae", "vivit", "vjepa2")
NOISE = np.random.default_rng(0)
PICTURES = NOISE.integers(0, 256, (6, 50, 41, 3), dtype=np.uint8)


class Frames:
    def frames(self, timestamps_s):
        return PICTURES[np.floor(timestamps_s).astype(int)]


def recording(seconds, rate=16_000, seed=0):
    return Audio(np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32), rate)


RAW = {
    "text": [Text("a dog"), Text("rain on a roof, heard from inside")],
    "image": [Image(p) for p in PICTURES[:3]],
    "video": [Video(Frames(), 6.0, 1.0, 41, 50), Video(Frames(), 3.0, 1.0, 41, 50)],
    "thermal": [Thermal(NOISE.normal(20, 5, (30, 44)).astype(np.float32), celsius=True)],
    "depth": [Depth(NOISE.uniform(0.5, 4, (30, 44)).astype(np.float32))],
    "event": [EventFrame(PICTURES[0])],
    "audio": [recording(0.4), recording(0.4, seed=1)],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder and model of every kind, each saved once."""
    root = tmp_path_factory.mktemp("classifiers")
    made = {}
    for kind in KINDS:
        (root / kind).mkdir()
        made[kind] = root / kind, getattr(tiny_classifiers, kind)(root / kind)
    return made


@pytest.fixture
def folder(models, tmp_path):
    """A private copy of a model's folder, to be changed."""
    return lambda kind: shutil.copytree(models[kind][0], tmp_path / kind)


def create(folder, **options):
    return create_backbone(f"classifier:{folder}", **options)


def embed(backbone, modality, raws):
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


@functools.cache
def mini():
    """The text tower of mini, which is the anchor's."""
    return create_backbone("mini", modalities=["text"])


def texts(*names):
    """Vectors of texts by the anchor."""
    return torch.cat([embed(mini(), "text", [Text(name)]) for name in names])


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def class_vectors(labels):
    """By hand: names are what commas separate, each class is the unit mean of its names' unit vectors."""
    names = [[name.strip().replace("_", " ") for name in label.split(",")] for label in labels]
    return torch.stack([unit(texts(*each).mean(dim=0)) for each in names])


def rewrite(path, **changes):
    path.write_text(json.dumps({k: v for k, v in (json.loads(path.read_text()) | changes).items() if v is not None}))


# --- against the models' own forward passes ------------------------------------------------------------------------


def own_logits(kind, folder, model, raw):
    """The logits of transformers for one item, by its own processor where it has one without torchvision."""
    import transformers

    if kind == "vit":
        inputs = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")(raw.pixels, return_tensors="pt")
    elif kind in ("ast", "wav2vec2", "whisper"):
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
        inputs = extractor(raw.samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    else:
        frames = list(raw.frames((np.arange(4) + 0.5) / 4 * raw.duration_s))
        if kind != "vjepa2":
            processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        else:
            facts = json.loads((folder / "video_preprocessor_config.json").read_text())
            facts = {k: v for k, v in facts.items() if k != "video_processor_type"}
            processor = transformers.CLIPImageProcessorPil(**facts)
        inputs = {
            model.main_input_name: processor(frames, return_tensors="pt")["pixel_values"].reshape(1, 4, 3, 32, 32)
        }
    with torch.no_grad():
        return model(**inputs).logits


@pytest.mark.parametrize(
    ("kind", "modality", "raw", "labels"),
    [
        ("vit", "image", RAW["image"][0], ANIMALS),
        ("ast", "audio", recording(0.4), SOUNDS),
        ("wav2vec2", "audio", recording(0.5, rate=8000), SOUNDS),
        ("whisper", "audio", recording(0.4), SOUNDS),
        ("videomae", "video", RAW["video"][0], ACTIONS),
        ("vivit", "video", RAW["video"][0], ACTIONS),
        ("vjepa2", "video", RAW["video"][1], ACTIONS),
    ],
)
def test_embeddings_are_the_models_probabilities_times_the_vectors_of_names(models, kind, modality, raw, labels):
    folder, model = models[kind]
    logits = own_logits(kind, folder, model, raw)
    by_hand = unit(logits.softmax(dim=-1) @ class_vectors(labels))
    backbone = create(folder)
    assert isinstance(backbone, Backbone) and isinstance(backbone, PortableBackbone)
    torch.testing.assert_close(embed(backbone, modality, [raw]), by_hand, atol=2e-5, rtol=0)
    cold = create(folder, temperature=0.5, kept=2)
    top = (logits / 0.5).topk(2, dim=-1)
    by_hand = unit(top.values.softmax(dim=-1) @ class_vectors(labels)[top.indices[0]])
    torch.testing.assert_close(embed(cold, modality, [raw]), by_hand, atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_single_items_agree_at_unit_length(models, kind):
    backbone = create(models[kind][0])
    for modality in backbone.modalities:
        together = embed(backbone, modality, RAW[modality])
        alone = torch.cat([embed(backbone, modality, [raw]) for raw in RAW[modality]])
        assert together.shape == (len(RAW[modality]), backbone.dim) and not together.is_inference()
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
        torch.testing.assert_close(together.norm(dim=-1), torch.ones(len(together)))


def test_a_video_of_an_image_classifier_is_the_mean_of_its_frames(models):
    backbone = create(models["vit"][0], frames=3)
    frames = [Image(PICTURES[i]) for i in (1, 3, 5)]
    by_hand = unit(embed(backbone, "image", frames).mean(dim=0, keepdim=True))
    torch.testing.assert_close(embed(backbone, "video", RAW["video"][:1]), by_hand, atol=1e-5, rtol=0)
    assert backbone.contract("video").hash != create(models["vit"][0]).contract("video").hash


def test_several_right_labels_are_weighted_by_their_sigmoids(models, folder):
    path, model = folder("ast"), models["ast"][1]
    rewrite(path / "config.json", problem_type="multi_label_classification")
    logits = own_logits("ast", path, model, recording(0.4))
    by_hand = unit(logits.sigmoid() @ class_vectors(SOUNDS))  # dividing by the sum changes no direction
    torch.testing.assert_close(embed(create(path), "audio", [recording(0.4)]), by_hand, atol=2e-5, rtol=0)
    softmax = create(path, scores="softmax")
    assert softmax.contract("audio").hash != create(path).contract("audio").hash
    assert create(path, scores="sigmoid").contract("audio").hash == create(path).contract("audio").hash
    with pytest.raises(UnknownNameError, match="unknown kind of scores 'tanh'; choose one of: softmax, sigmoid"):
        create(path, scores="tanh")


def test_classifiers_of_audioset_find_several_sounds_although_their_files_do_not_say_so(tmp_path):
    labels = ["Speech", "Music", *(f"sound {i}" for i in range(525))]
    facts = {"model_type": "audio-spectrogram-transformer", "architectures": ["ASTForAudioClassification"]}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(facts | {"id2label": dict(enumerate(labels))}))
    assert checkpoint_labels(str(tmp_path)) == CheckpointLabels(
        facts["architectures"][0], "audio", tuple(labels), False
    )
    rewrite(config, problem_type="single_label_classification")
    assert checkpoint_labels(str(tmp_path)).exclusive


def test_recordings_are_cut_to_their_middle_and_filled_up_with_silence(models):
    ast = create(models["ast"][0])
    samples = recording(3.0).samples
    window = 400 + 63 * 160  # of 64 frames
    start = (len(samples) - window) // 2
    middle = Audio(samples[start : start + window], 16_000)
    torch.testing.assert_close(ast.preprocess("audio", Audio(samples, 16_000)), ast.preprocess("audio", middle))
    wav2vec2 = create(models["wav2vec2"][0])
    assert wav2vec2.preprocess("audio", recording(40.0, rate=8000)).shape == (240_000,)
    assert embed(wav2vec2, "audio", [recording(0.001, rate=8000)]).isfinite().all()
    assert embed(ast, "audio", [recording(0.001)]).isfinite().all()


# --- what stands for the classes -----------------------------------------------------------------------------------


DESCRIBED = {
    "tabby": ["a striped house cat", "a cat with a mark like an M on its forehead"],  # one of the names of the label
    "Golden Retriever": ["a large dog with a golden coat"],  # case and underscores do not matter
    "park bench": ["a seat of wood in a park"],
}


def by_descriptions():
    named = [unit(texts(*each).mean(dim=0)) for each in DESCRIBED.values()]
    return torch.stack([named[0], named[1], class_vectors(ANIMALS)[2], named[2]])


def save_base(path, described):
    path.mkdir()
    rows = [(name, text) for name, each in described.items() for text in each]
    base = KnowledgeBase(Description(str(i), name, text) for i, (name, text) in enumerate(rows))
    base.save(path / "descriptions.parquet")
    return path


def test_descriptions_stand_for_the_classes_that_have_some(models, tmp_path, caplog):
    folder, model = models["vit"]
    base = save_base(tmp_path / "kb", DESCRIBED)
    backbone = create(folder, knowledge=str(base))
    assert "1 of its 4 labels have no description, such as 'fire engine, fire truck'; their names" in caplog.text
    logits = own_logits("vit", folder, model, RAW["image"][0])
    by_hand = unit(logits.softmax(dim=-1) @ by_descriptions())
    torch.testing.assert_close(embed(backbone, "image", RAW["image"][:1]), by_hand, atol=2e-5, rtol=0)
    assert create(folder, knowledge=DESCRIBED).contract("image").hash == backbone.contract("image").hash
    again = create_backbone(backbone.name, **json.loads(json.dumps(dict(backbone.options))))
    assert again.contract("image").hash == backbone.contract("image").hash
    assert backbone.contract("image").hash != create(folder).contract("image").hash


def test_knowledge_that_describes_no_label_is_refused(models, tmp_path):
    folder = models["vit"][0]
    base = save_base(tmp_path / "kb", {"drum": ["a hollow instrument"]})
    with pytest.raises(
        UnibindError, match=r"kb describes none of the 4 labels, such as 'tabby, tabby cat'; write desc"
    ):
        create(folder, knowledge=str(base))
    with pytest.raises(MissingFileError, match=r"none/?.* does not exist; choose the folder of a knowledge base"):
        create(folder, knowledge=str(tmp_path / "none"))
    other = tmp_path / "kb.jsonl"
    other.write_text("{}")
    with pytest.raises(
        UnibindError, match=r"kb.jsonl is not the folder of .* `unibind knowledge import .*kb.jsonl --out"
    ):
        create(folder, knowledge=str(other))
    with pytest.raises(UnibindError, match=r"'tabby' of the knowledge has 'a cat'; give every class a list of texts"):
        create(folder, knowledge={"tabby": "a cat"})


def test_damaged_tables_of_descriptions_are_refused(models, tmp_path):
    folder = models["vit"][0]
    base = save_base(tmp_path / "kb", DESCRIBED)
    table = base / "descriptions.parquet"
    whole = table.read_bytes()
    for damaged in (b"", b"PAR1", whole[: len(whole) // 2]):
        table.write_bytes(damaged)
        with pytest.raises(UnibindError, match="is not a complete Parquet file"):
            create(folder, knowledge=str(base))
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": ["b"]}), table)
    with pytest.raises(UnibindError, match="has a row without a class or a text"):
        create(folder, knowledge=str(base))
    parquet.write_table(pyarrow.table({"category": ["tabby"] * 2_000_000, "text": ["a cat"] * 2_000_000}), table)
    with pytest.raises(UnibindError, match="each takes a byte"):
        create(folder, knowledge=str(base))


def test_a_bundle_replaces_the_knowledge_base(models, tmp_path):
    folder = models["vit"][0]
    backbone = create(folder, knowledge=DESCRIBED, temperature=0.5)
    saved = tmp_path / "model"
    saved.mkdir()
    options = json.loads(json.dumps(dict(backbone.bundle(saved))))
    assert "striped" not in json.dumps(options)
    moved = saved.rename(tmp_path / "moved")
    again = create_backbone(backbone.name, **options, folder=str(moved))
    assert again.contract("image").hash == backbone.contract("image").hash
    torch.testing.assert_close(embed(again, "image", RAW["image"]), embed(backbone, "image", RAW["image"]))


# --- contracts -----------------------------------------------------------------------------------------------------


def test_texts_are_the_anchors_own_and_the_space_is_shared(models):
    backbone = create(models["ast"][0])
    assert backbone.contract("text") == mini().contract("text")
    assert torch.equal(embed(backbone, "text", RAW["text"]), embed(mini(), "text", RAW["text"]))
    assert (
        backbone.contract("audio").shares_space(mini().contract("text")) and backbone.contract("audio").in_anchor_space
    )
    assert (backbone.dim, backbone.logit_scale, str(backbone.license)) == (384, 20.0, "BSD-3-Clause AND Apache-2.0")


def test_contracts_differ_where_vectors_do(models, folder, tmp_path):
    original = create(models["vit"][0])
    (tmp_path / "other").mkdir()
    tiny_classifiers.vit(tmp_path / "other", seed=1)
    (tmp_path / "renamed").mkdir()
    tiny_classifiers.vit(tmp_path / "renamed", labels=("cat", "dog", "truck", "bench"))
    resized = folder("vit")
    rewrite(resized / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])
    others = [
        create(models["vit"][0], temperature=2.0),
        create(models["vit"][0], kept=3),
        create(models["vit"][0], precision="bfloat16"),
        create(models["vit"][0], knowledge=DESCRIBED),
        create(tmp_path / "other"),
        create(tmp_path / "renamed"),
        create(resized),
    ]
    hashes = {backbone.contract("image").hash for backbone in (original, *others)}
    assert len(hashes) == 1 + len(others)
    same = [create(shutil.copytree(models["vit"][0], tmp_path / "copy")), create(models["vit"][0], kept=99)]
    assert {backbone.contract("image").hash for backbone in same} == {original.contract("image").hash}


@pytest.mark.parametrize("kind", KINDS)
def test_workers_can_preprocess(models, kind):
    backbone = create(models[kind][0])
    modality = backbone.modalities[1]
    before = backbone.preprocess(modality, RAW[modality][0])
    backbone.encode(modality, before[None])
    sent = pickle.dumps(backbone)
    assert len(sent) < 50_000  # no weights
    assert torch.equal(pickle.loads(sent).preprocess(modality, RAW[modality][0]), before)


# --- what is refused -----------------------------------------------------------------------------------------------


def test_labels_that_are_only_numbers_are_refused(models, folder):
    path = folder("vit")
    rewrite(path / "config.json", id2label={i: f"LABEL_{i}" for i in range(4)})
    numbers = r"4 of the 4 labels of .*vit are only numbers, such as 'LABEL_0', and say nothing; write the names"
    with pytest.raises(UnibindError, match=numbers):
        create(path)
    with pytest.raises(UnibindError, match=numbers):
        checkpoint_labels(str(path))
    described = {f"LABEL_{i}": [name] for i, name in enumerate(("cat", "dog", "truck", "bench"))}
    assert create(path, knowledge=described).texts.named == ()
    rewrite(path / "config.json", id2label={0: 0, 1: 1, 2: 2, 3: "bench"})
    with pytest.raises(UnibindError, match=r"3 of the 4 labels of .* are only numbers, such as '0'"):
        create(path)
    rewrite(path / "config.json", id2label=None)
    with pytest.raises(
        UnibindError, match=r"id2label in .*config.json is missing; write the names of its classes to it"
    ):
        create(path)
    for broken in ({0: "cat", 2: "dog"}, {"a": "b", "c": "d"}, {0: "cat"}, {0: "cat", 1: " "}, {0: "a", 1: ["b"]}):
        rewrite(path / "config.json", id2label=broken)
        with pytest.raises(UnibindError, match="must name two classes or more, by numbers from 0"):
            create(path)


def test_models_on_the_hub_are_found_and_of_their_labels_only_the_configuration(models, monkeypatch):
    asked = []

    def snapshot_download(repository, *, revision, allow_patterns):
        asked.append((repository, revision, allow_patterns))
        return str(models["videomae"][0])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert checkpoint_labels("someone/actions", "v1").labels == ACTIONS
    assert asked == [("someone/actions", "v1", ["config.json"])]
    backbone = create_backbone("classifier:someone/actions", revision="v1")
    assert {"model.safetensors", "video_preprocessor_config.json"} <= set(asked[1][2])
    assert not [pattern for pattern in asked[1][2] if pattern.endswith((".py", ".bin"))]
    assert (backbone.name, backbone.options) == ("classifier:someone/actions", {"revision": "v1"})


def test_other_models_are_refused(folder):
    path = folder("vit")
    rewrite(path / "config.json", architectures=["BertModel"], model_type="bert", id2label=None)
    with pytest.raises(UnibindError, match=r"BertModel in .* is not a classifier of images, sounds or videos"):
        create(path)
    rewrite(path / "config.json", architectures=["BertForSequenceClassification"])
    with pytest.raises(
        UnibindError, match=r"BertForSequenceClassification in .* is not a classifier of images, sounds"
    ):
        create(path)
    rewrite(path / "config.json", architectures=None)
    with pytest.raises(UnibindError, match=r"config.json names no architecture; choose a checkpoint of a \*ForImage"):
        create(path)
    (path / "config.json").unlink()
    with pytest.raises(MissingFileError, match=r"has no config.json; choose a folder that `save_pretrained` wrote"):
        create(path)
    with pytest.raises(UnibindError, match=r"classifier needs a model: write classifier:REPO_OR_DIR, or pass"):
        create_backbone("classifier")


def test_damaged_folders_are_refused(models, folder):
    path = folder("vit")
    weights = path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(UnibindError, match=r"the weights of the model in .* cannot be read"):
        embed(create(path), "image", RAW["image"])
    from safetensors.torch import load_file, save_file

    weights.write_bytes(whole)
    state = {name: tensor for name, tensor in load_file(weights).items() if name != "classifier.weight"}
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(UnibindError, match=r"lacks 1 weights of ViTForImageClassification, e.g. classifier.weight"):
        embed(create(path), "image", RAW["image"])
    weights.write_bytes(whole)
    rewrite(path / "config.json", id2label={0: "cat", 1: "dog", 2: "truck"})
    with pytest.raises(UnibindError, match=r"2 weights of other shapes than .*, e.g. classifier.bias"):
        embed(create(path), "image", RAW["image"])
    weights.unlink()
    with pytest.raises(MissingFileError, match=r"has no weights; it needs model\.safetensors"):
        create(path).contract("image")
    (path / "preprocessor_config.json").write_text("{")
    with pytest.raises(UnibindError, match=r"the processor of the model in .* cannot be read"):
        create(path)


def test_settings_that_make_no_sense_are_refused(models):
    vit, videomae = models["vit"][0], models["videomae"][0]
    for temperature in (0, -1, float("nan")):
        with pytest.raises(UnibindError, match="the temperature must be a positive number, not"):
            create(vit, temperature=temperature)
    for kept in (0, -1):
        with pytest.raises(UnibindError, match="kept must be a whole number of classes from 1, not"):
            create(vit, kept=kept)
    with pytest.raises(UnibindError, match=r"reads clips of 4 frames; leave out frames"):
        create(videomae, frames=8)
    with pytest.raises(UnibindError, match=r"imagebind cannot embed the texts of the classes: "):
        create(vit, anchor="imagebind", modalities=["image"])
    with pytest.raises(UnknownNameError, match="unknown modality 'audio'; choose one of: text, image"):
        create(vit, modalities=["audio"])


def test_without_transformers_the_extra_is_named(models, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "transformers" else found(name, *a)
    )
    with pytest.raises(MissingExtraError, match=r"the backbone classifier needs .*unibind\[transformers\]"):
        create(models["vit"][0])
