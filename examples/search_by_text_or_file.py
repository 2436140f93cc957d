"""Search a store by a text or a file, in several modalities at once.

python examples/search_by_text_or_file.py "something with strings" --modality image --modality event
"""

import argparse

import unibind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("query", help="a text, or the path of a file")
    parser.add_argument("--store", default="runs/demo/store")
    parser.add_argument("--model", help="a fitted model; without one, the backbone of the store is used")
    parser.add_argument("--modality", action="append", help="search only this modality; may be repeated")
    args = parser.parse_args()

    hits = unibind.search(args.query, args.store, model=args.model, modalities=args.modality, k=10)
    for hit in hits:
        print(f"{hit.rank:2}  {hit.score:.3f}  {hit.modality:12} {hit.label or ''}  {hit.uri or hit.text}")


if __name__ == "__main__":
    main()
