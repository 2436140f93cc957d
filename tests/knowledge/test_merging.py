"""Imports, merges and edits of bases: nothing is duplicated, and no edit is undone."""

import json

import pytest
from typer.testing import CliRunner

from tests.helpers.llm_server import LLMServer
from unibind.cli import app
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.journal import Journal
from unibind.knowledge.merging import import_descriptions
from unibind.knowledge.opening import read_descriptions


def run(*arguments):
    done = CliRunner().invoke(app, ["knowledge", *map(str, arguments)])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def texts(path):
    return sorted((d.category, d.text) for d in KnowledgeBase.load(path).descriptions)


def cupl(path, **lists):
    path.write_text(json.dumps(lists))
    return path


def test_an_import_duplicates_nothing_and_keeps_the_author(tmp_path):
    file, kb = cupl(tmp_path / "a.json", hen=["A hen is a bird.", "ok"], dog=["A dog barks."]), tmp_path / "kb"
    assert json.loads(run("import", file, "--out", kb, "--generator", "gpt-3", "--json"))["new"] == 3
    again = json.loads(run("import", file, "--out", kb, "--json"))
    assert (again["new"], again["descriptions"]) == (0, 3)
    assert {(d.generator, d.prompt_id) for d in KnowledgeBase.load(kb).descriptions} == {("gpt-3", "import:a.json")}


def test_a_stopped_import_continues(tmp_path):
    """The journal has only the first half and an incomplete line, as after a kill."""
    file = cupl(tmp_path / "a.json", **{f"class {i}": [f"text {i} {j}" for j in range(5)] for i in range(10)})
    with Journal(tmp_path / "kb") as journal:
        import_descriptions(journal, read_descriptions(file)[:25])
    with (tmp_path / "kb" / "answers.jsonl").open("ab") as journal:
        journal.write(b'{"key": "torn')
    assert json.loads(run("import", file, "--out", tmp_path / "kb", "--json"))["new"] == 25
    assert len(texts(tmp_path / "kb")) == 50


def test_bases_merge_with_their_edits(tmp_path):
    anna, ben, out = tmp_path / "anna", tmp_path / "ben", tmp_path / "out"
    run("import", cupl(tmp_path / "a.json", hen=["A hen is a bird.", "Hens lay eggs."]), "--out", anna)
    run("import", cupl(tmp_path / "b.json", hen=["A hen is a bird.", "Hens cluck."], dog=["A dog."]), "--out", ben)
    ids = {d.text: d.id for d in KnowledgeBase.load(ben).descriptions}
    run("edit", ben, ids["Hens cluck."], "Hens cluck loudly.")
    run("block", anna, ids["A hen is a bird."])
    run("merge", anna, ben, "--out", out)
    assert texts(out) == [("dog", "A dog."), ("hen", "Hens cluck loudly."), ("hen", "Hens lay eggs.")]
    before = texts(out)
    run("merge", anna, ben, "--out", out)
    assert texts(out) == before


def test_export_and_import_are_a_round_trip(tmp_path):
    kb = tmp_path / "kb"
    run("import", cupl(tmp_path / "a.json", hen=["A hen is a bird."], dog=["A dog barks."]), "--out", kb)
    for name in ("x.csv", "x.jsonl", "x.parquet", "x.json"):
        run("export", kb, tmp_path / name)
        run("import", tmp_path / name, "--out", tmp_path / f"kb of {name}")
        assert texts(tmp_path / f"kb of {name}") == texts(kb)


def test_texts_changed_in_an_exported_table_are_edits(tmp_path):
    kb, table = tmp_path / "kb", tmp_path / "x.csv"
    run("import", cupl(tmp_path / "a.json", hen=["A hen is a bird.", "Hens fly."], dog=["A dog barks."]), "--out", kb)
    run("export", kb, table)
    table.write_text(table.read_text().replace("Hens fly.", "Hens walk."))
    done = json.loads(run("import", table, "--out", kb, "--json"))
    assert (done["new"], done["edited"], done["descriptions"]) == (0, 1, 3)
    assert texts(kb) == [("dog", "A dog barks."), ("hen", "A hen is a bird."), ("hen", "Hens walk.")]
    run("export", kb, table, "--force")
    for file in (table, tmp_path / "a.json"):  # an edit stays, also when the original text is imported again
        done = json.loads(run("import", file, "--out", kb, "--json"))
        assert (done["new"], done["edited"], done["descriptions"]) == (0, 0, 3)


@pytest.mark.slow
def test_edits_survive_further_answers(tmp_path):
    kb = tmp_path / "kb"
    with LLMServer() as server:

        def generate(count):
            options = (
                "--out",
                kb,
                "--model",
                "m",
                "--base-url",
                server.base_url,
                "--max-similarity",
                "0",
                "--per-class",
                count,
            )
            run("generate", "drum", *options)

        generate(20)
        edited, blocked, *_ = KnowledgeBase.load(kb).descriptions
        run("edit", kb, edited.id, "My own words about drums.")
        run("block", kb, blocked.id)
        generate(40)
        generate(40)
    now = {d.id: d.text for d in KnowledgeBase.load(kb).descriptions}
    assert len(now) >= 40
    assert now[edited.id] == "My own words about drums."
    assert blocked.id not in now
    run("edit", kb, blocked.id, "Welcome back, drum.")
    assert "Welcome back, drum." in [text for _, text in texts(kb)]


def test_edits_of_unknown_descriptions_are_refused(tmp_path):
    run("import", cupl(tmp_path / "a.json", hen=["A hen is a bird."]), "--out", tmp_path / "kb")
    done = CliRunner().invoke(app, ["knowledge", "block", str(tmp_path / "kb"), "0123"])
    assert "0123" in str(done.exception)
