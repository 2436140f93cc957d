"""starter is photo for texts, pictures and videos, and mini for the rest: the same vectors, the same contracts."""

import pickle

import numpy as np
import pytest
import torch

from tests.helpers.command import run, run_json
from unibind.backbones import Backbone, create_backbone, list_backbones
from unibind.backbones._shared import minilm
from unibind.backbones.starter import PARTS
from unibind.errors import UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.image import Image
from unibind.modalities.text import Text

PICTURE = Image(np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8))
SOUND = Audio(np.sin(np.arange(16_000, dtype=np.float32) / 9), 16_000)


@pytest.fixture(scope="module")
def starter():
    return create_backbone("starter")


def vectors(backbone, modality, raw):
    return backbone.encode(modality, backbone.preprocess(modality, raw)[None])


def test_the_card_tells_the_truth(starter):
    (card,) = (card for card in list_backbones() if card.name == "starter")
    assert isinstance(starter, Backbone)
    assert (card.modalities, card.dim, card.license) == (starter.modalities, starter.dim, starter.license)
    licenses = [create_backbone(part).license for part in sorted(set(PARTS.values()))]
    assert set(starter.license.spdx.split(" AND ")) == {n for part in licenses for n in part.spdx.split(" AND ")}
    assert starter.license.commercial == all(part.commercial for part in licenses)
    assert "ImageNet" in card.knows


def test_the_command_says_what_it_knows():
    assert "only procedural objects" in run_json("backbones", "show", "starter")["knows"]
    assert "ImageNet's 1,000 classes" in run("backbones", "show", "starter").stdout


@pytest.mark.parametrize("modality", list(PARTS))
def test_a_contract_is_that_of_the_part(starter, modality):
    assert starter.contract(modality) == create_backbone(PARTS[modality]).contract(modality)


def test_all_parts_have_one_text_space(starter):
    texts = starter.contract("text")
    assert texts == minilm.text_contract()
    assert all(starter.contract(modality).in_anchor_space for modality in starter.modalities)
    assert {starter.contract(modality).space for modality in starter.modalities} == {texts.space}


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "raw"), [("image", PICTURE), ("audio", SOUND), ("text", Text("a dog on grass"))])
def test_vectors_are_those_of_the_part(starter, modality, raw):
    part = create_backbone(PARTS[modality], modalities=[modality])
    assert torch.equal(vectors(starter, modality, raw), vectors(part, modality, raw))


def test_texts_are_those_of_mini(starter):
    mini = create_backbone("mini", modalities=["text"])
    assert torch.equal(vectors(starter, "text", Text("a drum")), vectors(mini, "text", Text("a drum")))


def test_texts_and_sounds_read_no_picture_tower(monkeypatch):
    from unibind.backbones.photo import model

    def refuse(*_, **__):
        raise AssertionError("the picture tower was read")

    monkeypatch.setattr(model, "load_network", refuse)
    starter = create_backbone("starter")
    assert vectors(starter, "text", Text("a dog")).shape == vectors(starter, "audio", SOUND).shape == (1, 384)
    with pytest.raises(AssertionError, match="was read"):
        vectors(starter, "image", PICTURE)


def test_it_is_remembered_by_its_name_and_options(starter):
    assert (starter.name, starter.options) == ("starter", {})
    coarse = create_backbone("starter", modalities=["text"], precision="bfloat16")
    again = create_backbone(coarse.name, **coarse.options)
    assert again.contract("text") == coarse.contract("text") != starter.contract("text")


def test_worker_processes_can_preprocess(starter):
    copied = pickle.loads(pickle.dumps(starter))
    for modality, raw in (("image", PICTURE), ("audio", SOUND), ("text", Text("a dog"))):
        assert torch.equal(copied.preprocess(modality, raw), starter.preprocess(modality, raw))


def test_only_what_was_asked_for_can_be_used():
    starter = create_backbone("starter", modalities=["audio"])
    assert starter.modalities == ("audio",)
    with pytest.raises(UnknownNameError, match="image"):
        starter.preprocess("image", PICTURE)
    with pytest.raises(UnibindError, match="starter has no variant 'large'"):
        create_backbone("starter:large")
    with pytest.raises(UnibindError, match="starter does not take weights; its options are modalities, precision"):
        create_backbone("starter", weights="somewhere")
