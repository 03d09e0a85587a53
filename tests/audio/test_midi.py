import mido
import pytest

from sfpipe.audio.midi import LONGEST_S, SHORTEST_S, read_midi
from sfpipe.errors import SfpipeError
from tests.audio.conftest import write_midi


def save(path, messages, *, kind=1, ticks=480):
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks.append(mido.MidiTrack(messages))
    file.save(str(path))
    return path


def on(pitch, time=0, channel=0):
    return mido.Message("note_on", note=pitch, velocity=64, time=time, channel=channel)


def off(pitch, time=0):
    return mido.Message("note_off", note=pitch, time=time)


def test_notes_in_seconds_and_quarters(tmp_path):
    midi = read_midi(write_midi(tmp_path / "a.mid", [(0, 0.5, 60), (0.5, 1.25, 62)]))
    assert [(n.start_s, n.end_s, n.pitch, n.quarter) for n in midi.notes] == [
        (0, 0.5, 60, 0),
        (0.5, 1.25, 62, 1),
    ]
    assert midi.end_s == 1.25


def test_tempo_changes_are_followed(tmp_path):
    slow = mido.MetaMessage("set_tempo", tempo=1_000_000, time=480)
    path = save(tmp_path / "a.mid", [on(60), slow, off(60), on(62), off(62, time=480)])
    assert [(n.start_s, n.end_s) for n in read_midi(path).notes] == [(0, 0.5), (0.5, 1.5)]


@pytest.mark.parametrize(
    ("frames", "ticks", "tick_s"), [(25, 40, 0.001), (24, 8, 1 / 192), (29, 100, 1.001 / 3000)]
)
def test_a_file_that_counts_film_frames(tmp_path, frames, ticks, tick_s):
    path = save(tmp_path / "film.mid", [on(69, time=200), off(69, time=500)])
    content = path.read_bytes()
    path.write_bytes(content[:12] + bytes([256 - frames, ticks]) + content[14:])
    (note,) = read_midi(path).notes
    assert note.start_s == pytest.approx(200 * tick_s)
    assert note.end_s == pytest.approx(700 * tick_s)


def test_a_unison_of_two_voices_is_two_notes_and_sounds_to_the_longer_end(tmp_path):
    path = save(
        tmp_path / "a.mid", [on(60), on(60, time=240), off(60, time=240), off(60, time=480)]
    )
    assert [(n.start_s, n.end_s) for n in read_midi(path).notes] == [(0, 0.25), (0.25, 1.0)]


def test_notes_without_length_or_end_still_sound(tmp_path):
    path = save(tmp_path / "a.mid", [on(60), off(60), on(62, time=480), on(64, time=480)])
    ends = {n.pitch: n.end_s - n.start_s for n in read_midi(path).notes}
    assert ends == pytest.approx({60: SHORTEST_S, 62: 0.5, 64: SHORTEST_S})


def test_percussion_is_left_out(tmp_path):
    path = save(tmp_path / "a.mid", [on(60), on(35, channel=9), off(60, time=480)])
    assert [n.pitch for n in read_midi(path).notes] == [60]


@pytest.mark.parametrize("content", [b"", b"MThd", b"not midi" * 50, b"MThd\0\0\0\6\0\1\0\1\0\0"])
def test_damaged(tmp_path, content):
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(SfpipeError, match=r"not a readable MIDI file|no notes") as error:
        read_midi(tmp_path / "a.mid")
    assert error.value.file.endswith("a.mid")


def test_cut_off(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(0.5 * i, 0.5 * i + 0.5, 60) for i in range(50)])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SfpipeError, match="not a readable MIDI file"):
        read_midi(path)


def test_missing_empty_and_endless(tmp_path):
    with pytest.raises(SfpipeError, match="no such file"):
        read_midi(tmp_path / "none.mid")
    with pytest.raises(SfpipeError, match="no notes"):
        read_midi(save(tmp_path / "empty.mid", [mido.Message("control_change", control=7)]))
    with pytest.raises(SfpipeError, match="hours"):
        read_midi(write_midi(tmp_path / "long.mid", [(0, LONGEST_S + 1, 60)]))
