"""What `store check` finds: flipped bits, doubles, strange vectors, changed files; and what `store repair` mends."""

import json

import numpy as np
import pytest

from tests.data.test_store import IMAGE, pictures, unit
from tests.data.test_two_writers import double
from tests.helpers.command import run
from unibind.data.file_facts import FileFacts, content_hash, file_stamp
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_check import check_store, repair
from unibind.errors import UnibindError


@pytest.fixture
def store(tmp_path):
    """Three pictures with files, and 500 more, so that most of the table is vectors."""
    store = Store.create(tmp_path / "store", precision="float16")
    items, facts = [], []
    for name in "abc":
        file = tmp_path / f"{name}.png"
        file.write_bytes(name.encode() * 100)
        items.append(Item(name, "image", uri=str(file), label=name))
        facts.append(FileFacts(*file_stamp(file), content_hash(file)))
    store.add(items, unit(0, 1, 2), IMAGE, facts)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 4)).astype(np.float32)
    store.add(pictures(*map(str, range(500))), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), IMAGE)
    return store


def read_all(path):
    opened = Store.open(path)
    table = opened._tables.read("items", [*opened._tables._columns["items"], "vector"])
    return table.sort_by("key")


@pytest.mark.slow
def test_no_flipped_bit_goes_unseen(store):
    """Either Lance or a checksum notices, or the bit means nothing: padding, or statistics."""
    (file,) = [f for f in (store.path / "items.lance" / "data").iterdir() if f.stat().st_size > 10_000]
    content, before = file.read_bytes(), read_all(store.path)
    rng, noticed, changed = np.random.default_rng(0), 0, 0
    for _ in range(60):
        flipped = bytearray(content)
        flipped[int(rng.integers(len(flipped)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(flipped))
        try:
            found = check_store(Store.open(store.path))
        except UnibindError:
            noticed += 1
            continue
        noticed += not found.sound
        if not read_all(store.path).equals(before):
            changed += 1
            assert not found.sound
    assert changed > 20
    assert noticed >= changed


def test_a_flipped_bit_of_a_vector_is_never_read_silently(store):
    (file,) = [f for f in (store.path / "items.lance" / "data").iterdir() if f.stat().st_size > 10_000]
    content = file.read_bytes()
    row = store.vectors("image").vectors.astype(np.float16)[7].tobytes()
    at = content.index(row)
    file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    for read in (lambda s: s.vectors("image"), lambda s: list(s.batches("image")[1])):
        with pytest.raises(UnibindError, match="image vectors are not what was written; remove them with `unibind st"):
            read(Store.open(store.path))
    shown = run("store", "check", store.path, code=1)
    assert "1 vectors that are not what was written, such as" in shown.stderr
    assert repair(Store.open(store.path)).damaged == 1
    mended = Store.open(store.path)
    assert len(mended.vectors("image").ids) == 502
    assert check_store(mended).sound


def test_a_sound_store_is_said_to_be_sound(store):
    store.update([row for row in store.rows() if row.id == "a"])
    store.compact(full=True)
    assert check_store(Store.open(store.path)).sound
    shown = json.loads(run("store", "check", store.path, "--json").stdout)
    assert (shown["sound"], shown["items"], shown["version"]) == (True, 503, store.version)


def test_each_fault_is_counted_and_named(store, tmp_path):
    double(store, ids=("a", "b"))
    store.add([Item("long", "image", uri="l.png")], unit(0) * 2, IMAGE)
    (tmp_path / "b.png").unlink()
    (tmp_path / "c.png").write_bytes(b"d" * 100)
    opened = Store.open(store.path)
    assert check_store(opened).counts == {"vectors that are not of unit length": 1, "doubled rows": 2}
    assert "items whose files are gone" in check_store(opened, files=True).counts
    found = check_store(opened, content=True)
    assert found.examples["items whose files have another size or content"] == ["c"]
    assert found.examples["vectors that are not of unit length"] == ["long"]


def test_the_journey_from_doubles_to_a_sound_store(store):
    double(store, ids=("a", "b"))
    assert "2 doubled rows" in run("store", "check", store.path, code=1).stderr
    assert "2 doubled and 0 damaged rows removed" in run("store", "repair", store.path).stderr
    assert "nothing is wrong" in run("store", "check", store.path).stderr
    assert "MB before" in run("store", "compact", store.path).stderr
    del store._tables._readings["items"]  # nobody reads the versions before
    run("store", "compact", store.path)
    assert len(Store.open(store.path).versions()) == 1
    assert len(Store.open(store.path).rows()) == 503
