import json
import re

import numpy as np
import pytest

from tests.helpers.toys import ToyBackbone
from unibind.errors import MissingFileError, UnibindError, UnknownNameError
from unibind.evaluate.controls import class_names, random_words, templates
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.base import description_id
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities import modality_names, modality_spec

ROWS = [
    {"category": "drum", "aspect": "shape", "text": "A round box."},
    {"category": "bell", "aspect": "sound", "text": "It rings."},
    {"category": "drum", "aspect": "sound", "text": "It booms."},
]


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "k.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return KnowledgeBase.load(path)


def test_the_packaged_base_covers_heptad_evenly():
    base = KnowledgeBase.load("heptad")
    assert len(base.categories) == 24
    for category in base.categories:
        own = base.of_categories([category])
        assert len(own) == len(set(own.texts(category))) == 64
        assert len({d.aspect for d in own.descriptions}) == 8


def test_categories_and_texts_of_a_base(small):
    assert small.categories == ("drum", "bell")
    assert small.texts("drum") == ["A round box.", "It booms."]
    with pytest.raises(UnknownNameError, match="drum, bell"):
        small.texts("harp")


def test_ids_belong_to_category_and_text_alone(small, tmp_path):
    path = tmp_path / "k.csv"
    path.write_text("category,text\nbell,It rings.\nharp,It rings.")
    bell, harp = KnowledgeBase.load(path).descriptions
    assert bell.id == small.descriptions[1].id
    assert harp.id != bell.id


@pytest.mark.parametrize("name", ["k.parquet", "k.jsonl", "k.csv"])
def test_saving_keeps_everything(small, tmp_path, name):
    text = "A bell in the snow."
    of_item = Description(
        description_id("bell", text, "i7"), "bell", text, "data", "i7", modality="image", generator="some-model"
    )
    full = KnowledgeBase([*small.descriptions, of_item])
    full.save(tmp_path / name)
    assert KnowledgeBase.load(tmp_path / name).descriptions == full.descriptions


def test_names_and_templates_make_a_base_without_descriptions():
    base = KnowledgeBase.from_names(["fire_truck", "drum"], "audio")
    assert base.categories == ("fire_truck", "drum")
    assert base.texts("fire_truck")[:2] == ["fire truck", "the sound of a fire truck."]
    assert {(d.kind, d.modality) for d in base.descriptions} == {("name", None), ("template", "audio")}
    assert [d.id for d in base.descriptions] == [
        d.id for d in KnowledgeBase.from_names(["fire_truck", "drum"], "audio").descriptions
    ]
    assert "this is a drum." in KnowledgeBase.from_names(["drum"]).texts("drum")
    for classes in ([], [" "]):
        with pytest.raises(UnibindError, match="class names"):
            KnowledgeBase.from_names(classes)
    with pytest.raises(UnknownNameError, match="smell"):
        KnowledgeBase.from_names(["drum"], "smell")


def test_a_base_can_be_limited_to_categories(small):
    assert small.of_categories(["bell"]).categories == ("bell",)
    with pytest.raises(UnknownNameError, match="harp"):
        small.of_categories(["bell", "harp"])


def test_the_fingerprint_follows_content_not_order(small):
    turned = KnowledgeBase(small.descriptions[::-1])
    assert turned.fingerprint == small.fingerprint
    assert small.of_categories(["drum"]).fingerprint != small.fingerprint


def test_repeated_texts_are_read_once(tmp_path):
    path = tmp_path / "k.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS + ROWS)))
    assert len(KnowledgeBase.load(path)) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"category": "bell", "text": "x"}\n{"category": "drum"}', "row 2.*needs a text"),
        ('{"category": " ", "text": "x"}', "row 1.*needs a category"),
        ('{"category": "drum", "text": "x", "kind": "guess"}', "row 1.*guess"),
        ("", "no descriptions"),
    ],
)
def test_bad_bases_are_refused(tmp_path, content, words):
    (tmp_path / "k.jsonl").write_text(content)
    with pytest.raises(UnibindError, match=words):
        KnowledgeBase.load(tmp_path / "k.jsonl")


def test_missing_files_and_double_ids_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.jsonl"):
        KnowledgeBase.load(tmp_path / "none.jsonl")
    with pytest.raises(UnibindError, match="same id"):
        KnowledgeBase([Description("d", "drum", "x"), Description("d", "bell", "y")])


# --- controls ------------------------------------------------------------------------------------------------------


def test_class_names_are_spoken():
    assert class_names(["drum", "fire_truck"]) == {"drum": ["drum"], "fire_truck": ["fire truck"]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dog", "a photo of a dog."),
        ("a dog", "a photo of a dog."),
        ("An_owl", "a photo of An owl."),
        ("the sea", "a photo of the sea."),
        ("ant", "a photo of a ant."),
    ],
)
def test_a_name_with_an_article_gets_no_other(name, text):
    assert text in templates([name], "image")[name]
    assert text in [d.text for d in KnowledgeBase.from_names([name], "image").descriptions]


@pytest.mark.parametrize("modality", modality_names())
def test_templates_name_the_category_in_the_words_of_the_modality(modality):
    texts = templates(["fire_truck"], modality)["fire_truck"]
    assert len(set(texts)) == len(modality_spec(modality).templates) == 5
    assert all("fire truck" in text for text in texts)
    assert all(
        set(texts).isdisjoint(templates(["fire_truck"], m)["fire_truck"]) for m in modality_names() if m != modality
    )


def test_random_words_share_their_noise_between_categories():
    texts = random_words(["drum", "bell"], 6, seed=3)
    assert [len(set(each)) for each in texts.values()] == [6, 6]
    assert [t.replace("drum", "bell") for t in texts["drum"]] == texts["bell"]
    assert all(re.fullmatch(r"a photo of a drum, which has [a-z]+ [a-z]+\.", t) for t in texts["drum"])
    assert texts == random_words(["drum", "bell"], 6, seed=3)
    assert texts != random_words(["drum", "bell"], 6, seed=4)
    assert random_words(["drum"], 4, seed=3)["drum"] == texts["drum"][:4]


@pytest.mark.parametrize("count", [0, 4001])
def test_absurd_counts_of_random_words_are_refused(count):
    with pytest.raises(UnibindError, match=str(count)):
        random_words(["drum"], count, seed=0)


# --- embedding -----------------------------------------------------------------------------------------------------


def test_embedded_descriptions_keep_their_order(small):
    base = KnowledgeBase(
        [
            Description("a", "c1", "red"),
            Description("b", "c2", "blue red blue blue blue"),
            Description("c", "c2", "green"),
        ]
    )
    embedded = embed_descriptions(base, ToyBackbone(), batch_size=2)
    assert (embedded.ids, embedded.categories) == (["a", "b", "c"], ["c1", "c2", "c2"])
    expected = [[1, 0, 0], [1 / 17**0.5, 0, 4 / 17**0.5], [0, 1, 0]]
    assert np.allclose(embedded.vectors[:, :3], expected)
    assert embedded.contract == ToyBackbone().contract("text")


def test_equal_texts_are_embedded_once():
    backbone = ToyBackbone()
    embedded = embed_descriptions({"a": ["red", "blue"], "b": ["red"]}, backbone)
    assert backbone.encoded["text"] == 2
    assert embedded.ids == ["a/0", "a/1", "b/0"]
    assert embedded.vectors[0].tobytes() == embedded.vectors[2].tobytes()
