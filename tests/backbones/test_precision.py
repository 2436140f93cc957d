import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from unibind.backbones._shared import precision
from unibind.backbones._shared.precision import Linear, has_native_bfloat16, resolve_precision, to_precision
from unibind.errors import UnibindError, UnknownNameError


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return nn.Sequential(Linear(48, 96, gelu=True), Linear(96, 32))


@pytest.fixture
def x():
    return torch.randn(5, 7, 48, generator=torch.Generator().manual_seed(1))


def test_the_activation_belongs_to_the_layer(layers, x):
    first, second = layers
    plain = functional.linear(
        functional.gelu(functional.linear(x, first.weight, first.bias)), second.weight, second.bias
    )
    torch.testing.assert_close(layers(x), plain)


@pytest.mark.parametrize(("name", "least"), [("bfloat16", 0.9995), ("int8", 0.999)])
def test_lower_precisions_are_close_to_float32(layers, x, name, least):
    exact = layers(x)
    rough = to_precision(copy.deepcopy(layers), name)(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    cosine = functional.cosine_similarity(rough.float(), exact, dim=-1)
    assert least < cosine.min() < 1  # close, but not float32 by mistake


def test_float32_is_left_as_it_is(layers, x):
    assert torch.equal(to_precision(copy.deepcopy(layers), "float32")(x), layers(x))


def test_int8_follows_the_definition():
    linear = Linear(4, 2)
    linear.weight.data = torch.tensor([[1.27, -0.64, 0.0, 0.01], [0.5, 0.25, -1.0, 0.125]])
    linear.bias.data = torch.tensor([0.5, -0.5])
    x = torch.tensor([[2.55, 0.0, 1.0, 0.1], [-1.0, 0.3, 0.0, 2.0]]).bfloat16()
    found = to_precision(nn.Sequential(linear), "int8")(x).float()
    scale = (x.float().max() - x.float().min()) / 254
    zero = torch.round(-x.float().min() / scale)
    bytes_ = (torch.round(x.float() / scale) + zero).clamp(0, 255)
    steps = linear.weight.abs().amax(1) / 127
    weights = torch.round(linear.weight / steps[:, None])
    wanted = ((bytes_ - zero) @ weights.T) * scale * steps + linear.bias
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0.01)  # of a result in bfloat16


@pytest.mark.parametrize("x", [torch.zeros(2, 48), torch.full((2, 48), 3.0), torch.full((2, 48), -3.0)])
def test_int8_takes_constant_inputs(layers, x):
    exact = layers(x)
    rough = to_precision(layers, "int8")(x.bfloat16()).float()
    assert functional.cosine_similarity(rough, exact, dim=-1).min() > 0.99


def test_parameters_that_are_kept_stay_exact():
    class Table(nn.Module):
        keep_float32 = ("rows",)

        def __init__(self):
            super().__init__()
            self.rows = nn.Parameter(torch.ones(3))
            self.gain = nn.Parameter(torch.ones(3))

    table = to_precision(Table(), "bfloat16")
    assert (table.rows.dtype, table.gain.dtype) == (torch.float32, torch.bfloat16)


def test_the_hardware_decides_only_for_auto(monkeypatch):
    monkeypatch.setattr(precision, "has_native_bfloat16", lambda device: True)
    assert resolve_precision("auto", "cpu") == "bfloat16"
    assert resolve_precision("float32", "cpu") == "float32"
    monkeypatch.setattr(precision, "has_native_bfloat16", lambda device: False)
    assert resolve_precision("auto", "cpu") == "float32"
    assert resolve_precision("int8", "cpu") == "int8"


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_cuda_is_bfloat16_where_it_is_not_emulated(monkeypatch, native, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: including_emulation or native)
    assert resolve_precision("auto", "cuda:1") == precision
    assert resolve_precision("auto", "mps") == "float32"


def test_wrong_precisions_are_refused():
    with pytest.raises(UnknownNameError, match="unknown precision 'float8'"):
        resolve_precision("float8", "cpu")
    with pytest.raises(UnibindError, match="int8 runs on CPUs, not on cuda"):
        resolve_precision("int8", "cuda")
    assert has_native_bfloat16("meta") is False
