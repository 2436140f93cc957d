"""`unibind knowledge describe` against a server on loopback, in this process and as a command that is killed."""

import asyncio
import base64
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.helpers.bases import build
from tests.helpers.llm_server import LLMServer, cut, descriptions, garbled, german, late, refusal, status
from tests.helpers.toys import ToyBackbone
from unibind import fit
from unibind.align.problem import FitConfig
from unibind.data.encode import encode_items
from unibind.data.intake import read_manifest
from unibind.data.manifest import Item, write_manifest
from unibind.data.store import Store
from unibind.errors import UnibindError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.building import removed_rows
from unibind.knowledge.journal import Journal
from unibind.knowledge.llm import client as llm
from unibind.knowledge.llm.budget import Price
from unibind.knowledge.llm.client import ServerRefusal
from unibind.knowledge.llm.describe import (
    MAX_OUTPUT_TOKENS,
    NOT_ASKED,
    Describer,
    description_job,
    parse_answer,
    select_items,
)
from unibind.knowledge.llm.session import RunOptions
from unibind.modalities import RenderOptions

COMMAND = Path(sys.executable).parent / "unibind"
FILTERS = {"max_similarity": None}
COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    with LLMServer(look) as running:
        yield running


def color_seen(request):
    """The color of the picture in a request."""
    (part,) = (p for p in request["messages"][-1]["content"] if p["type"] == "image_url")
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    mean = np.asarray(Picture.open(io.BytesIO(data))).mean(axis=(0, 1))
    return list(COLORS)[int(mean.argmax())]


def look(request):
    """A model that sees colors."""
    seen = color_seen(request)
    return descriptions(f"A plain {seen} card that fills the view.", f"Its surface is {seen} and smooth all over.")


def pictures(folder, count=6, **facts):
    """Items that show red, green, blue, red, ... cards, labeled with their colors."""
    items = []
    for i in range(count):
        name = list(COLORS)[i % 3]
        path = folder / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Picture.new("RGB", (40, 40), COLORS[name]).save(path)
        items.append(Item(f"i{i}", "image", uri=str(path), **{"label": name, "split": "train"} | facts))
    return items


def prepare(server, path, items, *, model="m", options=None, **arguments):
    """A job against the server."""
    run_options = RunOptions(**{"concurrency": 3, "timeout": 5.0, "retries": 3} | (options or {}))
    arguments = {"base_url": server.base_url, "splits": None, "filters": FILTERS} | arguments
    return description_job(items, path, model=model, options=run_options, **arguments)


def describe(server, path, items, *, fits=lambda _: True, **arguments):
    done = []
    job = prepare(server, path, items, **arguments)

    async def work():
        async with job.session.connect(MAX_OUTPUT_TOKENS) as client:
            return await Describer(job.session, job.plan, client, fits, progress=done.append).run()

    with job.session.journal:
        result = asyncio.run(work())
    assert sum(done) == len(items) - list(result.missing.values()).count(NOT_ASKED)
    return result


# --- describing items ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_item_gets_one_description_of_what_it_shows(server, tmp_path):
    result = describe(server, tmp_path / "kb", pictures(tmp_path))
    assert (result.described, result.already_described, result.missing, result.usage.stopped) == (6, 0, {}, None)
    assert len(server.requests) == 6
    base = KnowledgeBase.load(tmp_path / "kb")
    assert {d.item: d.category for d in base.descriptions} == {f"i{i}": list(COLORS)[i % 3] for i in range(6)}
    for d in base.descriptions:
        assert d.text == (
            f"A plain {d.category} card that fills the view. Its surface is {d.category} and smooth all over."
        )
        assert (d.kind, d.modality, d.generator, d.prompt_id[:6]) == ("data", "image", "m", "item-1")
        assert d.created


@pytest.mark.slow
def test_what_was_answered_is_not_asked_again(server, tmp_path):
    items = pictures(tmp_path)
    describe(server, tmp_path / "kb", items[:4])
    result = describe(server, tmp_path / "kb", items)
    assert (result.described, result.already_described) == (2, 4)
    assert len(server.requests) == 6
    assert describe(server, tmp_path / "kb", items, model="another").already_described == 6
    assert len(server.requests) == 6


def test_the_prompt_names_the_medium_and_the_label_only_if_requested(server, tmp_path):
    items = pictures(tmp_path, 1)
    describe(server, tmp_path / "kb", items)
    describe(server, tmp_path / "other", items, include_label=True)
    plain, revealed = (r["messages"][-1]["content"][0]["text"] for r in server.requests)
    assert "a collection of photographs" in plain
    assert "shape: outline" in plain
    assert "red" not in plain.replace("recorded", "")
    assert 'of the category "red"' in revealed
    assert "{" not in plain.partition("Answer as JSON")[0]


def test_the_models_take_turns(server, tmp_path):
    describe(server, tmp_path / "kb", pictures(tmp_path, 12), model=("m", "n"))
    asked = Counter(r["model"] for r in server.requests)
    assert set(asked) == {"m", "n"}


def test_a_refused_item_is_sent_to_the_next_model(server, tmp_path):
    server.script(refusal())
    result = describe(server, tmp_path / "kb", pictures(tmp_path, 1), model=("m", "n"))
    assert result.described == 1
    assert len({r["model"] for r in server.requests}) == 2
    assert len(KnowledgeBase.load(tmp_path / "kb")) == 1
    assert [row["reason"] for row in removed_rows(Journal(tmp_path / "kb"))] == ["refusal"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refusal(), "refusal"),
        (german(), "wrong language"),
        (descriptions("A card."), "wrong length"),
        (descriptions(), "wrong length"),
        ("", "wrong length"),
        (descriptions(*["The card is red and it is flat."] * 60), "wrong length"),
        (descriptions("Here is what you asked for as JSON."), "meta talk"),
    ],
)
def test_unusable_answers_are_reported_and_not_asked_for_endlessly(server, tmp_path, answer, reason):
    server.answer = lambda _: answer
    (item,) = pictures(tmp_path, 1)
    for requests in (2, 2):  # the second run sends nothing
        result = describe(server, tmp_path / "kb", [item])
        assert result.missing == {"i0": f"no usable answer: {reason}"}
        assert len(server.requests) == requests
    assert not result.built.kept.total()
    other = describe(
        server, tmp_path / "kb", [item], render=RenderOptions(side=100)
    )  # shown in another way: asked again
    assert other.missing
    assert len(server.requests) == 4


def test_an_unreadable_file_stops_nothing(server, tmp_path):
    items = pictures(tmp_path)
    Path(items[1].uri).write_bytes(b"no picture at all")
    Path(items[4].uri).unlink()
    result = describe(server, tmp_path / "kb", items)
    assert result.described == 4
    assert set(result.missing) == {"i1", "i4"}
    assert "1.png" in result.missing["i1"]
    assert "4.png" in result.missing["i4"]
    Picture.new("RGB", (40, 40)).save(items[1].uri)
    assert set(describe(server, tmp_path / "kb", items).missing) == {"i4"}


def test_an_item_without_a_label_is_reported(server, tmp_path):
    unlabeled = (Item(**vars(i) | {"id": "x", "label": None}) for i in pictures(tmp_path / "more", 1))
    items = [*pictures(tmp_path, 2), *unlabeled]
    assert "no label" in describe(server, tmp_path / "kb", items).missing["x"]


@pytest.mark.slow
def test_transient_errors_are_survived(server, tmp_path):
    server.script(status(500), cut(), garbled(), status(429, retry_after=0.1), late(6.0))
    result = describe(server, tmp_path / "kb", pictures(tmp_path), options={"retries": 6, "timeout": 0.5})
    assert (result.described, result.missing) == (6, {})
    assert result.usage.retried >= 5


@pytest.mark.slow
def test_a_server_that_is_gone_ends_the_run_and_keeps_the_rest(server, tmp_path):
    items = pictures(tmp_path, 30)
    server.script(*[look] * 4)
    server.answer = lambda _: status(500)
    result = describe(server, tmp_path / "kb", items, options={"retries": 0})
    assert result.usage.stopped
    assert result.described == 4
    assert len(server.requests) < 15
    server.answer = look
    assert describe(server, tmp_path / "kb", items).described == 26


@pytest.mark.slow
def test_pictures_that_the_server_refuses_stop_nothing(server, tmp_path):
    items = pictures(tmp_path, 20)
    turns = count()
    server.answer = lambda request: status(413) if next(turns) < 30 else look(request)  # three tries an item
    result = describe(server, tmp_path / "kb", items, options={"concurrency": 1})
    assert result.usage.stopped is None
    assert (result.described, len(result.missing)) == (10, 10)
    assert "rejects this request" in str(result.missing)


def test_a_wrong_key_is_reported_without_showing_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-99")
    server.token = "sk-right"
    with pytest.raises(ServerRefusal) as error:
        describe(server, tmp_path / "kb", pictures(tmp_path))
    assert "sk-wrong-99" not in str(error.value)


@pytest.mark.slow
def test_the_budget_counts_earlier_runs(server, tmp_path):
    items = pictures(tmp_path, 30)
    first = describe(server, tmp_path / "kb", items, options={"max_tokens": 6000})
    assert "--max-tokens" in first.usage.stopped
    assert 0 < first.described < 30
    assert 150 * first.described <= 6000
    again = describe(server, tmp_path / "kb", items, options={"max_tokens": 6000})
    assert again.described == 0


def test_a_blocked_description_is_replaced_and_an_edited_one_stays(server, tmp_path):
    items = pictures(tmp_path, 2)
    describe(server, tmp_path / "kb", items)
    journal = Journal(tmp_path / "kb")
    first, second = (next(d for d in build(journal).descriptions if d.item == i.id) for i in items)
    journal.block(first.id)
    journal.edit(second.id, "An edited text about a green card.")
    server.answer = lambda _: descriptions("Another text about this very card, which is red.")
    result = describe(server, tmp_path / "kb", items)
    assert (result.described, result.already_described) == (1, 1)
    assert {d.item: d.text for d in KnowledgeBase.load(tmp_path / "kb").descriptions} == {
        "i0": "Another text about this very card, which is red.",
        "i1": "An edited text about a green card.",
    }


def test_similar_items_may_have_equal_descriptions(server, tmp_path):
    server.answer = lambda _: descriptions("The same words for every card of the pack.")
    describe(server, tmp_path / "kb", pictures(tmp_path))
    assert len(KnowledgeBase.load(tmp_path / "kb")) == 6


def test_texts_are_truncated_before_they_are_stored(server, tmp_path):
    describe(server, tmp_path / "kb", pictures(tmp_path, 1), fits=lambda text: len(text.split()) <= 10)
    (description,) = KnowledgeBase.load(tmp_path / "kb").descriptions
    assert description.text == "A plain red card that fills the view."
    (answer,) = Journal(tmp_path / "kb").answers()
    assert "smooth" in answer.raw


def test_an_estimate_sends_nothing_and_excludes_finished_items(server, tmp_path):
    items = [*pictures(tmp_path), Item("gone", "image", uri="gone.png", label="red")]
    job = prepare(server, tmp_path / "kb", items[:6], options={"prices": (Price(1, 2),)})
    before = job.estimate()["m"]
    assert before.requests == 6
    assert before.input_tokens > 6 * 1000  # a picture
    assert not (tmp_path / "kb").exists()
    assert not server.requests
    describe(server, tmp_path / "kb", items[:4])
    after = job.estimate()["m"]
    assert after.requests == 2
    assert after.input_tokens == before.input_tokens // 3
    assert after.cost == pytest.approx((after.input_tokens + 2 * after.output_tokens) / 1e6)


def test_a_model_is_fitted_on_described_items(server, tmp_path):
    items = [
        Item(**vars(i) | {"id": f"{s}-{i.id}", "split": s}) for s in ("train", "val") for i in pictures(tmp_path / s)
    ]
    describe(server, tmp_path / "kb", select_items(items))
    knowledge, backbone, store = KnowledgeBase.load(tmp_path / "kb"), ToyBackbone(), Store.create(tmp_path / "store")
    assert set(knowledge.of_items()) == {i.id for i in items if i.split == "train"}
    encode_items(items, backbone, store)
    config = FitConfig(loss="multi_positive", steps=20, batch_size=6)
    model = fit(store, knowledge=knowledge, backbone=backbone, config=config, allow_duplicates=True)
    assert [p.label for p in model.classify([i.uri for i in items[:3]])] == list(COLORS)


# --- which items ---------------------------------------------------------------------------------------------------


def test_only_training_items_are_described_unless_others_are_named(tmp_path):
    train, test = (pictures(tmp_path, 1, split=s) for s in ("train", "test"))
    text = [Item("t", "text", text="a card", split="train")]
    assert select_items([*train, *test, *text]) == tuple(train)
    assert select_items([*train, *test, *text], ["test"]) == tuple(test)
    assert select_items([*train, *test, *text], None) == (*train, *test)


def test_a_manifest_without_splits_is_described_whole(tmp_path):
    items = pictures(tmp_path, 2, split=None)
    assert select_items(items) == tuple(items)


def test_an_empty_selection_names_the_existing_splits(tmp_path):
    with pytest.raises(UnibindError, match="nothing to describe in the splits train; it has test, val"):
        select_items([*pictures(tmp_path, 1, split="val"), *pictures(tmp_path, 1, split="test")])


# --- parsing answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (descriptions("A red card lies there.", "It is flat."), "A red card lies there. It is flat."),
        (descriptions("A red card lies there", "It is flat"), "A red card lies there. It is flat."),
        ("A red card lies there. It is flat.", "A red card lies there. It is flat."),
        ("A red card lies\nthere and is flat.", "A red card lies there and is flat."),
        ("```json\n" + descriptions("A red card lies there.") + "\n```", "A red card lies there."),
        ('{"descriptions": ["A red card lies there.", "It is fl', "A red card lies there."),
        ("Sure, here it is:\nA red card lies there.", "A red card lies there."),
        ("<think>What is it?</think>A red card lies there.", "A red card lies there."),
        (descriptions("I'm sorry, I cannot name people.", "A man holds a red card."), "A man holds a red card."),
    ],
)
def test_answers_become_one_text(answer, text):
    assert parse_answer(answer, "en") == (text, None)


# --- the command ---------------------------------------------------------------------------------------------------


def arguments(server, manifest, out, *more):
    fixed = ("--model", "m", "--base-url", server.base_url)
    return [str(a) for a in (COMMAND, "knowledge", "describe", manifest, "--out", out, *fixed, *more)]


def run(server, manifest, out, *more, **environment):
    kept = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
    return subprocess.run(
        arguments(server, manifest, out, *more), capture_output=True, text=True, check=False, env=kept | environment
    )


@pytest.mark.slow
def test_the_command_exits_with_1_where_items_cannot_be_read(server, tmp_path):
    items = pictures(tmp_path)
    write_manifest(items, tmp_path / "manifest.csv")
    Path(items[2].uri).write_bytes(b"broken")
    broken = run(server, tmp_path / "manifest.csv", tmp_path / "kb")
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr
    assert "2.png" in broken.stdout
    assert "5 items described now" in broken.stderr
    Picture.new("RGB", (40, 40), COLORS["blue"]).save(items[2].uri)
    done = run(server, tmp_path / "manifest.csv", tmp_path / "kb", "--json", OPENAI_API_KEY="sk-secret-42")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert (printed["described"], printed["already_described"], printed["descriptions"], printed["missing"]) == (
        1,
        5,
        6,
        {},
    )
    written = b"".join(path.read_bytes() for path in (tmp_path / "kb").rglob("*") if path.is_file())
    assert b"sk-secret-42" not in written


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_and_nothing_is_paid_for_twice(server, tmp_path):
    dice = random.Random(3)
    kills, flying, out = 20, 0, tmp_path / "kb"
    write_manifest(pictures(tmp_path, 400), tmp_path / "manifest.csv")
    server.answer = lambda request: late(0.05, look(request))
    lines = []
    for _ in range(kills):
        before = len(server.requests)
        process = subprocess.Popen(
            arguments(server, tmp_path / "manifest.csv", out, "--concurrency", 3),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while len(server.requests) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(dice.uniform(0.05, 0.4))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended by itself: the test is too small"
        journal = (out / "answers.jsonl").read_bytes()
        whole = journal[: journal.rfind(b"\n") + 1].splitlines()
        assert whole[: len(lines)] == lines, "an answer was lost"
        lines, flying = whole, flying + 3
    server.answer = look
    done = run(server, tmp_path / "manifest.csv", out)
    assert done.returncode == 0, done.stderr
    asked = Counter(answer.item for answer in Journal(out).answers())
    assert len(asked) == 400
    assert set(asked.values()) == {1}
    assert len(server.requests) <= 400 + flying
    assert {d.item for d in KnowledgeBase.load(out).descriptions} == {
        i.id for i in read_manifest(tmp_path / "manifest.csv")
    }
