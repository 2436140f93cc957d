"""Search a store by a text or a file, in several modalities at once.

python examples/search_by_text_or_file.py "something with strings" --in image,event
"""

import argparse

import unibind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("query", help="a text, or the path of a file")
    parser.add_argument("--store", default="runs/demo/store")
    parser.add_argument("--model", help="a fitted model; without one, the backbone of the store is used")
    parser.add_argument("--in", dest="modalities", help="search only these modalities, separated by commas")
    parser.add_argument("--where", help="search only such items, such as \"label = 'harp'\"")
    args = parser.parse_args()

    modalities = args.modalities.split(",") if args.modalities else None
    hits = unibind.search(args.query, args.store, model=args.model, modalities=modalities, where=args.where, k=10)
    for hit in hits:
        print(f"{hit.rank:2}  {hit.score:.3f}  {hit.modality:12} {hit.label or ''}  {hit.uri or hit.text}")


if __name__ == "__main__":
    main()
