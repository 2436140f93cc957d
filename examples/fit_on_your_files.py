"""From a folder of labeled files to a fitted model. Folders are label/file or split/label/file.

python examples/fit_on_your_files.py runs/demo/heptad --out runs/example
"""

import argparse
from pathlib import Path

import unibind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", help="a folder, or a manifest: CSV, JSONL or Parquet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--knowledge", help="descriptions of the classes; without them, names are used")
    parser.add_argument("--few-shot", type=int, help="training items per class and modality")
    args = parser.parse_args()

    encoded = unibind.encode(args.files, store=args.out / "store")
    print(f"items: {encoded.message}")

    model = unibind.fit(args.out / "store", knowledge=args.knowledge, few_shot=args.few_shot)
    for modality, accuracy in model.summary.validation_top1.items():
        if accuracy is not None:  # one item per class leaves none to hold out
            print(f"{modality}: {accuracy:.0%} right on items held out, {model.summary.chance[modality]:.0%} by chance")
    model.save_pretrained(args.out / "model")


if __name__ == "__main__":
    main()
