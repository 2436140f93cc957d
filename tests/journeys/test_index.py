"""A large store is indexed by itself; the index can be built, shown and dropped, on the command line and in Python."""

from pathlib import Path

import PIL.Image
import pytest

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import picture
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.store import Store

pytestmark = pytest.mark.slow


def add_pictures(first, count):
    for i in range(first, first + count):
        path = Path("mine", CATEGORIES[i % 3], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture(CATEGORIES[i % 3], i).pixels).save(path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of nine pictures; the working directory is above it."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    add_pictures(0, 9)


def encode():
    return run("encode", "mine", "--out", "store", "--backbone", "toy", "--workers", "0")


def hits(*arguments):
    found = run_json("search", "blue", "--store", "store", "-k", 9, *arguments)["hits"]
    return {hit["id"]: hit["score"] for hit in found}


def test_an_index_is_built_shown_searched_and_dropped(files, monkeypatch):
    encode()
    exact = hits()
    built = run_json("index", "build", "store")
    assert (built["items"], built["backbone"], built["behind"]) == (9, "toy", False)
    assert run_json("index", "show", "store")["indexes"] == [{k: v for k, v in built.items() if k != "store"}]
    assert [vars(found) for found in unibind.show_indexes("store")] == [
        {**{k: v for k, v in built.items() if k != "store"}, "heads": (), "modalities": ("image",)}
    ]
    table = run("index", "show", "store").stdout
    assert built["name"] in table
    assert "up to date" in table
    with monkeypatch.context() as patched:
        patched.setattr(Store, "sound_vectors", lambda *_: pytest.fail("the store was read"))
        assert hits() == pytest.approx(exact, abs=2e-3)
    assert "removed" in run("index", "drop", "store", built["name"]).stderr
    assert "no index" in run("index", "show", "store").stderr
    assert hits() == exact
    assert unibind.build_index("store").name == built["name"]
    assert unibind.drop_indexes("store") == [built["name"]]
    assert "has no index abc" in run("index", "drop", "store", "abc", code=2).stderr


def test_a_large_store_is_indexed_by_encode_and_new_items_are_found(files, monkeypatch, caplog):
    encode()
    assert unibind.show_indexes("store") == []
    for module in ("unibind.api", "unibind.retrieval.opening"):
        monkeypatch.setattr(f"{module}.INDEXED_FROM", 9)
    hits()
    assert "`unibind index build store` makes search fast" in caplog.text
    encode()
    (index,) = unibind.show_indexes("store")
    add_pictures(9, 3)
    Path("mine/blue/2.png").unlink()
    encode()
    assert len(hits("--where", "label = 'blue'")) == 3
    (after,) = unibind.show_indexes("store")
    assert (after.name, after.items, after.behind) == (index.name, 11, False)
    found = unibind.search("blue", "store", where="label = 'blue'")
    assert {Path(hit.uri).name for hit in found} == {"5.png", "8.png", "11.png"}


def test_a_fitted_model_has_an_index_of_its_own(files):
    encode()
    run("fit", "store", "--out", "model", "--knowledge", "red,green,blue", "--modality", "image")
    before = hits("--model", "model")
    built = run_json("index", "build", "store", "--model", "model")
    assert built["heads"] == ["image"]
    assert hits("--model", "model") == pytest.approx(before, abs=2e-3)
    other = run_json("index", "build", "store")
    assert {found.name for found in unibind.show_indexes("store")} == {built["name"], other["name"]}


def test_an_empty_store_is_refused_in_a_sentence(files):
    Store.create("empty")
    assert "has no items to index" in run("index", "build", "empty", "--backbone", "toy", code=2).stderr
