"""Classify files by class names alone: without training and without labeled items.

python examples/classify_by_names.py "cat, dog, car" photos/*.jpg
"""

import argparse

import unibind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classes", help="class names, separated by commas")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()

    classes = [name.strip() for name in args.classes.split(",")]
    model = unibind.UniBind.zero_shot(classes=classes)
    for prediction in model.classify(args.files):
        print(f"{prediction.item}: {prediction.label} ({prediction.probability:.0%})")


if __name__ == "__main__":
    main()
