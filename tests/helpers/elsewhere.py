"""A device that is not the CPU, on a machine that has only one: nothing is computed there, but devices are checked.

`run_elsewhere(monkeypatch)` opens "meta" as a device of backbones. Their towers are built for it as for CUDA, and run
on tensors that know only their device and their shape. An operation on tensors of two devices raises, as on CUDA: one$
of them was created without `device=`, or does not move with its module.
"""

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from unibind import Audio, Depth, Events, Image, Imu, PointCloud, Text, Thermal
from unibind.backbones._shared.batching import collate
from unibind.backbones._shared.towers import FrozenTowers
from unibind.modalities.video import Video

DEVICE = "meta"


def forward(tower, batch):
    """A tower's output for a batch, with the device and shape that it would have: nothing is computed."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # a tensor beside the parameters is on the CPU

    def there(tensor):
        return FakeTensor(mode, tensor.detach().to("meta"), torch.device(DEVICE))

    state = {name: there(tensor) for name, tensor in [*tower.named_parameters(), *tower.named_buffers()]}
    batch = there(batch)
    with mode, torch.no_grad():
        return torch.func.functional_call(tower, state, (batch,))


def run_elsewhere(monkeypatch):
    """Let backbones be created with `device="meta"`; what they embed then is on that device."""
    cpu = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: torch.zeros(x.shape, dtype=x.dtype) if x.is_meta else cpu(x))
    monkeypatch.setattr(FrozenTowers, "embed", lambda self, name, batch, chunk=None: forward(self[name], batch))


class _Frames:
    def frames(self, timestamps_s):
        return np.zeros((len(timestamps_s), 30, 40, 3), np.uint8)


def one_of_each():
    """A raw item of every modality."""
    noise = np.random.default_rng(0)
    n = 400
    at = (noise.integers(0, 30, n).astype(np.int32), noise.integers(0, 20, n).astype(np.int32))
    items = [
        Text("a red dog"),
        Image(noise.integers(0, 255, (60, 90, 3), dtype=np.uint8)),
        Audio(noise.standard_normal(50_000).astype(np.float32) / 9, 22_050),
        Video(_Frames(), 2.0, 25.0, 40, 30),
        PointCloud(noise.standard_normal((900, 3)).astype(np.float32)),
        Thermal(noise.random((50, 40), dtype=np.float32), celsius=False),
        Events(np.arange(n), *at, noise.random(n) > 0.5, 30, 20),
        Depth(noise.random((30, 30), dtype=np.float32) * 9),
        Imu(noise.standard_normal((6, 700)).astype(np.float32), 200.0),
    ]
    return {item.modality: item for item in items}


def check_elsewhere(backbone):
    """Embed two items of each modality of a backbone that was created on this device."""
    items = one_of_each()
    for modality in backbone.modalities:
        batch = collate([backbone.preprocess(modality, items[modality])] * 2)
        z = backbone.encode(modality, batch)
        assert (z.device.type, tuple(z.shape)) == (DEVICE, (2, backbone.dim)), modality
