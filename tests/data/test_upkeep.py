import numpy as np
import pytest

from unibind.backbones import Contract
from unibind.data.file_facts import FileFacts
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_entries import Quarantined
from unibind.data.upkeep import describe_store, find_missing, relabel, relabel_from_table, remove, select
from unibind.errors import UnibindError, UnknownNameError


def contract(modality):
    return Contract(space="toy@1", backbone="toy", modality=modality, weights=modality)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store")
    pictures = [
        Item(str(tmp_path / "test" / "cat_1.png"), "image", uri=str(tmp_path / "test" / "cat_1.png"), label="cat"),
        Item(str(tmp_path / "cat_2.png"), "image", uri=str(tmp_path / "cat_2.png"), label="cat", split="val"),
        Item("d", "image", uri=str(tmp_path / "dog.png"), label="dog", split="train"),
    ]
    store.add(pictures, np.eye(3, 4, dtype=np.float32), contract("image"))
    store.add([Item("t", "text", text="a dog", label="dog")], np.eye(1, 4, dtype=np.float32), contract("text"))
    store.quarantine([Quarantined("q", "q.png", "image", "UnreadableError", "q.png is broken")])
    return store


def short(rows):
    return sorted(row.id.rsplit("/", 1)[-1] for row in rows)


def test_a_store_in_words_and_numbers(store):
    found = describe_store(store)
    assert (found.items, found.missing, found.quarantine) == ({"image": 3, "text": 1}, {}, {"UnreadableError": 1})
    assert found.splits["image"] == {None: 1, "train": 1, "val": 1}
    assert found.labels["image"] == {"cat": 2, "dog": 1}
    assert list(found.labels["image"]) == ["cat", "dog"]  # the most frequent first
    assert "toy, float32, in the space toy@1" in found.contracts["image"]
    assert found.size_bytes > 1000
    assert (found.duplicates, found.backbone, found.precision) == ("", None, "float32")


@pytest.mark.parametrize(
    ("names", "facts", "expected"),
    [
        (["d"], {}, ["d"]),
        (["cat_*.png"], {}, ["cat_1.png", "cat_2.png"]),
        (["test/*"], {}, ["cat_1.png"]),
        (["./cat_2.png"], {}, ["cat_2.png"]),
        (["*"], {"label": "dog"}, ["d", "t"]),
        ([], {"label": "dog", "modality": "text"}, ["t"]),
        ([], {"split": "validation"}, ["cat_2.png"]),
    ],
)
def test_items_are_selected_by_name_and_facts(store, names, facts, expected):
    assert short(select(store, names, **facts)) == expected


def test_a_path_names_an_item_with_an_id_of_its_own(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert short(select(store, ["./dog.png"])) == ["d"]


def test_wrong_selections_are_refused(store):
    with pytest.raises(UnibindError, match="'nope'"):
        select(store, ["d", "nope"])
    with pytest.raises(UnibindError, match="say which items"):
        select(store)
    with pytest.raises(UnknownNameError, match="image, text"):
        select(store, modality="audio")


def test_removed_items_are_gone_for_good(store):
    remove(store, select(store, label="cat"))
    opened = Store.open(store.path)
    assert (opened.ids(), opened.counts()) == ({"d", "t"}, {"image": 1, "text": 1})
    remove(opened, opened.rows())
    assert Store.open(store.path).modalities() == []


def test_facts_are_written_and_erased_without_touching_vectors(store):
    before = store.vectors("image")
    assert relabel(store, select(store, label="cat"), label="lion", split="Training") == 2
    assert relabel(store, select(store, label="lion"), label="lion") == 0
    assert relabel(store, select(store, ["d"]), label=None, description="a dog") == 1
    after = Store.open(store.path).vectors("image")
    assert np.array_equal(after.vectors, before.vectors)
    assert sorted(map(str, after.labels)) == ["None", "lion", "lion"]
    assert store.splits()["image"] == {"train"}
    with pytest.raises(UnknownNameError, match="label, split, description, object"):
        relabel(store, store.rows(), state="missing")


def test_a_table_corrects_by_id_or_path(store, tmp_path):
    table = tmp_path / "corrections.csv"
    table.write_text("id;file;Class;split\nd;;puppy;\n;test/cat_1.png;tiger;valid\nnobody;;x;\n")
    assert relabel_from_table(store, table) == (2, 1)
    rows = {row.id.rsplit("/", 1)[-1]: row for row in store.rows()}
    assert (rows["d"].label, rows["d"].split) == ("puppy", "train")  # an empty cell erases nothing
    assert (rows["cat_1.png"].label, rows["cat_1.png"].split) == ("tiger", "val")
    table.write_text("label\nx\n")
    with pytest.raises(UnibindError, match="row 1 has neither an id nor a path"):
        relabel_from_table(store, table)
    table.write_text("id,color\nd,red\n")
    with pytest.raises(UnibindError, match="row 1 has none of label"):
        relabel_from_table(store, table)


def test_missing_files_are_found_wherever_they_were(tmp_path):
    store = Store.create(tmp_path / "store")
    here = tmp_path / "here.png"
    here.write_bytes(b"x")
    gone = tmp_path / "unmounted" / "gone.png"
    items = [Item(str(path), "image", uri=str(path)) for path in (here, gone)]
    facts = [FileFacts(1, here.stat().st_mtime_ns, "1"), None]
    store.add(items, np.eye(2, 4, dtype=np.float32), contract("image"), facts)
    assert [row.id for row in find_missing(store)] == [str(gone)]
