"""Embeddings of a base: cached in its folder, never computed twice, and complete after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers.bases import build
from tests.helpers.toys import ToyBackbone
from unibind.data.encode import embed
from unibind.errors import MissingFileError, UnibindError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.embedding import CachedEmbedder, embed_descriptions, iterate_texts
from unibind.knowledge.embedding_cache import EmbeddingCache
from unibind.knowledge.journal import Answer, Journal
from unibind.modalities.text import Text


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
    embedder = CachedEmbedder(tmp_path, backbone)
    assert embedder.fill(iterate_texts(tmp_path)) == 2
    assert embedder.fill(iterate_texts(tmp_path)) == 0
    base_of(tmp_path, ["green"])
    assert CachedEmbedder(tmp_path, backbone).fill(iterate_texts(tmp_path)) == 1
    assert sorted(backbone.given) == ["a blue thing", "green", "red"]


def test_batches_are_sorted_by_length_and_vectors_equal_those_of_embed(tmp_path):
    texts = [f"{'very ' * (i * 7 % 10)}round {i}" for i in range(30)]
    backbone, seen = Counting(), []
    embedder = CachedEmbedder(tmp_path, backbone)
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


def test_a_damaged_cache_file_is_named(tmp_path):
    embedder = CachedEmbedder(tmp_path, ToyBackbone())
    embedder.fill(["red", "blue"])
    file = next((tmp_path / "embeddings").rglob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UnibindError, match=file.name):
        CachedEmbedder(tmp_path, ToyBackbone())


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
