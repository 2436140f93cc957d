import io
import json
import math
import pickle
import tarfile

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
import soundfile
from PIL import Image as Picture
from pyarrow import parquet

import unibind
from tests.helpers.frames_of_data import ClassLabel, DataSet, Frame, Image, LazyFrame, StreamedDataSet
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.intake import read_manifest
from unibind.data.loader import read_item
from unibind.data.manifest import write_manifest
from unibind.errors import LimitError, MissingFileError, UnibindError
from unibind.modalities.limits import Limits


def pixels(category):
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[..., CATEGORIES.index(category)] = 200
    return rgb


def png(category):
    buffer = io.BytesIO()
    Picture.fromarray(pixels(category)).save(buffer, "png")
    return buffer.getvalue()


def wav(seconds=0.1):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(round(8000 * seconds)) / 3), 8000, format="wav")
    return buffer.getvalue()


def encoded(source, tmp_path, **options):
    """Label and nearest category of every stored image of a source."""
    store = tmp_path / "store"
    summary = unibind.encode(source, store, backbone=ToyBackbone(), progress=False, **options)
    found = unibind.Store.open(store).vectors("image")
    return summary, [(label, CATEGORIES[i]) for label, i in zip(found.labels, found.vectors.argmax(1), strict=True)]


# --- frames and lists of rows ---------------------------------------------------------------------------------------

COLUMNS = {
    "File Name": ["red.png", None, "green.png", "red.png", math.nan],
    "Category": ["red", "x", "green", "red", None],
    "Subset": ["training", "dev", "DEV", "training", None],
    "score": [1.5, 2, 3, 4, 5],
}


def rows(columns):
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


FRAMES = {
    "frame": Frame,
    "lazy frame": LazyFrame,
    "arrow": lambda columns: pa.Table.from_pylist(rows({n: [_or_none(c) for c in v] for n, v in columns.items()})),
    "list of dictionaries": rows,
    "generator": lambda columns: iter(rows(columns)),
    "pandas": pandas.DataFrame,
    "polars": lambda columns: polars.DataFrame(columns, strict=False),
}


def _or_none(cell):
    return None if cell != cell else cell


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_every_kind_of_frame_gives_the_same_items(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("red", "green"):
        (tmp_path / f"{name}.png").write_bytes(png(name))
    manifest = read_manifest(make(COLUMNS))
    facts = [(item.uri, item.label, item.split) for item in manifest]
    assert facts == [("red.png", "red", "train"), ("green.png", "green", "val")]
    assert manifest[0].id == str(tmp_path / "red.png")
    reasons = {entry.row: entry.reason for entry in manifest.report.set_aside}
    assert set(reasons) == {2, 4, 5}
    assert reasons[4] == "it repeats the item of row 1"
    with pytest.raises(UnibindError, match="row 2"):
        read_manifest(make(COLUMNS), strict=True)


@pytest.mark.slow
def test_cells_hold_pictures_bytes_and_raw_items(tmp_path):
    cells = [
        Picture.fromarray(pixels("red")),
        png("green"),
        {"bytes": png("blue"), "path": "blue.png"},
        unibind.Image(pixels("green")),
        np.zeros((4, 6, 3)),
    ]
    labels = ["red", "green", "blue", "green", "?"]
    table = [{"image": cell, "label": label} for cell, label in zip(cells, labels, strict=True)]
    summary, found = encoded(table, tmp_path, workers=0)
    assert sorted(found) == [("blue", "blue"), ("green", "green"), ("green", "green"), ("red", "red")]
    (left_out,) = summary.intake.set_aside
    assert left_out.row == 5
    assert "ndarray" in left_out.reason


def test_what_is_in_memory_is_the_same_item_wherever_it_comes_from(tmp_path):
    a, b = read_manifest([{"image": png("red")}, {"image": png("green")}])
    (again,) = read_manifest(Frame({"picture": [png("red")]}))
    assert again.id == a.id != b.id
    assert len(read_manifest([{"image": png("red")}, {"image": png("red")}])) == 1
    encoded([{"image": png("red"), "label": "red"}], tmp_path)
    summary, found = encoded(Frame({"img": [png("red")], "label": ["red"]}), tmp_path)
    assert (summary.encoded, summary.unchanged, summary.missing) == (0, 1, 0)
    assert found == [("red", "red")]
    (tmp_path / "copy.png").write_bytes(png("red"))
    (copies,) = encoded([tmp_path / "copy.png"], tmp_path)[0].duplicates.groups
    assert len(copies.ids) == 2
    with pytest.raises(UnibindError, match="no file"):
        write_manifest([a], tmp_path / "m.csv")


@pytest.mark.slow
def test_workers_get_what_is_in_memory(tmp_path):
    table = [{"image": png(name), "label": name} for name in CATEGORIES]
    _, found = encoded(table, tmp_path, workers=1)
    assert sorted(found) == sorted((name, name) for name in CATEGORIES)


def test_a_row_of_several_files_is_one_object():
    first, second = read_manifest([{"image": png("red"), "sound": wav(), "label": "drum", "id": "7", "depth": 0.5}])
    assert (first.modality, second.modality) == ("image", "audio")
    assert (first.id, second.id) == ("7/image", "7/audio")
    assert first.object == second.object == "7"
    sound = {"array": np.zeros((2, 100)), "sampling_rate": 8000}
    (item,) = read_manifest([{"audio": sound, "text": "silence"}])
    assert (item.modality, item.description) == ("audio", "silence")
    assert read_item(item, Limits()).samples.shape == (100,)


def test_frames_without_items_are_refused():
    with pytest.raises(UnibindError, match="columns a, b"):
        read_manifest(Frame({"a": [1], "b": [2]}))
    with pytest.raises(UnibindError, match="int is not a source"):
        read_manifest(3)
    with pytest.raises(UnibindError, match="put a row into a list"):
        read_manifest({"image": "x.png", "label": "x"})


def test_sources_by_split():
    by_split = {"Training": [{"text": "a"}], "dev": [{"text": "b", "split": "test"}, {"text": "c"}]}
    assert [item.split for item in read_manifest(by_split)] == ["train", "test", "val"]


# --- data sets ------------------------------------------------------------------------------------------------------


@pytest.fixture
def data_set():
    labels = ClassLabel(["red", "green", "blue"])
    cells = [{"img": {"bytes": png(name), "path": None}, "label": i, "n": 0} for i, name in enumerate(CATEGORIES)]
    cells.append({"img": {"bytes": png("red") + b" ", "path": "red.png"}, "label": -1, "n": 0})
    return DataSet(cells, {"img": Image(), "label": labels, "n": object()})


def test_a_data_set_is_fetched_row_by_row(data_set, tmp_path):
    manifest = read_manifest({"train": data_set})
    assert [(item.modality, item.label, item.split) for item in manifest] == [
        *(("image", name, "train") for name in CATEGORIES),
        ("image", None, "train"),
    ]
    assert data_set.read == [1] * 4
    summary, found = encoded(data_set, tmp_path)
    assert summary.encoded == 4
    assert sorted(found, key=str) == sorted([*((name, name) for name in CATEGORIES), (None, "red")], key=str)
    assert data_set.read == [3] * 4  # by each intake, and once to encode it
    assert pickle.loads(pickle.dumps(manifest[0])).content.fetch() == png("red")


def test_files_in_a_data_set_count_before_paths_in_it():
    row = {"path": "gone.png", "image_file_path": "gone.png", "image": {"bytes": png("red"), "path": "red.png"}}
    (item,) = read_manifest(DataSet([row], {"path": object(), "image_file_path": object(), "image": Image()}))
    assert item.content.fetch() == png("red")
    (item,) = read_manifest([row])
    assert item.content.fetch() == png("red")


def test_a_streamed_data_set_is_refused():
    with pytest.raises(UnibindError, match="streamed"):
        read_manifest(StreamedDataSet())


def test_an_arrow_table_may_contain_the_files(tmp_path):
    table = pa.table({"image": [{"bytes": png("red"), "path": "a.png"}], "label": ["red"]})
    _, found = encoded(table, tmp_path)
    assert found == [("red", "red")]
    parquet.write_table(table, tmp_path / "m.parquet")
    (item,) = read_manifest(tmp_path / "m.parquet")
    assert (item.label, item.content.fetch()) == ("red", png("red"))
    for column in ("image", "path"):
        parquet.write_table(pa.table({column: table["image"], "label": [["red"]]}), tmp_path / "m.parquet")
        with pytest.raises(UnibindError, match="must be a text, number or file"):
            read_manifest(tmp_path / "m.parquet")


# --- archives -------------------------------------------------------------------------------------------------------


def archive(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


SAMPLES = {
    "0.png": png("red"),
    "0.cls": "red",
    "0.txt": "A red card.",
    "1.png": png("green"),
    "1.wav": wav(),
    "1.json": json.dumps({"label": "green", "split": "validation", "width": 6}),
    "./2.png": png("blue"),
    "2.cls": "blue",
    "2.seg.npz.bak": "no item",
    "3.txt": "only words",
    "._0.png": "rubbish",
}


def test_a_shard_is_read_in_place(tmp_path):
    shard = archive(tmp_path / "photos-train-000.tar", SAMPLES)
    manifest = read_manifest(shard)
    assert [item.id for item in manifest] == [
        f"{shard}#{name}" for name in ("0.png", "1.png", "1.wav", "2.png", "3.txt")
    ]
    red, green, sound, blue, words = manifest
    assert (red.label, red.split, red.description) == ("red", "train", "A red card.")
    assert (green.label, green.split, sound.split) == ("green", "val", "val")
    assert green.object == sound.object == f"{shard}#1"
    assert (blue.label, blue.object, words.modality) == ("blue", None, "text")
    assert manifest.report.skipped == {".bak": 1}
    summary, found = encoded(shard, tmp_path)
    assert summary.encoded == 5
    assert sorted(found) == sorted((name, name) for name in CATEGORIES)
    again, _ = encoded(shard, tmp_path)
    assert (again.encoded, again.unchanged, again.missing) == (0, 5, 0)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".tar"] == ["store"]
    assert unibind.read(f"{shard}#0.png").pixels.shape == (4, 6, 3)


def test_shards_in_folders_and_folders_in_archives(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    archive(tmp_path / "data" / "test" / "0.tar", {"night/cat/0.png": png("red"), "train/dog/1.png": png("green")})
    cat, dog = read_manifest(tmp_path / "data", modality={"night": "thermal"})
    assert (cat.modality, cat.label, cat.split) == ("thermal", "cat", "test")
    assert (dog.modality, dog.label, dog.split) == ("image", "dog", "test")


def test_nothing_in_an_archive_leaves_it(tmp_path):
    (tmp_path / "secret.png").write_bytes(png("red"))
    path = archive(tmp_path / "x.tar", {"../secret.png": png("green"), "/etc/hosts.png": png("blue")})
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "secret.png"
        tar.addfile(link)
    inside, absolute = read_manifest(path)
    assert read_item(inside, Limits()).pixels[0, 0].tolist() == [0, 200, 0]
    assert read_item(absolute, Limits()).pixels[0, 0].tolist() == [0, 0, 200]


def test_damaged_archives(tmp_path):
    whole = archive(tmp_path / "whole.tar", {f"{i}.png": png(CATEGORIES[i]) for i in range(3)})
    torn = tmp_path / "torn.tar"
    torn.write_bytes(whole.read_bytes()[:2100])
    manifest = read_manifest(torn)
    assert [item.id for item in manifest] == [f"{torn}#0.png", f"{torn}#1.png"]
    assert "not a whole tar" in manifest.report.set_aside[0].reason
    with pytest.raises(UnibindError, match="decompress"):
        read_manifest(archive(tmp_path / "packed.tar", {"0.png": png("red")}, "w:gz"))
    with pytest.raises(MissingFileError, match=r"no member 9\.png"):
        unibind.read(f"{whole}#9.png")
    with pytest.raises(MissingFileError, match=r"gone\.tar"):
        unibind.read(tmp_path / "gone.tar#0.png")
    with pytest.raises(LimitError, match="limits allow 10"):
        unibind.read(f"{whole}#0.png", limits=Limits(max_bytes=10))
    wrong = archive(tmp_path / "facts.tar", {"0.png": png("red"), "0.json": "{", "1.png": png("green")})
    assert [entry.source for entry in read_manifest(wrong).report.set_aside] == [f"{wrong}#0"]
