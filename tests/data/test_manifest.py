import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from unibind.data.intake import read_manifest
from unibind.data.intake.split_names import known_split
from unibind.data.manifest import Item, write_manifest
from unibind.errors import MissingFileError, UnibindError
from unibind.modalities import modality_names

ROWS = [
    {"uri": "a/drum.wav", "label": "drum", "split": "train", "object": "7", "note": "ignored"},
    {"uri": "a/drum.png", "label": "drum", "split": "test", "object": "7", "note": ""},
]


def as_csv(rows):
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])


def written(path, rows):
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        path.write_text(as_csv(rows))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet", "M.CSV"])
def test_every_table_format_gives_the_same_items(tmp_path, name):
    path = tmp_path / name
    sound, picture = read_manifest(written(path.with_suffix(path.suffix.lower()), ROWS).rename(path))
    folder = tmp_path / "a"
    assert sound == Item(
        str(folder / "drum.wav"), "audio", uri=str(folder / "drum.wav"), label="drum", split="train", object="7"
    )
    assert (picture.modality, picture.split) == ("image", "test")


def test_a_modality_in_the_row_wins_over_the_one_given_and_that_over_the_name(tmp_path):
    rows = [{"uri": "x.png", "modality": "event"}, {"uri": "y.png", "modality": ""}]
    path = written(tmp_path / "m.csv", rows)
    assert [i.modality for i in read_manifest(path, modality="thermal")] == ["event", "thermal"]
    assert [i.modality for i in read_manifest(path)] == ["event", "image"]


def test_inline_texts_need_no_modality_and_get_stable_ids(tmp_path):
    first = read_manifest(written(tmp_path / "m.jsonl", [{"text": "a drum"}, {"text": "a bell"}]))
    again = read_manifest(written(tmp_path / "n.jsonl", [{"text": "a bell"}, {"text": "a drum"}]), modality="audio")
    assert [i.modality for i in [*first, *again]] == ["text"] * 4
    assert [i.id for i in first] == [i.id for i in again][::-1]
    assert first[0].uri is None


def test_numbers_are_read_as_text_and_missing_numbers_as_none(tmp_path):
    parquet.write_table(
        pa.table({"uri": ["x.png", "y.png"], "label": [3, 4], "split": [math.nan, 1.0]}), tmp_path / "m.parquet"
    )
    assert [(i.label, i.split) for i in read_manifest(tmp_path / "m.parquet")] == [("3", None), ("4", "1.0")]


def test_unibinds_own_json(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([{"data": "x.wav", "label": "dog", "description": "A dog barks."}]))
    (item,) = read_manifest(path)
    assert item == Item(
        str(tmp_path / "x.wav"), "audio", uri=str(tmp_path / "x.wav"), label="dog", description="A dog barks."
    )


def test_absolute_paths_and_urls_stay(tmp_path):
    path = written(tmp_path / "m.jsonl", [{"uri": "/data/x.png"}, {"uri": "s3://bucket/y.png"}, {"uri": "../z.png"}])
    assert [i.uri for i in read_manifest(path)] == ["/data/x.png", "s3://bucket/y.png", str(tmp_path.parent / "z.png")]


def test_an_id_of_its_own_stays_and_a_location_is_the_id_otherwise(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "link").symlink_to("pictures")
    monkeypatch.chdir(tmp_path)
    rows = [{"uri": "link/x.png", "id": "mine"}, {"uri": "link/y.png", "id": ""}]
    assert [i.id for i in read_manifest(written(tmp_path / "m.csv", rows))] == ["mine", f"{tmp_path}/pictures/y.png"]


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_folders_give_split_and_label(tmp_path):
    make(tmp_path, "test/dog/1.wav", "train/cat/2.png", "train/.hidden/3.png", "train/cat/.DS_Store")
    facts = [(i.id, i.modality, i.split, i.label) for i in read_manifest(tmp_path)]
    assert facts == [
        (f"{tmp_path}/test/dog/1.wav", "audio", "test", "dog"),
        (f"{tmp_path}/train/cat/2.png", "image", "train", "cat"),
    ]


def test_flat_folders_give_labels_or_none(tmp_path):
    make(tmp_path, "dog/1.png", "2.png")
    facts = [(i.id, i.split, i.label) for i in read_manifest(tmp_path, modality="thermal")]
    assert facts == [(f"{tmp_path}/2.png", None, None), (f"{tmp_path}/dog/1.png", None, "dog")]


def test_folders_without_items_are_refused(tmp_path):
    with pytest.raises(UnibindError, match="no items"):
        read_manifest(tmp_path)
    make(tmp_path, "a/Thumbs.db", "a/b/notes.json", "readme")
    with pytest.raises(UnibindError, match=r"no items: skipped.*1 no ending, 1 \.db, 1 \.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.csv", "uri,label\nx.png,a\nx.png,b", "row 2: it repeats the item of row 1 with another label"),
        ("m.csv", "uri,modality\nx.png,image\ny.png,smell", "row 2.*'smell'.*thermal"),
        ("m.csv", "label\ndrum", "no column of files or texts"),
        ("m.csv", "uri,label\n,drum", "row 1: it has neither a file nor a text"),
        ("m.csv", "text,modality\nhello,audio", "row 1.*inline text"),
        ("m.csv", "uri,label\nx.png", "row 1.*cells"),
        ("m.csv", "uri\nx.png,extra", "row 1.*cells"),
        ("m.csv", "uri,label", "no items"),
        ("m.csv", "", "no items"),
        ("m.csv", b"uri\n\xff\xfe.png", "row 1.*UTF-8"),
        ("m.csv", b"\xff\xfeu", "UTF-16"),
        ("m.csv", 'uri\n"x.png', "row 1.*broken"),
        ("m.jsonl", '{"uri": "x.png"}\n\n{"uri": ', "row 2: it is blank"),
        ("m.jsonl", '{"uri": ', "row 1.*JSON"),
        ("m.jsonl", '["x.png"]', "row 1.*list"),
        ("m.jsonl", '{"uri": ["x.png"]}', "row 1: uri.*list"),
        ("m.json", '{"data": "x.png"}', "not a list"),
        ("m.json", "[" * 100_000, "nested too deeply"),
        ("m.parquet", b"PAR1 no more", "Parquet"),
        ("m.xlsx", "", "table format.*csv"),
        ("m.csv", "uri\nthing.qqq", r"row 1.*qqq"),
    ],
)
def test_bad_manifests_are_refused_in_one_sentence(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UnibindError, match=words) as caught:
        read_manifest(path, strict=True)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_an_ending_that_settles_nothing_needs_a_modality(tmp_path):
    np.save(tmp_path / "cloud.npy", np.zeros((5, 3), np.float32))
    path = written(tmp_path / "m.csv", [{"uri": "cloud.npy"}])
    with pytest.raises(UnibindError, match=r"row 1.*event or point_cloud"):
        read_manifest(path)
    assert read_manifest(path, modality="event")[0].modality == "event"


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.csv"):
        read_manifest(tmp_path / "nowhere.csv")


cells = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool)
splits = cells.filter(lambda name: name is None or known_split(name) in (None, name))  # others get one of these names
names = st.text("abcäß _-'\"#%&", min_size=1, max_size=8).filter(str.strip)


@st.composite
def items_in(draw, folder):
    found = []
    for i in range(draw(st.integers(1, 4))):
        facts = {name: draw(cells) for name in ("label", "description", "object")} | {"split": draw(splits)}
        if draw(st.booleans()):
            place = {"uri": str(folder / draw(names) / f"{i}.bin"), "modality": draw(st.sampled_from(modality_names()))}
        else:
            place = {"text": f"{draw(cells)}{i}", "modality": "text"}
        found.append(Item(id=f"{i}{draw(names)}{i}", **place, **facts))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_manifests_survive_the_round_trip(tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("manifest")
    items = data.draw(items_in(folder))
    write_manifest(items, folder / name)
    assert read_manifest(folder / name) == items


def test_a_moved_folder_keeps_its_relative_uris(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    write_manifest([Item("x", "image", uri="old/pictures/x.png")], "old/m.csv")
    (tmp_path / "old").rename(tmp_path / "new")
    assert read_manifest("new/m.csv")[0].uri == "new/pictures/x.png"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_that_are_not_utf8_survive_a_manifest(tmp_path, ending):
    name = os.fsdecode(b"caf\xe9 \xff.png")
    (tmp_path / name).write_bytes(b"x")
    write_manifest([Item("x", "image", uri=str(tmp_path / name), label="a\ufdd0b\ud800")], tmp_path / f"m.{ending}")
    (item,) = read_manifest(tmp_path / f"m.{ending}")
    assert Path(item.uri).name == name
    assert item.label == "a\ufdd0b\ud800"


def test_an_unfinished_manifest_is_never_left(tmp_path, monkeypatch):
    path = tmp_path / "m.csv"
    write_manifest([Item("x", "text", text="whole")], path)
    monkeypatch.setattr(os, "fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_manifest([Item("x", "text", text="half")], path)
    assert read_manifest(path)[0].text == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]
