"""Search views: what a plain loop finds, whatever was added, changed and removed since, and never another model's."""

import dataclasses
import logging
import shutil
import subprocess
import sys

import lancedb
import numpy as np
import pytest

from tests.helpers.random_store import TOY, add_items, plain_nearest, random_store, random_vectors
from tests.retrieval.test_streamed import QUERIES, found
from unibind import UniBind
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.centering import Mean
from unibind.data.store import Store
from unibind.data.store_check import check_store
from unibind.errors import UnibindError
from unibind.retrieval.filters import parse_filter
from unibind.retrieval.opening import open_items
from unibind.retrieval.streamed import StreamedItems
from unibind.retrieval.views import (
    VectorIndex,
    ViewItems,
    build_view,
    current_view,
    drop_views,
    keep_view,
    view_records,
)
from unibind.retrieval.views.table import ViewTable

pytestmark = pytest.mark.slow
MODEL = UniBind(TOY)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Pictures and sounds with a view that has a vector index, and without one."""
    path = tmp_path_factory.mktemp("stores") / "store"
    store = random_store(path, image=1200, audio=300)
    build_view(store, MODEL)
    return path


@pytest.fixture
def store(pristine, tmp_path):
    return Store.open(shutil.copytree(pristine, tmp_path / "store"))


def check_close(results, expected):
    """The same items with the same scores, but for the order of sums."""
    for one, other in zip(results, expected, strict=True):
        assert [score for _, score in one] == pytest.approx([score for _, score in other], abs=1e-5)
        assert len({name for name, _ in one} & {name for name, _ in other}) >= len(other) - 1


def fixed_nearest(store, k, modality, **keep):
    """A plain loop with the means of the view instead of those of now."""
    (record,) = view_records(store)
    return plain_nearest(store, UniBind(TOY, means=record.means), QUERIES, k, modality, **keep)


def test_a_search_looks_at_the_view_and_not_at_the_store(store, monkeypatch):
    monkeypatch.setattr(Store, "sound_vectors", lambda *_: pytest.fail("the store was read"))
    items = open_items(store, MODEL)
    assert isinstance(items, ViewItems)
    assert items.record.index.kind == "IVF_HNSW_SQ"
    results = found(items.only(["audio"]), 10, "audio")
    assert {name.partition("-")[0] for name, _ in results[0]} == {"audio"}
    assert items.only(["audio"]).contracts.keys() == {"audio"}


@pytest.mark.parametrize("kind", ["IVF_PQ", "IVF_HNSW_SQ"])
def test_either_index_finds_what_a_plain_loop_finds(store, kind, monkeypatch):
    index = VectorIndex(kind, 30 if kind == "IVF_PQ" else 1, 4 if kind == "IVF_PQ" else 0, len(store))
    monkeypatch.setattr(VectorIndex, "chosen", lambda *_: index)
    assert build_view(store, MODEL).index == index
    items = current_view(store, MODEL)
    for modality in ("image", "audio"):
        check_close(found(items, 10, modality), fixed_nearest(store, 10, modality))
    green = parse_filter("label = 'green'")
    expected = fixed_nearest(store, 50, "image", keep=lambda row: row.label == "green")
    check_close(found(items, 50, "image", green), expected)
    few = parse_filter("id in ('image-000007', 'image-000400')")
    assert {name for name, _ in found(items, 5, "image", few)[0]} == {"image-000007", "image-000400"}


def test_rows_say_what_those_of_the_store_say(store):
    items, streamed = current_view(store, MODEL), StreamedItems(store, MODEL)
    keys = [row.key for row in store.rows()[:5]]
    (rows, vectors), (others, exact) = items.rows(keys), streamed.rows(keys)
    assert rows == others
    np.testing.assert_allclose(vectors, exact, atol=1e-6)


def test_added_rows_are_found_and_nothing_is_built_again(store, monkeypatch):
    monkeypatch.setattr(VectorIndex, "build", lambda *_: pytest.fail("the index was built again"))
    read = []
    sound = Store.sound_vectors
    monkeypatch.setattr(Store, "sound_vectors", lambda self, table, m: read.append(len(table)) or sound(self, table, m))
    add_items(store, "image", 5000, 12)
    assert current_view(store, MODEL) is not None
    assert sum(read) == 12  # the new ones, and no others
    check_close(found(current_view(store, MODEL), 1000, "image"), fixed_nearest(store, 1000, "image"))
    new = {row.id for row in store.rows() if row.id >= "image-005000"}
    assert new <= {name for name, _ in found(current_view(store, MODEL), 1300, "image")[0]}


def test_many_added_rows_are_put_into_the_index(store, monkeypatch):
    monkeypatch.setattr("unibind.retrieval.views.table._UNINDEXED", 10)
    add_items(store, "image", 5000, 40)
    assert current_view(store, MODEL)._table.unindexed() == 40  # a search does not wait for that
    keep_view(store, MODEL)
    items = current_view(Store.open(store.path), MODEL)
    assert items._table.unindexed() == 0
    check_close(found(items, 10, "image"), fixed_nearest(store, 10, "image"))


def test_a_view_is_built_where_there_is_none_and_where_the_store_outgrew_it(tmp_path, monkeypatch):
    store = random_store(tmp_path / "store", image=60)
    assert keep_view(store, MODEL).index is None
    monkeypatch.setattr("unibind.retrieval.views.record.FEWEST", 70)
    monkeypatch.setattr("unibind.retrieval.views.vector_index.FEWEST", 70)
    add_items(store, "image", 100, 9)
    assert keep_view(store, MODEL).index is None
    add_items(store, "image", 200, 300)
    assert keep_view(store, MODEL).index.rows == 369


def test_removed_changed_and_missing_rows_never_come_back(store):
    before = [name for name, _ in found(current_view(store, MODEL), 6, "image")[0]]
    rows = {row.id: row for row in store.rows()}
    gone, away, changed, relabeled = (rows[name] for name in before[:4])
    store.remove([gone])
    store.update([dataclasses.replace(away, state="missing"), dataclasses.replace(relabeled, label="new")])
    store.replace([changed], -QUERIES[:1], TOY.contract("image"))
    after = found(current_view(store, MODEL), 6, "image")[0]
    assert [name for name, _ in after][:3] == before[3:6]
    check_close([after], fixed_nearest(store, 6, "image")[:1])
    assert [n for n, _ in found(current_view(store, MODEL), 9, "image", parse_filter("label = 'new'"))[0]] == [
        before[3]
    ]
    store.compact(full=True)
    check_close(found(current_view(store, MODEL), 6, "image")[:1], [after])


def test_a_new_modality_gets_a_mean_and_is_found(store):
    add_items(store, "text", 0, 9)
    items = current_view(store, MODEL)
    assert len(found(items, 20, "text")[0]) == 9
    assert items.means.keys() == {"image", "audio", "text"}
    check_close(found(items, 9, "text"), fixed_nearest(store, 9, "text"))


def test_the_means_of_a_view_stay_those_it_was_built_with(store):
    query = random_vectors(1, 3)
    before, contract = current_view(store, MODEL).as_compared(query, "image")
    add_items(store, "image", 9000, 800)
    after = current_view(store, MODEL)
    np.testing.assert_array_equal(after.as_compared(query, "image")[0], before)
    assert after.as_compared(query, "image")[1] == contract == after.contracts["image"]
    assert open_items(store, MODEL, center=False).contracts["image"].centered is None
    build_view(store, MODEL)
    assert current_view(store, MODEL).contracts["image"] != contract


def test_each_model_has_a_view_of_its_own(store):
    head = Head(AffineMap(np.roll(np.eye(TOY.dim, dtype=np.float32), 1, axis=0), np.zeros(TOY.dim, np.float32)))
    fitted = UniBind(TOY, heads={"image": head})
    meaned = UniBind(TOY, means={"image": Mean.nothing(TOY.dim)})
    assert current_view(store, fitted) is None
    assert current_view(store, meaned) is None
    build_view(store, fitted)
    items = current_view(store, fitted)
    assert items.contracts["image"].centered == head.fingerprint
    check_close(found(items, 5, "image"), plain_nearest(store, fitted, QUERIES, 5, "image"))
    assert len(view_records(store)) == 2
    assert current_view(store, MODEL).contracts["image"].head is None
    assert drop_views(store, items.record.name) == [items.record.name]
    assert current_view(store, fitted) is None
    assert current_view(store, MODEL) is not None


@pytest.mark.parametrize("changed", [False, True])
def test_a_view_in_the_place_of_another_models_is_neither_used_nor_written_to(store, caplog, monkeypatch, changed):
    head = Head(AffineMap(np.roll(np.eye(TOY.dim, dtype=np.float32), 1, axis=0), np.zeros(TOY.dim, np.float32)))
    monkeypatch.setattr("unibind.retrieval.views.opening.view_name", lambda *_: "0123")
    build_view(store, UniBind(TOY, heads={"image": head}))
    if changed:
        add_items(store, "image", 5000, 3)
    monkeypatch.setattr(ViewTable, "add", lambda *_: pytest.fail("vectors of two models were mixed"))
    assert current_view(store, MODEL) is None
    assert "is of another model" in caplog.text


def test_a_view_that_was_renamed_is_not_used(store, caplog):
    (record,) = view_records(store)
    (store.path / "views" / record.name).rename(store.path / "views" / "0123")
    assert view_records(store) == []
    assert current_view(store, MODEL) is None


def test_a_small_view_has_no_vector_index_and_is_exact(tmp_path):
    store = random_store(tmp_path / "store", image=60, audio=30)
    assert build_view(store, MODEL).index is None
    check_close(found(current_view(store, MODEL), 30, "image"), fixed_nearest(store, 30, "image"))


def test_words_are_found_as_without_a_view(store):
    add_items(store, "image", 5000, 12)
    items, streamed = current_view(store, MODEL), StreamedItems(store, MODEL)
    for where in (None, parse_filter("id like 'image-0000%'")):
        one, other = (found.matching("GREEN thing", 20, modality="image", where=where) for found in (items, streamed))
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-3)
        assert {row.label for row in items.rows(one.keys)[0]} == {"green"}
    assert len(items.matching("purple", 20, modality="image")) == 0


def test_an_older_version_is_not_answered_by_the_view_of_now(store):
    version = store.version
    add_items(store, "image", 5000, 12)
    assert current_view(store, MODEL) is not None
    old = Store.open(store.path, version=version)
    assert isinstance(open_items(old, MODEL), StreamedItems)
    with pytest.raises(UnibindError, match="at version"):
        build_view(old, MODEL)


def damage_record(place):
    path = place / "view.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"rows\\": 1500', b'\\"rows\\": 1501'))


def damage_means(place):
    path = place / "view.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")


def damage_data(place):
    file = next((place / "items.lance" / "data").iterdir())
    file.write_bytes(file.read_bytes()[:-9])


def other_columns(place):  # as an older version of unibind may have written
    lancedb.connect(str(place)).open_table("items").drop_columns(["packed"])


def remove_record(place):
    (place / "view.safetensors").unlink()


@pytest.mark.parametrize("damage", [damage_record, damage_means, damage_data, other_columns, remove_record])
def test_a_damaged_view_is_passed_over(store, damage, caplog):
    (record,) = view_records(store)
    damage(store.path / "views" / record.name)
    assert isinstance(open_items(store, MODEL), StreamedItems)
    assert check_store(store).sound
    build_view(store, MODEL)
    assert isinstance(open_items(store, MODEL), ViewItems)


def test_a_killed_build_leaves_nothing_that_looks_whole(tmp_path):
    store = random_store(tmp_path / "store", image=40)
    script = (
        "import os, sys\n"
        "from tests.helpers.toys import ToyBackbone\n"
        "from unibind import Store, UniBind\n"
        "from unibind.retrieval.views import build_view\n"
        "from unibind.retrieval.views.record import ViewRecord\n"
        "ViewRecord.write = lambda *_, **__: os._exit(9)\n"
        "build_view(Store.open(sys.argv[1]), UniBind(ToyBackbone()))\n"
    )
    assert subprocess.run([sys.executable, "-c", script, store.path], check=False).returncode == 9
    assert view_records(store) == []
    assert isinstance(open_items(store, MODEL), StreamedItems)
    build_view(store, MODEL)
    assert [place.name for place in (store.path / "views").iterdir() if place.is_dir()] == [view_records(store)[0].name]


@pytest.mark.parametrize("moment", ["ViewTable.add", "ViewRecord.write"])
def test_a_view_whose_following_was_killed_follows_again(store, moment, monkeypatch):
    owner, name = moment.split(".")
    from unibind.retrieval.views import record, table

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    row = next(row for row in store.rows() if row.modality == "image")
    store.replace([row], QUERIES[:1], TOY.contract("image"))
    add_items(store, "image", 5000, 3)
    with monkeypatch.context() as patched:
        patched.setattr(getattr(table if owner == "ViewTable" else record, owner), name, killed)
        with pytest.raises((Killed, UnibindError)):
            current_view(store, MODEL)
    items = current_view(store, MODEL)
    check_close(found(items, 10, "image"), fixed_nearest(store, 10, "image"))
    assert len(found(items, 2000, "image")[0]) == 1203


def test_a_moved_store_tells_where_its_files_are_now(store, tmp_path):
    moved = Store.open(shutil.move(store.path, tmp_path / "elsewhere"))
    items, streamed = current_view(moved, MODEL), StreamedItems(moved, MODEL)
    keys = [row.key for row in moved.rows()[:3]]
    assert items.rows(keys)[0] == streamed.rows(keys)[0]


def test_a_large_store_without_a_view_says_how_to_make_search_fast(tmp_path, monkeypatch, caplog):
    store = random_store(tmp_path / "store", image=20)
    assert isinstance(open_items(store, MODEL), StreamedItems)
    assert caplog.records == []
    monkeypatch.setattr("unibind.retrieval.opening.INDEXED_FROM", 20)
    with caplog.at_level(logging.WARNING):
        open_items(store, MODEL)
    assert f"unibind index build {store.path}" in caplog.text
