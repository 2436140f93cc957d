"""What all backbones share: devices, frozen towers, and the checks on their inputs."""

import pickle

import pytest
import torch
from torch import nn

from unibind.backbones._shared.device import resolve_device
from unibind.backbones._shared.towers import FrozenTowers, check_item, select_modalities
from unibind.errors import UnibindError, UnknownNameError
from unibind.modalities.text import Text


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_best_device_is_chosen_unless_one_is_given(monkeypatch, cuda, mps, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device(None) == device
    assert resolve_device("cpu") == "cpu"


class Loader:
    """Builds towers and records their names."""

    def __init__(self):
        self.loaded = []

    def load(self, name):
        self.loaded.append(name)
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))


@pytest.fixture
def loader():
    return Loader()


def test_a_tower_is_built_once_when_it_is_first_used(loader):
    towers = FrozenTowers(loader.load, "cpu")
    assert not towers.built
    towers.embed("a", torch.ones(1, 4))
    towers.embed("a", torch.ones(1, 4))
    assert (loader.loaded, list(towers.built)) == (["a"], ["a"])


def test_towers_stay_frozen(loader):
    towers = FrozenTowers(loader.load, "cpu")
    x = torch.randn(5, 4)
    z = towers.embed("a", x)
    towers["a"].train()
    towers.built["a"].train()
    assert torch.equal(towers.embed("a", x), z)  # without dropout
    assert not any(p.requires_grad for p in towers["a"].parameters())
    assert not z.is_inference() and not z.requires_grad


def test_chunks_change_nothing_and_lengths_only_on_demand(loader):
    x = torch.randn(5, 4)
    plain = FrozenTowers(loader.load, "cpu").embed("a", x)
    torch.testing.assert_close(FrozenTowers(loader.load, "cpu").embed("a", x, chunk=2), plain)
    unit = FrozenTowers(loader.load, "cpu", normalize=True).embed("a", x)
    torch.testing.assert_close(unit, nn.functional.normalize(plain, dim=-1))


def test_a_pickle_contains_no_tower(loader):
    towers = FrozenTowers(loader.load, "cpu")
    z = towers.embed("a", torch.ones(1, 4))
    copy = pickle.loads(pickle.dumps(towers))
    assert not copy.built
    assert torch.equal(copy.embed("a", torch.ones(1, 4)), z)


def test_modalities_are_selected_from_those_offered():
    assert select_modalities(None, ("text", "image")) == ("text", "image")
    assert select_modalities(["image"], ("text", "image")) == ("image",)
    with pytest.raises(UnknownNameError, match="unknown modality 'audio'; choose one of: text, image"):
        select_modalities(["audio"], ("text", "image"))
    with pytest.raises(UnibindError, match="no modality was requested"):
        select_modalities([], ("text", "image"))


def test_an_item_must_have_the_modality_of_the_tower():
    check_item("text", Text("a dog"), ("text",))
    with pytest.raises(UnibindError, match="the image tower was given text; pass the item's own modality"):
        check_item("image", Text("a dog"), ("image", "text"))
    with pytest.raises(UnknownNameError, match="unknown modality 'text'; choose one of: image"):
        check_item("text", Text("a dog"), ("image",))


# --- devices -------------------------------------------------------------------------------------------------------


@pytest.fixture
def copies(monkeypatch):
    """What a tower on CUDA would do, on a CPU: (what, shape of the tensor), in this order."""
    done = []

    def pin_memory(tensor):
        done.append(("pin", tuple(tensor.shape)))
        return tensor.clone()

    def to(tensor, device, non_blocking=False):
        done.append((f"to {device}" + " without waiting" * non_blocking, tuple(tensor.shape)))
        return tensor

    def cpu(tensor):
        done.append(("to cpu", tuple(tensor.shape)))
        return tensor

    for method in (pin_memory, to, cpu):
        monkeypatch.setattr(torch.Tensor, method.__name__, method)
    return done


def test_on_cuda_batches_go_there_from_pinned_memory_and_come_back_once(loader, copies):
    x = torch.randn(5, 4)
    z = FrozenTowers(loader.load, "cuda:1", normalize=True).embed("a", x, chunk=2)
    chunks = [(what, shape) for shape in [(2, 4), (2, 4), (1, 4)] for what in ("pin", "to cuda:1 without waiting")]
    assert copies == [*chunks, ("to cpu", (5, 3))]
    copies.clear()
    torch.testing.assert_close(FrozenTowers(loader.load, "cpu", normalize=True).embed("a", x), z)
    assert copies == [("to cpu", (5, 4)), ("to cpu", (5, 3))]  # neither copies anything there


def test_only_cuda_has_pinned_memory(loader, copies):
    FrozenTowers(loader.load, "mps").embed("a", torch.randn(2, 4))
    assert copies == [("to mps", (2, 4)), ("to cpu", (2, 3))]


def test_float32_is_not_rounded_to_tf32_in_convolutions():
    seen = []

    class Tower(nn.Module):
        def forward(self, x):
            seen.append(torch.backends.cudnn.allow_tf32)
            return x

    before = torch.backends.cudnn.allow_tf32
    FrozenTowers(lambda name: Tower(), "cpu").embed("a", torch.ones(2, 3))
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before
