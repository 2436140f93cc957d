"""Items that are also in another split are named by `eval`, also where they were saved in another format."""

import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from tests.helpers.command import run, run_json
from tests.helpers.reference import REFERENCE
from unibind.evaluate.stores import evaluate_store

pytestmark = pytest.mark.slow
