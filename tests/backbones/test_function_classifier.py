"""A function of the user as a backbone, on toy classifiers whose answers are known."""

import pickle

import numpy as np
import PIL.Image
import pytest
import torch

import unibind
from tests.helpers.registered import entry, register, spec
from unibind import ClassifierBackbone
from unibind.backbones import Backbone, PortableBackbone, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.errors import ContractError, UnibindError, UnknownNameError

COLORS = ("red", "green", "blue")


def color_of(raw):
    """The share of each color channel in a picture."""
    channels = raw.pixels.reshape(-1, 3).mean(axis=0)
    return channels / channels.sum()


def channels(raw):
    return torch.from_numpy(raw.pixels.reshape(-1, 3).mean(axis=0))


def shares(batch):
    return batch / batch.sum(dim=-1, keepdim=True)


def picture(red, green, blue):
    return unibind.Image(np.full((4, 5, 3), (red, green, blue), np.uint8))


@pytest.fixture(scope="module")
def colors():
    """The vectors of the names of the colors."""
    mini = create_backbone("mini", modalities=["text"])
    return torch.cat([mini.encode("text", mini.preprocess("text", unibind.Text(name))[None]) for name in COLORS])


def make(classify=color_of, labels=COLORS, *, version="colors-1", **options):
    return ClassifierBackbone.from_callable(classify, labels, version=version, **options)


def embed(backbone, *raws, modality="image"):
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


@pytest.mark.slow
def test_probabilities_mix_the_vectors_of_the_labels(colors):
    backbone = make()
    assert isinstance(backbone, Backbone) and not isinstance(backbone, PortableBackbone)
    assert backbone.modalities == ("text", "image")
    z = embed(backbone, picture(200, 0, 0), picture(50, 150, 0))
    torch.testing.assert_close(z, unit(torch.stack([colors[0], 0.25 * colors[0] + 0.75 * colors[1]])))
    squared = embed(make(temperature=0.5), picture(50, 150, 0))  # p ** (1 / 0.5), by hand: 1 to 9
    torch.testing.assert_close(squared, unit(0.1 * colors[:1] + 0.9 * colors[1:2]))
    torch.testing.assert_close(embed(make(kept=1), picture(50, 150, 0)), colors[1:2])


def test_ten_classes_are_mixed_unless_another_number_is_chosen():
    names = tuple(f"{color} {thing}" for color in COLORS for thing in ("hat", "sea", "car", "dog"))  # 12 classes
    slope = torch.arange(1.0, 13.0) / 78
    vectors = torch.stack([embed(make(lambda raw, i=i: torch.eye(12)[i], names), picture(1, 1, 1))[0] for i in (0, 11)])
    ten, all_ = (embed(make(lambda raw: slope, names, **kept), picture(1, 1, 1)) for kept in ({}, {"kept": 12}))
    assert (ten - all_).abs().max() > 1e-4
    torch.testing.assert_close(embed(make(lambda raw: slope, names, kept=1), picture(1, 1, 1))[0], vectors[1])
    top = torch.where(slope > 2.5 / 78, slope, 0.0)
    torch.testing.assert_close(embed(make(lambda raw: top / top.sum(), names, kept=12), picture(1, 1, 1)), ten)


def test_prepared_batches_give_the_same_vectors():
    pictures = [picture(200, 10, 0), picture(50, 150, 7), picture(0, 0, 1)]
    seen = []

    def classify(batch):
        seen.append(batch.shape)
        return shares(batch)

    torch.testing.assert_close(embed(make(classify, prepare=channels), *pictures), embed(make(), *pictures))
    assert seen == [(3, 3)]


def test_a_model_of_the_user_stays_as_it_is():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Softmax(dim=-1)).train()
    embed(make(model, prepare=lambda raw: channels(raw).float()), picture(200, 10, 0))
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.slow
def test_a_classifier_reads_the_modality_it_is_made_for(colors):
    def loudness(raw):
        return [0.0, 0.0, 1.0] if float(np.abs(raw.samples).max()) > 0.5 else [1.0, 0.0, 0.0]

    backbone = make(loudness, modality="audio")
    loud = unibind.Audio(np.ones(100, np.float32), 16_000)
    torch.testing.assert_close(embed(backbone, loud, modality="audio"), colors[2:])
    with pytest.raises(UnknownNameError, match="unknown modality 'image'; choose one of: text, audio"):
        backbone.preprocess("image", picture(1, 1, 1))
    with pytest.raises(UnknownNameError, match="unknown modality 'smell'"):
        make(modality="smell")
    with pytest.raises(UnknownNameError, match="unknown modality 'text'"):
        make(modality="text")


def test_texts_and_contracts():
    backbone, mini = make(), create_backbone("mini", modalities=["text"])
    assert backbone.contract("text") == mini.contract("text")
    assert backbone.contract("image").in_anchor_space
    others = [
        make(version="colors-2"),
        make(temperature=0.5),
        make(kept=2),
        make(labels=("crimson", "green", "blue")),
        make(knowledge={"red": ["the color of blood"]}),
    ]
    assert len({b.contract("image").hash for b in (backbone, *others)}) == 6
    assert make().contract("image") == backbone.contract("image")


def test_functions_that_can_be_pickled_run_in_workers():
    raw = picture(10, 20, 30)
    for backbone in (make(), make(shares, prepare=channels)):
        again = pickle.loads(pickle.dumps(backbone))
        assert torch.equal(again.preprocess("image", raw), backbone.preprocess("image", raw))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([0.5, 0.5], r"returned numbers of shape \[2\]; return probabilities \[3\], one per label"),
        ([[0.5, 0.25, 0.25]], r"returned numbers of shape \[1, 3\]; return probabilities \[3\]"),
        ([float("nan"), 0.5, 0.5], "returned numbers that are not finite"),
        ([-0.5, 0.5, 1.0], "returned numbers whose smallest is -0.5 and whose sum is 1; return probabilities, for"),
        ([4.0, 2.0, -1.0], "returned numbers whose smallest is -1 and whose sum is 5"),
        ([0.2, 0.2, 0.2], "returned numbers whose smallest is 0.2 and whose sum is 0.6"),
        ("red", "returned a str; return probabilities as numbers"),
        (None, "returned a NoneType; return probabilities as numbers"),
    ],
)
def test_what_is_no_distribution_is_refused(returned, message):
    with pytest.raises(UnibindError, match=f"your function {message}"):
        embed(make(lambda raw: returned), picture(1, 2, 3))


def test_batches_of_another_width_are_refused():
    wrong = make(lambda batch: torch.full((len(batch), 4), 0.25), prepare=channels)
    with pytest.raises(UnibindError, match=r"shape \[2, 4\]; return probabilities \[2, 3\]"):
        embed(wrong, picture(1, 2, 3), picture(1, 2, 3))
    with pytest.raises(UnibindError, match=r"prepare returned a ndarray; return a torch tensor"):
        embed(make(shares, prepare=lambda raw: raw.pixels), picture(1, 2, 3))


@pytest.mark.parametrize("returned", [np.array([0, 0, 1]), torch.tensor([0.0, 0.0, 1.0]).half(), (0, 0, 1)])
def test_numbers_of_any_kind_are_probabilities(returned, colors):
    torch.testing.assert_close(embed(make(lambda raw: returned), picture(1, 2, 3)), colors[2:])


@pytest.mark.parametrize("labels", ["red", ["red"], ["red", ""], ["red", 3], []])
def test_labels_must_be_names(labels):
    with pytest.raises(UnibindError, match="labels must be two or more names in the order of the probabilities, not"):
        make(labels=labels)


def test_labels_that_are_only_numbers_need_descriptions():
    numbered = ["LABEL_0", "LABEL_1", "LABEL_2"]
    with pytest.raises(UnibindError, match=r"3 of the 3 labels of your function are only numbers, .* pass the names"):
        make(labels=numbered)
    assert make(labels=numbered, knowledge={name: ["a thing"] for name in numbered}).texts.named == ()


def test_a_version_is_needed():
    with pytest.raises(TypeError, match="version"):
        ClassifierBackbone.from_callable(color_of, COLORS)
    with pytest.raises(UnibindError, match=r"version must be a text that changes whenever the probabilities do"):
        make(version=" ")


@pytest.mark.slow
def test_a_saved_model_opens_with_the_function_that_it_needs(tmp_path):
    model = unibind.UniBind.zero_shot(classes=["a tomato, which is red", "a leaf, which is green"], backbone=make())
    red = model.classify(picture(200, 10, 10))
    assert red.label == "a tomato, which is red"
    model.save_pretrained(tmp_path / "model")
    again = unibind.UniBind.from_pretrained(tmp_path / "model", backbone=make())
    assert again.classify(picture(200, 10, 10)).candidates == red.candidates
    with pytest.raises(UnibindError, match=r"pass the backbone that ClassifierBackbone.from_callable made"):
        unibind.UniBind.from_pretrained(tmp_path / "model")
    with pytest.raises(ContractError, match="was fitted on another classifier"):
        unibind.UniBind.from_pretrained(tmp_path / "model", backbone=make(version="colors-2"))
    with pytest.raises(UnibindError, match="an open backbone takes no options; leave out modalities"):
        unibind.UniBind.from_pretrained(tmp_path / "model", backbone=make(), modalities=["image"])


@pytest.mark.slow
def test_the_network_of_photo_is_photo(monkeypatch):
    """EfficientNet-Lite0 as a function, with the same texts, embeds pictures as the backbone photo does."""
    from unibind.backbones._shared.checkpoints import open_checkpoint
    from unibind.backbones._shared.class_texts import ClassTexts
    from unibind.backbones._shared.class_vectors import class_vectors
    from unibind.backbones.classifier import model
    from unibind.backbones.photo.efficientnet import MEAN, STD, load_network
    from unibind.backbones.photo.imagenet_texts import class_texts
    from unibind.backbones.photo.model import CLASS_VECTORS, KEPT, TEMPERATURE

    photo, network = create_backbone("photo", device="cpu"), load_network().eval()
    recorded = dict(open_checkpoint(CLASS_VECTORS).stream(["class_vectors"]))["class_vectors"]
    embedded = []

    def some(texts, anchor):  # a thousand descriptions take a minute: every hundredth is embedded, and the rest is read
        embedded.append(texts)
        few = class_vectors(ClassTexts(texts.labels[::100], texts.texts[::100]), anchor)
        torch.testing.assert_close(few, recorded[::100], atol=1e-4, rtol=0)
        return recorded

    monkeypatch.setattr(model, "class_vectors", some)
    labels = [f"class {number} of ImageNet" for number in range(1000)]
    wrapped = make(
        lambda batch: network((batch.permute(0, 3, 1, 2).float() - MEAN) / STD).softmax(dim=-1),
        labels,
        prepare=lambda raw: photo.preprocess("image", raw)[0],
        knowledge=dict(zip(labels, class_texts(), strict=True)),
        temperature=TEMPERATURE,
        kept=KEPT,
    )
    noise = np.random.default_rng(0)
    coarse = [PIL.Image.fromarray(noise.integers(0, 256, (5, 6, 3), np.uint8)) for _ in range(3)]
    raws = [unibind.Image(np.asarray(picture.resize((300, 260)))) for picture in coarse]
    z = embed(photo, *raws)
    torch.testing.assert_close(embed(wrapped, *raws), z, atol=1e-5, rtol=0)
    assert wrapped.contract("image").shares_space(photo.contract("image"))
    assert len(embedded) == 1 and (z @ z.T)[0, 1] < 0.999  # the pictures differ


@pytest.mark.slow
def test_a_package_gives_a_function_a_name(tmp_path, monkeypatch):
    def create(argument=None, **options):
        return make(name="colors")

    register(monkeypatch, entry("colors", spec("colors", create, modalities=("text", "image"))))
    table = {"text": {"backbone": "mini"}, "image": {"backbone": "colors"}}
    composed = create_backbone("composed", table=table)
    assert composed.contract("image").in_anchor_space
    unibind.UniBind.zero_shot(classes=["tomato", "leaf"], backbone="colors").save_pretrained(tmp_path / "model")
    again = unibind.UniBind.from_pretrained(tmp_path / "model")
    assert again.classify(picture(200, 10, 10)).label == "tomato"
