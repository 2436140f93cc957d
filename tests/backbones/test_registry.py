from importlib.metadata import EntryPoint

import pytest

from tests.helpers.toys import ToyBackbone
from unibind import backbones
from unibind.backbones import Backbone, backbone_cards, create_backbone
from unibind.errors import UnibindError, UnknownNameError

calls = []


def create_toy(argument=None, *, modalities=None, **options):
    calls.append((argument, modalities, options))
    return ToyBackbone()


def create_other(argument=None, **_):
    raise AssertionError("another entry point was asked for")


def entry(name, factory="create_toy"):
    return EntryPoint(name, f"{__name__}:{factory}", "unibind.backbones")


@pytest.fixture
def registered(monkeypatch):
    def register(*entries):
        monkeypatch.setattr(backbones, "entry_points", lambda group: [e for e in entries if e.group == group])
        calls.clear()

    return register


def test_the_toy_of_these_tests_is_a_backbone():
    assert isinstance(ToyBackbone(), Backbone)
    assert not isinstance(object(), Backbone)


def test_an_unknown_name_is_told_the_known_ones(registered):
    registered(entry("toy"))
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'clip'; choose one of: .*mini.*toy"):
        create_backbone("clip:large")


def test_entry_points_get_the_argument_modalities_and_options(registered):
    registered(entry("other", "create_other"), entry("toy"))
    assert isinstance(create_backbone("toy:large", modalities=["image"], device="cpu"), ToyBackbone)
    create_backbone("toy")
    assert calls == [("large", ["image"], {"device": "cpu"}), (None, None, {})]


def test_one_name_registered_twice_is_listed_once_and_built_once(registered):
    registered(entry("toy"), entry("toy"), entry("mini"))
    assert list(backbone_cards()).count("toy") == 1
    create_backbone("toy")
    assert len(calls) == 1


def test_nobody_replaces_a_built_in_backbone(registered):
    registered(entry("mini", "create_other"))
    assert create_backbone("mini").name == "mini"


def test_modalities_limit_what_a_backbone_offers():
    assert create_backbone("mini", modalities=["audio", "text"]).modalities == ("audio", "text")
    assert len(create_backbone("mini").modalities) == 7
    with pytest.raises(UnknownNameError, match="unknown modality 'smell'"):
        create_backbone("mini", modalities=["smell"])


def test_options_a_backbone_does_not_take_are_named():
    with pytest.raises(UnibindError, match=r"mini cannot be made this way.*flavour"):
        create_backbone("mini", flavour="sweet")


def test_weights_that_forbid_commercial_use_can_be_refused(registered, monkeypatch):
    registered(entry("toy"))
    monkeypatch.setattr(ToyBackbone, "license", backbones.License("CC-BY-NC-4.0", commercial=False))
    create_backbone("toy")
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "1")
    with pytest.raises(UnibindError, match=r"weights of toy are under CC-BY-NC-4.0.*--commercial-only"):
        create_backbone("toy")


def test_mini_has_no_variants():
    with pytest.raises(UnibindError, match=r"mini.*large'"):
        create_backbone("mini:large")
