"""Answers to queries: ranked, mixed, fused with words, spread out, and checked against contracts."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.plain_items import PlainItems, items_of, row, search_in
from unibind.backbones.contract import Contract
from unibind.centering import Mean
from unibind.data.embeddings import Embeddings
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.retrieval import parse_filter


def contract(modality, space="toy@1", weights="w"):
    return Contract(space=space, backbone="toy", modality=modality, weights=weights)


def stored(modality, vectors, labels=None, contents=None, **changes):
    """Stored embeddings of one modality, from vectors of any length."""
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"{modality}{i}" for i in range(len(vectors))]
    return Embeddings(
        modality=modality,
        ids=names,
        labels=list(labels or names),
        vectors=vectors,
        contract=contract(modality, **changes),
        uris=[f"{name}.file" for name in names],
        objects=names,
        descriptions=[None] * len(names),
        contents=list(contents or [None] * len(names)),
    )


def search(parts, query, k=10, modality="text", **options):
    """The hits of one query."""
    return search_in(items_of(parts), np.array([query], np.float32), contract(modality), k, **options)[0]


def ids(hits):
    return [hit.id for hit in hits]


def test_results_are_ranked_by_score_and_describe_the_item():
    parts = {"image": stored("image", [[1, 0], [0, 1]]), "audio": stored("audio", [[1, 1]])}
    hits = search(parts, [0, 1], 3)
    assert ids(hits) == ["image1", "audio0", "image0"]
    assert [h.rank for h in hits] == [1, 2, 3]
    assert hits[0].score == pytest.approx(1)
    assert hits[1].score == pytest.approx(0.5**0.5)
    assert (hits[1].modality, hits[1].uri) == ("audio", "audio0.file")
    assert (hits.query, hits.query_modality) == ("0", "text")


def test_equal_scores_keep_the_order_of_the_items():
    assert ids(search({"image": stored("image", [[0, 1], *[[1, 0]] * 5])}, [1, 0], 3)) == ["image1", "image2", "image3"]


def test_modalities_are_limited_and_each_gives_at_most_so_many():
    parts = {"image": stored("image", [[1, 0], [1, 0.1], [1, 0.2]]), "audio": stored("audio", [[0, 1], [0.1, 1]])}
    assert ids(search(parts, [1, 0], modalities=("audio",))) == ["audio1", "audio0"]
    assert ids(search(parts, [1, 0], per_modality=1)) == ["image0", "audio1"]
    assert ids(search(parts, [1, 0], 2, per_modality=2)) == ["image0", "image1"]
    with pytest.raises(UnknownNameError, match="video"):
        search(parts, [1, 0], modalities=("video",))


def test_a_filter_is_asked_of_the_items():
    parts = {"image": stored("image", [[1, 0], [1, 0.1], [1, 0.2]], labels=["a", "b", "a"])}
    assert ids(search(parts, [1, 0], where=parse_filter("label = 'a'"))) == ["image0", "image2"]
    assert search(parts, [1, 0], where=parse_filter("label = 'c'")) == []


# --- copies ----------------------------------------------------------------------------------------------------------


def test_copies_are_found_once_and_others_take_their_places():
    vectors = [[1, 0]] * 7 + [[0, 1]] * 2
    parts = {"image": stored("image", vectors, contents=["same"] * 7 + ["other", None])}
    assert ids(search(parts, [1, 0], 3)) == ["image0", "image7", "image8"]
    assert ids(search(parts, [1, 0], 3, diverse=True)) == ["image0", "image7", "image8"]
    assert ids(search(parts, [1, 0], 2, per_modality=2)) == ["image0", "image7"]
    assert ids(search(parts, [1, 0], 3, where=parse_filter("id != 'image0'"))) == ["image1", "image7", "image8"]


def test_of_copies_with_scores_that_differ_in_the_last_digit_the_first_by_id_is_found():
    rows = [row("b", content="f"), row("a", content="f"), row("c")]
    items = PlainItems(rows, np.float32([[1, 0], [0.9999999, 0], [0, 1]]), {"image": contract("image")})
    hits = search_in(items, np.float32([[1, 0]]), contract("text"), 3)[0]
    assert [(h.id, h.score) for h in hits] == [("a", 1), ("c", 0)]


def test_copies_are_not_searched_through_without_end(monkeypatch):
    monkeypatch.setattr("unibind.retrieval.search._MOST_LOOKED_AT", 8)
    items = items_of({"image": stored("image", [[1, 0]] * 99 + [[0, 1]], contents=["same"] * 99 + ["other"])})
    assert ids(search_in(items, np.float32([[1, 0]]), contract("text"), 2)[0]) == ["image0"]
    assert items.asked == [("image", 2), ("image", 4), ("image", 8)]


def test_no_more_is_looked_at_than_needed():
    items = items_of({"image": stored("image", [[1, 0]] * 9), "audio": stored("audio", [[1, 0]] * 2)})
    search_in(items, np.float32([[1, 0]]), contract("text"), 4)
    assert items.asked == [("image", 4), ("audio", 4)]


def test_the_segments_of_one_file_are_hits_of_their_own():
    rows = [row(f"s{i}", "audio", uri="long.wav", start_s=10.0 * i, end_s=10.0 * i + 10, content="f") for i in range(3)]
    items = PlainItems(rows, np.float32([[1, 0], [0.8, 0.6], [0.6, 0.8]]), {"audio": contract("audio")})
    hits = search_in(items, np.float32([[0, 1]]), contract("text"), 2)[0]
    assert [(h.start_s, h.end_s, h.moment) for h in hits] == [(20, 30, "0:20-0:30"), (10, 20, "0:10-0:20")]


# --- near-duplicates and diversity -----------------------------------------------------------------------------------


def test_near_duplicates_among_hits_name_the_first_of_them():
    near = [1, 0.1]  # cosine 0.995 to the first
    parts = {"image": stored("image", [[1, 0], near, [1, 1], [1, 0.15]]), "audio": stored("audio", [[1, 0.01]])}
    hits = search(parts, [1, 0])
    assert [(h.id, h.same_as) for h in hits] == [
        ("image0", None),
        ("audio0", None),  # another modality
        ("image1", 1),
        ("image3", 1),  # cosine 0.989
        ("image2", None),
    ]


def test_near_duplicates_are_looked_for_among_the_first_hits(monkeypatch):
    monkeypatch.setattr("unibind.retrieval.diversity.COMPARED", 2)
    hits = search({"image": stored("image", [[1, 0]] * 3)}, [1, 0])
    assert [hit.same_as for hit in hits] == [None, 1, None]


A, B, FAR = [0.9, 0.43589, 0, 0], [0.89, 0.34183, 0.3018, 0], [0.1, 0, 0, -0.995]  # a and b: 0.95


@pytest.mark.parametrize(
    ("c", "expected"),
    [
        # relevance is scaled to 1, 0.9875, 0.875 and 0; after a, b has 0.7 * 0.9875 - 0.3 * 0.95 = 0.406
        ([0.8, 0, 0, 0.6], [0, 1, 2, 3]),  # 0.72 to a: 0.7 * 0.875 - 0.3 * 0.72 = 0.397
        ([0.8, -0.2753, 0, 0.5331], [0, 2, 1, 3]),  # 0.6 to a: 0.7 * 0.875 - 0.3 * 0.6 = 0.433
    ],
)
def test_diverse_hits_by_hand(c, expected):
    parts = {"image": stored("image", [A, B, c, FAR])}
    assert ids(search(parts, [1, 0, 0, 0])) == ["image0", "image1", "image2", "image3"]
    hits = search(parts, [1, 0, 0, 0], diverse=True)
    assert ids(hits) == [f"image{i}" for i in expected]
    assert [h.score for h in hits] == pytest.approx([[0.9, 0.89, 0.8, 0.1][i] for i in expected], abs=1e-4)  # cosines


def test_near_duplicates_come_last_among_diverse_hits():
    parts = {"image": stored("image", [A, [0.89, 0.456, 0, 0], [0.8, 0, 0, 0.6], FAR])}
    for query in ([1, 0, 0, 0], A):  # a text that is like no picture, and the first picture itself
        hits = search(parts, query, diverse=True)
        assert ids(hits) == ["image0", "image2", "image3", "image1"]
        assert [h.same_as for h in hits] == [None, None, None, 1]


def test_diverse_hits_keep_to_the_number_per_modality():
    parts = {"image": stored("image", np.eye(5)[:4] + 0.5), "audio": stored("audio", [[0, 0, 0, 0, 1]])}
    hits = search(parts, [1, 1, 1, 1, 0.1], 3, diverse=True, per_modality=2)
    assert sorted(h.modality for h in hits) == ["audio", "image", "image"]


# --- hybrid ----------------------------------------------------------------------------------------------------------


def hybrid(names, vectors, query, texts, **options):
    rows = [row(name, text=text) for name, text in zip(names, texts, strict=True)]
    items = PlainItems(rows, np.float32(vectors), {"image": contract("image")}, contract("text"))
    from unibind.data.encode import EmbeddedBatch
    from unibind.retrieval import ItemSearch, SearchOptions
    from unibind.retrieval.queries import composed, parts_of

    (part,) = parts_of(EmbeddedBatch([0], [query], "text", np.float32([[1, 0]])), items).values()
    return ItemSearch(items, SearchOptions(hybrid=True, **options)).hits([composed(part, (), ())])[0]


def test_hybrid_search_fuses_vectors_and_words_by_hand():
    vectors = [[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]]
    texts = ["a tram", None, "bus 49, again bus 49", "bus"]
    hits = hybrid("abcd", vectors, "bus 49", texts)
    # vectors: a 1, b 2, c 3, d 4; words: c 1, d 2. c: 1/63 + 1/61, d: 1/64 + 1/62, a: 1/61, b: 1/62
    assert ids(hits) == ["c", "d", "a", "b"]
    assert [h.score for h in hits] == pytest.approx([0.6, 0, 1, 0.8])  # the cosines


def test_hybrid_search_finds_what_vectors_alone_would_not():
    vectors = [[np.cos(i / 100), np.sin(i / 100)] for i in range(60)] + [[0, 1]]
    texts = [None] * 60 + ["the only trolleybus"]
    names = [f"i{i:02}" for i in range(61)]
    hits = hybrid(names, vectors, "trolleybus", texts, k=3)
    assert ids(hits) == ["i00", "i60", "i01"]
    assert hits[1].score == 0
    assert "i60" in ids(hybrid(names, vectors, "trolleybus", texts, k=3, diverse=True))


def test_hybrid_search_needs_words():
    parts = {"image": stored("image", [[1, 0]])}
    with pytest.raises(UnibindError, match="'0' has no words for a hybrid search; add a text to it"):
        search(parts, [1, 0], modality="image", hybrid=True)


# --- contracts -------------------------------------------------------------------------------------------------------


def two_cones(gap):
    """Images and audio of the same six objects, moved in opposite directions by a common offset."""
    objects = np.random.default_rng(0).normal(size=(6, 8))
    offset = np.zeros(8)
    offset[0] = gap
    image = stored("image", objects - offset, labels=list("abcdef"))
    return image, stored("audio", objects + offset, labels=list("abcdef"))


def centered(embeddings, mean):
    """Embeddings without a mean, which their contract says."""
    contract = embeddings.contract.centered_by(mean.fingerprint)
    return dataclasses.replace(embeddings, vectors=mean(embeddings.vectors), contract=contract)


def test_centering_lets_another_modality_through_the_gap():
    parts = dict(zip(("image", "audio"), two_cones(gap=4.0), strict=True))
    query = parts["image"].take([2])
    plain = search_in(items_of(parts), query.vectors, query.contract, 2)[0]
    assert [h.modality for h in plain] == ["image", "image"]
    means = {m: Mean.of(np.tile(e.vectors, (99, 1))) for m, e in parts.items()}
    query = centered(query, means["image"])
    items = items_of({m: centered(e, means[m]) for m, e in parts.items()})
    hits = search_in(items, query.vectors, query.contract, 2)[0]
    assert {(h.modality, h.label) for h in hits} == {("image", "c"), ("audio", "c")}


def test_centered_and_plain_vectors_are_not_compared():
    image, audio = two_cones(gap=1.0)
    mean = Mean.of(image.vectors)
    items = items_of({"image": centered(image, mean)})
    with pytest.raises(ContractError, match="a mean was removed from the stored image items only"):
        search_in(items, audio.vectors, audio.contract)
    with pytest.raises(ContractError, match="a mean was removed from the query only"):
        search_in(items_of({"image": image}), audio.vectors, audio.contract.centered_by(mean.fingerprint))
    with pytest.raises(ContractError, match="differ in centered"):
        search_in(items, image.vectors, image.contract.centered_by(Mean.nothing(8).fingerprint))


def test_vectors_of_another_space_or_head_are_refused():
    items = items_of({"image": stored("image", [[1, 0]])})
    with pytest.raises(ContractError, match="other@2"):
        search_in(items, np.ones((1, 2), np.float32), contract("text", space="other@2"))
    with pytest.raises(ContractError, match="weights"):
        search_in(items, np.ones((1, 2), np.float32), contract("image", weights="v"))
    with pytest.raises(ContractError):
        search({"image": stored("image", [[1, 0]]), "audio": stored("audio", [[1, 0]], space="other@2")}, [1, 0])


def test_empty_stores_and_requests_are_refused():
    with pytest.raises(UnibindError, match="empty"):
        search({}, [1, 0])
    for options in ({"k": 0}, {"k": 1, "per_modality": 0}):
        with pytest.raises(UnibindError, match="at least 1"):
            search({"image": stored("image", [[1, 0]])}, [1, 0], **options)
