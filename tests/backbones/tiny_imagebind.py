"""A tiny ImageBind whose weights follow a rule, as public checkpoints hold it."""

from unibind.backbones.imagebind.golden import golden, tiny_state

SIZES = dict.fromkeys(("vision", "text", "audio", "thermal", "depth", "imu"), (2, 4))  # layers and heads


def public_shapes():
    return {name: tuple(shape) for name, shape in golden()["shapes"].items()}


def public_state(*towers):
    """Entries under their public names, of some towers or of all."""
    wanted = tuple(f".{tower}." for tower in towers)
    return tiny_state({n: s for n, s in public_shapes().items() if not towers or any(t in n for t in wanted)})
