"""A backbone for radar and text. This file is light: listing backbones imports it, using one imports `backbone`."""

from collections.abc import Sequence

from unibind.backbones import Backbone, BackboneSpec, Card, License

CARD = Card(
    name="radar_net",
    summary="a toy encoder of range-Doppler maps",
    modalities=("text", "radar"),
    dim=8,
    license=License("MIT", commercial=True),
    weights="none: its answers follow from arithmetic",
)


def _create(
    argument: str | None = None, *, modalities: Sequence[str] | None = None, device: str | None = None
) -> Backbone:
    from .backbone import RadarNet

    return RadarNet(modalities, device or "cpu")


SPEC = BackboneSpec(CARD, _create)
