"""`unibind knowledge generate` against a server on loopback, in this process and as a command that is killed."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import fields
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.llm_server import LLMServer, cut, descriptions, german, late, refusal, sentence, status
from tests.helpers.toys import ToyBackbone
from tests.helpers.words import embed
from unibind.errors import MissingFileError, UnibindError, UnknownNameError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.building import removed_rows
from unibind.knowledge.classes import read_classes
from unibind.knowledge.embedding import CachedEmbedder
from unibind.knowledge.embedding_cache import FOLDER
from unibind.knowledge.journal import Journal
from unibind.knowledge.llm import client as llm
from unibind.knowledge.llm.budget import Price
from unibind.knowledge.llm.client import ServerRefusal
from unibind.knowledge.llm.generate import PATIENCE, Generator, generation_job
from unibind.knowledge.llm.prompts import PromptLibrary
from unibind.knowledge.llm.session import RunOptions

COMMAND = Path(sys.executable).parent / "unibind"
NO_COMPARISON = {"max_similarity": None}
RUN_OPTIONS = {field.name for field in fields(RunOptions)}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    with LLMServer() as running:
        yield running


def prepare(server, path, categories=("drum", "bell"), per_class=20, *, filters=NO_COMPARISON, **arguments):
    """A job against the server; arguments that are fields of RunOptions become its options."""
    options = {name: arguments.pop(name) for name in list(arguments) if name in RUN_OPTIONS}
    arguments = {"model": "m", "modalities": ("image",), "base_url": server.base_url} | arguments
    options = RunOptions(**{"concurrency": 4} | options)
    return generation_job(categories, path, per_class=per_class, filters=filters, options=options, **arguments)


def generate(server, path, *arguments, embed=None, **options):
    job = prepare(server, path, *arguments, **options)

    async def work():
        async with job.session.connect(job.plan.max_output_tokens) as client:
            return await Generator(job.session, job.plan, client, embed=embed).run()

    with job.session.journal:
        return asyncio.run(work())


def prompts(server):
    return [request["messages"][-1]["content"] for request in server.requests]


# --- what is asked -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_stages_until_there_are_enough_descriptions(server, tmp_path):
    result = generate(server, tmp_path, modalities=("image", "audio"))
    assert [(o.kept >= 20, o.reason) for o in result.outcomes] == [(True, None)] * 2
    base = KnowledgeBase.load(tmp_path)
    assert Counter(d.category for d in base.descriptions) == result.built.kept
    assert {d.modality for d in base.descriptions} == {"image", "audio"}
    assert all(
        d.prompt_id.startswith("descriptions-1-") and d.generator == "m" and d.created for d in base.descriptions
    )
    asked = prompts(server)
    first = [p for p in asked if "Ask good questions" in p]
    assert len(first) == 4  # two categories in two modalities
    assert sum("sound recordings" in p and "pitch" in p for p in first) == 2
    assert all("What of part" in p for p in asked if p not in first)
    schema = server.requests[-1]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["descriptions"]["items"] == {"type": "string"}


def test_aspects_guide_the_model_without_questions(server, tmp_path):
    generate(server, tmp_path, questions=0, aspects=("sound", "motion"), modalities=("audio",), per_class=8)
    assert {d.aspect for d in KnowledgeBase.load(tmp_path).descriptions} == {"sound", "motion"}
    assert not any("Question" in p for p in prompts(server))


@pytest.mark.slow
def test_models_take_turns_and_share_the_base(server, tmp_path):
    generate(server, tmp_path, model=("m", "n"), per_class=40)
    used = Counter(d.generator for d in KnowledgeBase.load(tmp_path).descriptions)
    assert set(used) == {"m", "n"}
    before = len(server.requests)
    generate(server, tmp_path, model="other", per_class=60)
    assert {r["model"] for r in server.requests[before:]} == {"other"}
    assert "other" in {d.generator for d in KnowledgeBase.load(tmp_path).descriptions}


@pytest.mark.slow
def test_nothing_is_asked_again(server, tmp_path):
    generate(server, tmp_path)
    before = len(server.requests)
    result = generate(server, tmp_path)
    assert len(server.requests) == before
    assert result.usage.answered == 0
    generate(server, tmp_path, per_class=30)
    keys = Counter(answer.key for answer in Journal(tmp_path).answers())
    assert max(keys.values()) == 1
    assert 3 <= len(server.requests) - before <= 8


def test_later_rounds_are_shown_the_latest_descriptions(server, tmp_path):
    generate(server, tmp_path, ["drum"], 60, questions=0, aspects=("looks",), concurrency=1)
    shown = [p for p in prompts(server) if "Say other things than these" in p]
    assert shown
    assert "Say other things" not in prompts(server)[0]
    earlier = shown[-1].split("Say other things than these")[1].split("\nWrite exactly")[0]
    assert earlier.count("\n- ") == earlier.count("drum") == 6


# --- what is kept --------------------------------------------------------------------------------------------------


def test_repetitions_are_made_up_for_in_further_rounds(server, tmp_path):
    numbers = count()
    server.answer = lambda _: descriptions(*(sentence(next(numbers) // 2, "drum") for _ in range(10)))
    result = generate(server, tmp_path, ["drum"], 30, questions=0)
    assert result.outcomes[0].reason is None
    assert result.built.removed["repeated"] >= 25
    assert len(set(KnowledgeBase.load(tmp_path).texts("drum"))) == result.built.kept["drum"] >= 30


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: descriptions(*(sentence(i, "drum") for i in range(5))), "repeated"),
        (refusal, "refusal"),
        (german, "wrong language"),
        (lambda _: descriptions("short"), "wrong length"),
        (lambda _: "", None),
    ],
    ids=["repeats", "refuses", "german", "short", "silent"],
)
def test_a_class_that_yields_nothing_new_is_given_up(server, tmp_path, answer, reason):
    server.answer = answer
    result = generate(server, tmp_path, ["drum"], 50, questions=0)
    assert result.outcomes[0].reason == "yields nothing new"
    assert result.usage.stopped is None
    assert PATIENCE <= len(server.requests) <= PATIENCE + 6
    assert reason is None or result.built.removed[reason] >= 4
    before = len(server.requests)
    assert generate(server, tmp_path, ["drum"], 50, questions=0).outcomes[0].reason == "yields nothing new"
    assert len(server.requests) == before  # useless answers are not paid for again


def test_near_duplicates_are_not_counted(server, tmp_path):
    server.answer = lambda _: descriptions(
        *("The tower has " + word for word in ("one stone", "two stone", "one water", "a single water"))
    )
    result = generate(server, tmp_path, ["drum"], 50, questions=0, filters={"max_similarity": 0.995}, embed=embed)
    assert (result.outcomes[0].kept, result.built.kept["drum"]) == (2, 2)
    assert result.built.removed["near duplicate"] == 2


def test_dropped_misfits_are_replaced(server, tmp_path):
    numbers = count()

    def answer(request):
        word = "tower" if '"drum"' in request["messages"][-1]["content"] else "water"
        other = {"tower": "water", "water": "tower"}[word]
        return descriptions(
            *(f"Case {next(numbers)} is a {word} here." for _ in range(4)), f"Case {next(numbers)} is {other} here."
        )

    server.answer = answer
    filters = {"max_similarity": None, "drop_misfits": True}
    result = generate(server, tmp_path, per_class=20, questions=0, filters=filters, embed=embed)
    assert result.built.removed["fits another class"] >= 8
    assert min(result.built.kept.values()) >= 20
    assert {row["conflict"] for row in removed_rows(Journal(tmp_path))} == {"drum", "bell"}


def test_texts_are_embedded_once_however_often_they_are_compared(tmp_path):
    backbone = ToyBackbone()
    for texts in (["red", "blue sky", "red"], ["blue sky", "green"], ["green"]):
        embedder = CachedEmbedder(tmp_path / FOLDER, backbone)
        vectors = embedder(texts)
        assert np.allclose(vectors, [embedder([text])[0] for text in texts])
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        embedder.close()
    assert backbone.encoded["text"] == 3


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_any_mixture_of_errors_is_survived(server, tmp_path):
    dice = random.Random(5)
    good = server.answer

    moods = [good, good, good, good, refusal, german, lambda r: late(0.05, good(r)), lambda r: good(r)[:-30]]
    moods += [lambda _: status(429, retry_after=0.05), lambda _: status(500), lambda _: cut(), lambda _: "no JSON"]

    def moody(request):
        return dice.choice(moods)(request)

    server.answer = moody
    result = generate(server, tmp_path, per_class=60, concurrency=6)
    assert [o.reason for o in result.outcomes] == [None, None]
    assert len(server.delivered) == len(list(Journal(tmp_path).answers()))


def test_a_refusing_server_ends_the_run_and_keeps_the_answers(server, tmp_path):
    good = server.answer
    server.answer = lambda request: good(request) if len(server.requests) < 5 else status(401, message="key expired")
    with pytest.raises(ServerRefusal, match="key expired"):
        generate(server, tmp_path, per_class=100)
    kept = list(Journal(tmp_path).answers())
    assert len(kept) == len(server.delivered) >= 4


def test_a_class_that_the_server_refuses_is_given_up_and_the_others_go_on(server, tmp_path):
    plain = server.answer
    server.answer = lambda request: status(400, message="filtered") if '"gun"' in str(request) else plain(request)
    result = generate(server, tmp_path, ["gun", "drum"], 60)
    assert result.usage.stopped is None
    assert {o.category: o.reason for o in result.outcomes} == {"gun": "unanswered", "drum": None}
    assert sum('"gun"' in prompt for prompt in prompts(server)) <= 3 * 2 * 6  # with each form of answer


@pytest.mark.slow
def test_a_server_that_goes_away_stops_the_run(server, tmp_path):
    good = server.answer
    server.answer = lambda request: good(request) if len(server.requests) < 8 else status(500)
    result = generate(server, tmp_path, per_class=500, retries=0)
    assert "does not answer" in result.usage.stopped
    assert {o.reason for o in result.outcomes} == {"stopped"}
    server.answer = good
    assert [o.reason for o in generate(server, tmp_path, per_class=60).outcomes] == [None, None]


@pytest.mark.slow
def test_the_budget_applies_to_the_base_and_stops_cleanly(server, tmp_path):
    result = generate(server, tmp_path, per_class=200, max_tokens=6000)
    assert "6,000 tokens" in result.usage.stopped
    spent = sum(a.input_tokens + a.output_tokens for a in Journal(tmp_path).answers())
    assert 4000 <= spent <= 6000
    before = len(server.requests)
    again = generate(server, tmp_path, per_class=200, max_cost=0.002, prices=(Price(1, 1),))
    assert again.usage.stopped
    assert len(server.requests) == before
    assert generate(server, tmp_path, per_class=20, max_tokens=1).usage.stopped is None


# --- what it will cost ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_estimate_is_close_to_what_is_sent(server, tmp_path):
    request = {"per_class": 200, "modalities": ("image", "audio")}
    estimate = prepare(server, tmp_path, **request).estimate()["m"]
    assert not (tmp_path / "answers.jsonl").exists()
    generate(server, tmp_path, **request)
    characters = sum(len(m["content"]) for r in server.requests for m in r["messages"])
    assert estimate.requests == pytest.approx(len(server.requests), rel=0.15)
    assert estimate.input_tokens == pytest.approx(characters / 4, rel=0.2)
    assert prepare(server, tmp_path, **request).estimate()["m"].requests == 0


# --- prompts -------------------------------------------------------------------------------------------------------


def test_every_modality_has_a_phrase_and_every_aspect_is_used():
    library = PromptLibrary()
    used = {aspect for modality in library.modalities for aspect in library.aspects(modality)}
    assert used == {"looks", "parts", "shape", "sound", "heat", "motion", "events", "context"}
    for modality in library.modalities:
        for aspect in library.aspects(modality):
            prompt = library.descriptions("a {count} drum", modality, aspect, 7, question="{why}?", avoid=["{x}"])
            text = prompt.messages[1]["content"]
            assert all(part in text for part in ('"a {count} drum"', "{why}?", "- {x}\n", ": 7\n"))


def test_prompt_files_replace_packaged_ones_and_change_the_id(tmp_path):
    (tmp_path / "aspects").mkdir()
    (tmp_path / "aspects/looks.txt").write_text("version: 9\n\nonly its color\n")
    own, packaged = PromptLibrary(tmp_path), PromptLibrary()
    assert "only its color" in own.descriptions("drum", "image", "looks", 3).messages[1]["content"]
    assert own.descriptions_id("image", "looks") != packaged.descriptions_id("image", "looks")
    assert own.descriptions_id("image", "parts") == packaged.descriptions_id("image", "parts")
    assert own.descriptions("drum", "image", "looks", 3).id == own.descriptions_id("image", "looks")


@pytest.mark.parametrize(
    ("content", "words"),
    [("no head", "version"), ("version: 1\n\n", "version"), ("version: 1\n\nsay {magic}", "magic")],
)
def test_bad_prompt_files_are_named(tmp_path, content, words):
    (tmp_path / "descriptions.txt").write_text(content)
    with pytest.raises(UnibindError, match=rf"descriptions\.txt.*{words}"):
        PromptLibrary(tmp_path)


def test_unknown_modalities_and_aspects_are_refused():
    with pytest.raises(UnknownNameError, match="smell"):
        PromptLibrary().aspects("smell")
    with pytest.raises(UnknownNameError, match="smell"):
        PromptLibrary().aspects("image", ["smell"])
    with pytest.raises(MissingFileError):
        PromptLibrary("no/such/folder")


def test_classes_from_files_lists_and_labels(tmp_path):
    (tmp_path / "c.txt").write_text("# classes\nfire  truck\n\ndrum\nfire truck\n")
    (tmp_path / "m.csv").write_text("uri,label,modality\na.png,cat,image\nb.png,dog,image\nc.png,cat,image\n")
    assert read_classes(str(tmp_path / "c.txt")) == ("fire truck", "drum")
    assert read_classes(str(tmp_path / "m.csv")) == ("cat", "dog")
    assert read_classes("drum, bell,,drum") == ("drum", "bell")
    assert len(read_classes(",".join(f"class {i}" for i in range(1000)))) == 1000
    for wrong in ("nowhere.txt", "no/where", str(tmp_path / "none.csv")):
        with pytest.raises(MissingFileError):
            read_classes(wrong)
    with pytest.raises(UnibindError, match="no class names"):
        read_classes(" , ")


# --- the command ---------------------------------------------------------------------------------------------------


def arguments(server, out, *more):
    start = [COMMAND, "knowledge", "generate", "drum,bell,harp", "--out", out, "--base-url", server.base_url]
    return [*map(str, start), "--model", "m", "--max-similarity", "0", "--modality", "image", *map(str, more)]


def run(server, out, *more, **environment):
    given = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"} | environment
    return subprocess.run(arguments(server, out, *more), capture_output=True, text=True, check=False, env=given)


@pytest.mark.slow
def test_the_command_reports_its_work_and_hides_the_key(server, tmp_path):
    server.token = "sk-secret-42"
    refused = run(server, tmp_path / "kb", OPENAI_API_KEY="sk-wrong-17")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    done = run(server, tmp_path / "kb", "--per-class", 20, "--json", OPENAI_API_KEY="sk-secret-42")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert all(facts["kept"] >= 20 for facts in printed["classes"].values())
    written = b"".join(path.read_bytes() for path in (tmp_path / "kb").rglob("*") if path.is_file())
    for secret in ("sk-secret-42", "sk-wrong-17"):
        assert secret not in refused.stderr + refused.stdout + done.stdout + done.stderr
        assert secret.encode() not in written
    dry = run(server, tmp_path / "kb", "--per-class", 40, "--dry-run", "--price", "1/2", "--json")
    assert json.loads(dry.stdout)["m"]["cost"] > 0


@pytest.mark.slow
def test_the_command_exits_with_1_where_classes_stay_thin(server, tmp_path):
    server.answer = refusal
    done = run(server, tmp_path / "kb", "--per-class", 20)
    assert done.returncode == 1
    assert "yields nothing new" in done.stdout
    assert "repeat themselves" in done.stderr


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_and_nothing_is_paid_for_twice(tmp_path):
    """Twenty processes are killed at random moments, each with requests in flight. An answer that a killed process
    received but did not write may be asked for again; nothing else may."""
    dice = random.Random(11)
    concurrency, kills, out = 4, 20, tmp_path / "kb"
    more = ("--per-class", 20_000, "--concurrency", concurrency, "--per-request", 5)
    with LLMServer() as server:
        plain = server.answer
        server.answer = lambda request: late(0.01, plain(request))
        lines, flying = [], 0
        for _ in range(kills):
            before = len(server.requests)
            process = subprocess.Popen(
                arguments(server, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 30
            while len(server.requests) == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL, "the run ended by itself: the test is too small"
            journal = (out / "answers.jsonl").read_bytes() if (out / "answers.jsonl").exists() else b""
            whole = journal[: journal.rfind(b"\n") + 1].splitlines()
            assert whole[: len(lines)] == lines, "an answer was lost"
            lines = whole
            flying += concurrency
        assert len(lines) > kills
        keys = [json.loads(line)["key"] for line in lines]
        assert len(set(keys)) == len(keys), "an answer was paid for twice"
        assert len(server.requests) <= len(keys) + flying
        done = run(server, out, *more[:1], 2 * len(keys), *more[2:])
        assert done.returncode == 0, done.stderr
        keys = [answer.key for answer in Journal(out).answers()]
        assert len(set(keys)) == len(keys)
        assert len(server.requests) <= len(keys) + flying
    assert threading.active_count() < 50
