"""What a person can encode: patterns, standard input, URLs, Parquet files with pictures inside, data sets by name."""

import io
import subprocess
import sys
import tarfile
import threading
import types
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pyarrow
import pytest
from pyarrow import parquet

import unibind
from tests.helpers.command import COMMAND
from tests.helpers.pictures import png
from tests.helpers.toys import ToyBackbone
from unibind.errors import MissingExtraError, MissingFileError, UnreadableError
from unibind.modalities import archive_copies, fetching


@pytest.fixture
def photos(tmp_path):
    for number, name in enumerate(("train/cat/a.png", "train/cat/b.png", "test/dog/c.png", "test/dog/notes.qqq")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(40 * number))
    return tmp_path / "photos"


def facts(manifest):
    return [(Path(item.uri).name, item.label, item.split) for item in manifest]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.png", [("c.png", "dog", "test"), ("a.png", "cat", "train"), ("b.png", "cat", "train")]),
        ("*/cat", [("a.png", "cat", "train"), ("b.png", "cat", "train")]),
        ("*/cat/[a]*", [("a.png", "cat", "train")]),
        ("t*t/**", [("c.png", "dog", "test")]),
        ("train/*", [("a.png", "cat", None), ("b.png", "cat", None)]),  # as for the folder photos/train
    ],
)
def test_a_pattern_is_a_folder_with_the_files_that_match(photos, pattern, found):
    assert facts(unibind.read_manifest(f"{photos}/{pattern}")) == found


@pytest.mark.slow
def test_another_program_lists_the_files(photos, tmp_path):
    listed = "\n".join(str(path.relative_to(tmp_path)) for path in sorted(photos.rglob("*.png")))
    command = [COMMAND, "encode", "-", "--out", "store", "--workers", "0"]
    subprocess.run(command, input=listed, text=True, cwd=tmp_path, check=True, capture_output=True)
    assert unibind.Store.open(tmp_path / "store").counts() == {"image": 3}


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (b"uri,label\nphotos/train/cat/a.png,x\n", ["x"]),
        (b'{"uri": "photos/train/cat/a.png", "label": "y"}\n\n', ["y"]),
        (b'[{"uri": "photos/train/cat/a.png"}, {"uri": "photos/train/cat/b.png"}]', [None, None]),
    ],
)
def test_standard_input_may_be_any_table(photos, tmp_path, monkeypatch, written, labels):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(written)))
    assert [item.label for item in unibind.read_manifest("-")] == labels


# --- URLs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(photos):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in photos.rglob("*.*"):
        memory.pipe(f"/bucket/{path.relative_to(photos).as_posix()}", path.read_bytes())
    memory.pipe("/bucket/.hidden/x.png", png(1))
    memory.pipe("/bucket/list.csv", b"path,label\ntrain/cat/a.png,mine\n")
    return memory


def test_a_folder_behind_a_url_is_read_as_one_on_the_disk(bucket, tmp_path):
    manifest = unibind.read_manifest("memory://bucket/")
    assert facts(manifest) == [("c.png", "dog", "test"), ("a.png", "cat", "train"), ("b.png", "cat", "train")]
    assert manifest.report.skipped == {".qqq": 1, ".csv": 1}
    assert facts(unibind.read_manifest("memory://bucket")) == facts(manifest)
    assert facts(unibind.read_manifest("memory://bucket/**/b.png")) == [("b.png", "cat", "train")]
    summary = unibind.encode("memory://bucket/", tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (summary.encoded, summary.quarantined) == (3, 0)


def test_paths_in_a_table_behind_a_url_are_beside_it(bucket):
    assert unibind.read_manifest(["memory://bucket/test/dog/c.png"])[0].label is None
    (item,) = unibind.read_manifest("memory://bucket/list.csv")
    assert (item.uri, item.label) == ("memory://bucket/train/cat/a.png", "mine")
    with pytest.raises(MissingFileError, match=r"memory://bucket/no\.csv"):
        unibind.read_manifest("memory://bucket/no.csv")


def test_what_is_in_an_archive_behind_a_url_is_a_folder(photos, tmp_path):
    import shutil

    packed = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    manifest = unibind.read_manifest(f"zip://::file://{packed}")
    assert [(item.label, item.split) for item in manifest] == [("dog", "test"), ("cat", "train"), ("cat", "train")]
    summary = unibind.encode(list(manifest), tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (summary.encoded, summary.quarantined) == (3, 0)


def test_a_shard_behind_a_url_is_a_shard(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path / "cache"))
    archive_copies._folder.cache_clear()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in {"0 a.png": png(10), "0 a.cls": b"cat", "1.png": png(20), "1.txt": b"a dog"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    for shard in range(10):  # more than are kept
        bucket.pipe(f"/shards/pets-train-{shard}.tar", packed.getvalue())
    manifest = unibind.read_manifest("memory://shards/")
    assert len(manifest) == 20
    cat, dog = manifest[:2]
    assert (cat.uri, cat.label, cat.split) == ("memory:///shards/pets-train-0.tar#0 a.png", "cat", "train")
    assert (dog.id, dog.description) == ("memory:///shards/pets-train-0.tar#1.png", "a dog")
    summary = unibind.encode("memory://shards/", tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (summary.encoded, summary.quarantined) == (20, 0)
    assert len(list((tmp_path / "cache" / "archives").iterdir())) == 8
    assert unibind.read(cat.uri).pixels[0, 0, 0] == 10
    archive_copies._folder.cache_clear()


class Flaky:
    """Fails for the moment so many times before it gives the bytes."""

    def __init__(self, failures, error):
        self.left, self.error, self.tries = failures, error, 0

    def __call__(self, url, mode):
        self.tries += 1
        if self.left:
            self.left -= 1
            raise self.error
        return io.BytesIO(png(9))


@pytest.mark.parametrize(
    ("failures", "error", "tries"),
    [(2, ConnectionResetError("reset"), 3), (3, TimeoutError("slow"), 3), (1, PermissionError("no"), 1)],
)
def test_what_fails_for_the_moment_is_fetched_again(monkeypatch, failures, error, tries):
    monkeypatch.setattr(fetching, "_WAITS_S", (0, 0))
    flaky = Flaky(failures, error)
    monkeypatch.setattr(fsspec, "open", flaky)
    if failures == 2:
        assert unibind.read("https://host.example/a.png", "image").pixels.shape == (4, 6, 3)
    else:
        with pytest.raises(UnreadableError, match=f"could not be fetched: {error}"):
            unibind.read("https://host.example/a.png", "image")
    assert flaky.tries == tries


class Server(ThreadingHTTPServer):
    """Serves `pages` by path; each path fails so many times before, as `failures` says, with status 503."""

    def __init__(self, pages, failures):
        self.pages, self.failures, self.asked = dict(pages), dict(failures), Counter()
        super().__init__(("127.0.0.1", 0), Page)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        server, path = self.server, self.path
        server.asked[path] += 1
        if server.failures.get(path, 0):
            server.failures[path] -= 1
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.pages[path])))
        self.end_headers()
        self.wfile.write(server.pages[path])

    def log_message(self, *_):
        pass


class Web(fsspec.AbstractFileSystem):
    """What HTTP serves, without the package that fsspec needs for it."""

    protocol = "web"

    def _open(self, path, mode="rb", **_):
        with urllib.request.urlopen(f"http://{path}", timeout=60) as page:
            return io.BytesIO(page.read())


def test_urls_that_fail_are_asked_again_and_those_that_never_work_are_quarantined(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_WAITS_S", (0, 0))
    fsspec.register_implementation("web", Web, clobber=True)
    pages = {f"/{n}.png": png(10 * n) for n in range(4)}
    with Server(pages, {"/1.png": 2, "/2.png": 1000}) as server:
        urls = [f"web://127.0.0.1:{server.server_port}{path}" for path in pages]
        how = {"backbone": ToyBackbone(), "workers": 0}
        summary = unibind.encode(urls, tmp_path / "store", **how)
        assert (summary.encoded, summary.quarantined) == (3, 1)
        assert (server.asked["/1.png"], server.asked["/2.png"]) == (3, 3)
        (failed,) = unibind.Store.open(tmp_path / "store").quarantined()
        assert (failed["uri"], failed["error"]) == (urls[2], "UnreadableError")
        assert failed["message"].startswith(f"{urls[2]} could not be fetched: HTTP Error 503")
        server.failures["/2.png"] = 0
        server.pages["/0.png"] = png(200)  # what is stored is not looked at again
        before = server.asked.copy()
        again = unibind.encode(urls, tmp_path / "store", **how)
        assert (again.encoded, again.unchanged, again.quarantined) == (1, 3, 0)
        assert server.asked - before == Counter(["/2.png"])
        server.shutdown()
    assert unibind.Store.open(tmp_path / "store").quarantined() == []


# --- Parquet and data sets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_record", [True, False])
def test_pictures_in_the_cells_of_a_parquet_file_are_items(tmp_path, as_record):
    pictures = [png(level) for level in range(0, 250, 5)]
    cells = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pictures)] if as_record else pictures
    table = pyarrow.table({"image": cells, "label": [f"l{i}" for i in range(50)]})
    parquet.write_table(table, tmp_path / "data.parquet", row_group_size=20)
    manifest = unibind.read_manifest(tmp_path / "data.parquet")
    assert [item.label for item in manifest] == [f"l{i}" for i in range(50)]
    for position in (3, 49, 0, 21, 20, 22):  # in any order
        assert manifest[position].content.fetch() == pictures[position]
    summary = unibind.encode(tmp_path / "data.parquet", tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (summary.encoded, summary.quarantined) == (50, 0)
    again = unibind.encode(tmp_path / "data.parquet", tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (again.encoded, again.unchanged) == (0, 50)


def test_a_damaged_parquet_file_with_pictures_is_one_sentence(tmp_path):
    table = pyarrow.table({"image": [png(1), png(2)]})
    parquet.write_table(table, tmp_path / "data.parquet")
    data = bytearray((tmp_path / "data.parquet").read_bytes())
    data[4:60] = bytes(56)
    (tmp_path / "data.parquet").write_bytes(data)
    with pytest.raises(unibind.UnibindError, match="not a complete Parquet file"):
        unibind.read_manifest(tmp_path / "data.parquet")


def test_a_damaged_group_of_rows_costs_its_rows(tmp_path):
    pictures = [png(level) for level in range(90)]
    path = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"image": pictures}), path, row_group_size=30, compression="none")
    place = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    start = place.dictionary_page_offset or place.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    manifest = unibind.read_manifest(path)
    assert [item.content.fetch() for item in manifest] == pictures[:30] + pictures[60:]
    (lost,) = manifest.report.set_aside
    assert lost.row == 31
    assert "not a complete Parquet file" in lost.reason
    assert lost.reason.endswith("the rows up to 60 are left out")
    summary = unibind.encode(path, tmp_path / "store", backbone=ToyBackbone(), workers=0)
    assert (summary.encoded, summary.quarantined) == (60, 0)
    with pytest.raises(unibind.UnibindError, match="row 31"):
        unibind.read_manifest(path, strict=True)


def test_a_data_set_is_loaded_by_its_name(monkeypatch):
    asked = []

    def load_dataset(name, configuration):
        asked.append((name, configuration))
        return {"train": [{"text": "red"}], "test": [{"text": "blue"}]}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    manifest = unibind.read_manifest("hf:lab/colors:small")
    assert [(item.text, item.split) for item in manifest] == [("red", "train"), ("blue", "test")]
    assert asked == [("lab/colors", "small")]
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"unibind\[datasets\]"):
        unibind.read_manifest("hf:lab/colors")
