"""A batch is halved until it fits in memory, and an item that fails fails alone."""

import numpy as np
import pytest
import torch

from tests.helpers.toy_store import picture
from tests.helpers.toys import ToyBackbone
from unibind.data.batch_encoding import BatchEncoder, is_out_of_memory
from unibind.data.encode import embed
from unibind.errors import LimitError, UnibindError


class SmallMemory(ToyBackbone):
    """Holds `most` items at once, and none whose first number is above 150; NaN where it is below 60."""

    def __init__(self, most, error=MemoryError):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []

    def encode(self, modality, batch):
        self.sizes.append(len(batch))
        if len(batch) > self.most or (batch[:, 0] > 150).any():
            raise self.error("DefaultCPUAllocator: can't allocate memory")
        out = super().encode(modality, batch)
        out[batch[:, 0] < 60] = float("nan")
        return out


def encoded(backbone, values):
    failures = {}
    batch = torch.tensor([[value, 0.0, 1.0] for value in values])
    encoder = BatchEncoder(backbone, name=str, fail=failures.__setitem__)
    parts = encoder.encode("image", range(len(values)), batch)
    return {key: vector for keys, vectors in parts for key, vector in zip(keys, vectors, strict=True)}, failures


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, torch.OutOfMemoryError])
def test_what_fits_is_encoded_and_the_rest_fails_alone(error):
    values = [100, 200, 100, 30, 100, 100, 100]
    vectors, failures = encoded(SmallMemory(2, error), values)
    assert sorted(vectors) == [0, 2, 4, 5, 6]
    assert all(np.isfinite(vector).all() for vector in vectors.values())
    assert {key: failure.error for key, failure in failures.items()} == {1: "LimitError", 3: "NotFinite"}
    assert failures[1].message == "1 needs more memory than there is; make it smaller"


def test_a_batch_that_fits_is_encoded_at_once():
    backbone = SmallMemory(8)
    encoded(backbone, [100] * 8)
    assert backbone.sizes == [8]


def test_batches_stay_small_while_memory_is_short_and_grow_back():
    backbone = SmallMemory(3)
    encoder = BatchEncoder(backbone, name=str, fail=lambda key, why: pytest.fail(why.message))

    def sizes(batches):
        backbone.sizes.clear()
        for _ in range(batches):
            parts = list(encoder.encode("image", range(8), torch.full((8, 3), 100.0)))
            assert [key for keys, _ in parts for key in keys] == list(range(8))
        return backbone.sizes

    assert sizes(1) == [8, 4, 2, 2, 2, 2]
    assert sizes(2) == [4, *[2] * 8]  # 4 is tried again after four parts that fitted, and then after eight
    backbone.most = 8
    assert sizes(5) == [*[4] * 8, 8]


def test_other_errors_are_raised():
    with pytest.raises(RuntimeError, match="a bug"):
        encoded(SmallMemory(1, lambda _: RuntimeError("a bug")), [100, 100])
    assert not is_out_of_memory(RuntimeError("a bug"))


def test_embed_raises_for_an_item_that_does_not_fit():
    with pytest.raises(LimitError, match="needs more memory than there is"):
        embed([picture("red")], SmallMemory(1))


class Huge(ToyBackbone):
    """Preprocesses into more than may wait for its batch."""

    def preprocess(self, modality, raw):
        return torch.empty(1 << 27, dtype=torch.float32, device="cpu")  # 512 MiB, never touched


def test_an_item_of_unreasonable_size_is_refused():
    with pytest.raises(UnibindError, match=r"becomes 536,870,912 bytes of input for the backbone"):
        embed([picture("red")], Huge())
