import json
import resource
import subprocess
import sys

import pytest

from tests.helpers.bases import build
from tests.helpers.words import embed
from unibind.errors import MissingFileError, UnibindError, WriteError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.append_only_file import AppendOnlyFile
from unibind.knowledge.base import description_id
from unibind.knowledge.building import rebuild, removed_rows, saved_rules
from unibind.knowledge.filters import MISFIT, NEAR_DUPLICATE, FilterRules
from unibind.knowledge.journal import Answer, Journal, open_existing

DRUM = "The drum is a round box with a skin of leather."
BELL = "The bell is a cup of bronze that hangs from a beam."


def answer(*texts, category="drum", key="k1", kind="category", **facts):
    given = {"item": None, "modality": "image", "aspect": "looks", "prompt_id": "p-1", "model": "m"} | facts
    return Answer(key, kind, category, texts=list(texts), raw="raw", created="2026-01-01T00:00:00+00:00", **given)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "kb") as made:
        yield made


def test_answers_are_read_back_as_written(journal):
    given = [answer(DRUM, input_tokens=7), answer("é\n\ud800 \u2028", category="bell", key="k2", trusted=True)]
    for each in given:
        journal.append_answer(each)
    assert list(journal.answers()) == given
    places = journal.index()
    assert list(places) == ["drum", "bell"]
    assert list(journal.answers_at(places["bell"])) == given[1:]


@pytest.mark.parametrize("torn", [b'{"key": "k2", "te', b"x" * 200_000, b"\xff"])
def test_an_incomplete_last_line_is_ignored_and_overwritten(journal, torn):
    journal.append_answer(answer(DRUM))
    journal.close()
    path = journal.path / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert [a.key for a in journal.answers()] == ["k1"]
    journal.append_answer(answer(BELL, key="k3"))
    assert [a.key for a in journal.answers()] == ["k1", "k3"]
    assert path.read_bytes().startswith(whole)
    assert torn not in path.read_bytes()


def test_a_journal_with_only_an_incomplete_line_is_empty(journal):
    journal.path.mkdir()
    (journal.path / "answers.jsonl").write_bytes(b'{"key"')
    journal.append_answer(answer(DRUM))
    assert len(list(journal.answers())) == 1


@pytest.mark.parametrize("line", ["{", "[1]", '{"key": "k"}', '{"nothing": 1}', "[" * 5000])
def test_a_damaged_line_is_named(journal, line):
    journal.path.mkdir()
    (journal.path / "answers.jsonl").write_text(line + "\n")
    with pytest.raises(UnibindError, match=r"answers\.jsonl.*(line|fix)"):
        list(journal.answers())


@pytest.mark.slow
def test_only_one_process_may_write(journal):
    journal.append_answer(answer(DRUM))
    code = f"from unibind.knowledge.journal import Journal; Journal({str(journal.path)!r}).lock()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is writing" in done.stderr
    journal.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_base_is_built_from_its_answers(journal):
    journal.append_answer(answer(DRUM, DRUM.upper(), "I'm sorry, I can't help with that.", "Too short."))
    journal.append_answer(answer(BELL, category="bell", key="k2", model="n"))
    journal.append_answer(answer("What does it look like?", kind="questions", key="k3"))
    base = build(journal)
    assert [(d.category, d.text, d.generator, d.prompt_id) for d in base.descriptions] == [
        ("drum", DRUM, "m", "p-1"),
        ("bell", BELL, "n", "p-1"),
    ]
    assert base.descriptions[0].id == description_id("drum", DRUM)
    assert base.descriptions[0].aspect == "looks"
    assert KnowledgeBase.load(journal.path).descriptions == base.descriptions
    assert [r["reason"] for r in removed_rows(journal)] == ["repeated", "refusal", "wrong length"]
    assert next(removed_rows(journal))["conflict"] == DRUM


def test_only_repetitions_are_removed_from_trusted_answers(journal):
    journal.append_answer(answer("fur", "Fur.", "four legs", trusted=True))
    assert build(journal).texts("drum") == ["fur", "four legs"]


def test_descriptions_of_items_may_be_equal_and_long(journal):
    long = "a drum " * 40
    for item in ("i1", "i2"):
        journal.append_answer(answer(long, kind="data", item=item, key=item))
    journal.append_answer(answer("As an AI I cannot see it.", kind="data", item="i3", key="i3"))
    assert [(d.item, d.kind) for d in build(journal).descriptions] == [("i1", "data"), ("i2", "data")]


def test_edits_apply_to_all_later_builds(journal):
    journal.append_answer(answer(DRUM, BELL, "The third text is here as well."))
    drum, bell, third = (d.id for d in build(journal).descriptions)
    journal.edit(drum, "Edited.")
    journal.block(bell)
    journal.append_answer(answer(DRUM, BELL, "A new text about the drum.", key="k2"))
    for _ in range(2):
        texts = build(journal).texts("drum")
        assert texts == ["Edited.", "The third text is here as well.", "A new text about the drum."]
    removed = [(r["reason"], r["text"]) for r in removed_rows(journal)]
    assert removed == [("blocked", BELL), ("repeated", DRUM), ("repeated", BELL)]
    journal.edit(bell, "Back again, changed.")
    journal.block(third)
    assert build(journal).texts("drum") == ["Edited.", "Back again, changed.", "A new text about the drum."]
    assert build(journal).descriptions[0].id == drum


def test_edits_of_unknown_descriptions_are_refused(journal):
    journal.append_answer(answer(DRUM))
    with pytest.raises(UnibindError, match="no description 'x'"):
        journal.block(description_id("drum", DRUM), "x")
    assert not journal.edits()
    with pytest.raises(UnibindError, match="blank"):
        journal.edit(description_id("drum", DRUM), " ")
    journal.append_answer(answer(BELL, key="k2"))
    journal.block(description_id("drum", BELL))
    assert build(journal).texts("drum") == [DRUM]


def test_an_edited_text_is_kept_even_if_the_rules_reject_it(journal):
    journal.append_answer(answer("Short.", DRUM))
    journal.edit(description_id("drum", "Short."), "Shorter.")
    assert build(journal).texts("drum") == ["Shorter.", DRUM]


def test_near_duplicates_and_misfits_are_removed_and_remembered(journal):
    journal.append_answer(
        answer(
            "A tower tower stone here.", "Here a stone tower tower.", "One water water at sea.", "Only a tower is here."
        )
    )
    journal.append_answer(answer("One water of the sea.", "Water and stone at sea.", category="lake", key="k2"))
    built = rebuild(journal, FilterRules(max_similarity=0.999), embed)
    assert built.kept == {"drum": 3, "lake": 2}
    assert built.misfits["drum"] == 1
    assert [(r["reason"], r["conflict"]) for r in removed_rows(journal)] == [
        (NEAR_DUPLICATE, "A tower tower stone here.")
    ]
    dropped = rebuild(journal, FilterRules(max_similarity=0.999, drop_misfits=True), embed)
    assert dropped.kept == {"drum": 2, "lake": 2}
    removed_texts = {(r["reason"], r["text"], r["conflict"]) for r in removed_rows(journal)}
    assert (MISFIT, "One water water at sea.", "lake") in removed_texts
    assert saved_rules(journal) == FilterRules(max_similarity=0.999, drop_misfits=True)
    for _ in range(2):  # without embeddings, what they showed stands
        assert len(build(journal)) == 4
        assert {(r["reason"], r["text"], r["conflict"]) for r in removed_rows(journal)} == removed_texts
    assert rebuild(journal, FilterRules(max_similarity=None)).kept == {"drum": 4, "lake": 2}


def test_invalid_folders_and_filters_are_refused(journal, tmp_path):
    with pytest.raises(MissingFileError, match="no knowledge base"):
        open_existing(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnibindError, match="is a file"):
        Journal(tmp_path / "file")
    journal.append_answer(answer(DRUM))
    (journal.path / "filters.json").write_text(json.dumps({"magic": 1}))
    with pytest.raises(UnibindError, match=r"filters\.json"):
        build(journal)


def test_a_base_without_descriptions_is_refused(journal):
    journal.append_answer(answer("No."))
    with pytest.raises(UnibindError, match="no descriptions"):
        build(journal)


def test_an_append_that_does_not_fit_leaves_the_file_as_it_was(tmp_path):
    file = AppendOnlyFile(tmp_path / "rows.jsonl")
    file.append([{"n": 1}])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.path.stat().st_size + 5, hard))  # half a row fits
    try:
        with pytest.raises(WriteError, match=r"rows\.jsonl cannot be written, because the system allows no file of"):
            file.append([{"n": 2}, {"n": 3}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.append([{"n": 4}])  # by the same process
    file.close()
    assert [row for _, row in file.rows()] == [{"n": 1}, {"n": 4}]
