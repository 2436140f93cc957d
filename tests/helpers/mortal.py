"""A backbone whose workers die, once each: the one that reads some text, and the one that encodes another."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import torch

from tests.helpers.stuck import Stuck

READER, ENCODER, WAIT = "kill-reader", "kill-encoder", "wait-encoder"  # first words of texts
_MARKS = {ENCODER: 98, WAIT: 99}  # tokens that no axis counts


class Mortal(Stuck):
    """What it did is noted in `folder`, by the name of the deed, and not done again.

    A file "release" there ends the waits of encoders.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def preprocess(self, modality, raw):
        if modality != "text":
            return super(Stuck, self).preprocess(modality, raw)
        deed = raw.text.partition(" ")[0]
        tokens = super().preprocess(modality, raw)
        if deed == READER and self._first(deed):
            os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
            time.sleep(10_000)
        return torch.cat([tokens, torch.tensor([_MARKS[deed]])]) if deed in _MARKS else tokens

    def encode(self, modality, batch):
        if modality == "text" and (batch == _MARKS[ENCODER]).any() and self._first(ENCODER):
            os.kill(os.getpid(), signal.SIGKILL)
        while modality == "text" and (batch == _MARKS[WAIT]).any() and not Path(self.folder, "release").exists():
            time.sleep(0.05)
        return super().encode(modality, batch)

    def _first(self, deed):
        try:
            Path(self.folder, deed).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
