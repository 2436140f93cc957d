import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import ToyBackbone
from unibind.backbones import Backbone, License, backbone_specs, create_backbone, list_backbones
from unibind.errors import UnibindError, UnknownNameError

BUILT_IN = [
    *("classifier", "composed", "imagebind", "languagebind", "mini", "open_clip", "photo"),
    *("sentence_transformers", "starter", "transformers"),
]


@pytest.fixture
def calls():
    return []


@pytest.fixture
def toy(calls):
    """A spec that builds the toy backbone and records its arguments."""

    def create(argument=None, *, modalities=None, shade="dark", device="cpu"):
        calls.append((argument, modalities, shade, device))
        return ToyBackbone()

    return entry("toy", spec("toy", create))


def must_not_load():
    raise AssertionError("another entry point was loaded")


def test_the_toy_of_these_tests_is_a_backbone():
    assert isinstance(ToyBackbone(), Backbone)
    assert not isinstance(object(), Backbone)


# --- listing -------------------------------------------------------------------------------------------------------


def test_every_backbone_is_listed_in_alphabetical_order(monkeypatch, toy):
    register(monkeypatch, toy)
    assert list(backbone_specs()) == sorted([*BUILT_IN, "toy"])
    assert [card.name.partition(":")[0] for card in list_backbones()] == sorted([*BUILT_IN, "toy"])


def test_listing_imports_neither_torch_nor_any_backbone_code():
    script = """
import sys
from unibind.backbones import list_backbones
assert len(list_backbones()) >= 5
code = [m for m in sys.modules if m.startswith("unibind.backbones.") and m.count(".") > 2 and "._shared" not in m]
heavy = ("torch", "numpy", "PIL", "transformers", "sentence_transformers", "open_clip")
print([m for m in heavy if m in sys.modules], code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[] []", done.stderr


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (entry("broken", None, load=lambda: 1 / 0), "package:broken cannot be imported (ZeroDivisionError"),
        (entry("broken", "text"), "package:broken is a str, not a BackboneSpec"),
    ],
)
def test_a_broken_third_party_backbone_is_listed_as_unavailable(monkeypatch, toy, broken, reason):
    register(monkeypatch, broken, toy)
    cards = {card.name: card for card in list_backbones()}
    assert cards["broken"].unavailable.startswith(reason)
    assert cards["toy"].unavailable is None
    with pytest.raises(UnibindError, match=r"the backbone broken cannot be loaded: .*; update or remove its package"):
        create_backbone("broken", device="cpu")


def test_a_name_registered_twice_is_listed_and_built_once(monkeypatch, toy, calls):
    register(monkeypatch, toy, entry("toy", None, load=must_not_load), entry("mini", None, load=must_not_load))
    assert list(backbone_specs()).count("toy") == 1
    create_backbone("toy")
    assert len(calls) == 1


# --- creating ------------------------------------------------------------------------------------------------------


def test_an_unknown_name_lists_the_known_ones_without_loading_them(monkeypatch):
    register(monkeypatch, entry("toy", None, load=must_not_load))
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'clip'; choose one of: .*mini.*toy"):
        create_backbone("clip:large")


def test_entry_points_get_the_argument_and_the_given_options(monkeypatch, toy, calls):
    register(monkeypatch, entry("other", None, load=must_not_load), toy)
    assert isinstance(create_backbone("toy:large", modalities=["image"], device="cuda:1", shade=None), ToyBackbone)
    create_backbone("toy")
    assert calls == [("large", ["image"], "dark", "cuda:1"), (None, None, "dark", "cpu")]


def test_a_built_in_backbone_cannot_be_replaced(monkeypatch):
    register(monkeypatch, entry("mini", None, load=must_not_load))
    assert create_backbone("mini").name == "mini"


def test_modalities_limit_what_a_backbone_offers():
    assert create_backbone("mini", modalities=["audio", "text"]).modalities == ("audio", "text")
    assert len(create_backbone("mini").modalities) == 7
    with pytest.raises(UnknownNameError, match="unknown modality 'smell'"):
        create_backbone("mini", modalities=["smell"])
    with pytest.raises(UnibindError, match="no modality was requested; choose at least one of: image, text"):
        create_backbone("mini", modalities=[])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mini", {"flavor": "sweet"}, "mini does not take flavor; its options are modalities, weights, precision, dev"),
        ("mini", {"flavor": "sweet", "clips": 3}, "mini does not take flavor, clips; its options are"),
        ("imagebind", {"frames": 3}, "imagebind does not take frames; its options are modalities, weights, .*, sizes"),
        ("transformers:x", {"weights": "w"}, "transformers does not take weights; its options are modalities, precis"),
        ("open_clip:a/b", {"weights": "w"}, "open_clip does not take weights; its options are modalities, precision"),
        ("composed:x.toml", {"weights": "w"}, "composed does not take weights; its options are modalities, table, dim"),
        ("toy", {"precision": "int8"}, "toy does not take precision; its options are modalities, shade, device$"),
    ],
)
def test_an_unknown_option_is_named_beside_the_known_ones(monkeypatch, toy, name, options, message):
    register(monkeypatch, toy)
    with pytest.raises(UnibindError, match=f"the backbone {message}"):
        create_backbone(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mini", {"compile": 1}, "mini takes true or false for compile, not 1"),
        ("mini", {"precision": ["int8"]}, r"mini takes a text for precision, not \['int8'\]"),
        ("mini", {"modalities": "image"}, "mini takes a list for modalities, not 'image'"),
        ("photo", {"frames": "abc"}, "photo takes a whole number for frames, not 'abc'"),
        ("photo", {"frames": True}, "photo takes a whole number for frames, not True"),
        ("imagebind", {"clip_seconds": "2"}, "imagebind takes a number for clip_seconds, not '2'"),
        ("classifier:x", {"knowledge": 3}, "classifier takes a text or a table for knowledge, not 3"),
        ("languagebind", {"repositories": []}, r"languagebind takes a table for repositories, not \[\]"),
    ],
)
def test_an_option_of_another_type_is_one_sentence(name, options, message):
    with pytest.raises(UnibindError, match=f"the backbone {message}$"):
        create_backbone(name, **options)


def test_what_stands_for_a_text_or_a_number_is_one():
    device, frames = torch.device("cpu"), np.int64(3)
    assert create_backbone("photo", modalities=("image",), device=device, frames=frames).frames == 3


def test_weights_that_forbid_commercial_use_can_be_refused(monkeypatch, toy):
    register(monkeypatch, toy)
    monkeypatch.setattr(ToyBackbone, "license", License("CC-BY-NC-4.0", commercial=False))
    create_backbone("toy")
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "1")
    with pytest.raises(UnibindError, match=r"weights of toy are licensed under CC-BY-NC-4.0.*--commercial-only"):
        create_backbone("toy")


def test_mini_has_no_variants():
    with pytest.raises(UnibindError, match=r"mini has no variant 'large'; write mini alone"):
        create_backbone("mini:large")
