"""Memory does not grow with the number of items: 20,000 generated items need what 200 need."""

import subprocess
import sys

import pytest

# Each item is an image of 64 KB, made when it is asked for; 20,000 of them would take 1.3 GB.
SCRIPT = """
import resource, sys
import numpy as np
import torch
import unibind
from tests.helpers.toy_store import KNOWLEDGE
from tests.helpers.toys import ToyBackbone

verb, count = sys.argv[1], int(sys.argv[2])

class FirstPixel(ToyBackbone):
    def preprocess(self, modality, raw):
        if modality == "image":
            return torch.from_numpy(raw.pixels[0, 0].astype(np.float32))
        return super().preprocess(modality, raw)

def images():
    for i in range(count):
        yield unibind.Image(np.full((147, 148, 3), i % 251, np.uint8))

model = unibind.UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=FirstPixel())
results = getattr(model, verb)(images())
assert len(results) == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_memory(verb, count):
    """Peak resident memory of a process that takes `count` items through a verb, in KB."""
    arguments = [sys.executable, "-c", SCRIPT, verb, str(count)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["embed", "classify"])
def test_20_000_items_need_the_memory_of_200(verb):
    assert peak_memory(verb, 20_000) < 1.1 * peak_memory(verb, 200)
