"""The option `compile`. Backends that need no C++ compiler stand for torch.compile's own, which takes a minute."""

from functools import partialmethod

import pytest
import torch
from torch import nn

from tests.helpers.labs import open_labs
from tests.helpers.tiny_imagebind import SIZES, public_state
from unibind.backbones import create_backbone
from unibind.backbones._shared.precision import Linear, to_precision
from unibind.backbones._shared.towers import FrozenTowers
from unibind.backbones.description import _options
from unibind.backbones.imagebind.points import PointTower
from unibind.backbones.registry import _built_in, find_spec
from unibind.errors import UnibindError
from unibind.modalities.text import Text

_COMPILE = nn.Module.compile


@pytest.fixture
def compiled(monkeypatch):
    """Compile by tracing alone; the list grows with every compilation."""
    graphs = []

    def trace(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", partialmethod(_COMPILE, backend=trace))
    torch._dynamo.reset()
    yield graphs
    torch._dynamo.reset()


class Texts(nn.Module):
    """Token ids [B, T], padded with 0 -> [B, 3]: the mean over the tokens."""

    def __init__(self):
        super().__init__()
        self.words = nn.Parameter(torch.randn(9, 3, generator=torch.Generator().manual_seed(0)))

    def forward(self, ids):
        kept = (ids != 0)[..., None]
        return (nn.functional.embedding(ids, self.words) * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)


def ids(*shape):
    return torch.randint(1, 9, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_one_compilation_serves_all_sizes_of_a_batch_and_lengths_of_texts(compiled):
    plain = FrozenTowers(lambda name: Texts(), "cpu")
    fast = FrozenTowers(lambda name: Texts(), "cpu", compile=True)
    for shape in [(4, 7), (3, 8), (9, 2), (1, 5), (2, 30)]:
        assert torch.equal(fast.embed("text", ids(*shape)), plain.embed("text", ids(*shape)))
    assert len(compiled) == 1


@pytest.mark.slow
def test_the_size_of_a_batch_is_free_and_that_of_a_picture_is_not(compiled):
    class Pictures(nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3))

    fast = FrozenTowers(lambda name: Pictures(), "cpu", compile=True)
    for compilations, shape in [(1, (4, 3, 2, 2)), (1, (3, 3, 2, 2)), (1, (2, 3, 2, 2)), (2, (4, 3, 5, 2))]:
        assert fast.embed("image", torch.ones(shape)).shape == shape[:2]
        assert len(compiled) == compilations


def test_nothing_is_compiled_unless_asked(compiled):
    FrozenTowers(lambda name: Texts(), "cpu").embed("text", ids(4, 7))
    assert not compiled


@pytest.mark.slow
def test_the_point_tower_compiles_all_but_its_sampling(monkeypatch):
    prepared = []
    monkeypatch.setattr(nn.Module, "compile", lambda part: prepared.append(part))
    tower = PointTower(8)
    assert FrozenTowers(lambda name: tower, "cpu", compile=True)["point_cloud"] is tower
    assert prepared == list(tower.stages)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_packed_layers_cannot_be_compiled(precision):
    tower = to_precision(nn.Sequential(Linear(32, 32)), precision)
    with pytest.raises(UnibindError, match="the image tower cannot be compiled in bfloat16 or int8 on a CPU, where"):
        FrozenTowers(lambda name: tower, "cpu", compile=True)["image"]


@pytest.mark.slow
def test_what_the_compiler_raises_is_one_sentence(monkeypatch):
    def no_compiler(graph, inputs):
        raise RuntimeError("No working C++ compiler found\nwith a long report")

    monkeypatch.setattr(nn.Module, "compile", partialmethod(_COMPILE, backend=no_compiler))
    towers = FrozenTowers(lambda name: Texts(), "cpu", compile=True)
    with pytest.raises(
        UnibindError, match=r"the text tower cannot be compiled here \(.*No working C\+\+ compiler found"
    ) as e:
        towers.embed("text", ids(2, 3))
    assert str(e.value).endswith("install a C++ compiler (and Triton for a GPU), or leave out compile")
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_backbone_compiles_and_keeps_its_contract_and_its_vectors(compiled):
    plain, fast = (create_backbone("mini", device="cpu", compile=compile) for compile in (False, True))
    assert fast.contract("text") == plain.contract("text")
    assert fast.options == plain.options  # a store does not remember it, as it does not remember the device
    batch = torch.stack([plain.preprocess("text", Text("a dog"))] * 2)
    torch.testing.assert_close(fast.encode("text", batch), plain.encode("text", batch), atol=1e-5, rtol=0)
    assert len(compiled) == 1


def test_every_backbone_passes_it_on(tmp_path, monkeypatch):
    prepared = []
    monkeypatch.setattr(nn.Module, "compile", lambda part: prepared.append(type(part).__name__))
    torch.save(public_state("thermal"), tmp_path / "imagebind_huge.pth")
    imagebind = create_backbone(
        "imagebind", weights=tmp_path / "imagebind_huge.pth", sizes=SIZES, device="cpu", compile=True
    )
    imagebind._towers["thermal"]
    create_backbone("mini", device="cpu", compile=True)._towers["image"]
    (tmp_path / "parts.toml").write_text('[text]\nbackbone = "mini"\n[image]\nbackbone = "mini"\n')
    composed = create_backbone(f"composed:{tmp_path / 'parts.toml'}", device="cpu", compile=True)
    composed.part("image")._towers["image"]
    assert prepared == ["Tower", "PictureTower", "PictureTower"]
    assert "compile" not in str(composed.options)


@pytest.mark.parametrize("kind", sorted(_built_in()))
def test_every_backbone_has_the_option(kind):
    option = next(o for o in _options(find_spec(kind)) if o.name == "compile")
    assert (option.default, "torch.compile" in option.meaning) == (False, True)


def test_a_part_that_cannot_be_compiled_is_named(tmp_path, monkeypatch):
    open_labs(monkeypatch)
    (tmp_path / "parts.toml").write_text('[text]\nbackbone = "lab_a"\n')
    create_backbone(f"composed:{tmp_path / 'parts.toml'}", device="cpu")
    with pytest.raises(UnibindError, match=r"\[text\] cannot be encoded by lab_a: the backbone .* not take compile"):
        create_backbone(f"composed:{tmp_path / 'parts.toml'}", device="cpu", compile=True)
