"""Train mini's towers for the grid of docs/results.md: several seeds, sizes of the pretrain split, kinds of captions.

    python benchmarks/heptad_towers.py --out runs/towers

For every cell, the towers are trained as mini's own were (`python -m unibind.backbones.mini.train`) and written to
OUT/named0.35-objects128-seed1, and so on; an interrupted run resumes where it stopped. Each of the default cells takes
about half an hour on 2 cores. Objects are generated once per seed, and smaller splits are the first of them.
"""

import argparse
from pathlib import Path

from unibind.backbones.mini.train import Data, prepare_data, train
from unibind.heptad.captions import NAMED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/towers"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the objects and of the training")
    parser.add_argument("--objects", type=int, nargs="+", default=[128], help="pretraining objects per category")
    parser.add_argument("--named", type=float, nargs="+", default=[NAMED], help="share of captions naming the category")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        data: Data | None = None
        for objects in sorted(arguments.objects):
            for named in arguments.named:
                out = arguments.out / f"named{named:g}-objects{objects}-seed{seed}"
                if (out / "README.md").exists():  # written last
                    continue
                data = data or prepare_data(max(arguments.objects), seed, arguments.workers)
                train(out, data.first(objects), named=named)


if __name__ == "__main__":
    main()
