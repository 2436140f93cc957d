"""What is known about a backbone: options by signature, with meanings, and contracts where they can be had."""

import inspect

import pytest

from tests.helpers.command import run, run_json
from tests.helpers.labs import LABS, PARTS
from tests.helpers.registered import entry, register, spec
from unibind.backbones import backbone_specs, create_backbone, describe_backbone
from unibind.errors import UnibindError, UnknownNameError

KINDS = ("composed", "imagebind", "languagebind", "mini", "open_clip", "photo", "starter", "transformers")


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_has_a_meaning_and_is_what_set_takes(kind):
    described = describe_backbone(kind)
    assert described.card == backbone_specs()[kind].card
    assert [option.name for option in described.options if not option.meaning] == []
    with pytest.raises(UnibindError, match="does not take flavor; its options are ") as refused:
        create_backbone(described.card.name, flavor="sweet")
    listed = str(refused.value).partition("its options are ")[2].split(", ")
    assert listed == [option.name for option in described.options]


@pytest.mark.parametrize("kind", KINDS)
def test_no_meaning_is_left_over(kind):
    names = {option.name for option in describe_backbone(kind).options}
    assert backbone_specs()[kind].meanings.keys() <= names


def test_the_contracts_are_those_of_the_backbone():
    backbone = create_backbone("mini")
    described = describe_backbone("mini")
    assert described.contracts == {m: backbone.contract(m) for m in backbone.modalities}
    assert described.problem is None
    assert {o.name: o.default for o in described.options}["precision"] == "float32"


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setenv("UNIBIND_WEIGHTS", "/no/such/folder")
    described = describe_backbone("imagebind")
    assert "/no/such/folder (from UNIBIND_WEIGHTS) does not exist" in described.problem
    assert described.places[-1] == "UNIBIND_WEIGHTS (now /no/such/folder)"
    assert not described.contracts
    assert "name one on this machine" in describe_backbone("transformers:openai/clip-vit-base-patch32").problem
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'magic'; choose one of: .*mini"):
        describe_backbone("magic")


def test_parts_and_third_parties_are_described(monkeypatch, tmp_path):
    register(monkeypatch, *(entry(name, spec(name, lab.create)) for name, lab in LABS.items()))
    options = describe_backbone("lab_a").options
    assert [o.name for o in options] == list(inspect.signature(LABS["lab_a"].create).parameters)[1:]
    (tmp_path / "parts.toml").write_text(PARTS)
    assert set(describe_backbone(f"composed:{tmp_path / 'parts.toml'}").contracts) == {"text", "image", "point_cloud"}


def test_the_command_shows_the_same():
    shown = run_json("backbones", "show", "mini")
    described = describe_backbone("mini")
    assert [o["name"] for o in shown["options"]] == [o.name for o in described.options]
    assert shown["contracts"]["image"]["weights"] == described.contracts["image"].weights
    assert (shown["width"], shown["missing"]) == (384, "")
    page = run("backbones", "show", "mini").stdout
    for words in (
        "Apache-2.0",
        "precision",
        "float32, bfloat16, int8",
        "contract of",
        described.contracts["audio"].weights,
    ):
        assert words in page
    done = run("backbones", "show", "magic", code=2)
    assert done.stderr.startswith("unibind: unknown backbone 'magic'; choose one of: ")
