"""Let a language model describe classes, then classify files by the descriptions.

ollama pull llama3.1
python examples/write_descriptions.py "drum, bell, dog" runs/demo/heptad/test/bell/0003.wav --out runs/kb
"""

import argparse

import unibind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classes", help="class names, separated by commas")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--out", required=True, help="the knowledge base; run again to continue")
    parser.add_argument("--model", default="llama3.1")
    parser.add_argument("--base-url", default="http://localhost:11434/v1", help="an OpenAI-compatible server")
    parser.add_argument("--per-class", type=int, default=20)
    args = parser.parse_args()

    classes = [name.strip() for name in args.classes.split(",")]
    unibind.KnowledgeBase.generate(
        classes, args.out, model=args.model, base_url=args.base_url, per_class=args.per_class
    )
    model = unibind.UniBind.zero_shot(knowledge=args.out)
    for prediction in model.classify(args.files):
        print(f"{prediction.item}: {prediction.label}, because: {prediction.description}")


if __name__ == "__main__":
    main()
