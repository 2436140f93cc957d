"""The example of docs/how-to/add-a-backbone.md is a backbone that an installed package can add."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from unibind.backbones import Backbone, backbone_specs, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.errors import UnibindError, UnknownNameError
from unibind.modalities.image import Image
from unibind.modalities.text import Text

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-backbone.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The example as pip installs it: a module, and a dist-info with its entry point."""
    (code,), (entry,) = blocks("python"), blocks("toml")
    (tmp_path / "colors.py").write_text(code)
    info = tmp_path / "colors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: colors\nVersion: 1.0\n")
    groups = tomllib.loads(entry)["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {target}\n" for group, e in groups.items() for name, target in e.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("colors", None)


def test_the_example_encodes_through_create_backbone(installed):
    backbone = create_backbone("colors", gamma=2.0)
    assert isinstance(backbone, Backbone)
    texts = [Text("a red dog beside a red car"), Text("Green")]
    z = backbone.encode("text", collate([backbone.preprocess("text", text) for text in texts]))
    assert z.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    picture = Image(np.full((4, 5, 3), (0, 102, 51), np.uint8))
    seen = backbone.encode("image", backbone.preprocess("image", picture)[None])
    expected = torch.tensor([[0.0, 4.0, 1.0]]) / 17**0.5  # (2, 1) squared
    torch.testing.assert_close(seen, expected)
    backbone.contract("text").check_comparable(backbone.contract("image"))


def test_its_name_and_options_rebuild_the_example(installed):
    backbone = create_backbone("colors", modalities=["image"], gamma=2.0)
    again = create_backbone(backbone.name, **backbone.options)
    assert again.contract("image") == backbone.contract("image") != create_backbone("colors").contract("image")
    with pytest.raises(UnknownNameError, match="unknown modality 'text'"):
        backbone.preprocess("text", Text("red"))
    with pytest.raises(UnibindError, match=r"colors does not take size; its options are modalities, gamma"):
        create_backbone("colors", size="large")


def test_the_example_is_listed_with_its_card(installed):
    assert backbone_specs()["colors"].card.summary == "three colors"


def test_the_example_is_as_short_as_it_claims():
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
