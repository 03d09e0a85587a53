import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.viewing.video import encode_sound, write_video
from tests.viewing.films import RATE, onsets, pictures, sound, streams


def shades(n):
    return (np.full((64, 96, 3), 8 * i, np.uint8) for i in range(n))


def tone(at_s, length_s):
    samples = np.zeros(int(length_s * RATE), np.int16)
    first = int(at_s * RATE)
    samples[first : first + 4000] = 12000 * np.sin(0.3 * np.arange(4000))
    return samples


def test_format_plays_in_browsers(tmp_path):
    path = tmp_path / "film.mp4"
    assert write_video(path, shades(30), fps=20, samples=tone(0.5, 1.5)) == 30
    about = streams(path)
    assert "Video: h264" in about and "yuv420p" in about and "20 fps" in about
    assert "Audio: aac" in about
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # begins before it is loaded


@pytest.mark.parametrize("length_s", [0.7, 9.0])
def test_pictures_and_sound_are_where_they_were(tmp_path, length_s):
    path = tmp_path / "film.mp4"
    write_video(path, shades(30), fps=20, samples=tone(0.5, length_s))
    grey = pictures(path)[:, 32, 48, 1].astype(int)
    assert len(grey) == 30 and np.abs(grey - 8 * np.arange(30)).max() <= 3
    heard = sound(path)
    assert onsets(heard) == pytest.approx([0.5], abs=0.005)
    # Sound that is shorter or longer than the film is made as long as it is.
    assert len(heard) / RATE == pytest.approx(1.5, abs=0.1)


def test_silent_film(tmp_path):
    path = tmp_path / "film.mp4"
    write_video(path, shades(3), fps=20)
    assert "Audio" not in streams(path) and len(pictures(path)) == 3


def test_nothing_to_show_or_not_to_be_encoded(tmp_path):
    path = tmp_path / "film.mp4"
    with pytest.raises(SfpipeError, match="nothing to show"):
        write_video(path, iter(()), fps=20)
    odd = [np.zeros((33, 33, 3), np.uint8)] * 3
    with pytest.raises(SfpipeError, match=r"film\.mp4: ffmpeg failed \(\S"):
        write_video(path, odd, fps=20)
    assert list(tmp_path.iterdir()) == []


def test_sound_alone(tmp_path):
    path = tmp_path / "sound.m4a"
    path.write_bytes(encode_sound(tone(0.25, 1)))
    assert "Audio: aac" in streams(path) and "Video" not in streams(path)
    assert onsets(sound(path)) == pytest.approx([0.25], abs=0.005)
