"""Vectors of classes are embedded once, and kept in the user's cache."""

import pytest
import torch

from tests.helpers.toys import ToyBackbone
from unibind.backbones._shared.class_texts import ClassTexts, class_texts, names_in
from unibind.backbones._shared.class_vectors import class_vectors
from unibind.errors import UnibindError

TEXTS = ClassTexts(("cat", "dog"), (("a cat", "it purrs"), ("a dog",)))


class Counting(ToyBackbone):
    """Counts the texts that it embeds."""

    embedded = 0

    def encode(self, modality, batch):
        self.embedded += len(batch)
        return super().encode(modality, batch)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path))
    return tmp_path / "classes"


def test_texts_are_embedded_once(cache):
    anchor = Counting()
    first = class_vectors(TEXTS, anchor)
    assert anchor.embedded == 3
    assert torch.equal(class_vectors(TEXTS, anchor), first) and anchor.embedded == 3
    assert first.shape == (2, anchor.dim)
    class_vectors(ClassTexts(("cat", "dog"), (("a cat",), ("a dog",))), anchor)
    assert anchor.embedded == 5 and len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_damaged_files_are_made_again(cache, content):
    anchor = Counting()
    first = class_vectors(TEXTS, anchor)
    (file,) = cache.iterdir()
    file.write_bytes(content)
    assert torch.equal(class_vectors(TEXTS, anchor), first) and anchor.embedded == 6
    assert torch.equal(class_vectors(TEXTS, anchor), first) and anchor.embedded == 6


def test_vectors_of_another_shape_are_made_again(cache):
    from safetensors.torch import save_file

    anchor = Counting()
    class_vectors(TEXTS, anchor)
    (file,) = cache.iterdir()
    save_file({"class_vectors": torch.zeros(3, anchor.dim)}, file)
    assert class_vectors(TEXTS, anchor).shape == (2, anchor.dim) and anchor.embedded == 6


def test_without_a_cache_they_are_embedded_each_time(monkeypatch):
    monkeypatch.setenv("UNIBIND_CACHE", "")
    anchor = Counting()
    class_vectors(TEXTS, anchor), class_vectors(TEXTS, anchor)
    assert anchor.embedded == 6


def test_the_digest_is_that_of_labels_and_texts():
    assert ClassTexts(("cat", "dog"), (("it purrs", "a cat"), ("a dog",))).digest == TEXTS.digest
    assert ClassTexts(("cat", "dog"), (("it purrs",), ("a cat", "a dog"))).digest != TEXTS.digest
    assert ClassTexts(("tom", "dog"), TEXTS.texts).digest != TEXTS.digest


def test_names_are_what_commas_separate():
    assert names_in("tench, Tinca tinca") == ("tench", "Tinca tinca")
    assert names_in("golden_retriever") == ("golden retriever",)
    assert names_in(" a ,b,, a") == ("a", "b")


def test_the_label_itself_comes_before_its_names():
    found = class_texts(["bass, low sound", "bass"], {"low sound": ["deep"], "bass, low sound": ["very deep"]})
    assert found.texts == (("very deep",), ("bass",)) and found.named == ("bass",)


def test_a_table_keeps_texts_and_digest(tmp_path):
    TEXTS.save(tmp_path / "classes.parquet")
    again = class_texts(TEXTS.labels, str(tmp_path / "classes.parquet"))
    assert again == TEXTS and again.digest == TEXTS.digest


def test_labels_that_differ_in_case_keep_their_own_texts(tmp_path):
    texts = class_texts(["Bass", "bass", "BASS"], {"Bass": ["a low sound"], "bass": ["a fish"]})
    assert texts.texts == (("a low sound",), ("a fish",), ("a low sound", "a fish"))
    texts.save(tmp_path / "classes.parquet")
    assert class_texts(texts.labels, str(tmp_path / "classes.parquet")).digest == texts.digest


def test_a_label_needs_a_name():
    with pytest.raises(UnibindError, match=r"the label ' , ' contains no name; name every class"):
        class_texts(["cat", " , "])


def test_half_a_character_is_refused():
    with pytest.raises(UnibindError, match="the label 'cat' or a text of it is not UTF-8"):
        class_texts(["cat", "dog"], {"cat": ["a \ud83d"]})
