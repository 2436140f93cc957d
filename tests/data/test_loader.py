import torch

from unibind.data import loader as loading
from unibind.data.loader import batches


def items(*shapes):
    return [(i, "video", torch.full(shape, float(i))) for i, shape in enumerate(shapes)]


def test_items_of_different_shapes_go_into_separate_batches():
    found = list(batches(items((2, 3), (1, 3), (2, 3), (1, 3), (2, 3)), 2))
    assert [(keys, tuple(batch.shape)) for _, keys, batch in found] == [
        ([0, 2], (2, 2, 3)),
        ([1, 3], (2, 1, 3)),
        ([4], (1, 2, 3)),
    ]
    assert torch.equal(found[0][2][1], torch.full((2, 3), 2.0))


def test_large_items_make_smaller_batches(monkeypatch):
    monkeypatch.setattr(loading, "_HELD", 100)  # bytes: three items of 32 fit
    found = list(batches(items(*[(8,)] * 7), 64))
    assert [keys for _, keys, _ in found] == [[0, 1, 2, 3], [4, 5, 6]]


def test_padding_to_one_long_sequence_does_not_grow_a_batch(monkeypatch):
    monkeypatch.setattr(loading, "_HELD", 400)
    lengths = [5, 300, 7, 6, 4, 250]
    rows = [(i, "text", torch.ones(length, dtype=torch.uint8)) for i, length in enumerate(lengths)]
    found = list(batches(iter(rows), 64))
    assert sorted(key for _, keys, _ in found for key in keys) == list(range(6))
    assert all(batch.nbytes <= 400 for _, _, batch in found)
    assert max(len(keys) for _, keys, _ in found) == 4


def test_what_waits_stays_bounded_over_many_shapes(monkeypatch):
    monkeypatch.setattr(loading, "_HELD", 400)
    waiting, most = {}, 0

    def counted():
        nonlocal most
        for key, modality, tensor in items(*[(1 + i % 13, 2) for i in range(200)]):
            waiting[key] = tensor.nbytes
            most = max(most, sum(waiting.values()))
            yield key, modality, tensor

    for _, keys, _ in batches(counted(), 64):
        for key in keys:
            del waiting[key]
    assert not waiting
    assert 300 < most <= 400 + 13 * 2 * 4
