from __future__ import annotations

from pathlib import Path

import pytest

from unibind.errors import LimitError, UnreadableError
from unibind.modalities.limits import Limits
from unibind.modalities.reading import read
from unibind.modalities.text import Text


def test_a_text_file_is_read_without_byte_order_mark_and_margins(tmp_path: Path) -> None:
    path = tmp_path / "caption.txt"
    path.write_bytes("\ufeff  a dog, ein Hündchen, 一只狗\n\n".encode())
    assert read(path).text == "a dog, ein Hündchen, 一只狗"
    assert read(str(path), "text").text == "a dog, ein Hündchen, 一只狗"


def test_bytes_are_decoded() -> None:
    assert read("a café".encode(), "text").text == "a café"


def test_another_encoding_is_refused_with_its_position() -> None:
    with pytest.raises(UnreadableError, match=r"not UTF-8 text \(byte 5\)"):
        read("a caf\xe9".encode("latin-1"), "text")


@pytest.mark.parametrize("content", [b" \n\t ", b"a\0b", b"\xef\xbb\xbf"])
def test_a_file_without_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError, match="contains no text"):
        read(content, "text")


@pytest.mark.parametrize("letter", ["a", "é", "狗", "🐕"])
def test_characters_are_limited_rather_than_bytes(letter: str) -> None:
    limits = Limits(max_characters=100)
    assert len(read((letter * 100).encode(), "text", limits=limits).text) == 100
    with pytest.raises(LimitError, match="100 characters"):
        read((letter * 101).encode(), "text", limits=limits)


def test_half_of_a_surrogate_pair_is_replaced():
    assert Text("a\ud800b \U0001f600").text == "a\ufffdb \U0001f600"
