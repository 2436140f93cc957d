import dataclasses
import shutil

import numpy as np
import pyarrow
import pytest

from unibind.backbones import Contract
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_entries import Quarantined
from unibind.data.stored_text import all_stored, cells, readable, stored
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError

IMAGE = Contract(space="toy@1", backbone="toy", modality="image", weights="w")
TEXT = dataclasses.replace(IMAGE, modality="text", weights="t")


def pictures(*ids, **facts):
    return [Item(i, "image", uri=f"{i}.png", **facts) for i in ids]


def unit(*axes):
    return np.eye(4, dtype=np.float32)[list(axes)]


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store")
    store.add(pictures("b", label="bell", split="train", object="7"), unit(1), IMAGE)
    store.add(pictures("a", "it's", label="drum", split="test"), unit(0, 2), IMAGE)
    store.add([Item("t", "text", text="a drum", split="test")], unit(3), TEXT)
    return store


def test_added_items_come_back_sorted_by_id(store):
    for opened in (store, Store.open(store.path)):
        images = opened.vectors("image")
        assert (images.ids, images.labels) == (["a", "b", "it's"], ["drum", "bell", "drum"])
        assert images.objects == [None, "7", None]
        assert images.vectors.dtype == np.float32
        assert np.array_equal(images.vectors, unit(0, 1, 2))
        assert images.contract == IMAGE
        assert opened.counts() == {"image": 3, "text": 1}
        assert opened.modalities() == ["image", "text"]
        assert opened.contracts() == {"image": IMAGE, "text": TEXT}
        assert opened.ids() == {"a", "b", "it's", "t"}
        assert len(opened) == 4


def test_a_split_is_matched_literally(store):
    assert store.vectors("image", "test").ids == ["a", "it's"]
    empty = store.vectors("image", "' OR '1'='1")
    assert empty.ids == []
    assert empty.vectors.shape == (0, 4)


def test_splits_and_the_ids_outside_train(store):
    assert store.splits() == {"image": {"train", "test"}, "text": {"test"}}
    assert store.non_train_ids() == {"a", "it's", "t"}


def test_the_description_of_a_text_is_the_text(store):
    assert store.vectors("text").descriptions == ["a drum"]


def test_the_modality_may_be_omitted_if_there_is_only_one(tmp_path, store):
    alone = Store.create(tmp_path / "alone")
    alone.add(pictures("x"), unit(1), IMAGE)
    assert alone.vectors().ids == ["x"]
    with pytest.raises(UnknownNameError, match="image, text"):
        store.vectors()
    with pytest.raises(UnknownNameError, match="smell"):
        store.vectors("smell")


def test_float16_rounds_the_vectors_and_keeps_the_order(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    Store.create(tmp_path / "half", precision="float16").add(pictures(*map(str, range(20))), vectors, IMAGE)
    reopened = Store.open_or_create(tmp_path / "half", precision="float32")
    assert reopened.precision == "float16"
    reopened.add(pictures("z"), vectors[:1], IMAGE)
    stored = reopened.vectors("image")
    order = [int(i) for i in stored.ids[:-1]]
    assert np.array_equal(stored.vectors[:-1], vectors[order].astype(np.float16).astype(np.float32))


def test_relative_uris_survive_a_move_of_store_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Store.create("runs/store").add(
        [Item("x", "image", uri="runs/data/x.png"), Item("y", "image", uri="s3://b/y.png")], unit(0, 1), IMAGE
    )
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert Store.open("moved/store").vectors("image").uris == ["moved/data/x.png", "s3://b/y.png"]
    monkeypatch.chdir(tmp_path / "moved")
    assert Store.open("store").vectors("image").uris == ["data/x.png", "s3://b/y.png"]


@pytest.mark.parametrize(
    ("items", "vectors", "contract", "error", "words"),
    [
        (pictures("a"), unit(0), IMAGE, UnibindError, "already contains the item 'a'"),
        (pictures("n", "n"), unit(0, 1), IMAGE, UnibindError, "'n' occurs twice"),
        (pictures("n"), unit(0, 1), IMAGE, UnibindError, r"\[1, D\]"),
        (pictures("n"), unit(0) * np.nan, IMAGE, UnibindError, "finite"),
        (pictures("n"), unit(0), TEXT, UnibindError, "modality image were given with a contract for text"),
        (pictures("n"), np.ones((1, 3), np.float32), IMAGE, ContractError, "3 dimensions.*4"),
        (pictures("n"), unit(0), dataclasses.replace(IMAGE, weights="v"), ContractError, "differ in weights"),
        (
            [Item("n", "audio", uri="n.wav")],
            unit(0),
            Contract(space="other@2", backbone="other", modality="audio", weights="w"),
            ContractError,
            r"other@2.*toy@1",
        ),
    ],
)
def test_invalid_additions_are_refused_and_change_nothing(store, items, vectors, contract, error, words):
    with pytest.raises(error, match=words):
        store.add(items, vectors, contract)
    assert Store.open(store.path).counts() == {"image": 3, "text": 1}
    assert Store.open(store.path).contracts() == {"image": IMAGE, "text": TEXT}


def failed(name, message="broken"):
    return Quarantined(name, f"{name}.png", "image", "UnreadableError", message)


def test_quarantine_keeps_the_latest_reason_until_the_item_is_stored(store):
    store.quarantine([failed("q", "first"), failed("o'q")])
    store.quarantine([failed("q", "second")])
    assert [(r["id"], r["message"]) for r in Store.open(store.path).quarantined()] == [
        ("o'q", "broken"),
        ("q", "second"),
    ]
    assert set(store.quarantined()[0]) == {"id", "uri", "modality", "error", "message", "size", "mtime_ns"}
    store.add(pictures("o'q", "q"), unit(0, 1), IMAGE)
    assert Store.open(store.path).quarantined() == []


def test_compacting_changes_nothing(store):
    for i in range(20):
        store.add(pictures(f"more{i:02}"), unit(i % 4), IMAGE)
    before = store.vectors("image")
    store.compact()
    after = Store.open(store.path).vectors("image")
    assert len(after.ids) == 23
    assert (after.ids, after.uris) == (before.ids, before.uris)
    assert np.array_equal(after.vectors, before.vectors)


def test_create_and_open_refuse_what_does_not_fit(tmp_path, store):
    with pytest.raises(UnibindError, match="is already a store"):
        Store.create(store.path)
    with pytest.raises(MissingFileError, match="nowhere"):
        Store.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(UnknownNameError, match="float16, float32"):
        Store.create(tmp_path / "odd", precision="int8")
    (tmp_path / "file").touch()
    with pytest.raises(UnibindError, match="is a file"):
        Store.open_or_create(tmp_path / "file")
    assert Store.open_or_create(store.path).ids() == store.ids()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 9, "precision": "float32"}', "format 9"),
        ('{"format": 3, "precision": "float32"}', "format 3, but this version of unibind reads 4"),
    ],
)
def test_a_damaged_or_newer_mark_is_refused(store, mark, words):
    (store.path / "store.json").write_text(mark)
    with pytest.raises(UnibindError, match=words):
        Store.open(store.path)


def test_an_empty_store_is_a_store(tmp_path):
    Store.create(tmp_path / "new").add([], np.empty((0, 4), np.float32), IMAGE)
    opened = Store.open(tmp_path / "new")
    assert (opened.counts(), opened.quarantined(), opened.contracts()) == ({}, [], {})


def half_written(path, table):
    """Leave the folder as it is between the first file of a table and its first commit."""
    if (path / f"{table}.lance").exists():
        shutil.rmtree(path / f"{table}.lance" / "_versions")
    else:
        (path / f"{table}.lance" / "data").mkdir(parents=True)
        (path / f"{table}.lance" / "data" / "x.lance").write_bytes(b"half")


@pytest.mark.parametrize("table", ["items", "contracts", "quarantine"])
def test_a_table_without_a_commit_is_started_again(tmp_path, table):
    path = tmp_path / "store"
    Store.create(path)
    half_written(path, table)
    store = Store.open(path)
    store.quarantine([failed("q")])
    store.add(pictures("a"), unit(0), IMAGE)
    opened = Store.open(path)
    assert (opened.counts(), opened.contracts()) == ({"image": 1}, {"image": IMAGE})
    assert [r["id"] for r in opened.quarantined()] == ["q"]


def test_a_contract_without_items_has_no_effect(tmp_path, store):
    path = tmp_path / "fresh"
    Store.create(path)
    shutil.copytree(store.path / "contracts.lance", path / "contracts.lance")
    other = dataclasses.replace(IMAGE, space="other@2")
    Store.open(path).add(pictures("a"), unit(0), other)
    assert Store.open(path).contracts() == {"image": other}


def test_an_item_stored_before_its_quarantine_was_cleared_counts_as_stored(store):
    store.quarantine([failed("a")])  # as if the run had been killed between the two commits
    assert store.quarantined() == []


def test_a_torn_file_of_an_append_that_was_never_committed_is_ignored(store):
    (store.path / "items.lance" / "data" / "torn.lance").write_bytes(b"half")
    opened = Store.open(store.path)
    opened.add(pictures("n"), unit(0), IMAGE)
    assert Store.open(store.path).counts() == {"image": 4, "text": 1}


def test_names_that_are_not_utf8_come_back_as_they_are(store):
    names = ["caf\udce9.png", "\ud800", "\ufdd0dce9"]
    store.add([Item(name, "image", uri=f"{name}.png", label=name) for name in names], unit(0, 1, 2), IMAGE)
    store.quarantine([Quarantined("\udcff", "\udcff.png", "image", "UnreadableError", "broken \udcff")])
    opened = Store.open(store.path)
    assert set(names) <= opened.ids()
    assert set(names) <= set(opened.vectors("image").labels)
    assert opened.quarantined()[0]["message"] == "broken \udcff"
    store.quarantine([Quarantined("\udcff", "\udcff.png", "image", "UnreadableError", "again")])
    assert [entry["message"] for entry in store.quarantined()] == ["again"]


def test_nothing_is_printed(tmp_path, capfd):
    store = Store.create(tmp_path / "quiet")
    store.add(pictures("a"), unit(0), IMAGE)
    store.compact()
    store.vectors("image")
    assert capfd.readouterr() == ("", "")


def test_a_table_for_other_programs_shows_what_is_not_utf8():
    odd = b"caf\xe9.png".decode(errors="surrogateescape")
    table = pyarrow.table({"uri": [stored(odd), "a.png", None], "number": [1, 2, 3]})
    assert readable(table).to_pydict() == {"uri": ["caf\\udce9.png", "a.png", None], "number": [1, 2, 3]}


@pytest.mark.parametrize(
    "texts", [["a.png", None, "b"], ["a", None, "caf\udce9.png", "gr\u00f6\u00dfe", "\ufdd0dce9"], []]
)
def test_cells_are_the_texts_that_were_stored(texts):
    column = pyarrow.chunked_array([pyarrow.array(all_stored(texts), pyarrow.string())])
    assert cells(column) == texts
