"""A store held in memory, without the means of its modalities: whose mean is removed, and what is found."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.plain_items import items_of, search_in
from tests.helpers.toy_store import filled_store
from tests.helpers.toys import DIM, ToyBackbone, text_items
from unibind import UniBind
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.centering import PRIOR_ITEMS, Mean
from unibind.data.embeddings import unit
from unibind.data.encode import embed
from unibind.data.store import Store
from unibind.data.store_means import store_means
from unibind.errors import ContractError
from unibind.modalities.text import Text
from unibind.retrieval import parse_filter
from unibind.retrieval.centering import GENERIC_TEXTS, Centering
from unibind.retrieval.streamed import StreamedItems

TOY = ToyBackbone()
MEAN = Mean(np.float32([0.5, 0, 0, 0, 0, 0, 0, 0.5]), 9)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Pictures and tones of three categories, 36 of each, in three splits."""
    return filled_store(tmp_path_factory.mktemp("stores") / "store", TOY)


def a_head():
    return Head(AffineMap(np.roll(np.eye(DIM, dtype=np.float32), 1, axis=0), np.full(DIM, 0.1, np.float32)))


def centering(store, **parts):
    return Centering(UniBind(TOY, **parts), store)


def test_the_mean_of_the_store_is_removed_and_the_contract_has_its_fingerprint(store):
    found, mean = centering(store), store_means(store)["image"]
    images = store.vectors("image")
    np.testing.assert_array_equal(found.vectors(images.vectors, "image"), mean(images.vectors))
    assert found.contract(images.contract) == images.contract.centered_by(mean.fingerprint)


def test_the_mean_of_the_model_comes_first(store):
    found, images = centering(store, means={"image": MEAN}), store.vectors("image")
    np.testing.assert_array_equal(found.vectors(images.vectors, "image"), MEAN(images.vectors))
    assert found.contract(images.contract).centered == MEAN.fingerprint


def test_a_head_has_removed_the_mean_itself(store):
    head = a_head()
    model = UniBind(TOY, heads={"image": head})
    found, images = Centering(model, store), model.project(store.vectors("image"))
    assert found.vectors(images.vectors, "image") is images.vectors
    assert found.contract(images.contract).centered == head.fingerprint
    assert found.contract(TOY.contract("audio")).centered == store_means(store)["audio"].fingerprint


def test_nothing_is_removed_from_a_modality_of_which_nothing_is_known(tmp_path):
    vectors = unit(np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32))
    found = centering(Store.create(tmp_path / "store"))
    np.testing.assert_allclose(found.vectors(vectors, "image"), vectors, atol=1e-6)
    assert found.contract(TOY.contract("image")).centered == Mean.nothing(DIM).fingerprint


def test_without_texts_in_the_store_queries_lose_the_mean_of_generic_texts(store):
    texts = embed([Text(text) for text in GENERIC_TEXTS], TOY)
    queries = embed([Text("red"), Text("red photo")], TOY)
    np.testing.assert_array_equal(centering(store).vectors(queries, "text"), Mean.of(texts).at_most(queries))


def test_the_texts_of_a_store_count_beside_the_generic_ones_until_they_are_many(tmp_path):
    store = Store.create(tmp_path / "store")
    generic, queries = embed([Text(text) for text in GENERIC_TEXTS], TOY), embed([Text("red photo")], TOY)
    for count, beside in ((4, generic), (256, np.zeros((0, DIM), np.float32))):
        items = text_items(count)[len(store) :]
        store.add(items, embed([Text(item.text) for item in items], TOY), TOY.contract("text"))
        every = np.concatenate([store.vectors("text").vectors, beside])
        expected = Mean(every.sum(axis=0) / np.float32(len(every) + PRIOR_ITEMS), len(every))
        np.testing.assert_allclose(centering(store).vectors(queries, "text"), expected.at_most(queries), atol=1e-6)


def test_generic_texts_are_embedded_once_per_model_and_only_for_texts(store):
    backbone = ToyBackbone()
    model = UniBind(backbone)
    model.search(["red", "blue"], store)
    model.search("red", store)
    assert backbone.encoded["text"] == 3 + len(GENERIC_TEXTS)
    alone = UniBind(ToyBackbone())
    StreamedItems(store, alone).as_compared(store.vectors("image").vectors[:1], "image")
    UniBind(backbone, means={"text": MEAN}).search("red", store)
    assert alone.backbone.encoded["text"] == 0
    assert backbone.encoded["text"] == 4 + len(GENERIC_TEXTS)


def test_items_and_queries_are_centered_alike_and_means_are_those_before(store):
    held, means = StreamedItems(store, UniBind(TOY)), store_means(store)
    images, tones = store.vectors("image", "test"), store.vectors("audio", "test")
    query, contract = held.as_compared(tones.vectors[:1], "audio")
    np.testing.assert_array_equal(query, means["audio"](tones.vectors[:1]))
    assert contract == held.contracts["audio"]
    for part in (images, tones):
        scores = dict(zip(part.ids, means[part.modality](part.vectors) @ query[0], strict=True))
        (ranking,) = held.nearest(query, 99, modality=part.modality, where=parse_filter("split = 'test'"))
        rows, vectors = held.rows(ranking.keys)
        assert {row.id: score for row, score in zip(rows, ranking.scores, strict=True)} == pytest.approx(
            scores, abs=1e-6
        )
        np.testing.assert_allclose(ranking.scores, vectors @ query[0], atol=1e-6)
        assert ranking.scores.tolist() == sorted(ranking.scores, reverse=True)
    every = store.vectors("image").vectors
    np.testing.assert_allclose(held.means["image"], every.mean(axis=0), atol=1e-6)


def test_rows_are_what_the_store_knows_and_words_are_found_in_labels(store):
    held = StreamedItems(store, UniBind(TOY))
    ranking = held.matching("GREEN", 99, modality="audio", where=parse_filter("split in ('train', 'val')"))
    rows, _ = held.rows(ranking.keys)
    assert len(rows) == 8
    assert {(row.label, row.modality) for row in rows} == {("green", "audio")}
    assert {row.split for row in rows} == {"train", "val"}
    assert len(held.matching("green", 3, modality="audio")) == 3
    assert len(held.matching("purple", 3, modality="audio")) == 0


def test_a_filter_that_keeps_nothing_gives_nothing(store):
    held = StreamedItems(store, UniBind(TOY), modalities=["image"])
    (ranking,) = held.nearest(TOY_RED, 5, modality="image", where=parse_filter("label = 'purple'"))
    assert len(ranking) == 0
    assert list(held.contracts) == ["image"]


def test_many_queries_give_the_results_of_single_ones(store, monkeypatch):
    held = StreamedItems(store, UniBind(TOY))
    queries = unit(np.random.default_rng(0).normal(size=(9, DIM)).astype(np.float32))
    single = [held.nearest(q[None], 4, modality="image")[0].keys for q in queries]
    scan = Store.scan
    monkeypatch.setattr(Store, "scan", lambda self, *which: scan(self, *which, size=5))
    held = StreamedItems(store, UniBind(TOY))
    assert [ranking.keys for ranking in held.nearest(queries, 4, modality="image")] == single


@pytest.mark.parametrize("k", [1, 4, 36, 99])
def test_the_nearest_k_equal_a_full_sort(k, store):
    held, query = StreamedItems(store, UniBind(TOY)), np.eye(1, DIM, dtype=np.float32)
    (every,) = held.nearest(query, 1000, modality="image")
    by_id = sorted(zip(held.rows(every.keys)[0], every.scores, strict=True), key=lambda pair: pair[0].id)
    order = sorted(by_id, key=lambda pair: -pair[1])
    assert [*held.nearest(query, k, modality="image")[0].keys] == [row.key for row, _ in order][:k]
    assert len(order) == 36


def test_without_centering_vectors_are_compared_as_they_are(store):
    found = UniBind(TOY, means={"image": MEAN, "text": MEAN}).search("red", store, center=False, k=3)
    parts = {m: store.vectors(m) for m in ("audio", "image")}
    plain = search_in(items_of(parts), TOY_RED, TOY.contract("text"), 3)[0]
    assert [hit.id for hit in found] == [hit.id for hit in plain]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain])


TOY_RED = embed([Text("red")], TOY)


def test_the_store_is_read_once_for_all_queries(store, monkeypatch):
    reads, read = [], Store.scan
    monkeypatch.setattr(
        Store, "scan", lambda self, columns, *which: reads.append(*which) or read(self, columns, *which)
    )
    results = UniBind(TOY).search(["red", "green", "blue"], store, batch_size=1)
    assert len(results) == 3
    assert sorted(reads) == ["audio", "image"]


def test_other_spaces_are_refused_as_before(store):
    other = ToyBackbone(weights="2")
    with pytest.raises(ContractError):
        UniBind(other).search("red", store)


def test_similarity_refuses_centered_vectors_beside_plain_ones(store):
    from unibind import similarity

    images, mean = store.vectors("image"), store_means(store)["image"]
    contract = images.contract.centered_by(mean.fingerprint)
    centered = dataclasses.replace(images, vectors=mean(images.vectors), contract=contract)
    assert similarity(centered, centered).shape == (36, 36)
    with pytest.raises(ContractError, match="a mean was removed from the first vectors only"):
        similarity(centered, store.vectors("audio"))
