import dataclasses

import numpy as np
import pytest

from tests.helpers.random_store import TOY, random_store, random_vectors
from unibind import UniBind
from unibind.retrieval.filters import parse_filter
from unibind.retrieval.views import VectorIndex, build_view, current_view, vector_index
from unibind.retrieval.views.nearness import Sample
from unibind.retrieval.views.table import ViewTable

pytestmark = pytest.mark.slow
MODEL = UniBind(TOY)


def test_a_sample_draws_every_vector_as_likely_as_any_other():
    drawn = []
    for shift in range(50):  # which vector comes when does not matter
        sample = Sample(1)
        for part in np.array_split(np.roll(np.arange(1000, dtype=np.float32), 20 * shift)[:, None], [10, 400, 401]):
            sample.take(part)
        assert len(set(sample.vectors[:, 0])) == 100
        drawn.append(sample.vectors.mean())
    assert np.mean(drawn) == pytest.approx(499.5, abs=20)


def test_fewer_vectors_than_a_sample_has_room_for_are_all_drawn():
    sample = Sample(2)
    for start in (0, 4):
        sample.take(np.arange(start, start + 4, dtype=np.float32).reshape(2, 2))
    assert sorted(sample.vectors[:, 0]) == [0, 2, 4, 6]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return random_store(tmp_path_factory.mktemp("stores") / "store", image=1200, audio=300)


def test_the_usual_cosine_is_what_nearly_all_items_reach(store):
    record = build_view(store, MODEL)
    items = current_view(store, MODEL)
    for modality in ("image", "audio"):
        rows = [row.key for row in store.rows() if row.modality == modality]
        _, vectors = items.rows(rows)
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -1)
        reached = np.mean(cosines.max(axis=1) >= record.usual[modality])
        assert 0.9 < reached < 0.99  # 95 % of a sample


@pytest.fixture
def asked(monkeypatch):
    """Whether each search of an index was thorough."""
    asked, nearest = [], ViewTable.nearest
    monkeypatch.setattr(
        ViewTable, "nearest", lambda *args, **how: asked.append(how["thorough"]) or nearest(*args, **how)
    )
    return asked


@pytest.fixture
def view(store, monkeypatch):
    """An index of which a quick search reads one partition."""
    index = VectorIndex("IVF_PQ", 30, 4, len(store))
    monkeypatch.setattr(VectorIndex, "chosen", lambda *_: index)
    monkeypatch.setattr(vector_index, "_QUICK", vector_index._Effort(1000, 1, 100, 150))
    build_view(store, MODEL)
    return current_view(store, MODEL)


def an_item(store, view):
    row = next(row for row in store.rows() if row.modality == "image")
    _, vectors = view.rows([row.key])
    return row.id, vectors


def test_what_is_near_an_item_is_searched_quickly(store, view, asked):
    name, vector = an_item(store, view)
    (ranking,) = view.nearest(3 * vector, 5, modality="image")  # of any length
    rows, _ = view.rows(ranking.keys[:1])
    assert rows[0].id == name
    assert asked == [False]


def test_a_query_unlike_all_items_is_searched_thoroughly(store, view, asked):
    query = -random_vectors(400, 7).mean(axis=0, keepdims=True)
    query /= np.linalg.norm(query)
    _, everything = view.rows([row.key for row in store.rows() if row.modality == "image"])
    assert (everything @ query[0]).max() < view.record.usual["image"]
    (ranking,) = view.nearest(query, 10, modality="image")
    assert asked == [False, True]
    np.testing.assert_allclose(ranking.scores, np.sort(everything @ query[0])[::-1][:10], atol=1e-5)


def test_a_filtered_search_is_thorough_at_once(store, view, asked):
    _, vector = an_item(store, view)
    view.nearest(vector, 5, modality="image", where=parse_filter("label = 'green'"))
    assert asked == [True]


def test_modalities_that_the_index_did_not_learn_from_are_searched_thoroughly(store, view, asked):
    _, vector = an_item(store, view)
    view.record = dataclasses.replace(view.record, usual={"audio": 0.5})
    view.nearest(vector, 5, modality="image")
    assert asked == [False, True]
