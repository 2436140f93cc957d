"""A package that adds a modality takes it all the way: read, inspect, encode, fit, classify, search, report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.plugins import install

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1] / "examples" / "unibind-radar"
COMMAND = Path(sys.executable).parent / "unibind"
CLASSES = ("walker", "car", "drone")
SPEED_CELL = {"walker": 17, "car": 24, "drone": 31}  # of 32, from -max to +max


def write_radar(path, category, seed):
    rng = np.random.default_rng(seed)
    power = rng.normal(-20, 1, (16, 32)).astype(np.float32)
    power[rng.integers(2, 14), SPEED_CELL[category]] = 10 + rng.normal()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RADAR1\n16 32 10\n" + power.tobytes())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with the plug-in installed, and radar files by split and class; the environment that sees it."""
    root = tmp_path_factory.mktemp("radar")
    install(PROJECT, root / "site")
    for s, split in enumerate(("train", "val", "test")):
        for c, category in enumerate(CLASSES):
            for i in range(4):
                write_radar(root / "data" / split / category / f"{i}.radar", category, 100 * s + 10 * c + i)
    (root / "data.rcsv").write_text("\n".join([",".join(["1"] * 32)] * 4))
    paths = [str(root / "site"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return root, os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def unibind(world, *arguments):
    root, environment = world
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_radar_file_is_read_and_pictured(world):
    inspected = unibind(world, "inspect", "data/test/car/0.radar", "data.rcsv", "--png", "seen.png", "--json")
    assert [item["modality"] for item in inspected] == ["radar", "radar"]
    assert inspected[0]["speeds"] == 32
    assert (world[0] / "seen.png").stat().st_size > 1000


def test_the_backbone_is_listed(world):
    listed = unibind(world, "backbones", "list", "--json")
    assert "radar_net" in [card["name"] for card in listed]


def test_radar_goes_from_files_to_a_report(world):
    encoded = unibind(world, "encode", "data", "--out", "store", "--backbone", "radar_net", "--workers", "1", "--json")
    assert encoded["encoded"] == 36
    (world[0] / "kb.jsonl").write_text(
        "".join(
            json.dumps({"category": c, "text": text}) + "\n"
            for c in CLASSES
            for text in (f"{c} on a radar", f"the echo of a {c}", f"{c} {c}")
        )
    )
    fitted = unibind(world, "fit", "store", "--out", "model", "--knowledge", "kb.jsonl", "--json")
    assert fitted["validation_top1"] == {"radar": 1.0}
    predictions = unibind(
        world, "classify", "data/test/car/1.radar", "data/test/drone/2.radar", "--model", "model", "--json"
    )
    assert [p["label"] for p in predictions] == ["car", "drone"]
    found = unibind(world, "search", "a drone", "--store", "store", "--model", "model", "-k", "3", "--json")
    assert [hit["label"] for hit in found["hits"]] == ["drone"] * 3
    unibind(world, "eval", "store", "--model", "model", "--out", "report", "--json")
    assert "radar" in (world[0] / "report" / "report.html").read_text()


def test_a_multimodal_model_is_shown_a_radar_map(world):
    script = (
        "import unibind; from unibind.modalities import RenderOptions, modality_spec;"
        "raw = unibind.read('data/test/car/0.radar');"
        "parts = modality_spec('radar').message(raw, RenderOptions());"
        "print([part['type'] for part in parts])"
    )
    root, environment = world
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=root)
    assert done.stdout.strip() == "['text', 'image_url']", done.stderr
