"""Progress where there is no terminal: one line now and then, and a last one."""

import re
import time

import pytest

from unibind import progress
from unibind.progress import busy, progress_bar, progress_stages


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL_S", 0.02)


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def wait_for_lines(capsys, count):
    seen = []
    while len(seen) < count:
        time.sleep(0.005)
        seen += lines(capsys)
    return seen


def test_a_line_says_how_much_is_done_and_a_last_line_follows(often, capsys):
    with progress_bar("encoding", 8640) as advance:
        advance(1200)
        (first, *_) = wait_for_lines(capsys, 1)
        advance(7440)
    assert first.startswith("encoding: 1,200 of 8,640 after 0:0")
    assert lines(capsys)[-1].startswith("encoding: 8,640 of 8,640 after 0:0")


def test_the_stage_that_advanced_last_is_reported(often, capsys):
    with progress_stages() as stage:
        first, second = stage("fitting audio", 400), stage("fitting image", None)
        assert wait_for_lines(capsys, 1)[-1].startswith("fitting image: after 0:0")
        first(40)
        assert any(line.startswith("fitting audio: 40 of 400") for line in wait_for_lines(capsys, 1))
        second(3)
        assert any(line.startswith("fitting image: 3 after") for line in wait_for_lines(capsys, 1))


def test_work_of_unknown_length_is_reported(often, capsys):
    with busy("measuring"):
        assert wait_for_lines(capsys, 1)[0].startswith("measuring: after 0:0")


def test_short_work_and_silenced_work_print_nothing(monkeypatch, capsys):
    with progress_bar("encoding", 3) as advance:
        advance(3)
    monkeypatch.setattr(progress, "INTERVAL_S", 0.001)
    with progress_bar("encoding", 3, show=False) as advance:
        time.sleep(0.02)
        advance(3)
    assert lines(capsys) == []


def test_an_error_in_the_work_ends_the_reports(often, capsys):
    with pytest.raises(ValueError, match="stop"), progress_bar("encoding", 3):
        raise ValueError("stop")
    lines(capsys)
    time.sleep(0.06)
    assert lines(capsys) == []


def test_minutes_and_hours_are_counted_in_minutes():
    assert re.search(r"after 61:05$", progress._Count("x", 1).line(3665.9))
