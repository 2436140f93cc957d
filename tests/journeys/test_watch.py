"""A folder that is watched: what is new or changed is encoded, what is removed is marked."""

import signal
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

import unibind
from tests.helpers.command import COMMAND, takes_interrupts
from tests.helpers.toys import ToyBackbone
from tests.helpers.waiting import until
from unibind.data.folder_state import folder_state
from unibind.errors import UnibindError

DEADLINE_S = 120


def paint(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3), level, np.uint8)).save(path)


def test_any_change_of_a_folder_changes_its_state(tmp_path):
    states = {folder_state([tmp_path])}
    paint(tmp_path / "a" / "1.png", 10)
    states.add(folder_state([tmp_path]))
    (tmp_path / "a").rename(tmp_path / "b")
    states.add(folder_state([tmp_path]))
    (tmp_path / "b" / "1.png").write_bytes(b"other")
    states.add(folder_state([tmp_path]))
    (tmp_path / "b" / ".hidden").touch()
    states.add(folder_state([tmp_path]))
    assert len(states) == 4


def test_python_keeps_a_store_up_to_date(tmp_path):
    folder, found, stop = tmp_path / "photos", [], threading.Event()
    folder.mkdir()
    how = {"backbone": ToyBackbone(), "workers": 0, "interval": 0.02, "stop": stop, "updated": found.append}
    run = threading.Thread(target=unibind.watch, args=(folder, tmp_path / "store"), kwargs=how)
    run.start()
    try:
        until(lambda: len(found) == 1)  # of an empty folder
        paint(folder / "cat" / "1.png", 10)
        paint(folder / "cat" / "2.png", 20)
        until(lambda: sum(summary.encoded for summary in found) == 2)
        paint(folder / "cat" / "1.png", 200)
        until(lambda: sum(summary.replaced for summary in found) == 1)
        (folder / "cat" / "2.png").unlink()
        until(lambda: found[-1].missing == 1)
        (folder / "cat" / "1.png").unlink()
        until(lambda: found[-1].missing == 2)
    finally:
        stop.set()
        run.join()
    assert unibind.Store.open(tmp_path / "store").counts() == {}


def test_only_folders_are_watched(tmp_path):
    (tmp_path / "m.csv").write_text("text\nred\n")
    with pytest.raises(UnibindError, match="only folders can be watched"):
        unibind.watch(tmp_path / "m.csv", tmp_path / "store", backbone=ToyBackbone())


@pytest.mark.slow
def test_the_command_goes_on_until_it_is_interrupted(tmp_path):
    paint(tmp_path / "photos" / "1.png", 10)
    command = [COMMAND, "encode", "photos", "--out", "store", "--watch", "--workers", "0"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=takes_interrupts)
    try:
        while "1 encoded" not in (line := run.stderr.readline()):
            assert line  # else it has ended
        paint(tmp_path / "photos" / "2.png", 20)
        while "1 encoded" not in (line := run.stderr.readline()):
            assert line
        run.send_signal(signal.SIGINT)
        assert "what was encoded is kept" in run.stderr.read()
        assert run.wait(DEADLINE_S) == 130
    finally:
        run.kill()
    assert unibind.Store.open(tmp_path / "store").counts() == {"image": 2}
