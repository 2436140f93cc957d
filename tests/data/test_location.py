import pytest

from unibind.data.location import canonical_location, local_path
from unibind.errors import UnibindError


def test_every_spelling_of_a_file_is_one_location(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x y.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "other.png").symlink_to("data/x y.png")
    monkeypatch.chdir(tmp_path)
    absolute = str(tmp_path / "data" / "x y.png")
    spellings = ["data/x y.png", "./data/x y.png", "data/../data/x y.png", "link/x y.png", "other.png", absolute]
    spellings += ["file://" + absolute.replace(" ", "%20")]
    assert {canonical_location(spelling) for spelling in spellings} == {absolute}
    folders: dict[str, str] = {}
    assert {canonical_location(spelling, folders=folders) for spelling in [*spellings, "link/../data/x y.png"]} == {
        absolute
    }


def test_a_file_need_not_exist(tmp_path):
    assert canonical_location("/no/\0/../such\ud800.png") == "/no/such\ud800.png"
    assert canonical_location(f"{tmp_path}/no/../such.png") == f"{tmp_path}/such.png"


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("HTTPS://Host.Example:443/a/./b/../x.png#top", "https://host.example/a/x.png"),
        ("http://host:8080", "http://host:8080/"),
        ("https://Me@host/x.png?Size=2", "https://Me@host/x.png?Size=2"),
        ("S3://Bucket/a/../x.png", "s3://Bucket/a/../x.png"),
        ("memory:///x.png#top", "memory:///x.png"),
        ("HTTPS://h.example/x.tar#a b.png", "https://h.example/x.tar#a b.png"),
        ("zip://a/x.png::https://h.example/x.zip", "zip://a/x.png::https://h.example/x.zip"),
    ],
)
def test_urls_are_normalized(url, location):
    assert canonical_location(url) == location
    assert canonical_location(location) == location
    assert local_path(location) is None


def test_texts_are_their_hash():
    assert canonical_location(None, "a drum") == canonical_location(None, "a drum")
    assert canonical_location(None, "a drum") != canonical_location(None, "a bell")
    assert canonical_location(None, "a drum").startswith("text:")
    assert local_path(canonical_location(None, "a drum")) is None
    with pytest.raises(UnibindError, match="neither"):
        canonical_location(None)
