import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.limits import Limits
from unibind.modalities.pictures import picture
from unibind.modalities.reading import read

TURN = np.linspace(0, 6, 300)
READINGS = np.stack([np.sin(TURN), np.cos(TURN), 9.8 + 0 * TURN, TURN, -TURN, 0.1 * TURN], axis=1)  # [300, 6]


def test_integers_are_millimeters_and_real_numbers_meters(tmp_path):
    counts = np.array([[0, 1500, 65535], [250, 1, 2]], np.uint16)
    Picture.fromarray(counts).save(tmp_path / "d.png")
    tifffile.imwrite(tmp_path / "d.tif", counts)
    np.save(tmp_path / "d.npy", np.array([[0, 1.5, np.nan], [-1, np.inf, 2]], np.float64))
    expected = counts.astype(np.float32) / 1000
    np.testing.assert_allclose(read(tmp_path / "d.png", "depth").values, expected, rtol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "d.tif", "depth").values, expected, rtol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "d.npy", "depth").values, [[0, 1.5, 0], [0, 0, 2]])
    np.testing.assert_allclose(read(tmp_path / "d.png", "depth", scale=0.5).values, counts * 0.5)


def test_depths_without_a_unit_are_refused(tmp_path):
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "d.png")
    with pytest.raises(UnreadableError, match="8 bits"):
        read(tmp_path / "d.png", "depth")
    assert read(tmp_path / "d.png", "depth", scale=0.1).values.shape == (4, 4)


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.zeros(5), np.array([["a"]])])
def test_other_arrays_are_not_depths(tmp_path, array):
    np.save(tmp_path / "d.npy", array)
    with pytest.raises(UnibindError, match=r"d\.npy"):
        read(tmp_path / "d.npy", "depth")


def test_readings_come_from_tables_and_arrays_alike(tmp_path):
    times = np.arange(300)[:, None] / 200
    header = "t,ax,ay,az,gx,gy,gz"
    np.savetxt(tmp_path / "timed.csv", np.hstack([times, READINGS]), delimiter=",", header=header, comments="")
    np.savetxt(tmp_path / "bare.csv", READINGS, delimiter=",")
    np.save(tmp_path / "rows.npy", READINGS)
    np.save(tmp_path / "columns.npy", READINGS.T)
    timed = read(tmp_path / "timed.csv", "imu")
    assert timed.rate == pytest.approx(200)
    for name in ("bare.csv", "rows.npy", "columns.npy"):
        actual = read(tmp_path / name, "imu", rate=200.0)
        np.testing.assert_allclose(actual.values, timed.values, atol=1e-6)
    assert timed.values.shape == (6, 300)
    assert timed.summary()["duration_s"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("1,2,3\n4,5,6\n", "3 columns"),
        ("1,2,3,4,5,6\n1,2,3,4,5,x\n", "not all numbers"),
        ("1,2,3,4,5,6\n1,2,3,4,5,6,7\n", "7 columns"),
        ("ax,ay,az,gx,gy,gz\n", "0 readings"),
        ("1,2,3,4,5,6\n1,2,3,4,5,6\n", "no times"),
        ("0,1,2,3,4,5,6\n0,1,2,3,4,5,6\n", "do not increase"),
        ("0,1,2,3,4,5,6\n2,1,2,3,4,5,6\n1,1,2,3,4,5,6\n", "do not increase"),
        ("nan,1,2,3,4,5,6\n2,1,2,3,4,5,6\n", "do not increase"),
        ("0,1,2,3,4,5,6\n5,1,2,3,4,5,6\n10,1,2,3,4,5,6\n", "0.2 readings per second"),  # milliseconds
        ("1,2,3,4,5,nan\n1,2,3,4,5,6\n", "no times"),
        ("\x00\xff" * 9, "line 1|readings"),
    ],
)
def test_bad_tables_get_one_sentence(tmp_path, content, word):
    (tmp_path / "r.csv").write_text(content, encoding="latin-1")
    with pytest.raises(UnreadableError, match=word) as raised:
        read(tmp_path / "r.csv", "imu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("count", [6, 7])
def test_ambiguous_readings_are_refused(count, tmp_path):
    np.save(tmp_path / "six.npy", np.arange(6 * count).reshape(6, count))
    with pytest.raises(UnreadableError, match="either way"):
        read(tmp_path / "six.npy", "imu", rate=100.0)


def test_oversized_readings_are_refused(tmp_path):
    np.savetxt(tmp_path / "long.csv", READINGS, delimiter=",")
    with pytest.raises(LimitError, match="100"):
        read(tmp_path / "long.csv", "imu", rate=100.0, limits=Limits(max_events=100))
    with pytest.raises(UnibindError, match="NaN"):
        read(b"1,2,3,4,5,nan\n1,2,3,4,5,6\n", "imu", rate=1.0)


def test_neither_is_recognized_by_a_file_ending(tmp_path):
    np.savetxt(tmp_path / "r.csv", READINGS, delimiter=",")
    with pytest.raises(UnibindError, match="no modality has the ending"):
        read(tmp_path / "r.csv")


def test_both_have_pictures(tmp_path):
    np.save(tmp_path / "d.npy", np.linspace(0, 5, 600).reshape(20, 30))
    np.save(tmp_path / "r.npy", READINGS)
    for raw in (read(tmp_path / "d.npy", "depth"), read(tmp_path / "r.npy", "imu", rate=100.0)):
        image = picture(raw, 128)
        assert image.height == 128
        assert np.asarray(image).std() > 5
    nothing = read(_saved(np.zeros((3, 3))), "depth")
    assert picture(nothing, 96).height == 96


def _saved(array):
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
