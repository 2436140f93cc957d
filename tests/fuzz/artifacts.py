"""Seeded mutations of what unibind itself writes and reads: models, bridges, stores, bases, tables.

Every mutation must load to something that works, or raise UnibindError with one sentence. `python -m
tests.fuzz.artifacts COUNT [FIRST]` runs as many seeds, from a new one where none is given, and prints what breaks that
rule.
"""

import copy
import io
import json
import random
import shutil
import struct
import sys
import tempfile
import traceback
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow
import safetensors.torch
import torch
from pyarrow import parquet

from tests.helpers.released import centers, pickled
from tests.helpers.toy_store import KNOWLEDGE, SwappedColors, filled_store, picture
from unibind import UniBind, serialization
from unibind.affine import AffineMap
from unibind.align.calibration import Calibration, LabelOdds
from unibind.align.heads import Head
from unibind.align.unknown import Unknowns
from unibind.backbones._shared.bridge_file import Bridge, BridgeEndpoints
from unibind.backbones._shared.checkpoints import open_checkpoint
from unibind.backbones._shared.class_texts import class_texts
from unibind.backbones._shared.repository import Repository
from unibind.backbones.classifier.labels import read_labels
from unibind.backbones.composed.table import load_parts
from unibind.compat.pickled_centers import load_centers_pickle
from unibind.data.intake import read_manifest
from unibind.data.store import Store
from unibind.data.store_means import store_means
from unibind.errors import UnibindError
from unibind.fit_summary import FitSummary
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.building import rebuild
from unibind.knowledge.embedding_cache import EmbeddingCache
from unibind.knowledge.journal import Answer, Journal
from unibind.knowledge.llm.prompts import PromptLibrary
from unibind.knowledge.opening import read_descriptions

DEEP = 100_000  # brackets
EVIL = (
    None, True, -1, 0, 3.5, 1 << 70, -(1 << 63), float("nan"), float("inf"), "", "x" * 10_000, "\ud800", "a\x1b[31m\n",
    "\x00", [], {}, [[]], [None], {"": None}, "../../etc/passwd", [1] * 1000, ["a"] * 3,
)  # fmt: skip


# --- mutations of content: (random, bytes) -> bytes -----------------------------------------------------------------


def flip(rng, data):
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def truncate(rng, data):
    return data[: rng.randrange(len(data))]


def overwrite(rng, data):
    start = rng.randrange(len(data))
    noise = rng.choice((bytes(16), b"\xff" * 16, rng.randbytes(16), b"[" * 16))
    return data[:start] + noise + data[start + 16 :]


def repeat(rng, data):
    start = rng.randrange(len(data))
    return data[:start] + data[start : start + 64] * 2 + data[start + 64 :]


BYTES = (flip, truncate, overwrite, repeat)


def mutate_value(rng, value):
    """A copy of parsed JSON with one place replaced, removed, added or repeated."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return rng.choice(EVIL)
    parent, key = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[rng.choice(("extra", "", "format", "__metadata__"))] = rng.choice(EVIL)
    elif kind == 1:
        parent.insert(key, copy.deepcopy(parent[key]))
    elif kind == 2 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = rng.choice((-parent[key], parent[key] * 1e300, parent[key] + 1, str(parent[key]), float("nan")))
    else:
        parent[key] = rng.choice(EVIL)
    return value


def _places(value):
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def mutate_json(rng, data):
    if rng.random() < 0.1:
        return rng.choice((b"[" * DEEP, b'{"a":' * DEEP, b"null", b"", b"\xff\xfe", b"\xef\xbb\xbf" + data))
    return _json(mutate_value(rng, json.loads(data)))


def _json(value):
    return json.dumps(value, ensure_ascii=True).encode()


def mutate_json_lines(rng, data):
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at] = mutate_json(rng, lines[at]) + b"\n"
    return b"".join(lines)


def mutate_safetensors(rng, data):
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    kind = rng.randrange(4)
    if kind == 0 and body:
        at = rng.randrange(len(body) // 4) * 4
        body[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 1e38, -1.0, 0.0)))
    elif kind == 1 and "__metadata__" in header:
        name = rng.choice(list(header["__metadata__"]))
        header["__metadata__"][name] = mutate_json(rng, header["__metadata__"][name].encode()).decode("latin-1")
    else:
        header = mutate_value(rng, header)
    text = _json(header)
    return struct.pack("<Q", len(text)) + text + bytes(body)


def mutate_parquet(rng, data):
    table = parquet.read_table(io.BytesIO(data))
    kind = rng.randrange(7)
    name = rng.choice(table.column_names)
    at, count = table.column_names.index(name), len(table)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.set_column(at, name, pyarrow.array([[1, 2]] * count))
    elif kind == 2:
        table = table.set_column(at, name, pyarrow.array([b"\xff\xfe"] * count, pyarrow.binary()))
    elif kind == 3:
        number = rng.choice((None, 1.5, float("nan")))
        table = table.set_column(at, name, pyarrow.array([number] * count, pyarrow.float64()))
    elif kind == 4:
        broken = pyarrow.array([b"\xff\xfe"] * count, pyarrow.binary()).view(pyarrow.string())
        table = table.set_column(at, name, broken)
    elif kind == 5:
        table = table.set_column(at, name, pyarrow.array([rng.choice(("", " ", "\x1b", "a" * 2_000_000))] * count))
    else:
        table = table.slice(0, rng.choice((0, 1)))
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


MUTATORS = {
    ".json": (mutate_json, mutate_json, mutate_json, *BYTES),
    ".jsonl": (mutate_json_lines, mutate_json_lines, mutate_json_lines, *BYTES),
    ".safetensors": (mutate_safetensors, mutate_safetensors, mutate_safetensors, *BYTES),
    ".parquet": (mutate_parquet, mutate_parquet, mutate_parquet, *BYTES),
}


# --- what is written, and how it is read ------------------------------------------------------------------------------


def write_model(folder):
    rng = np.random.default_rng(0)
    zero_shot = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=SwappedColors())
    weight = np.eye(8) + rng.normal(0, 0.1, (8, 8))
    head = Head(AffineMap(weight.astype(np.float32), np.zeros(8, np.float32)))
    fitted = UniBind(
        SwappedColors(),
        heads={"image": head},
        centers=zero_shot.centers,
        calibration={
            "image": Calibration(10.0, Unknowns(9.0, -1.0, (0.3, 0.2, 0.1)), LabelOdds(9.0, (-1.0, -1.5, -2.0)))
        },
        means=zero_shot.means,
        knowledge=KNOWLEDGE,
        summary=FitSummary(
            store_version=1,
            learned_parameters=72,
            class_items={"image": {"red": 3, "green": 2}},
            method="gradient",
            penalty={"image": 3.0},
            unfitted=[],
            validation_top1={"image": 1.0},
            measured_on={"image": "validation"},
            history={"image": [{"loss": 0.5}]},
        ),
    )
    fitted.save_pretrained(folder)


def load_model(folder):
    with mock.patch.object(
        serialization, "create_backbone", lambda name, *, modalities=None, **options: SwappedColors()
    ):
        loaded = UniBind.from_pretrained(folder)
    for asked in ({"none_prior": 0.1}, {"false_accept_rate": 0.5}, {"multi_label": True}):
        answer = loaded.classify(picture("red"), **asked)
        numbers = [answer.probability, answer.none_probability or 0.0, *(share for _, share in answer.candidates)]
        assert np.isfinite(numbers).all(), numbers
    loaded.explain(picture("red"))


def write_bridge(folder):
    weight = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    endpoints = BridgeEndpoints("audio", "t", "s", "a", "x")
    Bridge(AffineMap(weight, np.zeros(6, np.float32)), endpoints, {"texts": 3}).save(folder / "bridge.safetensors")


def load_bridge(folder):
    bridge = Bridge.load(folder / "bridge.safetensors")
    assert np.isfinite(bridge.map(np.ones((2, bridge.map.dim_in), np.float32))).all()


def write_store(folder):
    store = filled_store(folder, SwappedColors(), splits=("train",), per_category=1)
    store.note_backbone("toy", {"clips": 2})
    store_means(store)


def load_store(folder):
    store = Store.open(folder)
    store.quarantined()
    store.splits()
    for modality in store.modalities():
        assert np.isfinite(store.vectors(modality).vectors).all()
    assert all(np.isfinite(mean.vector).all() for mean in store_means(store).values())


TEXTS = ["a", "b", "c"]


def write_base(folder):
    with Journal(folder) as journal:
        for i, name in enumerate(("cat", "dog")):
            texts = [f"A {name} has a long tail.", f"The {name} sleeps near the warm stove."]
            journal.append_answer(
                Answer(f"k{i}", "category", name, None, None, None, "p", "m", texts, json.dumps(texts), created="2026")
            )
        rebuild(journal)
        _embeddings(folder).add(TEXTS, np.eye(3, 8, dtype=np.float32))
        journal.edit(next(iter(KnowledgeBase.load(folder).descriptions)).id, "A cat is soft to the touch.")


def _embeddings(folder):
    return EmbeddingCache(folder / "embeddings", SwappedColors().contract("text"))


def load_base(folder):
    cached = _embeddings(folder)
    if cached.has(TEXTS).all():
        assert np.isfinite(cached.vectors(TEXTS)).all()
    KnowledgeBase.load(folder)
    with Journal(folder) as journal:
        rebuild(journal)
    KnowledgeBase.load(folder)


ROWS = [
    {"uri": "a.png", "modality": "image", "label": "cat", "description": "A cat.", "category": "cat", "text": "A cat."},
    {"uri": "b.wav", "modality": "audio", "label": "dog", "description": "A dog.", "category": "dog", "text": "A dog."},
]
LISTS = {"cat": ["A cat.", "whiskers"], "dog": ["A dog.", "a wet nose"]}
ITEMS = [{"data": "a.png", "label": "cat", "description": "A cat."}]


def write_tables(folder):
    for name, columns in (("items", ("uri", "modality", "label")), ("base", ("category", "text"))):
        rows = [{column: row[column] for column in columns} for row in ROWS]
        (folder / f"{name}.jsonl").write_bytes(b"".join(_json(row) + b"\n" for row in rows))
        text = "\n".join([",".join(columns), *(",".join(row.values()) for row in rows)]) + "\n"
        (folder / f"{name}.csv").write_text(text)
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{name}.parquet")
    (folder / "lists.json").write_bytes(_json(LISTS))
    (folder / "unibind.json").write_bytes(_json(ITEMS))
    (folder / "parts.toml").write_text(
        '[text]\nbackbone = "mini"\n[image]\nbackbone = "mini"\noptions = { clips = 2 }\n'
    )


def load_tables(folder):
    for path in sorted(folder.iterdir()):
        for read in (load_parts,) if path.suffix == ".toml" else (read_manifest, read_descriptions):
            _valid_or_refused(lambda: read(path))  # noqa: B023


def write_weights(folder):
    state = {"a.weight": torch.randn(4, 3), "b.count": torch.arange(5), "c": torch.ones(2, dtype=torch.float16)}
    torch.save(state, folder / "state.pth")
    torch.save({"state_dict": state}, folder / "old.pth", _use_new_zipfile_serialization=False)
    (folder / "state.safetensors").write_bytes(safetensors.torch.save(state))
    pickled(folder / "centers.pkl", centers(4))
    (folder / "prompts").mkdir()
    (folder / "prompts" / "descriptions.txt").write_text("version: 1\n\nDescribe {category} in {count} sentences.")


def load_weights(folder):
    for name in ("state.pth", "old.pth", "state.safetensors"):
        _valid_or_refused(lambda: _read_all(folder / name))  # noqa: B023
    _valid_or_refused(lambda: load_centers_pickle(folder / "centers.pkl"))
    _valid_or_refused(lambda: PromptLibrary(folder / "prompts").descriptions("cat", "image", "looks", 3))


def _read_all(path):
    file = open_checkpoint(path)
    assert sum(tensor.nbytes for _, tensor in file.stream(file.shapes)) <= 2 * path.stat().st_size


LABELS = ("cat, house cat", "golden_retriever", "bus")


def write_classifier(folder):
    config = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "problem_type": None}
    (folder / "config.json").write_bytes(_json(config | {"id2label": {str(i): n for i, n in enumerate(LABELS)}}))
    texts = class_texts(LABELS, {"house cat": ["it purrs", "it sleeps"], "bus": ["it is long"]})
    texts.save(folder / "classes.parquet")


def load_classifier(folder):
    labels = read_labels(Repository(folder)).labels
    texts = class_texts(labels, str(folder / "classes.parquet"))
    assert all(texts.texts) and len(texts.texts) == len(labels) > 1
    assert texts.digest and [text.encode() for each in texts.texts for text in each]  # tokenizers take UTF-8


ARTIFACTS = {
    "classifier": (write_classifier, load_classifier),
    "weights": (write_weights, load_weights),
    "model": (write_model, load_model),
    "bridge": (write_bridge, load_bridge),
    "store": (write_store, load_store),
    "base": (write_base, load_base),
    "tables": (write_tables, load_tables),
}


def _valid_or_refused(load):
    """Whether it loads; anything but a UnibindError of one line is raised."""
    try:
        load()
    except UnibindError as error:
        message = str(error)
        assert message, repr(error)
        assert len(message) < 3000, f"a message of {len(message)} characters: {message[:300]}"
        return False
    return True


def check(seed, pristine, scratch):
    """Mutate one file of one artifact and load it; returns what was done."""
    rng = random.Random(seed)
    kind = rng.choice(list(ARTIFACTS))
    folder = scratch / f"{kind}-{seed}"
    shutil.copytree(pristine / kind, folder)
    path = rng.choice(sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"))
    mutate = rng.choice(MUTATORS.get(path.suffix, BYTES))
    done = f"seed {seed}: {mutate.__name__} of {path.relative_to(folder)} of the {kind}"
    try:
        data = path.read_bytes()
        path.write_bytes(mutate(rng, data) if data else b"x")
        _valid_or_refused(lambda: ARTIFACTS[kind][1](folder))
    except BaseException as error:
        raise AssertionError(done) from error
    finally:
        shutil.rmtree(folder)
    return done


def write_all(pristine):
    for kind, (write, _) in ARTIFACTS.items():
        (pristine / kind).mkdir(parents=True)
        write(pristine / kind)


def main(count, first):
    """Run seeds; the exit status says whether one broke the rule."""
    with tempfile.TemporaryDirectory() as name:
        pristine, scratch = Path(name) / "pristine", Path(name) / "scratch"
        scratch.mkdir()
        write_all(pristine)
        broken = 0
        for seed in range(first, first + count):
            try:
                check(seed, pristine, scratch)
            except AssertionError as error:
                broken += 1
                print(error, "".join(traceback.format_exception(error.__cause__)[-6:]), sep="\n", flush=True)
        print(f"{count} mutations from seed {first}, {broken} broke the rule")
    return int(broken > 0)


if __name__ == "__main__":
    chosen = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*chosen, *[random.randrange(1 << 30)][len(chosen) - 1 :]))
