import inspect

import pytest
from typer import Typer
from typer.testing import CliRunner

from tests.helpers.toys import ToyBackbone, text_items
from unibind import backbones
from unibind.cli._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from unibind.data.encode import encode
from unibind.data.store import Store
from unibind.errors import UnibindError

made = []


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """`create_backbone("toy", shade=...)`; every making is noted in `made`."""
    made.clear()

    def create(argument=None, *, modalities=None, shade="dark", device="cpu"):
        made.append((argument, shade, device))
        backbone = ToyBackbone()
        backbone.options = {"shade": shade}
        return backbone

    real = backbones._factory
    monkeypatch.setattr(backbones, "_factory", lambda kind: create if kind == "toy" else real(kind))


def verb_run(*arguments):
    """What a verb was given when it was called with these arguments."""
    given = {}
    app = Typer()

    @app.command()
    @with_backbone_options
    def verb(item: str, loud: bool = False, backbone: BackboneChoice = NO_CHOICE) -> None:
        """Do it."""
        given.update(item=item, loud=loud, backbone=backbone)

    done = CliRunner().invoke(app, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return given


def test_a_verb_takes_one_choice_out_of_many_options():
    given = verb_run("a", "--loud", "--backbone", "toy:x", "--device", "cuda", "--set", "shade=light", "--set", "n=5")
    assert (given["item"], given["loud"]) == ("a", True)
    assert given["backbone"] == BackboneChoice("toy:x", {"device": "cuda", "shade": "light", "n": 5})
    assert verb_run("a")["backbone"] == NO_CHOICE


def test_the_verbs_own_signature_is_left_alone():
    def verb(item: str, backbone: BackboneChoice = NO_CHOICE) -> None:
        """Do it."""

    wrapped = with_backbone_options(verb)
    assert wrapped.__doc__ == "Do it."
    assert next(iter(inspect.signature(wrapped).parameters)) == "item"
    assert "backbone" not in inspect.signature(wrapped).parameters


@pytest.mark.parametrize("text", ["clips", "=5", "a b=5"])
def test_settings_must_have_a_name_and_a_value(text):
    with pytest.raises(UnibindError, match="--set takes NAME=VALUE"):
        verb_run("a", "--set", text)


def test_a_store_knows_the_backbone_that_encoded_it(tmp_path):
    store = Store.create(tmp_path / "store")
    encode(text_items(3), BackboneChoice("toy", {"shade": "light"}).open(), store)
    again = Store.open(tmp_path / "store")
    made.clear()
    BackboneChoice().open(again)
    BackboneChoice("toy", {"device": "cuda"}).open(again)
    BackboneChoice("toy", {"shade": "dark"}).open(again)
    BackboneChoice("toy").open()
    assert made == [(None, "light", "cpu"), (None, "light", "cuda"), (None, "dark", "cpu"), (None, "dark", "cpu")]


def test_without_a_word_it_is_mini():
    assert BackboneChoice().open().name == "mini"
