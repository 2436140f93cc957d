"""Golden numbers of the reference implementations, and the sample files that some of them were computed from.

The numbers are in `tests/fixtures`; the sample files are not part of the repository (their licenses differ). A test
that reads a sample file is marked `reference` and is skipped where the files are missing.
"""

import json
from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parents[1] / "fixtures" / "reference"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"

SAMPLE_FILES = {
    "image": ("bird_image.jpg", "car_image.jpg", "dog_image.jpg", "image_chair.jpg", "image_dog.jpg"),
    "audio": ("audio_airplane.wav", "audio_car.wav", "bird_audio.wav", "car_audio.wav", "dog_audio.wav"),
    "point_cloud": (
        *("Duck.glb", "ballA.off", "bunny.ply", "chair_model.obj", "octagonal_pocket.stl"),
        *("point_airplane.pt", "point_car.pt"),
    ),
    "thermal": ("Flir_E40.jpg", "thermal_background.jpg", "thermal_people.jpg"),
    "video": ("video_autos.mp4", "video_education.mp4"),
    "event": ("event_gerenuk.png", "event_ibis.png", "sample.aedat4", "sample_ncars.dat", "sample_nmnist.bin"),
}

PREPROCESSING = json.loads((REFERENCE / "preprocessing.golden.json").read_text())
"""By "kind:file": the shape, mean, std and 64 values of the tensor that the reference makes of a sample file."""

CHECKPOINTS = ("imagebind_huge", "pointbind_i2pmae")


def checkpoint_entries(name):
    """Name, shape and dtype of each entry of a public checkpoint."""
    rows = [line.split("\t") for line in (REFERENCE / f"{name}.keys.tsv").read_text().splitlines()[1:]]
    return [(entry, tuple(json.loads(shape)), dtype) for entry, shape, dtype in rows]


def sampled(values):
    """The 64 values of an array that the golden file records."""
    flat = np.asarray(values).reshape(-1)
    return flat[np.floor(np.linspace(0, flat.size - 1, 64)).astype(int)]
