import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Picture

from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone, text_items
from unibind.data import store_writer
from unibind.data.encode import embed, encode_items
from unibind.data.intake import read_manifest
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.image import Image
from unibind.modalities.limits import Limits
from unibind.modalities.text import Text

AXES = {name: i for i, name in enumerate(CATEGORIES)}
RATE = 8000


def picture(category):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., AXES[category]] = 200
    return Image(pixels)


def tone(category):
    t = np.arange(RATE // 4) / RATE
    return Audio(np.sin(2 * np.pi * {"red": 200, "green": 1000, "blue": 3000}[category] * t).astype(np.float32), RATE)


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store")


@pytest.fixture
def files(tmp_path):
    """Six good files of three modalities, two of each category, and three that cannot be read."""
    items = []
    for name in CATEGORIES:
        Picture.fromarray(picture(name).pixels).save(tmp_path / f"{name}.png")
        soundfile.write(tmp_path / f"{name}.wav", tone(name).samples, RATE)
        items += [
            Item(f"{name}.png", "image", uri=str(tmp_path / f"{name}.png"), label=name, split="test"),
            Item(f"{name}.wav", "audio", uri=str(tmp_path / f"{name}.wav"), label=name, split="test"),
        ]
    (tmp_path / "empty.png").touch()
    (tmp_path / "torn.wav").write_bytes((tmp_path / "red.wav").read_bytes()[:20])
    for name, modality in (("empty.png", "image"), ("torn.wav", "audio"), ("gone.png", "image")):
        items.insert(0, Item(name, modality, uri=str(tmp_path / name)))
    return items


def nearest(embeddings):
    return [CATEGORIES[i] for i in embeddings.vectors[:, :3].argmax(axis=1)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_good_files_are_stored_and_bad_ones_quarantined(files, store, workers):
    done = []
    summary = encode_items(files, ToyBackbone(), store, workers=workers, progress=done.append)
    assert (summary.encoded, summary.unchanged, summary.quarantined) == (6, 0, 3)
    assert sum(done) == 9
    for modality in ("image", "audio"):
        found = store.vectors(modality, "test")
        assert nearest(found) == found.labels == sorted(CATEGORIES)
        assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1)
    rows = {row["id"]: row for row in store.quarantined()}
    assert set(rows) == {"empty.png", "torn.wav", "gone.png"}
    assert rows["gone.png"]["error"] == "MissingFileError"
    assert all(name in row["message"] and row["uri"].endswith(name) for name, row in rows.items())


@pytest.mark.slow
def test_a_repaired_file_leaves_the_quarantine(files, store, tmp_path):
    encode_items(files, ToyBackbone(), store)
    (tmp_path / "empty.png").write_bytes((tmp_path / "blue.png").read_bytes())
    backbone = ToyBackbone()
    summary = encode_items(files, backbone, store)
    counts = (summary.encoded, summary.unchanged, summary.quarantined, summary.not_retried)
    assert counts == (1, 6, 1, 1)  # a missing file is always tried again, an unchanged one is not
    assert backbone.encoded == {"image": 1}
    assert {row["id"] for row in store.quarantined()} == {"torn.wav", "gone.png"}


def test_a_missing_text_file_is_not_read_as_its_name(store, tmp_path):
    (tmp_path / "there.txt").write_text("blue")
    items = [Item(n, "text", uri=str(tmp_path / n)) for n in ("gone.txt", "gone", "there.txt")]
    encode_items(items, ToyBackbone(), store)
    assert {row["id"]: row["error"] for row in store.quarantined()} == dict.fromkeys(
        ("gone", "gone.txt"), "MissingFileError"
    )
    assert nearest(store.vectors("text")) == ["blue"]


def test_a_bad_file_does_not_stop_a_folder(store, files, tmp_path):
    folder = tmp_path / "sorted" / "red"
    folder.mkdir(parents=True)
    for name in ("red.png", "empty.png"):
        (folder / name).write_bytes((tmp_path / name).read_bytes())
    summary = encode_items(read_manifest(tmp_path / "sorted"), ToyBackbone(), store)
    assert (summary.encoded, summary.quarantined) == (1, 1)
    assert store.vectors().labels == ["red"]


def test_limits_reach_the_readers(files, store):
    good = [i for i in files if i.label]
    summary = encode_items(good, ToyBackbone(), store, limits=Limits(max_pixels=23))
    assert (summary.encoded, summary.quarantined) == (3, 3)
    assert {row["error"] for row in store.quarantined()} == {"LimitError"}


def test_encoding_again_does_nothing(store):
    items = text_items(10)
    encode_items(items, ToyBackbone(), store)
    before = (store.path / "items.lance" / "_versions").stat().st_mtime_ns
    backbone = ToyBackbone()
    summary = encode_items(items, backbone, store)
    assert (summary.encoded, summary.unchanged) == (0, 10)
    assert not backbone.encoded
    assert (store.path / "items.lance" / "_versions").stat().st_mtime_ns == before


@pytest.mark.slow
def test_workers_do_not_change_vectors(tmp_path):
    items = text_items(60)
    found = []
    for workers in (0, 2):
        store = Store.create(tmp_path / f"store{workers}")
        encode_items(items, ToyBackbone(), store, batch_size=7, workers=workers)
        found.append(store.vectors("text"))
    assert found[0].ids == found[1].ids
    assert found[0].vectors.tobytes() == found[1].vectors.tobytes()


def test_texts_are_batched_by_length(store):
    backbone = ToyBackbone()
    encode_items(text_items(50), backbone, store, batch_size=10)
    assert backbone.encoded["text"] == 50
    assert backbone.padding == 0  # 50 texts of 1 to 5 words: ten of each


def test_large_runs_commit_now_and_then(store, monkeypatch):
    monkeypatch.setattr(store_writer, "_COMMIT_ITEMS", 20)
    sizes = []
    add = store.add
    monkeypatch.setattr(store, "add", lambda items, *rest, **how: (sizes.append(len(items)), add(items, *rest, **how)))
    encode_items(text_items(50), ToyBackbone(), store, batch_size=10)
    assert sizes == [20, 20, 10]


class Fading(ToyBackbone):
    """The tower fails for the fifth batch."""

    def encode(self, modality, batch):
        if self.encoded[modality] >= 40:
            raise KeyboardInterrupt
        return super().encode(modality, batch)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_an_interrupt_keeps_what_was_encoded(store, workers):
    with pytest.raises(KeyboardInterrupt):
        encode_items(text_items(100), Fading(), store, batch_size=10, workers=workers)
    assert Store.open(store.path).counts() == {"text": 40}
    assert encode_items(text_items(100), ToyBackbone(), store).unchanged == 40
    assert Store.open(store.path).ids() == {i.id for i in text_items(100)}


class Deadly(ToyBackbone):
    """Two texts end the process that preprocesses them, as a segmentation fault in a decoder would."""

    def preprocess(self, modality, raw):
        if "deadly" in raw.text:
            os._exit(11)
        return super().preprocess(modality, raw)


@pytest.mark.slow
def test_an_item_that_kills_its_worker_goes_alone(store):
    items = text_items(60)
    for i in (3, 40):
        items[i] = Item(f"deadly{i}", "text", text="a deadly text")
    summary = encode_items(items, Deadly(), store, workers=2)
    assert (summary.encoded, summary.quarantined) == (58, 2)
    assert [(r["id"], r["error"]) for r in store.quarantined()] == [
        ("deadly3", "WorkerDied"),
        ("deadly40", "WorkerDied"),
    ]
    assert store.ids() == {i.id for i in items} - {"deadly3", "deadly40"}


class Unstartable(ToyBackbone):
    def __reduce__(self):
        return os._exit, (11,)


@pytest.mark.slow
def test_workers_that_cannot_start_are_not_blamed_on_the_items(store):
    with pytest.raises(UnibindError, match="before it reads anything"):
        encode_items(text_items(5), Unstartable(), store, workers=1)
    assert store.quarantined() == []


class Infinite(ToyBackbone):
    def encode(self, modality, batch):
        vectors = super().encode(modality, batch)
        vectors[vectors[:, AXES["green"]] > 0] = torch.inf
        return vectors


@pytest.mark.parametrize("commit_items", [1, 512])
def test_embeddings_that_are_not_finite_are_quarantined(store, monkeypatch, commit_items):
    monkeypatch.setattr(store_writer, "_COMMIT_ITEMS", commit_items)
    summary = encode_items(text_items(9), Infinite(), store)
    assert (summary.encoded, summary.quarantined) == (6, 3)
    assert {row["error"] for row in store.quarantined()} == {"NotFinite"}


_SLOW_RUN = """
import sys, time
from tests.helpers.toys import ToyBackbone, text_items
from unibind.data import encode as encoding, store_writer
from unibind.data.store import Store

class Slow(ToyBackbone):
    def encode(self, modality, batch):
        time.sleep(0.02)
        return super().encode(modality, batch)

if __name__ == "__main__":
    store_writer._COMMIT_ITEMS = 5
    encoding.encode_items(text_items(400), Slow(), Store.open(sys.argv[1]), batch_size=5, workers=int(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "kills"), [(0, 2), (1, 1)])
def test_a_killed_run_loses_nothing_and_doubles_nothing(store, tmp_path, workers, kills):
    script = tmp_path / "slow.py"
    script.write_text(_SLOW_RUN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    stored = 0
    for _ in range(kills):
        run = subprocess.Popen([sys.executable, script, store.path, str(workers)], env=environment)
        while len(Store.open(store.path)) < stored + 15:  # reading beside the writer is part of the test
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
        stored = len(Store.open(store.path))
    assert 0 < stored < 400
    reopened = Store.open(store.path)
    summary = encode_items(text_items(400), ToyBackbone(), reopened)
    assert (summary.encoded, summary.unchanged) == (400 - stored, stored)
    found = Store.open(store.path).vectors("text")
    assert found.ids == sorted(i.id for i in text_items(400))
    assert nearest(found)[:3] == ["red", "green", "blue"]


def test_another_backbone_is_refused_before_anything_is_read(store):
    encode_items(text_items(3), ToyBackbone(), store)
    other = ToyBackbone(weights="2")
    with pytest.raises(ContractError, match=r"toy@2.*toy@1"):
        encode_items([Item("x", "image", uri="x.png")], other, store)
    assert not other.encoded
    assert store.quarantined() == []


def test_items_of_modalities_that_the_backbone_lacks_are_left_out_and_counted(store):
    heat = [Item(name, "thermal", uri=f"{name}.tiff") for name in "xyz"]
    summary = encode_items([*heat, *text_items(2)], ToyBackbone(), store)
    assert (summary.encoded, summary.not_retried, summary.left_out) == (2, 0, {"thermal": 3})
    assert (store.counts(), store.quarantined()) == ({"text": 2}, [])


def test_wrong_requests_are_refused(store):
    with pytest.raises(UnknownNameError, match="thermal"):
        encode_items([Item("x", "thermal", uri="x.tiff")], ToyBackbone(), store)
    with pytest.raises(UnibindError, match="twice"):
        encode_items(text_items(2) * 2, ToyBackbone(), store)
    with pytest.raises(UnibindError, match="batch_size"):
        encode_items(text_items(2), ToyBackbone(), store, batch_size=0)


# --- into an array -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_mixed_modalities_keep_their_order(batch_size, files):
    png = next(i.uri for i in files if i.id == "blue.png")
    items = [Text("a green thing"), picture("red"), tone("blue"), Text("blue"), png, picture("green"), tone("red")]
    vectors = embed(items, ToyBackbone(), batch_size=batch_size)
    assert vectors.dtype == np.float32
    assert vectors[:, :3].argmax(axis=1).tolist() == [1, 0, 2, 2, 2, 1, 0]
    assert np.allclose(vectors[0, :4], np.array([0, 1, 0, 2]) / 5**0.5)


def test_a_string_with_the_ending_of_a_media_file_is_not_a_text(tmp_path):
    assert embed(["red", "blue"], ToyBackbone(), modality="text")[:, :3].tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(MissingFileError, match=r"nowhere\.png"):
        embed([str(tmp_path / "nowhere.png")], ToyBackbone())


def test_no_items_give_an_empty_array_and_unknown_modalities_are_refused():
    assert embed([], ToyBackbone()).shape == (0, DIM)
    with pytest.raises(UnknownNameError, match="audio"):
        backbone = ToyBackbone()
        backbone.modalities = ("text", "audio")
        embed([picture("red")], backbone)
