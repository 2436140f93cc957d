"""Encoding again: what changed in a manifest or on disk, and what the store has afterwards."""

import os
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture

from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.duplicates import find_duplicates
from unibind.data.encode import encode_items
from unibind.data.intake import read_manifest
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import UnibindError


def paint(path, category):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., CATEGORIES.index(category)] = 200
    Picture.fromarray(pixels).save(path)
    return path


def touch(path, seconds=5):
    stamp = path.stat().st_mtime_ns + seconds * 10**9
    os.utime(path, ns=(stamp, stamp))


@pytest.fixture
def folder(tmp_path):
    for name in CATEGORIES:
        paint(tmp_path / "data" / name / f"{name}.bmp", name)
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store")


def encode(store, items, *folders):
    """The summary's numbers, and how many items the backbone encoded."""
    backbone = ToyBackbone()
    s = encode_items(items, backbone, store, folders=folders)
    counts = (s.encoded, s.replaced, s.updated, s.unchanged, s.missing, s.quarantined)
    names = ("encoded", "replaced", "updated", "unchanged", "missing", "quarantined")
    assert sum(backbone.encoded.values()) == s.encoded + s.replaced
    return {name: n for name, n in zip(names, counts, strict=True) if n}


def facts(store):
    return {os.path.basename(row.id): row for row in store.rows()}  # noqa: PTH119


def nearest(store):
    found = store.vectors("image")
    return {i.rsplit("/", 1)[-1]: CATEGORIES[v[:3].argmax()] for i, v in zip(found.ids, found.vectors, strict=True)}


def item(path, **changes):
    return Item(**{"id": str(path), "modality": "image", "uri": str(path)} | changes)


def test_a_table_after_its_folder_corrects_and_nothing_is_encoded_again(folder, store):
    assert encode(store, read_manifest(folder), folder) == {"encoded": 3}
    before = store.vectors("image")
    rows = [f"data/{name}/{name}.bmp,{name}ish,val,a {name} thing" for name in CATEGORIES]
    table = folder.parent / "m.csv"
    table.write_text("\n".join(["uri,label,split,description", *rows]))
    assert encode(store, read_manifest(table)) == {"updated": 3}
    after = Store.open(store.path).vectors("image", "val")
    assert after.ids == before.ids
    assert np.array_equal(after.vectors, before.vectors)
    assert after.labels == ["blueish", "greenish", "redish"]
    assert after.descriptions[0] == "a blue thing"
    assert encode(store, read_manifest(table)) == {"unchanged": 3}


def test_absent_information_erases_nothing_and_folder_names_only_fill_in(folder, store):
    red = folder / "red" / "red.bmp"
    encode(store, [item(red, label="crimson", split="val", object="7", description="a red thing")])
    assert encode(store, [item(red)]) == {"unchanged": 1}
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 1, "encoded": 2}
    row = facts(store)["red.bmp"]
    assert (row.label, row.split, row.object, row.description) == ("crimson", "val", "7", "a red thing")
    assert encode(store, [item(red, label="red")]) == {"updated": 1}
    assert facts(store)["red.bmp"].label == "red"


def test_every_spelling_of_a_path_is_one_item(folder, store, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "link").symlink_to("data")
    (folder / "m.csv").write_text("uri\nred/red.bmp\n")
    assert encode(store, read_manifest(folder / "m.csv")) == {"encoded": 1}
    for uri in ("data/red/red.bmp", "./data/red/red.bmp", str(folder / "red/red.bmp"), "link/red/red.bmp"):
        assert encode(store, [Item(str(folder / "red/red.bmp"), "image", uri=uri)]) == {"unchanged": 1}
    assert len(store) == 1


def test_changed_content_is_encoded_again(folder, store):
    encode(store, read_manifest(folder), folder)
    red = folder / "red" / "red.bmp"
    size = red.stat().st_size
    paint(red, "blue")
    assert red.stat().st_size == size  # so the time, then the hash, tells
    touch(red)
    assert encode(store, read_manifest(folder), folder) == {"replaced": 1, "unchanged": 2}
    assert nearest(Store.open(store.path)) == {"red.bmp": "blue", "green.bmp": "green", "blue.bmp": "blue"}
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 3}


def test_a_new_time_alone_encodes_nothing(folder, store):
    encode(store, read_manifest(folder), folder)
    touch(folder / "red" / "red.bmp")
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 3}
    assert facts(store)["red.bmp"].mtime_ns == (folder / "red" / "red.bmp").stat().st_mtime_ns


def test_changed_content_that_cannot_be_read_is_not_served_as_the_old_one(folder, store):
    encode(store, read_manifest(folder), folder)
    red = folder / "red" / "red.bmp"
    good = red.read_bytes()
    red.write_bytes(good[:20])
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 2, "missing": 1, "quarantined": 1}
    assert "red.bmp" not in nearest(store)
    assert [entry["error"] for entry in store.quarantined()] == ["UnreadableError"]
    red.write_bytes(good)
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 3}
    assert nearest(store)["red.bmp"] == "red"
    assert store.quarantined() == []


def test_deleted_files_are_marked_and_come_back(folder, store):
    red = paint(folder / "red" / "red2.bmp", "red")
    encode(store, read_manifest(folder), folder)
    bytes_before, stamp = red.read_bytes(), red.stat().st_mtime_ns
    red.unlink()
    backbone_sees = encode(store, read_manifest(folder), folder)
    assert backbone_sees == {"unchanged": 3, "missing": 1}
    assert len(Store.open(store.path)) == 3
    assert len(store.rows()) == 4
    red.write_bytes(bytes_before)
    os.utime(red, ns=(stamp, stamp))
    assert encode(store, [item(folder / "blue" / "blue.bmp")]) == {"unchanged": 1}
    assert len(store) == 4


def test_a_listed_file_that_was_stored_and_is_gone_is_missing_not_unreadable(folder, store):
    items = read_manifest(folder)
    encode(store, items)
    (folder / "red" / "red.bmp").unlink()
    assert encode(store, items) == {"unchanged": 2, "missing": 1}


def test_files_out_of_reach_are_not_taken_for_deleted(folder, store, tmp_path):
    encode(store, read_manifest(folder), folder)
    other = tmp_path / "other.bmp"
    Picture.fromarray(np.full((9, 9, 3), 50, np.uint8)).save(other)
    folder.rename(tmp_path / "unmounted")
    assert encode(store, [item(other)]) == {"encoded": 1}
    (tmp_path / "unmounted").rename(folder)
    (folder / "red" / "red.bmp").unlink()
    (folder / "red").rmdir()
    assert encode(store, [item(other)]) == {"unchanged": 1}
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 2, "missing": 1}


def test_renamed_files_and_folders_are_not_encoded_again(folder, store):
    encode(store, read_manifest(folder), folder)
    store.update([replace(row, label="sky") for row in store.rows() if row.label == "blue"])
    (folder / "red").rename(folder / "crimson")
    (folder / "blue" / "blue.bmp").rename(folder / "blue" / "first.bmp")
    assert encode(store, read_manifest(folder), folder) == {"updated": 2, "unchanged": 1}
    assert facts(store)["red.bmp"].label == "crimson"  # the new name of its folder says something new
    assert facts(store)["first.bmp"].label == "sky"
    assert nearest(store) == {"red.bmp": "red", "green.bmp": "green", "first.bmp": "blue"}
    assert encode(store, read_manifest(folder), folder) == {"unchanged": 3}


def test_ids_of_their_own_are_updated_and_follow_a_moved_file(folder, store):
    red, blue = folder / "red" / "red.bmp", folder / "blue" / "blue.bmp"
    encode(store, [item(red), item(blue)])
    assert encode(store, [item(red, id="r"), item(blue, id="b")]) == {"updated": 2}
    assert store.ids() == {"r", "b"}
    assert encode(store, [item(red), item(blue, id="r2")]) == {"unchanged": 1, "updated": 1}
    assert store.ids() == {"r", "r2"}
    moved = red.rename(folder / "moved.bmp")
    assert encode(store, [item(moved, id="r"), item(blue)]) == {"updated": 1, "unchanged": 1}
    assert facts(store)["r"].location == str(moved)


def test_an_id_goes_to_the_file_that_has_it_now(folder, store):
    red, blue, green = (folder / name / f"{name}.bmp" for name in ("red", "blue", "green"))
    encode(store, [item(red, id="x"), item(blue, id="y")])
    assert encode(store, [item(red, id="y"), item(blue, id="x")]) == {"updated": 2}
    assert {row.own_id: row.location for row in store.rows()} == {"y": str(red), "x": str(blue)}
    with pytest.raises(UnibindError, match=r"'x' is .*blue\.bmp in the store, and .*green\.bmp"):
        encode(store, [item(green, id="x")])


def test_texts_with_ids_may_repeat_and_change(store):
    texts = [Item("a", "text", text="red"), Item("b", "text", text="red"), Item("c", "text", text="blue")]
    assert encode(store, texts) == {"encoded": 3}
    texts[0] = Item("a", "text", text="green", label="new")
    assert encode(store, texts) == {"replaced": 1, "unchanged": 2}
    found = store.vectors("text")
    assert [CATEGORIES[v[:3].argmax()] for v in found.vectors] == ["green", "red", "blue"]
    assert (found.descriptions, found.labels) == (["green", "red", "blue"], ["new", None, None])


def test_a_file_is_an_item_of_each_modality(store, tmp_path):
    path = tmp_path / "red.txt"
    path.write_text("red")
    picture = paint(tmp_path / "red.bmp", "red")
    items = [Item(str(path), "text", uri=str(path)), Item(str(path), "image", uri=str(path)), item(picture)]
    assert encode(store, items) == {"encoded": 2, "quarantined": 1}


def pack(folder, archive):
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*.bmp")):
            tar.add(path, path.name)


def test_members_of_an_archive_are_told_by_their_own_content(folder, store, tmp_path):
    archive = tmp_path / "shards" / "a.tar"
    archive.parent.mkdir()
    pack(folder, archive)
    items = [item(f"{archive}#{name}.bmp") for name in CATEGORIES]
    assert encode(store, items) == {"encoded": 3}
    assert len({row.content for row in store.rows()}) == 3
    paint(folder / "red" / "red.bmp", "blue")
    pack(folder, archive)
    touch(archive)
    assert encode(store, items) == {"replaced": 1, "unchanged": 2}
    assert nearest(store)["a.tar#red.bmp"] == "blue"
    assert find_duplicates(store).groups[0].ids == (f"{archive}#blue.bmp", f"{archive}#red.bmp")
    (folder / "red" / "red.bmp").unlink()
    pack(folder, archive)
    assert encode(store, items) == {"unchanged": 2, "missing": 1, "quarantined": 1}
    paint(archive.parent / "beside.bmp", "red")
    archive.unlink()
    assert encode(store, [item(archive.parent / "beside.bmp")]) == {"encoded": 1, "missing": 3}


def test_a_file_is_listed_once(folder, store):
    red = folder / "red" / "red.bmp"
    with pytest.raises(UnibindError, match=r"red\.bmp .*'a' and 'b'.* occurs twice"):
        encode(store, [item(red, id="a"), item(red, id="b")])


def test_a_file_that_changes_while_it_is_read_is_not_stored(folder, store):
    class Meddling(ToyBackbone):
        def preprocess(self, modality, raw):
            touch(folder / "red" / "red.bmp")
            return super().preprocess(modality, raw)

    summary = encode_items([item(folder / "red" / "red.bmp")], Meddling(), store)
    assert (summary.encoded, summary.quarantined) == (0, 1)
    assert "changed while it was read" in store.quarantined()[0]["message"]
