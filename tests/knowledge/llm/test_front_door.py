"""`KnowledgeBase.generate` and `KnowledgeBase.describe`: the same work as the commands, from Python."""

import asyncio
import json

import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from tests.helpers.llm_server import LLMServer, descriptions
from tests.helpers.toys import ToyBackbone
from unibind.cli import app
from unibind.data.manifest import Item
from unibind.errors import UnibindError, UnknownNameError
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.llm.budget import Price
from unibind.knowledge.llm.generate import generation_job
from unibind.knowledge.llm.session import RunOptions

PLAIN = {"max_similarity": None}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def write(request):
    """Twelve sentences that depend on nothing but the class and whether questions are asked."""
    prompt = request["messages"][-1]["content"]
    if "Ask good questions" in prompt:
        return json.dumps({"questions": [{"aspect": "looks", "question": "Which color does it have?"}]})
    about = prompt.split('"')[1]
    return descriptions(*(f"The {about} has a part with the number {i} on it." for i in range(12)))


@pytest.fixture
def server():
    with LLMServer(write) as running:
        yield running


def rows(base):
    """What a base says; classes are in the order in which the server answered, which differs from run to run."""
    return sorted((d.id, d.text, d.modality, d.aspect, d.generator, d.prompt_id) for d in base.descriptions)


def test_generate_in_python_equals_the_command(server, tmp_path):
    done = []
    result = KnowledgeBase.generate(
        ["drum", "bell"],
        tmp_path / "python",
        model="m",
        base_url=server.base_url,
        per_class=10,
        modalities=["image"],
        filters=PLAIN,
        progress=done.append,
    )
    assert (result.incomplete, sum(done)) == ([], 24)
    options = ["--model", "m", "--base-url", server.base_url, "--per-class", "10", "-m", "image"]
    command = ["knowledge", "generate", "drum,bell", "--out", str(tmp_path / "cli"), "--max-similarity", "0", *options]
    printed = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert printed | {"base": str(result.base)} == json.loads(json.dumps(result.to_json()))
    assert rows(KnowledgeBase.load(tmp_path / "python")) == rows(KnowledgeBase.load(tmp_path / "cli"))


def test_generate_runs_inside_an_event_loop(server, tmp_path):
    async def notebook():
        arguments = {"model": "m", "base_url": server.base_url, "per_class": 5, "modalities": ["image"]}
        return KnowledgeBase.generate(["drum"], tmp_path, filters=PLAIN, progress=False, **arguments)

    assert asyncio.run(notebook()).built.kept["drum"] == 12


def test_describe_takes_a_list_of_items(tmp_path):
    items = []
    for name in ("red", "blue"):
        Picture.new("RGB", (40, 40), name).save(tmp_path / f"{name}.png")
        items.append(Item(name, "image", uri=str(tmp_path / f"{name}.png"), label=name, split="train"))
    with LLMServer(lambda _: descriptions("A plain card that fills the view.")) as server:
        result = KnowledgeBase.describe(
            items, tmp_path / "kb", model="m", base_url=server.base_url, backbone=ToyBackbone()
        )
    assert (result.described, result.missing) == (2, {})
    assert set(KnowledgeBase.load(tmp_path / "kb").of_items()) == {"red", "blue"}


def test_a_backbone_decides_the_default_modalities(server, tmp_path):
    arguments = {"model": "m", "base_url": server.base_url}
    job = generation_job(["drum"], tmp_path, backbone=ToyBackbone(), **arguments)
    assert job.plan.modalities == ToyBackbone().modalities
    every = generation_job(["drum"], tmp_path, **arguments).plan.modalities
    assert len(every) == 7
    assert set(every).isdisjoint({"depth", "imu"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filters": {"near": 0.9}}, "max_similarity"),
        ({"model": ()}, "at least one model"),
        ({"modalities": ["audio"], "aspects": ["heat"]}, "none of the aspects"),
        ({"options": RunOptions(max_cost=1.0)}, "price"),
        ({"model": ("m", "n", "o"), "options": RunOptions(prices=(Price(1, 1),) * 2)}, "3 models"),
        ({"per_class": 0}, "at least 1"),
    ],
    ids=str,
)
def test_invalid_arguments_are_refused_before_anything_is_sent(server, tmp_path, arguments, words):
    with pytest.raises(UnibindError, match=words):
        generation_job(["drum"], tmp_path, **{"model": "m", "base_url": server.base_url} | arguments)
    assert not server.requests


def test_prices_are_parsed_and_refused():
    assert Price.parse("0.15/0.60") == Price(0.15, 0.6)
    with pytest.raises(UnibindError, match="IN/OUT"):
        Price.parse("cheap")
    with pytest.raises(UnibindError, match="concurrency"):
        RunOptions(concurrency=0)
    with pytest.raises(UnknownNameError, match="smell"):
        generation_job(["drum"], "unused", model="m", modalities=["smell"])
