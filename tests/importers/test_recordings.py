import shutil

import numpy as np
import pytest
import soundfile

from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.importers.recordings import import_recordings, music_bounds
from sfpipe.params import EngraveParams
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.schema import FPS, SAMPLE_RATE


def test_a_folder_of_ones_own(tiny, soundfont, lilypond, tmp_path):
    piece = tmp_path / "in" / "tiny"
    piece.mkdir(parents=True)
    shutil.copy(tiny.score, piece)
    shutil.copy(tiny.midi, piece / "with.MIDI")
    samples = synthesize_midi(tiny.midi, soundfont)
    soundfile.write(piece / "with-room.wav", samples, SAMPLE_RATE)
    soundfile.write(piece / "without.flac", samples, SAMPLE_RATE)
    (piece / "take.wma").write_bytes(b"?")
    (piece / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(piece / "short.wav", samples[: SAMPLE_RATE // 10], SAMPLE_RATE)
    shutil.copy(tiny.midi, piece / "short.mid")
    (tmp_path / "in" / "notes.txt").write_text("no piece")
    outs = (tmp_path / "engraved", tmp_path / "scores.h5", tmp_path / "human.h5")
    told = import_recordings(tmp_path / "in", "mine", *outs)
    assert any("broken.wav: left out" in line for line in told)
    assert any("take.wma: left out: '.wma' is none of .wav" in line for line in told)
    assert any("without.flac: no MIDI" in line for line in told)
    assert any("short.wav: left out" in line and "within its 0.1 s" in line for line in told)
    assert any("36 of 37 notes matched, 1 others; 13 of 13 onsets" in line for line in told)
    score = read_scores(outs[1])["tiny"]
    assert score.strip.shape[0] == 200 and len(score.onset_x_px) == 13
    records = {r.performance: r for r in read_performances(outs[2])}
    assert set(records) == {"with-room", "without-recording"}
    aligned, other = records["with-room"], records["without-recording"]
    assert (aligned.condition, aligned.aligned, aligned.simulated) == ("room", True, False)
    assert np.abs(aligned.onset_s - tiny.onset_s).max() < 0.003
    assert (other.condition, other.aligned) == ("recording", False)
    # Without an alignment: where the music begins and ends, to a few frames.
    assert other.score_onset.tolist() == [0, 12]
    assert np.abs(other.onset_s - tiny.onset_s[[0, -1]]).max() < 0.3


def test_bounds_are_the_first_sound_and_the_last_stroke():
    spec = np.zeros((78, 100), np.float32)
    for start in (20, 40, 60):
        spec[30, start : start + 15] = np.linspace(1, 0.2, 15)
    assert music_bounds(spec) == (20 / FPS, 60 / FPS)
    with pytest.raises(SfpipeError, match="is silent"):
        music_bounds(np.zeros((78, 10), np.float32))


def test_an_empty_folder_is_one_line(tmp_path):
    (tmp_path / "x").mkdir()
    outs = (tmp_path / "engraved", tmp_path / "scores.h5", tmp_path / "human.h5")
    with pytest.raises(SfpipeError, match="expected <piece>/ with a score"):
        import_recordings(tmp_path, "mine", *outs)


def test_not_one_usable_recording_is_one_line_and_leaves_no_store(tmp_path):
    (tmp_path / "in" / "x").mkdir(parents=True)
    (tmp_path / "in" / "x" / "x.musicxml").write_text("damaged")
    outs = (tmp_path / "engraved", tmp_path / "scores.h5", tmp_path / "human.h5")
    with pytest.raises(SfpipeError, match=r"not one recording is usable .* -> put recordings"):
        import_recordings(tmp_path / "in", "mine", *outs, melody=EngraveParams())
    assert not list(tmp_path.glob("*.h5"))


def test_piano_music_is_not_engraved_where_nothing_confines_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sfpipe.sandbox.jail.walls", lambda: ("limits",))
    (tmp_path / "in" / "x").mkdir(parents=True)
    (tmp_path / "in" / "x" / "x.musicxml").write_text("damaged")
    outs = (tmp_path / "engraved", tmp_path / "scores.h5", tmp_path / "human.h5")
    with pytest.raises(SfpipeError, match="cannot confine LilyPond sources"):
        import_recordings(tmp_path / "in", "mine", *outs)
    with pytest.raises(SfpipeError, match="not one recording is usable"):
        import_recordings(tmp_path / "in", "mine", *outs, unconfined=True)
