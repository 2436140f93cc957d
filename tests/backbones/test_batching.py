import torch

from unibind.backbones._shared.batching import collate


def test_token_ids_are_padded_with_zeros_on_the_right():
    batch = collate([torch.tensor([5, 6, 7]), torch.tensor([8]), torch.tensor([9, 1])])
    assert batch.tolist() == [[5, 6, 7], [8, 0, 0], [9, 1, 0]]
    assert batch.dtype == torch.int64


def test_everything_else_is_stacked():
    pictures = [torch.full((3, 2, 2), float(i)) for i in range(4)]
    assert torch.equal(collate(pictures), torch.stack(pictures))
    assert collate([torch.rand(7)]).shape == (1, 7)
    assert collate([torch.ones(2, 3, dtype=torch.long)] * 2).shape == (2, 2, 3)
