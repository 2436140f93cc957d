import json
import subprocess
import sys

import pytest

from tests.helpers.words import embed
from unibind.errors import MissingFileError, UnibindError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.base import description_id
from unibind.knowledge.building import rebuild, removed_rows, saved_rules
from unibind.knowledge.filters import MISFIT, NEAR, Rules
from unibind.knowledge.journal import Answer, Journal, existing

DRUM = "The drum is a round box with a skin of leather."
BELL = "The bell is a cup of bronze that hangs from a beam."


def answer(*texts, category="drum", key="k1", kind="category", **facts):
    given = {"item": None, "modality": "image", "aspect": "looks", "prompt_id": "p-1", "model": "m"} | facts
    return Answer(key, kind, category, texts=list(texts), raw="raw", created="2026-01-01T00:00:00+00:00", **given)


@pytest.fixture
def folder(tmp_path):
    with Journal(tmp_path / "kb") as made:
        yield made


def test_answers_come_back_as_they_went(folder):
    given = [answer(DRUM, input_tokens=7), answer("é\n\ud800 \u2028", category="bell", key="k2", trusted=True)]
    for each in given:
        folder.append_answer(each)
    assert list(folder.answers()) == given
    places = folder.index()
    assert list(places) == ["drum", "bell"]
    assert list(folder.answers_at(places["bell"])) == given[1:]


@pytest.mark.parametrize("torn", [b'{"key": "k2", "te', b"x" * 200_000, b"\xff"])
def test_a_torn_last_line_is_not_there_and_is_overwritten(folder, torn):
    folder.append_answer(answer(DRUM))
    folder.close()
    path = folder.path / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert [a.key for a in folder.answers()] == ["k1"]
    folder.append_answer(answer(BELL, key="k3"))
    assert [a.key for a in folder.answers()] == ["k1", "k3"]
    assert path.read_bytes().startswith(whole)
    assert torn not in path.read_bytes()


def test_a_journal_of_nothing_but_a_torn_line_is_empty(folder):
    folder.path.mkdir()
    (folder.path / "answers.jsonl").write_bytes(b'{"key"')
    folder.append_answer(answer(DRUM))
    assert len(list(folder.answers())) == 1


@pytest.mark.parametrize("line", ["{", "[1]", '{"key": "k"}', '{"nothing": 1}', "[" * 5000])
def test_a_broken_line_in_the_middle_is_named(folder, line):
    folder.path.mkdir()
    (folder.path / "answers.jsonl").write_text(line + "\n")
    with pytest.raises(UnibindError, match=r"answers\.jsonl.*(line|mend)"):
        list(folder.answers())


def test_only_one_process_writes(folder):
    folder.append_answer(answer(DRUM))
    code = f"from unibind.knowledge.folder import Journal; Journal({str(folder.path)!r}).hold()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is writing" in done.stderr
    folder.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_base_is_what_its_answers_amount_to(folder):
    folder.append_answer(answer(DRUM, DRUM.upper(), "I'm sorry, I can't help with that.", "Too short."))
    folder.append_answer(answer(BELL, category="bell", key="k2", model="n"))
    folder.append_answer(answer("What does it look like?", kind="questions", key="k3"))
    base = folder.build()
    assert [(d.category, d.text, d.generator, d.prompt_id) for d in base.descriptions] == [
        ("drum", DRUM, "m", "p-1"),
        ("bell", BELL, "n", "p-1"),
    ]
    assert base.descriptions[0].id == description_id("drum", DRUM)
    assert base.descriptions[0].aspect == "looks"
    assert KnowledgeBase.load(folder.path).descriptions == base.descriptions
    assert [r["reason"] for r in removed_rows(folder)] == ["repeated", "refusal", "wrong length"]
    assert next(removed_rows(folder))["like"] == DRUM


def test_of_trusted_answers_only_repetitions_go(folder):
    folder.append_answer(answer("fur", "Fur.", "four legs", trusted=True))
    assert folder.build().texts("drum") == ["fur", "four legs"]


def test_descriptions_of_items_may_be_alike_and_long(folder):
    long = "a drum " * 40
    for item in ("i1", "i2"):
        folder.append_answer(answer(long, kind="data", item=item, key=item))
    folder.append_answer(answer("As an AI I cannot see it.", kind="data", item="i3", key="i3"))
    assert [(d.item, d.kind) for d in folder.build().descriptions] == [("i1", "data"), ("i2", "data")]


def test_edits_stay_whatever_is_built_later(folder):
    folder.append_answer(answer(DRUM, BELL, "The third text is here as well."))
    drum, bell, third = (d.id for d in folder.build().descriptions)
    folder.edit(drum, "Mine.")
    folder.block(bell)
    folder.append_answer(answer(DRUM, BELL, "A new text about the drum.", key="k2"))
    for _ in range(2):
        texts = folder.build().texts("drum")
        assert texts == ["Mine.", "The third text is here as well.", "A new text about the drum."]
    removed = [(r["reason"], r["text"]) for r in removed_rows(folder)]
    assert removed == [("blocked", BELL), ("repeated", DRUM), ("repeated", BELL)]
    folder.edit(bell, "Back again, changed.")
    folder.block(third)
    assert folder.build().texts("drum") == ["Mine.", "Back again, changed.", "A new text about the drum."]
    assert folder.build().descriptions[0].id == drum


def test_edits_of_what_is_not_there_are_refused(folder):
    folder.append_answer(answer(DRUM))
    with pytest.raises(UnibindError, match="no description 'x'"):
        folder.block(description_id("drum", DRUM), "x")
    assert not folder.edits()
    with pytest.raises(UnibindError, match="blank"):
        folder.edit(description_id("drum", DRUM), " ")
    folder.append_answer(answer(BELL, key="k2"))
    folder.block(description_id("drum", BELL))
    assert folder.build().texts("drum") == [DRUM]


def test_an_edited_text_is_kept_though_the_rules_are_against_it(folder):
    folder.append_answer(answer("Short.", DRUM))
    folder.edit(description_id("drum", "Short."), "Shorter.")
    assert folder.build().texts("drum") == ["Shorter.", DRUM]


def test_near_duplicates_and_misfits_are_found_and_remembered(folder):
    folder.append_answer(
        answer(
            "A tower tower stone here.", "Here a stone tower tower.", "One water water at sea.", "Only a tower is here."
        )
    )
    folder.append_answer(answer("One water of the sea.", "Water and stone at sea.", category="lake", key="k2"))
    built = rebuild(folder, Rules(near=0.999), embed)
    assert built.kept == {"drum": 3, "lake": 2}
    assert built.misfits["drum"] == 1
    assert [(r["reason"], r["like"]) for r in removed_rows(folder)] == [(NEAR, "A tower tower stone here.")]
    dropped = rebuild(folder, Rules(near=0.999, drop_misfits=True), embed)
    assert dropped.kept == {"drum": 2, "lake": 2}
    found = {(r["reason"], r["text"], r["like"]) for r in removed_rows(folder)}
    assert (MISFIT, "One water water at sea.", "lake") in found
    assert saved_rules(folder) == Rules(near=0.999, drop_misfits=True)
    for _ in range(2):  # without embeddings, what they showed stands
        assert len(folder.build()) == 4
        assert {(r["reason"], r["text"], r["like"]) for r in removed_rows(folder)} == found
    assert rebuild(folder, Rules(near=None)).kept == {"drum": 4, "lake": 2}


def test_wrong_places_and_filters_are_refused(folder, tmp_path):
    with pytest.raises(MissingFileError, match="no knowledge base"):
        existing(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnibindError, match="is a file"):
        Journal(tmp_path / "file")
    folder.append_answer(answer(DRUM))
    (folder.path / "filters.json").write_text(json.dumps({"magic": 1}))
    with pytest.raises(UnibindError, match=r"filters\.json"):
        folder.build()


def test_a_base_without_descriptions_says_so(folder):
    folder.append_answer(answer("No."))
    with pytest.raises(UnibindError, match="no descriptions"):
        folder.build()
