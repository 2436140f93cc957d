"""File formats of knowledge bases: recognized by content, read and written without loss."""

import json

import pytest

from unibind.errors import MissingFileError, UnibindError, UnknownNameError
from unibind.knowledge import Description, KnowledgeBase
from unibind.knowledge.base import description_id
from unibind.knowledge.formats import write_descriptions
from unibind.knowledge.opening import read_descriptions


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def pairs(descriptions):
    return [(d.category, d.text) for d in descriptions]


def test_cupl(tmp_path):
    file = written(
        tmp_path / "cupl.json", {"hen": ["A hen is a bird.", "A  hen\nis brown."], "sea lion": ["It swims."]}
    )
    descriptions = read_descriptions(file, generator="gpt-3", modality="image")
    assert pairs(descriptions) == [("hen", "A hen is a bird."), ("hen", "A hen is brown."), ("sea lion", "It swims.")]
    assert {(d.generator, d.modality, d.prompt_id) for d in descriptions} == {("gpt-3", "image", "import:cupl.json")}


def test_descriptors_become_sentences_and_back(tmp_path):
    traits = {"hen": ["two legs", "a small head", "can be brown"], "sea_lion": ["often wet"]}
    descriptions = read_descriptions(written(tmp_path / "traits.json", traits))
    assert ("hen", "hen, which has two legs") in pairs(descriptions)
    assert ("sea_lion", "sea lion, which often wet") in pairs(descriptions)
    write_descriptions(KnowledgeBase(descriptions), tmp_path / "again.json", "descriptors")
    assert json.loads((tmp_path / "again.json").read_text()) == traits


def test_unibinds_train_json(tmp_path):
    rows = [{"data": "a/1.jpg", "label": "hen", "description": "A brown hen."}, {"data": "a/2.jpg", "label": "hen"}]
    (description,) = read_descriptions(written(tmp_path / "train.json", rows))
    assert (description.kind, description.item, description.category, description.text) == (
        "data",
        "a/1.jpg",
        "hen",
        "A brown hen.",
    )
    write_descriptions(KnowledgeBase([description]), tmp_path / "again.json", "unibind")
    assert json.loads((tmp_path / "again.json").read_text()) == rows[:1]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_tables_keep_everything(tmp_path, ending):
    text = 'It says "cluck", twice;\nthen ünïcode 鳥.'
    facts = ("category", None, "sound", "audio", "some-model", "descriptions-1-abc", "2026-01-02T03:04:05+00:00")
    base = KnowledgeBase(
        [
            Description(description_id("hen", text), "hen", text, *facts),
            Description(description_id("hen", "A hen.", "a/1"), "hen", "A hen.", "data", "a/1"),
        ]
    )
    write_descriptions(base, tmp_path / f"kb.{ending}")
    first, second = read_descriptions(tmp_path / f"kb.{ending}")
    assert first == base.descriptions[0]
    assert (second.id, second.kind, second.item) == (base.descriptions[1].id, "data", "a/1")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", "{", "not JSON"),
        ("x.json", {}, "without entries"),
        ("x.json", {"hen": "A hen."}, "not a knowledge base"),
        ("x.json", {"hen": ["A hen.", 3]}, "'hen'"),
        ("x.json", {" ": ["A hen."]}, "without a name"),
        ("x.json", {"hen": [], "dog": [" "]}, "contains no descriptions"),
        ("x.json", "[" * 100_000, "nested too deeply"),
        ("x.csv", "name,words\nhen,A hen.\n", "columns"),
        ("x.jsonl", '{"data": "a", "description": "A hen.", "label": null}\n{"label": "hen"}\n', "label"),
        ("x.txt", "# no names\n", "no class names"),
        ("x.json", ["hen", 3], "no descriptions"),
    ],
)
def test_invalid_files_are_refused(tmp_path, name, content, words):
    with pytest.raises(UnibindError, match=words):
        read_descriptions(written(tmp_path / name, content))


def test_unknown_formats_and_missing_files_are_named(tmp_path):
    file = written(tmp_path / "cupl.json", {"hen": ["A hen is a bird."]})
    with pytest.raises(UnknownNameError, match="cupl"):
        read_descriptions(file, "clip")
    with pytest.raises(UnibindError, match="not in the format unibind"):
        read_descriptions(file, "unibind")
    with pytest.raises(MissingFileError, match="nowhere"):
        read_descriptions(tmp_path / "nowhere.json")
    with pytest.raises(UnibindError, match="descriptions of items"):
        write_descriptions(KnowledgeBase(read_descriptions(file)), tmp_path / "x.json", "unibind")
