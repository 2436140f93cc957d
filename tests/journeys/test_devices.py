"""Where a backbone runs, in which precision and how: by the command and in Python."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unibind
from tests.helpers.command import run, run_json
from unibind.data.store import Store
from unibind.errors import UnibindError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with five pictures, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for i in range(5):
        Image.fromarray(np.full((16, 16, 3), 50 * i, np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path


@pytest.fixture
def compiled(monkeypatch):
    """The classes of modules that were to be compiled; they are not, which would take a minute."""
    classes = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: classes.append(type(module).__name__))
    yield classes
    torch._dynamo.reset()


@pytest.mark.slow
def test_a_store_does_not_depend_on_how_it_was_computed(compiled):
    run(
        "encode",
        "pictures",
        "--out",
        "a",
        "--backbone",
        "mini",
        "--workers",
        0,
        "--device",
        "cpu",
        "--set",
        "compile=true",
    )
    assert compiled == ["PictureTower"]
    unibind.encode("pictures", "b", backbone="mini", workers=0, progress=False)
    assert compiled == ["PictureTower"]
    a, b = (Store.open(path) for path in ("a", "b"))
    assert a.backbone == b.backbone
    assert a.contracts() == b.contracts()
    (hit, *_) = run_json("search", "a bell", "--store", "a", "--set", "compile=true")["hits"]
    assert compiled == ["PictureTower", "MiniLM"]
    assert hit["id"] == unibind.search("a bell", "b")[0].id


@pytest.mark.slow
def test_auto_is_a_precision_of_this_machine_and_is_remembered():
    run("encode", "pictures", "--out", "a", "--backbone", "mini", "--workers", 0, "--precision", "auto")
    chosen = unibind.create_backbone("mini", precision="auto")
    assert chosen.precision in ("float32", "bfloat16")
    assert Store.open("a").backbone[1].get("precision", "float32") == chosen.precision


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        (("--device", "cuda:99"), {"device": "cuda:99"}, "the device cuda:99 cannot be used here; choose one of: "),
        (("--set", "compile=maybe"), {"options": {"compile": "maybe"}}, "true or false for compile, not 'maybe'"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, arguments, message):
    assert message in run("encode", "pictures", "--out", "a", *options, code=2).stderr
    with pytest.raises(UnibindError, match=message):
        unibind.encode("pictures", "a", progress=False, **arguments)


def test_the_options_are_listed_with_their_meaning():
    listed = {option["name"]: option for option in run_json("backbones", "show", "mini")["options"]}
    assert listed["compile"]["default"] is False
    assert "torch.compile" in listed["compile"]["meaning"]
    assert listed["device"]["default"] is None
