"""Saved search results: tables that keep numbers, and a page that shows, plays, links and escapes."""

import csv
import json
import re
import wave
from base64 import b64decode
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
import soundfile
from pyarrow import parquet

from unibind.errors import UnibindError, UnknownNameError, UnreadableError
from unibind.modalities.video import Video
from unibind.retrieval import Hit, Hits

COLUMNS = ["rank", "score", "id", "modality", "uri", "label", "text", "start_s", "end_s", "same_as"]
EVIL = "<script>alert('x')</script>"


def hits_of(*hits, query="a dog", modality="text"):
    result = Hits(hits)
    result.query, result.query_modality = query, modality
    return result


@pytest.fixture
def hits(tmp_path):
    """A picture, a sound of 12 s, a missing file, an inline text and a web page, in that order."""
    picture, sound = tmp_path / "a red dog.png", tmp_path / "bark.wav"
    PIL.Image.new("RGB", (8, 8), "red").save(picture)
    soundfile.write(sound, np.sin(np.arange(12 * 32_000) / 9), 32_000)
    return hits_of(
        Hit(1, 0.75, "p", "image", str(picture), "dog", "it sits"),
        Hit(2, 0.5, "s", "audio", str(sound), None, None),
        Hit(3, 0.25, "gone", "image", str(tmp_path / "gone.png"), EVIL, None),
        Hit(4, 0.0, "t", "text", None, "cat", f'"a, b"\n{EVIL} schön'),
    )


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_has_one_row_per_hit(hits, tmp_path):
    hits.save(tmp_path / "hits.csv")
    rows = read_csv(tmp_path / "hits.csv")
    assert [list(row) for row in rows] == [COLUMNS] * 4
    assert [(float(r["score"]), r["uri"]) for r in rows] == [(h.score, h.uri or "") for h in hits]
    assert rows[3]["text"] == hits[3].text


def test_json_jsonl_and_parquet_hold_what_to_rows_gives(hits, tmp_path):
    for name in ("hits.json", "hits.jsonl", "hits.parquet"):
        hits.save(tmp_path / name)
    rows = hits.to_rows()
    assert rows[0]["score"] == 0.75
    assert json.loads((tmp_path / "hits.json").read_text(encoding="utf-8")) == rows
    assert [json.loads(line) for line in (tmp_path / "hits.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    assert parquet.read_table(tmp_path / "hits.parquet").to_pylist() == rows


@pytest.mark.parametrize("name", ["hits.csv", "hits.json", "hits.jsonl", "hits.parquet"])
def test_no_hits_and_undecodable_names_can_be_saved(name, tmp_path):
    hits_of().save(tmp_path / name)
    odd = b"caf\xe9.png".decode(errors="surrogateescape")
    hits_of(Hit(1, 0.5, odd, "image", odd, None, None)).save(tmp_path / name)
    assert rb"caf\udce9.png" in (tmp_path / name).read_bytes()


def test_an_unknown_table_format_is_refused(hits, tmp_path):
    with pytest.raises(UnknownNameError, match=r"\.xlsx.*\.csv, \.json, \.jsonl, \.parquet"):
        hits.save(tmp_path / "hits.xlsx")


def data_urls(page, kind):
    return [b64decode(data) for data in re.findall(f'src="data:{kind};base64,([^"]+)"', page)]


@pytest.mark.slow
def test_the_page_shows_plays_and_links(hits, tmp_path):
    hits.save_html(tmp_path / "hits.html")
    page = (tmp_path / "hits.html").read_text(encoding="utf-8")
    shown, heard = data_urls(page, "image/jpeg"), data_urls(page, "audio/wav")
    assert PIL.Image.open(BytesIO(shown[0])).convert("RGB").getpixel((160, 160))[0] > 240
    assert len(shown) == 2  # the red square and the spectrogram
    (sound,) = heard
    with wave.open(BytesIO(sound)) as file:
        assert (file.getframerate(), file.getnframes()) == (24_000, 240_000)
    for hit in hits[:3]:
        assert f'href="file://{tmp_path.as_posix()}/{hit.uri.rsplit("/", 1)[1].replace(" ", "%20")}"' in page
    assert "gone.png" in page.split('class="problem">')[1].split("</div>")[0]
    assert "0.750" in page


def test_the_page_escapes_and_fetches_nothing(hits, tmp_path):
    hits.query = EVIL
    hits.save_html(tmp_path / "hits.html")
    page = (tmp_path / "hits.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert re.findall(r'(?:src|href)="(?!data:|file:)', page) == []


@pytest.mark.parametrize(
    ("uri", "linked"),
    [
        ("https://a.example/b.png", True),
        ("https://a.example/b.mp4#t=3,5", True),
        ("javascript://a.example/%0aalert(1)", False),
        ("s3://bucket/b.png", False),
    ],
)
def test_only_web_addresses_become_links(uri, linked, tmp_path, monkeypatch):
    monkeypatch.setattr("unibind.retrieval.page.read", lambda *_: unreadable())
    hits_of(Hit(1, 0.5, "x", "image", uri, None, None), query=uri, modality="image").save_html(tmp_path / "hits.html")
    page = (tmp_path / "hits.html").read_text(encoding="utf-8")
    assert (f'href="{uri}"' in page) == linked
    assert uri in page


def unreadable():
    raise UnreadableError("it is offline")


def test_a_picture_has_a_cell_for_every_hit(hits, tmp_path):
    hits.save_png(tmp_path / "hits.png")
    with PIL.Image.open(tmp_path / "hits.png") as drawn:
        assert drawn.width > 4 * 256
        assert drawn.getpixel((100, 100)) == (255, 0, 0)


def test_a_page_and_a_picture_of_no_hits(tmp_path):
    with pytest.raises(UnibindError, match="no results to draw"):
        hits_of().save_png(tmp_path / "hits.png")
    hits_of().save_html(tmp_path / "hits.html")
    assert "0 results" in (tmp_path / "hits.html").read_text(encoding="utf-8")


# --- segments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start_s", "end_s", "moment"),
    [
        (None, None, ""),
        (0, 10, "0:00-0:10"),
        (65, 75.5, "1:05-1:15.5"),
        (59.96, None, "1:00"),
        (3723, 3724, "1:02:03-1:02:04"),
    ],
)
def test_moments_are_written_as_people_write_them(start_s, end_s, moment):
    assert Hit(1, 0.5, "x", "audio", "x.wav", None, None, start_s, end_s).moment == moment


@pytest.fixture
def segments(tmp_path):
    """Two segments of a sound of 12 s whose second half is silent, one beyond its end, and one of a video that is gone.

    Their names are what they are stored as.
    """
    sound = tmp_path / "bark.wav"
    soundfile.write(sound, np.repeat([0.5, 0], 6 * 16_000), 16_000)
    return hits_of(
        Hit(1, 0.75, "a", "audio", f"{sound}#t=6,9", None, None, 6, 9),
        Hit(2, 0.5, "b", "audio", f"{sound}#t=0,2.5", None, None, 0, 2.5, same_as=1),
        Hit(3, 0.25, "c", "audio", f"{sound}#t=60,70", None, None, 60, 70),
        Hit(4, 0.25, "d", "video", f"{tmp_path}/gone.mp4#t=3,5", None, None, 3, 5),
    )


def test_tables_have_the_moments_of_segments_as_numbers(segments, tmp_path):
    for name in ("hits.csv", "hits.json", "hits.jsonl", "hits.parquet"):
        segments.save(tmp_path / name)
    rows = segments.to_rows()
    assert [(row["start_s"], row["end_s"], row["same_as"]) for row in rows][:2] == [(6, 9, None), (0, 2.5, 1)]
    assert parquet.read_table(tmp_path / "hits.parquet").to_pylist() == rows
    assert json.loads((tmp_path / "hits.json").read_text(encoding="utf-8")) == rows
    assert [(row["start_s"], row["end_s"]) for row in read_csv(tmp_path / "hits.csv")][1] == ("0", "2.5")


@pytest.mark.slow
def test_the_page_plays_and_links_each_segment_from_its_start(segments, tmp_path):
    segments.save_html(tmp_path / "hits.html")
    page = (tmp_path / "hits.html").read_text(encoding="utf-8")
    heard = []
    for sound in data_urls(page, "audio/wav"):
        with wave.open(BytesIO(sound)) as file:
            heard.append((file.getnframes() / file.getframerate(), max(file.readframes(file.getnframes())) > 0))
    assert heard == [(3, False), (2.5, True)]
    file = tmp_path.as_uri()
    links = [f"{file}/bark.wav#t={interval}" for interval in ("6,9", "0,2.5", "60,70")]
    assert list(dict.fromkeys(re.findall(r'href="([^"]+)"', page))) == [*links, f"{file}/gone.mp4#t=3,5"]
    assert "0:06-0:09" in page
    assert "nearly the same as 1" in page
    assert page.count('class="problem">') == 2  # beyond the end, and gone


@pytest.mark.slow
def test_a_segment_of_a_video_is_played_from_its_file(tmp_path, monkeypatch):
    class Black:
        def frames(self, timestamps_s):
            return np.zeros((len(timestamps_s), 48, 64, 3), np.uint8)

    monkeypatch.setattr("unibind.retrieval.page.read", lambda *_: Video(Black(), 1.0, 10, 64, 48))
    path = tmp_path / "a clip.mp4"
    hits = hits_of(
        Hit(1, 0.5, "v", "video", f"{path}#t=1,2", None, None, 1, 2), Hit(2, 0.5, "w", "video", str(path), None, None)
    )
    hits.save_html(tmp_path / "hits.html")
    hits.save_png(tmp_path / "hits.png")
    page = (tmp_path / "hits.html").read_text(encoding="utf-8")
    (source,) = re.findall(r'<video controls preload="metadata" src="([^"]+)" poster="data:image/jpeg', page)
    assert source == f"{path.as_uri()}#t=1,2"
