"""Segments: the part of a sound or a video between two moments."""

import numpy as np
import pytest

from unibind.errors import UnibindError
from unibind.modalities.audio import Audio
from unibind.modalities.image import Image
from unibind.modalities.segments import segment
from unibind.modalities.video import Video

SOUND = Audio(np.arange(40, dtype=np.float32) / 40, 10, channels=2)  # four seconds


class Frames:
    def frames(self, timestamps_s):
        return np.round(10 * timestamps_s).astype(np.uint8)[:, None, None, None]


FILM = Video(Frames(), duration_s=4.0, fps=10, width=1, height=1)


def test_a_segment_of_a_sound_has_its_samples():
    cut = segment(SOUND, 1, 2.5)
    np.testing.assert_array_equal(cut.samples, SOUND.samples[10:25])
    assert (cut.rate, cut.channels, cut.duration_s) == (10, 2, 1.5)
    np.testing.assert_array_equal(segment(SOUND, 3).samples, SOUND.samples[30:])
    np.testing.assert_array_equal(segment(SOUND, 3, 99).samples, SOUND.samples[30:])
    assert len(segment(SOUND, 3.99, 3.995).samples) == 1


def test_a_segment_of_a_video_begins_at_its_moment():
    cut = segment(FILM, 1, 2.5)
    assert cut.duration_s == 1.5
    assert cut.frames(np.array([0.0, 0.5])).ravel().tolist() == [10, 15]
    assert segment(cut, 0.5).frames(np.array([0.0])).ravel().tolist() == [15]


@pytest.mark.parametrize(("start_s", "end_s"), [(4, None), (-1, 2), (2, 2), (3, 1)])
def test_a_segment_that_is_not_in_the_item_is_refused(start_s, end_s):
    with pytest.raises(UnibindError, match="is not in the audio item, which is 4 s long"):
        segment(SOUND, start_s, end_s)


def test_a_picture_has_no_segments():
    with pytest.raises(UnibindError, match="modality image has no duration"):
        segment(Image(np.zeros((2, 2, 3), np.uint8)), 0, 1)
