"""The options that choose a backbone reach a verb as one argument."""

import inspect

import pytest
from typer import Typer
from typer.testing import CliRunner

from unibind.cli._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from unibind.errors import UnibindError


def received(*arguments):
    """What a verb receives when it is called with these arguments."""
    values = {}
    app = Typer()

    @app.command()
    @with_backbone_options
    def verb(item: str, loud: bool = False, backbone: BackboneChoice = NO_CHOICE) -> None:
        """Do it."""
        values.update(item=item, loud=loud, backbone=backbone)

    done = CliRunner().invoke(app, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return values


def test_many_options_become_one_choice():
    values = received(
        *("a", "--loud", "--backbone", "toy:x", "--weights", "w.pth", "--precision", "auto", "--device", "cuda"),
        *("--set", "shade=light", "--set", "n=5"),
    )
    assert (values["item"], values["loud"]) == ("a", True)
    assert values["backbone"] == BackboneChoice("toy:x", "w.pth", "auto", "cuda", {"shade": "light", "n": 5})


def test_no_options_are_no_choice():
    assert received("a")["backbone"] == NO_CHOICE
    assert not any(NO_CHOICE.arguments.values())


def test_a_choice_becomes_the_arguments_of_library_functions():
    choice = BackboneChoice("toy", device="cuda", options={"n": 5})
    assert choice.arguments == {
        "backbone": "toy",
        "weights": None,
        "precision": None,
        "device": "cuda",
        "options": {"n": 5},
    }


def test_the_signature_of_the_verb_is_kept():
    def verb(item: str, backbone: BackboneChoice = NO_CHOICE) -> None:
        """Do it."""

    wrapped = with_backbone_options(verb)
    assert wrapped.__doc__ == "Do it."
    assert next(iter(inspect.signature(wrapped).parameters)) == "item"
    assert "backbone" not in inspect.signature(wrapped).parameters


@pytest.mark.parametrize("text", ["clips", "=5", "a b=5"])
def test_settings_need_a_name_and_a_value(text):
    with pytest.raises(UnibindError, match="--set takes NAME=VALUE"):
        received("a", "--set", text)
