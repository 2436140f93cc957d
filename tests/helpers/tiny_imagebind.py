"""A tiny ImageBind with generated weights, under the names of public checkpoints."""

import torch

from unibind.backbones.imagebind.golden import golden, tiny_state

TOWERS = ("vision", "text", "audio", "thermal", "depth", "imu")
SIZES = dict.fromkeys(TOWERS, (2, 4))  # layers and heads


def public_shapes():
    return {name: tuple(shape) for name, shape in golden()["shapes"].items()}


def public_state(*towers):
    """Weights under their public names, of some towers or all, with the logit scales of the released model."""
    wanted = tuple(f".{tower}." for tower in towers)
    shapes = {n: s for n, s in public_shapes().items() if not towers or any(t in n for t in wanted)}
    scales = {"text": 100 / 7, "audio": 20.0, "depth": 5.0, "thermal": 10.0, "imu": 5.0}
    logs = {f"modality_postprocessors.{t}.1.log_logit_scale": torch.tensor(s).log() for t, s in scales.items()}
    return tiny_state(shapes) | {name: value for name, value in logs.items() if name in shapes}
