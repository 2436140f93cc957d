import os

import pytest

from unibind.files import write_whole


def test_text_and_bytes_are_written_and_folders_made(tmp_path):
    write_whole(tmp_path / "a" / "b" / "text.txt", "naïve ✓\n")
    write_whole(tmp_path / "bytes.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "text.txt").read_bytes() == "naïve ✓\n".encode()
    assert (tmp_path / "bytes.bin").read_bytes() == b"\x00\xff"


def test_a_file_is_replaced_and_readable_by_others(tmp_path):
    path = tmp_path / "facts.json"
    write_whole(path, "a much longer first version")
    write_whole(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, failure):
    path = tmp_path / "facts.json"
    write_whole(path, "old")

    def fail(_):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(failure)):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_disk_before_it_has_the_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "facts.json", []
    monkeypatch.setattr(
        os, "fsync", lambda _: seen.append((path.exists(), [p.stat().st_size for p in tmp_path.iterdir()]))
    )
    write_whole(path, "12345")
    assert seen == [(False, [5])]
