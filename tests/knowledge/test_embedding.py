"""Embeddings of a base: cached in its folder, never computed twice, and complete after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.bases import build
from tests.helpers.toys import ToyBackbone
from unibind.data.encode import embed
from unibind.errors import MissingFileError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import CachedEmbedder, embed_descriptions, iterate_texts
from unibind.knowledge.embedding_cache import FOLDER, EmbeddingCache, evict
from unibind.knowledge.journal import Answer, Journal
from unibind.modalities.text import Text
from unibind.user_cache import user_cache


class Counting(ToyBackbone):
    """Records the texts that it embeds."""

    def __init__(self, **options):
        super().__init__(**options)
        self.given = []

    def preprocess(self, modality, raw):
        self.given.append(raw.text)
        return super().preprocess(modality, raw)


def base_of(path, texts, category="drum"):
    with Journal(path) as journal:
        key = f"key {len(list(journal.answers()))}"
        journal.append_answer(
            Answer(key, "category", category, None, "image", "looks", "p", "m", list(texts), "", trusted=True)
        )
        return build(journal)


def test_each_text_is_embedded_once_and_only_new_ones_later(tmp_path):
    base_of(tmp_path, ["red", "a blue thing", "red "])
    backbone = Counting()
    embedder = CachedEmbedder(tmp_path / FOLDER, backbone)
    assert embedder.fill(iterate_texts(tmp_path)) == 2
    assert embedder.fill(iterate_texts(tmp_path)) == 0
    base_of(tmp_path, ["green"])
    assert CachedEmbedder(tmp_path / FOLDER, backbone).fill(iterate_texts(tmp_path)) == 1
    assert sorted(backbone.given) == ["a blue thing", "green", "red"]


def test_batches_are_sorted_by_length_and_vectors_equal_those_of_embed(tmp_path):
    texts = [f"{'very ' * (i * 7 % 10)}round {i}" for i in range(30)]
    backbone, seen = Counting(), []
    embedder = CachedEmbedder(tmp_path / FOLDER, backbone)
    embedder.fill(texts, batch_size=4, progress=seen.append)
    assert [len(text) for text in backbone.given] == sorted(len(text) for text in texts)
    assert sum(seen) == 30
    expected = embed([Text(text) for text in texts], ToyBackbone())
    np.testing.assert_allclose(embedder.cache.vectors(texts), expected, atol=1e-6)


def test_another_backbone_has_its_own_embeddings(tmp_path):
    base = base_of(tmp_path, ["red", "blue"])
    first, second = Counting(), Counting(weights="2")
    for backbone in (first, second, first, second):
        embed_descriptions(base, backbone)
    assert (len(first.given), len(second.given)) == (2, 2)
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def test_a_base_of_a_folder_is_embedded_through_its_cache(tmp_path):
    base_of(tmp_path, ["red", "blue", "green"])
    backbone = Counting()
    first = embed_descriptions(KnowledgeBase.load(tmp_path), backbone)
    again = embed_descriptions(KnowledgeBase.load(tmp_path), backbone)
    assert len(backbone.given) == 3
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_a_damaged_cache_file_is_removed_and_its_texts_are_embedded_again(tmp_path):
    embedder = CachedEmbedder(tmp_path / FOLDER, ToyBackbone())
    embedder.fill(["red"])
    embedder.fill(["blue"])
    first, second = sorted((tmp_path / FOLDER).rglob("*.arrow"))
    first.write_bytes(first.read_bytes()[:100])
    second.write_bytes(b"")
    again = CachedEmbedder(tmp_path / FOLDER, ToyBackbone())
    assert len(again.cache) == 0
    assert again.fill(["red", "blue"]) == 2
    assert first not in set((tmp_path / FOLDER).rglob("*.arrow"))


# --- the user's cache folder -----------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


def test_texts_without_a_folder_are_embedded_once_for_all_processes(cache):
    texts, backbone, progress = {"a": ["red thing", "blue"], "b": ["red thing"]}, Counting(), []
    first = embed_descriptions(texts, backbone, progress=progress.append)
    again = embed_descriptions(texts, Counting())
    assert (sorted(backbone.given), sum(progress)) == (["blue", "red thing"], 2)
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert again.vectors.dtype == np.float32
    assert [path.name for path in cache.iterdir()] == [backbone.contract("text").hash]


def test_a_warm_cache_leaves_the_text_tower_alone(cache):
    class Broken(ToyBackbone):
        def encode(self, modality, batch):
            raise AssertionError("nothing needs to be encoded")

    expected = embed_descriptions({"a": ["red", "blue"]}, ToyBackbone()).vectors
    np.testing.assert_array_equal(embed_descriptions({"a": ["red", "blue"]}, Broken()).vectors, expected)


def test_a_base_in_a_folder_that_is_not_writable_uses_the_cache_of_the_user(cache, tmp_path, monkeypatch):
    base = base_of(tmp_path / "kb", ["red", "blue"])
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "kb" and access(path, mode))
    embed_descriptions(base, ToyBackbone())
    assert not (tmp_path / "kb" / FOLDER).exists()
    assert list(cache.rglob("*.arrow"))


@pytest.mark.parametrize("spoil", ["off", "a file", "damaged"])
def test_without_a_usable_cache_texts_are_embedded_as_ever(cache, monkeypatch, spoil):
    expected = embed_descriptions({"a": ["red", "blue"]}, ToyBackbone()).vectors
    if spoil == "off":
        monkeypatch.setenv("UNIBIND_CACHE", "")
    for file in list(cache.rglob("*.arrow")):
        file.write_bytes(b"damaged")
    if spoil == "a file":
        cache.rename(cache.with_name("moved"))
        cache.write_text("in the way")
    backbone = Counting()
    np.testing.assert_array_equal(embed_descriptions({"a": ["red", "blue"]}, backbone).vectors, expected)
    assert len(backbone.given) == 2


def test_the_files_used_least_recently_are_evicted(cache):
    for i, text in enumerate(("red", "green", "blue")):
        embed_descriptions({"a": [text]}, ToyBackbone(weights=str(i % 2)))
    files = sorted(cache.rglob("*.arrow"))
    for age, file in enumerate(sorted(files, key=lambda f: f.name, reverse=True)):
        os.utime(file, (1e9 - age, 1e9 - age))
    oldest, middle, _ = sorted(files, key=lambda f: f.name)
    embed_descriptions({"a": ["red"]}, ToyBackbone(weights="0"))  # uses the oldest again
    evict(cache, max_files=2)
    assert oldest.exists()
    assert not middle.exists()
    size = oldest.stat().st_size
    evict(cache, max_bytes=size)
    assert list(cache.rglob("*.arrow")) == [oldest]
    evict(cache, max_bytes=size - 1)
    assert not list(cache.rglob("*.arrow"))


@pytest.mark.parametrize(
    ("cache_home", "given", "folder"),
    [
        (None, None, "~/.cache/unibind/embeddings"),
        ("~/caches", None, "~/caches/unibind/embeddings"),
        ("~/caches", "~/mine", "~/mine/embeddings"),
    ],
)
def test_the_cache_is_where_caches_of_the_user_are(tmp_path, monkeypatch, cache_home, given, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    cache_home = cache_home and str(Path(cache_home).expanduser())
    for name, value in (("XDG_CACHE_HOME", cache_home), ("UNIBIND_CACHE", given)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert user_cache(FOLDER) == Path(folder).expanduser()


@pytest.mark.slow
def test_the_cache_is_complete_after_a_kill(tmp_path):
    """A process is killed while it writes one file after the other: what exists can be read and is correct."""
    code = (
        "import sys, itertools, numpy as np;"
        "from tests.helpers.toys import ToyBackbone;"
        "from unibind.knowledge.embedding_cache import EmbeddingCache;"
        "c = EmbeddingCache(sys.argv[1], ToyBackbone().contract('text')); print('begun', flush=True);\n"
        "for i in itertools.count(): c.add([f'{i}/{j}' for j in range(200)], np.full((200, 8), i, np.float32))"
    )
    for delay in (0.01, 0.03, 0.1):
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        cache = EmbeddingCache(tmp_path, ToyBackbone().contract("text"))
        assert len(cache) % 200 == 0
        if len(cache):
            assert (cache.vectors(["0/0", "0/199"]) == 0).all()


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from unibind.cli import app

    base_of(tmp_path, ["a red drum", "a blue drum"])
    done = CliRunner().invoke(app, ["knowledge", "embed", str(tmp_path), "--json"])
    assert '"embedded": 2' in done.stdout
    again = CliRunner().invoke(app, ["knowledge", "embed", str(tmp_path), "--json"])
    assert '"embedded": 0' in again.stdout
    nowhere = CliRunner().invoke(app, ["knowledge", "embed", str(tmp_path / "nowhere")])
    assert isinstance(nowhere.exception, MissingFileError)
