"""Filters on files: however a store keeps a path, it is found as a person sees it."""

import pytest

from tests.helpers.toys import DIM, ToyBackbone
from unibind import UniBind
from unibind.data.embeddings import unit
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.retrieval import parse_filter
from unibind.retrieval.uris import kept_as_stored
from unibind.retrieval.views import build_view

FILES = ("here/a_1.png", "here/b.png", "there/a.png", "top.png")


@pytest.fixture(params=["streamed", "in a view"])
def found(request, tmp_path, monkeypatch):
    """The names of the files that a filter keeps; one is stored by its absolute path, and one is a URL."""
    import numpy as np

    monkeypatch.chdir(tmp_path)
    store, backbone = Store.create("runs/store"), ToyBackbone()
    uris = [*FILES, f"{tmp_path}/far/c.png", "https://a.example/d.png"]
    vectors = unit(np.random.default_rng(0).normal(size=(len(uris), DIM)).astype(np.float32))
    store.add([Item(f"i{i}", "image", uri=u) for i, u in enumerate(uris)], vectors, backbone.contract("image"))
    if request.param == "in a view":
        build_view(store, UniBind(backbone))

    def names(where):
        hits = UniBind(backbone).search("red", Store.open("runs/store"), where=where)
        return sorted(hit.uri.rsplit("/", 1)[-1] for hit in hits)

    return names


@pytest.mark.slow
def test_files_are_named_as_they_are_seen(found, tmp_path):
    assert found("uri = 'here/b.png'") == ["b.png"]
    assert found(f"uri = '{tmp_path}/here/b.png'") == ["b.png"]
    assert found("uri in ('here/../here/b.png', 'far/c.png', 'https://a.example/d.png')") == ["b.png", "c.png", "d.png"]
    assert found("uri != 'here/b.png' and not uri = 'top.png'") == ["a.png", "a_1.png", "c.png", "d.png"]
    assert found("uri like 'here/%'") == ["a_1.png", "b.png"]
    assert found("uri like 't%'") == ["a.png", "top.png"]
    assert found("uri like '%/a_1.png'") == ["a_1.png"]
    assert found("uri like 'far/%' or uri like 'https://a.example/%'") == ["c.png", "d.png"]
    assert found("uri = '../../here/b.png'") == []  # as the store keeps it, which is nobody's business


def test_other_conditions_stay_as_they_are(tmp_path):
    where = parse_filter("not (label = 'a' or start_s > 3) and id like 'x%' and text in ('b')")
    assert kept_as_stored(where, tmp_path) == where


def test_a_pattern_in_the_folder_of_the_store_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kept_as_stored(parse_filter("uri like 'a%'"), tmp_path).to_sql() == (
        f"(`uri` LIKE 'a%') OR (`uri` LIKE '{tmp_path}/a%')"
    )
