"""Exact search over the blocks of a store, beside a plain loop over all items."""

import numpy as np
import pytest

from tests.helpers.random_store import TOY, plain_nearest, random_store, random_vectors
from unibind import UniBind
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.data.store import Store
from unibind.errors import ContractError, UnknownNameError
from unibind.retrieval.filters import parse_filter
from unibind.retrieval.streamed import StreamedItems

QUERIES = random_vectors(3, 7)


def found(items, k, modality, where=None, queries=QUERIES):
    results = []
    for ranking in items.nearest(queries, k, modality=modality, where=where):
        rows, _ = items.rows(ranking.keys)
        results.append([(row.id, float(score)) for row, score in zip(rows, ranking.scores, strict=True)])
    return results


def check_equal(results, expected):
    assert [[name for name, _ in one] for one in results] == [[name for name, _ in one] for one in expected]
    for one, other in zip(results, expected, strict=True):
        assert [score for _, score in one] == pytest.approx([score for _, score in other], abs=1e-5)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return random_store(tmp_path_factory.mktemp("stores") / "store", image=120, audio=20)


@pytest.fixture(params=["kept", "streamed"])
def small_blocks(request, monkeypatch):
    """The store is read nine items at a time, once or for every search."""
    if request.param == "streamed":
        monkeypatch.setattr("unibind.retrieval.streamed._KEPT_BYTES", 0)
    scan = Store.scan
    monkeypatch.setattr(Store, "scan", lambda self, *which, size=0: scan(self, *which, size=9))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("k", [1, 7, 500])
def test_what_is_nearest_is_what_a_plain_loop_finds(store, small_blocks, k, center):
    model = UniBind(TOY)
    items = StreamedItems(store, model, center=center)
    for modality in ("image", "audio"):
        check_equal(found(items, k, modality), plain_nearest(store, model, QUERIES, k, modality, center=center))


def test_a_filter_is_applied_before(store, small_blocks):
    model = UniBind(TOY)
    expected = plain_nearest(store, model, QUERIES, 5, "image", keep=lambda row: row.label == "green")
    check_equal(found(StreamedItems(store, model), 5, "image", parse_filter("label = 'green'")), expected)
    assert found(StreamedItems(store, model), 5, "image", parse_filter("label = 'blue'")) == [[], [], []]


def test_vectors_are_those_after_the_head(store):
    head = Head(AffineMap(np.roll(np.eye(TOY.dim, dtype=np.float32), 1, axis=0), np.full(TOY.dim, 0.1, np.float32)))
    model = UniBind(TOY, heads={"image": head})
    items = StreamedItems(store, model)
    check_equal(found(items, 4, "image"), plain_nearest(store, model, QUERIES, 4, "image"))
    assert items.contracts["image"].centered == head.fingerprint
    plain = head(store.vectors("image").vectors)
    np.testing.assert_allclose(items.means["image"], plain.mean(axis=0), atol=1e-6)


def test_equal_scores_are_in_the_order_of_ids(tmp_path, small_blocks):
    store = Store.create(tmp_path / "store")
    from unibind import Item

    names = [f"{i:02}" for i in range(40)]
    vectors = np.tile(random_vectors(1, 1), (40, 1))
    order = np.random.default_rng(0).permutation(40)
    store.add([Item(names[i], "image", uri=f"{names[i]}.png") for i in order], vectors, TOY.contract("image"))
    (result,) = found(StreamedItems(store, UniBind(TOY), center=False), 5, "image", queries=vectors[:1])
    assert [name for name, _ in result] == names[:5]


def test_rows_are_told_of_any_key(store, small_blocks):
    items, known = StreamedItems(store, UniBind(TOY)), store.rows()
    rows, vectors = items.rows([row.key for row in known[:3]])
    assert [(row.id, row.label, row.uri) for row in rows] == [(row.id, row.label, row.uri) for row in known[:3]]
    assert vectors.shape == (3, TOY.dim)
    assert items.rows([])[1].shape == (0, TOY.dim)


def test_another_backbone_and_other_modalities_are_refused(store):
    with pytest.raises(ContractError):
        StreamedItems(store, UniBind(type(TOY)(weights="2")))
    with pytest.raises(UnknownNameError):
        StreamedItems(store, UniBind(TOY), modalities=["video"])
