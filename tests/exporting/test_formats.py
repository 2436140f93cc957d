"""Every export has every item once, with its own vector; nothing is left of a failed one."""

import csv
import json
import sys
from dataclasses import replace

import lancedb
import numpy as np
import pytest
from pyarrow import parquet

import unibind
from tests.helpers import stand_ins
from tests.helpers.toy_store import filled_store
from tests.helpers.toys import ToyBackbone
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, MissingExtraError, UnibindError, UnknownNameError
from unibind.exporting import FORMATS
from unibind.modalities.text import Text

COLUMNS = ["id", "modality", "label", "split", "uri", "object", "description", "contract"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """18 pictures and 18 tones of three categories in three splits."""
    return filled_store(tmp_path_factory.mktemp("toy") / "store", ToyBackbone(), per_category=2)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]


def of_npy(out, monkeypatch):
    return read_csv(out / "items.csv"), np.load(out / "vectors.npy"), json.loads((out / "contract.json").read_text())


def of_parquet(out, monkeypatch):
    table = parquet.read_table(out)
    rows = table.drop_columns(["vector"]).to_pylist()
    return rows, np.array(table["vector"].to_pylist(), np.float32), json.loads(table.schema.metadata[b"unibind"])


def of_lance(out, monkeypatch):
    table = lancedb.connect(str(out.parent)).open_table(out.name.removesuffix(".lance")).to_arrow()
    rows = table.drop_columns(["vector"]).to_pylist()
    return rows, np.array(table["vector"].to_pylist(), np.float32), json.loads(table.schema.metadata[b"unibind"])


def of_faiss(out, monkeypatch):
    index = stand_ins.faiss(monkeypatch).read_index(str(out / "index.faiss"))
    rows, facts = read_csv(out / "items.csv"), json.loads((out / "contract.json").read_text())
    vectors = np.empty((index.ntotal, facts["dim"]), np.float32)
    scores, order = index.search(np.eye(facts["dim"], dtype=np.float32), index.ntotal)
    for axis in range(facts["dim"]):  # an inner product with an axis is a coordinate
        vectors[order[axis], axis] = scores[axis]
    return rows, vectors, facts


def of_qdrant(out, monkeypatch):
    client = stand_ins.qdrant(monkeypatch).QdrantClient(path=str(out))
    points, _ = client.scroll("unibind", limit=1000, with_vectors=True)
    client.close()
    facts = json.loads((out / "contract.json").read_text())
    return [p.payload for p in points], np.array([p.vector for p in points], np.float32), facts


READERS = {
    "npy": ("out", of_npy),
    "parquet": ("out.parquet", of_parquet),
    "lance": ("out.lance", of_lance),
    "faiss": ("out", of_faiss),
    "qdrant": ("out", of_qdrant),
}


def expected(store, modalities, split=None, project=lambda e: e):
    """id -> (row, vector) of what an export must contain."""
    splits = {(row.modality, row.id): row.split for row in store.rows()}
    found = {}
    for modality in modalities:
        e = project(store.vectors(modality, split))
        for i, name in enumerate(e.ids):
            row = [name, modality, e.labels[i], splits[modality, name], e.uris[i], e.objects[i], e.descriptions[i]]
            found[name] = dict(zip(COLUMNS, [*row, e.contract.hash], strict=True)), e.vectors[i]
    return found


def check(rows, vectors, wanted):
    assert len(rows) == len(wanted)
    for row, vector in zip(rows, vectors, strict=True):
        facts, exact = wanted[row["id"]]
        assert row | {"uri": None} == facts | {"uri": None}
        np.testing.assert_allclose(vector, exact, atol=1e-6)


def test_every_format_is_read_back_here():
    assert set(READERS) == set(FORMATS)


@pytest.fixture
def libraries(monkeypatch):
    stand_ins.faiss(monkeypatch)
    stand_ins.qdrant(monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_an_export_has_every_item_with_its_vector(name, store, tmp_path, monkeypatch, libraries):
    file, read_back = READERS[name]
    monkeypatch.setattr(Store.batches, "__kwdefaults__", {"size": 5})  # several batches, the last one smaller
    summary = unibind.export(store, tmp_path / file, name)
    rows, vectors, facts = read_back(tmp_path / file, monkeypatch)
    check(rows, vectors, expected(store, ("audio", "image")))
    assert summary.items == {"audio": 18, "image": 18}
    assert (facts["count"], facts["dim"]) == (36, summary.dim) == (36, 8)
    assert {m: c["hash"] for m, c in facts["contracts"].items()} == {m: c.hash for m, c in store.contracts().items()}
    assert sorted(p.name for p in tmp_path.iterdir()) == [file]


def test_a_model_a_modality_and_a_split(store, tmp_path, monkeypatch):
    turned = Head(AffineMap(np.roll(np.eye(8, dtype=np.float32), 1, axis=0), np.full(8, 0.1, np.float32)))
    model = unibind.UniBind(ToyBackbone(), heads={"image": turned})
    unibind.export(store, tmp_path / "out", "npy", model=model, modalities=["image"], split="test")
    rows, vectors, facts = of_npy(tmp_path / "out", monkeypatch)
    check(rows, vectors, expected(store, ["image"], "test", model.project))
    assert facts["contracts"]["image"]["head"] == model.heads["image"].fingerprint
    assert {row["split"] for row in rows} == {"test"}


def test_uris_are_absolute_and_addresses_and_odd_texts_stay(tmp_path, monkeypatch):
    backbone, texts = ToyBackbone(), ['red, "green"\nblue', "blue"]
    items = [
        Item("inline", "text", text=texts[0]),
        Item("web", "text", uri="https://a.example/b.txt", label="schön"),
    ]
    monkeypatch.chdir(tmp_path)
    store = Store.create("store")
    store.add(items, embed([Text(t) for t in texts], backbone), backbone.contract("text"))
    store.add([Item("f", "image", uri="c.png")], np.eye(1, 8, dtype=np.float32), backbone.contract("image"))
    unibind.export("store", "out", "npy")
    rows = {row["id"]: row for row in of_npy(tmp_path / "out", monkeypatch)[0]}
    assert (rows["inline"]["uri"], rows["inline"]["description"]) == (None, texts[0])
    assert (rows["web"]["uri"], rows["web"]["label"]) == ("https://a.example/b.txt", "schön")
    assert rows["f"]["uri"] == str(tmp_path / "c.png")


@pytest.mark.parametrize("name", READERS)
def test_a_failed_export_leaves_what_was_there(name, store, tmp_path, monkeypatch, libraries):
    out = tmp_path / READERS[name][0]
    unibind.export(store, out, name, modalities=["audio"])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    with pytest.raises(UnibindError, match=r"exists already|has an export already"):
        unibind.export(store, out, name)
    read, calls = Store.batches, []

    def failing(self, modality, split=None, **options):
        calls.append(modality)
        count, batches = read(self, modality, split, **options)
        return count + (len(calls) > 2), batches  # one more item than there are

    monkeypatch.setattr(Store, "batches", failing)
    calls += ["", ""]
    with pytest.raises(UnibindError, match="was changed during the export"):
        unibind.export(store, out, name, force=True)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    monkeypatch.setattr(Store, "batches", read)
    assert unibind.export(store, out, name, force=True).items == {"audio": 18, "image": 18}
    assert len(READERS[name][1](out, monkeypatch)[0]) == 36


def test_other_files_in_a_folder_stay(store, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UnibindError, match=r"notes\.txt"):
        unibind.export(store, out, "npy")
    assert [p.name for p in out.iterdir()] == ["notes.txt"]
    for _ in range(2):
        unibind.export(store, out, "npy", force=True)
        assert {p.name for p in out.iterdir()} == {"notes.txt", "vectors.npy", "items.csv", "contract.json"}
    assert (out / "notes.txt").read_text() == "mine"


def test_wrong_requests_are_refused(store, tmp_path):
    with pytest.raises(UnknownNameError, match=r"'hdf5'.*npy, parquet, lance, faiss, qdrant"):
        unibind.export(store, tmp_path / "out", "hdf5")
    with pytest.raises(UnibindError, match=r"must end in \.parquet"):
        unibind.export(store, tmp_path / "out.csv", "parquet")
    with pytest.raises(UnibindError, match="no items to export in the split 'nowhere'"):
        unibind.export(store, tmp_path / "out", "npy", split="nowhere")
    with pytest.raises(UnknownNameError, match="'video'"):
        unibind.export(store, tmp_path / "out", "npy", modalities=["video"])
    with pytest.raises(UnibindError, match="is a URL"):
        unibind.export(store, "http://localhost:6333/photos", "npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "module"), [("faiss", "faiss"), ("qdrant", "qdrant_client")])
def test_a_missing_library_is_named_with_its_extra(name, module, store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"unibind\[{name}\]"):
        unibind.export(store, tmp_path / "out", name)
    assert list(tmp_path.iterdir()) == []


def test_vectors_of_two_spaces_are_not_searched_together(tmp_path, monkeypatch, libraries):
    backbone, store = ToyBackbone(), Store.create(tmp_path / "store")
    vector = np.eye(1, 8, dtype=np.float32)
    store.add([Item("t", "text", text="red")], vector, backbone.contract("text"))
    own = replace(backbone.contract("audio"), space="other", anchor=backbone.contract("text").space)
    store.add([Item("a", "audio", uri="a.wav")], vector, own)
    with pytest.raises(ContractError, match="audio"):
        unibind.export(store, tmp_path / "out", "faiss")
    assert unibind.export(store, tmp_path / "out", "npy").items == {"audio": 1, "text": 1}  # each row has its contract


def test_a_collection_on_a_server(store, monkeypatch):
    qdrant = stand_ins.qdrant(monkeypatch, server=True)
    url = "http://localhost:6333/photos"
    unibind.export(store, url, "qdrant")
    points = qdrant.QdrantClient(url="http://localhost:6333").collections["photos"]
    check([p.payload for p in points], [p.vector for p in points], expected(store, ("audio", "image")))
    assert len({p.id for p in points}) == 36
    with pytest.raises(UnibindError, match="exists already"):
        unibind.export(store, url, "qdrant", modalities=["image"])
    unibind.export(store, url, "qdrant", modalities=["image"], force=True)
    assert len(qdrant.QdrantClient(url="http://localhost:6333").collections["photos"]) == 18
    with pytest.raises(UnibindError, match="names no collection"):
        unibind.export(store, "http://localhost:6333/", "qdrant")


def test_a_server_that_fails_is_a_sentence_and_keeps_nothing(store, monkeypatch):
    qdrant = stand_ins.qdrant(monkeypatch, server=True)

    def refuse(self, *arguments, **options):
        raise ConnectionError("connection\nlost")

    monkeypatch.setattr(qdrant.QdrantClient, "upload_points", refuse)
    with pytest.raises(UnibindError, match=r"Qdrant at http://localhost:6333 .*\(connection lost\)"):
        unibind.export(store, "http://localhost:6333/photos", "qdrant")
    assert qdrant.QdrantClient(url="http://localhost:6333").collections == {}
