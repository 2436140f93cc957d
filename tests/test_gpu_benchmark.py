"""The script that measures backbones on a device: its counting, and that no row can end the run."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Import a module of the folder, whose scripts import each other by their bare names."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = [path.stem for path in BENCHMARKS.glob("*.py")]
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


class Attention(nn.Module):
    """Tokens [B, 5, 4] -> [B, 5, 4]."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 4)

    def forward(self, x):
        return self.out(functional.scaled_dot_product_attention(x, x, x))


@pytest.mark.slow
def test_operations_are_two_per_multiplication_and_fused_kernels_are_counted(script):
    operations = script("timing").operations
    assert operations(nn.Linear(3, 7), torch.ones(3)) == 2 * 3 * 7
    assert operations(Attention(), torch.ones(5, 4)) == 2 * (5 * 4 * 5 + 5 * 5 * 4 + 5 * 4 * 4)


@pytest.mark.slow
def test_a_row_that_fails_or_takes_too_long_is_named_and_the_others_are_measured(script):
    gpu, subject = script("gpu"), script("full_size").Subject

    class Picky(nn.Linear):
        def forward(self, x):
            if len(x) == 2:
                raise RuntimeError("out of\nmemory")
            return super().forward(x)

    def no_weights(precision, device):
        raise FileNotFoundError("no weights")

    towers = gpu.Towers("cpu", 1e9, gpu.Clock(minutes=1))
    rows = list(towers.rows(subject("toy", "a", lambda *_: Picky(3, 7), torch.ones(3)), "float32", (1, 2, 4)))
    assert [row["problem"] for row in rows] == [None, "RuntimeError: out of memory", None]
    assert rows[2]["share_of_product"] == pytest.approx(42 * rows[2]["items_per_s_on_device"] / 1e9)
    rows = list(towers.rows(subject("toy", "b", no_weights, torch.ones(3)), "float32", (1, 2)))
    assert [row["problem"] for row in rows] == ["FileNotFoundError: no weights"] * 2
    late = gpu.Towers("cpu", 1e9, gpu.Clock(minutes=0))
    rows = list(late.rows(subject("toy", "a", lambda *_: Picky(3, 7), torch.ones(3)), "float32", (1,)))
    assert [row["problem"] for row in rows] == ["not measured: the time was over (--minutes)"]


@pytest.mark.slow
def test_every_backbone_with_towers_of_its_own_is_measured(script):
    from unibind.backbones.registry import backbone_specs

    measured = {name for name, _ in script("full_size").subjects()}
    without = {"composed", "open_clip", "sentence_transformers", "starter"}  # the module says why
    assert set(backbone_specs()) - without == measured - without
