"""Opening stores and backbones by what a person names."""

import logging

import pytest

from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import ToyBackbone, text_items
from unibind.data import opening
from unibind.data.encode import encode_items
from unibind.data.opening import DEFAULT_BACKBONE, open_backbone, open_store
from unibind.data.store import Store
from unibind.errors import MissingFileError, UnibindError


@pytest.fixture
def created(monkeypatch):
    """Register the toy backbone; returns the arguments of every creation."""
    calls = []

    def create(argument=None, *, modalities=None, shade="dark", device="cpu"):
        calls.append((argument, shade, device))
        backbone = ToyBackbone()
        backbone.options = {"shade": shade}
        return backbone

    register(monkeypatch, entry("toy", spec("toy", create)))
    return calls


@pytest.fixture
def store(created, tmp_path):
    """A store encoded by a light toy."""
    store = Store.create(tmp_path / "store")
    encode_items(text_items(3), open_backbone("toy", options={"shade": "light"}), store)
    created.clear()
    return Store.open(tmp_path / "store")


def test_a_store_remembers_the_backbone_that_encoded_it(created, store):
    open_backbone(None, store=store)
    open_backbone("toy", store=store, device="cuda")
    assert created == [(None, "light", "cpu"), (None, "light", "cuda")]


def test_given_options_override_those_of_the_store(created, store):
    open_backbone("toy", store=store, options={"shade": "dark"})
    assert created == [(None, "dark", "cpu")]


def test_without_a_store_a_backbone_has_its_own_defaults(created):
    open_backbone("toy")
    assert created == [(None, "dark", "cpu")]


def test_an_open_backbone_is_returned_as_it_is():
    backbone = ToyBackbone()
    assert open_backbone(backbone) is backbone
    with pytest.raises(UnibindError, match="an open backbone takes no options; leave out device"):
        open_backbone(backbone, device="cpu")


@pytest.fixture
def said(monkeypatch, caplog):
    """Make a toy that knows colors the default; returns what is logged."""
    knowing = entry("toy", spec("toy", lambda argument=None, **_: ToyBackbone(), knows="colors, but no shapes"))
    register(monkeypatch, knowing)
    monkeypatch.setattr(opening, "DEFAULT_BACKBONE", "toy")
    opening._say_what_it_knows.cache_clear()
    yield lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    opening._say_what_it_knows.cache_clear()


def test_what_the_default_backbone_knows_is_said_once(said):
    for _ in range(2):
        open_backbone(None)
    (line,) = said()
    assert line == "toy, the default backbone, knows colors, but no shapes; `unibind backbones list` has others"


def test_it_is_not_said_of_a_backbone_that_was_chosen(said, tmp_path):
    open_backbone("toy")
    open_backbone(ToyBackbone())
    open_backbone(None, only_texts=True)
    store = Store.create(tmp_path / "store")
    encode_items(text_items(3), open_backbone("toy"), store)
    open_backbone(None, store=Store.open(store.path))
    assert said() == []


def test_the_default_backbone_needs_no_download():
    assert open_backbone(None).name == DEFAULT_BACKBONE == "starter"


def test_a_missing_store_is_an_error(tmp_path):
    with pytest.raises(MissingFileError):
        open_store(tmp_path / "nowhere")
    store = Store.create(tmp_path / "store")
    assert open_store(store) is store
