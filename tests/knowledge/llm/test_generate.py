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
from unibind.knowledge.filters import Rules
from unibind.knowledge.journal import Journal
from unibind.knowledge.llm import client as llm
from unibind.knowledge.llm.budget import Budget, Price
from unibind.knowledge.llm.client import Client, ServerRefusal
from unibind.knowledge.llm.generate import PATIENCE, Generator, Plan, estimate
from unibind.knowledge.llm.prompts import Wording

COMMAND = Path(sys.executable).parent / "unibind"
RULES = Rules(near=None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    with LLMServer() as running:
        yield running


def plan(categories=("drum", "bell"), per_class=20, models=("m",), modalities=("image",), **facts):
    return Plan(tuple(categories), per_class, tuple(models), tuple(modalities), **facts)


def generate(server, path, wanted, *, rules=RULES, wording=None, budget=None, embed=None, concurrency=4, **options):
    async def work():
        most = wanted.most_output_tokens
        client = Client(server.base_url, "m", concurrency=concurrency, budget=budget, max_output_tokens=most, **options)
        async with client:
            made = Generator(folder, client, wanted, wording or Wording(), rules, concurrency=concurrency, embed=embed)
            return await made.run()

    with Journal(path) as folder:
        return asyncio.run(work())


def prompts(server):
    return [request["messages"][-1]["content"] for request in server.requests]


# --- what is asked -------------------------------------------------------------------------------------------------


def test_two_stages_until_there_are_enough(server, tmp_path):
    summary = generate(server, tmp_path, plan(modalities=("image", "audio")))
    assert [(o.kept >= 20, o.why) for o in summary.outcomes] == [(True, None)] * 2
    base = KnowledgeBase.load(tmp_path)
    assert Counter(d.category for d in base.descriptions) == summary.built.kept
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


def test_without_questions_the_aspects_guide(server, tmp_path):
    generate(server, tmp_path, plan(questions=0, aspects=("sound", "motion"), modalities=("audio",), per_class=8))
    assert {d.aspect for d in KnowledgeBase.load(tmp_path).descriptions} == {"sound", "motion"}
    assert not any("Question" in p for p in prompts(server))


def test_models_take_turns_and_share_the_base(server, tmp_path):
    generate(server, tmp_path, plan(models=("m", "n"), per_class=40))
    used = Counter(d.generator for d in KnowledgeBase.load(tmp_path).descriptions)
    assert set(used) == {"m", "n"}
    before = len(server.requests)
    generate(server, tmp_path, plan(models=("other",), per_class=60))
    assert {r["model"] for r in server.requests[before:]} == {"other"}
    assert "other" in {d.generator for d in KnowledgeBase.load(tmp_path).descriptions}


def test_nothing_is_asked_again(server, tmp_path):
    generate(server, tmp_path, plan())
    before = len(server.requests)
    summary = generate(server, tmp_path, plan())
    assert len(server.requests) == before
    assert summary.requests == 0
    generate(server, tmp_path, plan(per_class=30))
    keys = Counter(answer.key for answer in Journal(tmp_path).answers())
    assert max(keys.values()) == 1
    assert 3 <= len(server.requests) - before <= 8


def test_later_rounds_are_shown_what_there_is(server, tmp_path):
    generate(server, tmp_path, plan(["drum"], 60, questions=0, aspects=("looks",)), concurrency=1)
    shown = [p for p in prompts(server) if "Say other things than these" in p]
    assert shown
    assert "Say other things" not in prompts(server)[0]
    earlier = shown[-1].split("Say other things than these")[1].split("\nWrite exactly")[0]
    assert earlier.count("\n- ") == earlier.count("drum") == 6


# --- what is kept --------------------------------------------------------------------------------------------------


def test_repetitions_make_further_rounds(server, tmp_path):
    numbers = count()
    server.answer = lambda _: descriptions(*(sentence(next(numbers) // 2, "drum") for _ in range(10)))
    summary = generate(server, tmp_path, plan(["drum"], 30, questions=0))
    assert summary.outcomes[0].why is None
    assert summary.built.removed["repeated"] >= 25
    assert len(set(KnowledgeBase.load(tmp_path).texts("drum"))) == summary.built.kept["drum"] >= 30


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
def test_a_class_that_yields_nothing_new_is_left_with_a_word(server, tmp_path, answer, reason):
    server.answer = answer
    summary = generate(server, tmp_path, plan(["drum"], 50, questions=0))
    assert summary.outcomes[0].why == "yields nothing new"
    assert summary.stopped is None
    assert PATIENCE <= len(server.requests) <= PATIENCE + 6
    assert reason is None or summary.built.removed[reason] >= 4
    before = len(server.requests)
    assert generate(server, tmp_path, plan(["drum"], 50, questions=0)).outcomes[0].why == "yields nothing new"
    assert len(server.requests) == before  # what was paid for in vain is not paid for again


def test_near_duplicates_count_for_nothing(server, tmp_path):
    server.answer = lambda _: descriptions(
        *("The tower has " + word for word in ("one stone", "two stone", "one water", "a single water"))
    )
    summary = generate(server, tmp_path, plan(["drum"], 50, questions=0), rules=Rules(near=0.995), embed=embed)
    assert (summary.outcomes[0].kept, summary.built.kept["drum"]) == (2, 2)
    assert summary.built.removed["near duplicate"] == 2


def test_dropped_misfits_are_made_up_for(server, tmp_path):
    numbers = count()

    def answer(request):
        word = "tower" if '"drum"' in request["messages"][-1]["content"] else "water"
        other = {"tower": "water", "water": "tower"}[word]
        return descriptions(
            *(f"Case {next(numbers)} is a {word} here." for _ in range(4)), f"Case {next(numbers)} is {other} here."
        )

    server.answer = answer
    rules = Rules(near=None, drop_misfits=True)
    summary = generate(server, tmp_path, plan(per_class=20, questions=0), rules=rules, embed=embed)
    assert summary.built.removed["fits another class"] >= 8
    assert min(summary.built.kept.values()) >= 20
    assert {row["like"] for row in removed_rows(Journal(tmp_path))} == {"drum", "bell"}


def test_texts_are_embedded_once_however_often_they_are_compared(tmp_path):
    backbone = ToyBackbone()
    for texts in (["red", "blue sky", "red"], ["blue sky", "green"], ["green"]):
        embedder = CachedEmbedder(tmp_path, backbone)
        found = embedder(texts)
        assert np.allclose(found, [embedder([text])[0] for text in texts])
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
        embedder.close()
    assert backbone.encoded["text"] == 3


# --- trouble -------------------------------------------------------------------------------------------------------


def test_any_mixture_of_trouble_ends_well(server, tmp_path):
    dice = random.Random(5)
    good = server.answer

    moods = [good, good, good, good, refusal, german, lambda r: late(0.05, good(r)), lambda r: good(r)[:-30]]
    moods += [lambda _: status(429, retry_after=0.05), lambda _: status(500), lambda _: cut(), lambda _: "no JSON"]

    def moody(request):
        return dice.choice(moods)(request)

    server.answer = moody
    summary = generate(server, tmp_path, plan(per_class=60), concurrency=6)
    assert [o.why for o in summary.outcomes] == [None, None]
    assert len(server.delivered) == len(list(Journal(tmp_path).answers()))


def test_a_refusing_server_ends_the_run_and_keeps_what_there_is(server, tmp_path):
    good = server.answer
    server.answer = lambda request: good(request) if len(server.requests) < 5 else status(401, message="key expired")
    with pytest.raises(ServerRefusal, match="key expired"):
        generate(server, tmp_path, plan(per_class=100))
    kept = list(Journal(tmp_path).answers())
    assert len(kept) == len(server.delivered) >= 4


def test_a_class_that_the_server_refuses_is_given_up_and_the_others_go_on(server, tmp_path):
    plain = server.answer
    server.answer = lambda request: status(400, message="filtered") if '"gun"' in str(request) else plain(request)
    summary = generate(server, tmp_path, plan(["gun", "drum"], 60))
    assert summary.stopped is None
    assert {o.category: o.why for o in summary.outcomes} == {"gun": "unanswered", "drum": None}
    assert sum('"gun"' in prompt for prompt in prompts(server)) <= 3 * 2 * 6  # with each form of answer


def test_a_server_that_goes_away_stops_the_run(server, tmp_path):
    good = server.answer
    server.answer = lambda request: good(request) if len(server.requests) < 8 else status(500)
    summary = generate(server, tmp_path, plan(per_class=500), retries=0)
    assert "does not answer" in summary.stopped
    assert {o.why for o in summary.outcomes} == {"stopped"}
    server.answer = good
    assert [o.why for o in generate(server, tmp_path, plan(per_class=60)).outcomes] == [None, None]


def test_the_budget_is_for_the_base_and_stops_cleanly(server, tmp_path):
    wanted = plan(per_class=200)
    summary = generate(server, tmp_path, wanted, budget=Budget(max_tokens=6000))
    assert "6,000 tokens" in summary.stopped
    spent = sum(a.input_tokens + a.output_tokens for a in Journal(tmp_path).answers())
    assert 4000 <= spent <= 6000
    before = len(server.requests)
    again = generate(server, tmp_path, wanted, budget=Budget(max_cost=0.002, prices={"m": Price(1, 1)}))
    assert again.stopped
    assert len(server.requests) == before
    assert generate(server, tmp_path, plan(per_class=20), budget=Budget(max_tokens=1)).stopped is None


# --- what it will cost ---------------------------------------------------------------------------------------------


def test_the_estimate_is_near_what_is_sent(server, tmp_path):
    wanted = plan(per_class=200, modalities=("image", "audio"))
    found = estimate(Journal(tmp_path), wanted, Wording(), RULES)["m"]
    assert not (tmp_path / "answers.jsonl").exists()
    generate(server, tmp_path, wanted)
    characters = sum(len(m["content"]) for r in server.requests for m in r["messages"])
    assert found.requests == pytest.approx(len(server.requests), rel=0.15)
    assert found.input_tokens == pytest.approx(characters / 4, rel=0.2)
    left = estimate(Journal(tmp_path), wanted, Wording(), RULES)["m"]
    assert left.requests == 0


# --- words ---------------------------------------------------------------------------------------------------------


def test_every_modality_has_words_and_every_aspect_is_used():
    wording = Wording()
    used = {aspect for modality in wording.modalities for aspect in wording.aspects(modality)}
    assert used == {"looks", "parts", "shape", "sound", "heat", "motion", "events", "context"}
    for modality in wording.modalities:
        for aspect in wording.aspects(modality):
            prompt = wording.descriptions("a {count} drum", modality, aspect, 7, question="{why}?", avoid=["{x}"])
            text = prompt.messages[1]["content"]
            assert all(part in text for part in ('"a {count} drum"', "{why}?", "- {x}\n", ": 7\n"))


def test_own_prompt_files_replace_packaged_ones_and_change_the_id(tmp_path):
    (tmp_path / "aspects").mkdir()
    (tmp_path / "aspects/looks.txt").write_text("version: 9\n\nonly its color\n")
    own, packaged = Wording(tmp_path), Wording()
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
        Wording(tmp_path)


def test_unknown_names_are_told():
    with pytest.raises(UnknownNameError, match="smell"):
        Wording().aspects("smell")
    with pytest.raises(UnknownNameError, match="smell"):
        Wording().aspects("image", ["smell"])
    with pytest.raises(MissingFileError):
        Wording("no/such/folder")


def test_classes_from_files_lists_and_labels(tmp_path):
    (tmp_path / "c.txt").write_text("# mine\nfire  truck\n\ndrum\nfire truck\n")
    (tmp_path / "m.csv").write_text("uri,label,modality\na.png,cat,image\nb.png,dog,image\nc.png,cat,image\n")
    assert read_classes(str(tmp_path / "c.txt")) == ("fire truck", "drum")
    assert read_classes(str(tmp_path / "m.csv")) == ("cat", "dog")
    assert read_classes("drum, bell,,drum") == ("drum", "bell")
    assert len(read_classes(",".join(f"class {i}" for i in range(1000)))) == 1000
    for wrong in ("nowhere.txt", "no/where", str(tmp_path / "none.csv")):
        with pytest.raises(MissingFileError):
            read_classes(wrong)
    with pytest.raises(UnibindError, match="no categories"):
        read_classes(" , ")


# --- the command ---------------------------------------------------------------------------------------------------


def arguments(server, out, *more):
    start = [COMMAND, "knowledge", "generate", "drum,bell,harp", "--out", out, "--base-url", server.base_url]
    return [*map(str, start), "--model", "m", "--near", "0", "--modality", "image", *map(str, more)]


def run(server, out, *more, **environment):
    given = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"} | environment
    return subprocess.run(arguments(server, out, *more), capture_output=True, text=True, check=False, env=given)


def test_the_command_says_what_it_did_and_keeps_the_key_to_itself(server, tmp_path):
    server.token = "sk-secret-42"
    refused = run(server, tmp_path / "kb", OPENAI_API_KEY="sk-wrong-17")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    done = run(server, tmp_path / "kb", "--per-class", 20, "--json", OPENAI_API_KEY="sk-secret-42")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert all(facts["kept"] >= 20 for facts in said["classes"].values())
    written = b"".join(path.read_bytes() for path in (tmp_path / "kb").rglob("*") if path.is_file())
    for secret in ("sk-secret-42", "sk-wrong-17"):
        assert secret not in refused.stderr + refused.stdout + done.stdout + done.stderr
        assert secret.encode() not in written
    dry = run(server, tmp_path / "kb", "--per-class", 40, "--dry-run", "--price", "1/2", "--json")
    assert json.loads(dry.stdout)["m"]["cost"] > 0


def test_the_command_ends_with_1_where_classes_stay_thin(server, tmp_path):
    server.answer = refusal
    done = run(server, tmp_path / "kb", "--per-class", 20)
    assert done.returncode == 1
    assert "yields nothing new" in done.stdout
    assert "repeat themselves" in done.stderr


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing_and_pays_for_nothing_twice(tmp_path):
    """Twenty processes are killed at random moments, each while some requests are on their way. What was delivered
    to a process that then had no time to write it down may be asked again; nothing else may."""
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
