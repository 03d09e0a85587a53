import numpy as np
import pretty_midi
import pytest

from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from sfpipe.errors import SfpipeError
from sfpipe.store.writer import write_spectrograms
from sfpipe.viewing.select_performance import Selection, select_performance, sound_of
from tests.viewing.conftest import PERFORMANCE, PIECE, clicks


def test_names_of_the_chosen_performance(shown):
    assert (shown.score.piece, shown.performance.performance) == (PIECE, PERFORMANCE)
    assert shown.name == "clicks-plain"
    assert shown.folder is not None and shown.folder.name == PIECE


def test_the_first_plain_one_in_the_original_tempo_is_taken(paths, params):
    with write_spectrograms(paths.spectrograms, dataset="toy", params={}, tools={}) as store:
        for name, factor in (("a", 0.8), ("a-augmented1", 1.0), ("b", 1.0), ("c", 1.0)):
            store.add(
                PIECE,
                name,
                split="test",
                spectrogram=np.zeros((78, 50), np.float32),
                onset_s=[0.1, 1.0],
                score_onset=[0, 1],
                tempo_factor=factor,
            )
    assert select_performance(paths, Selection()).performance.performance == "b"
    assert select_performance(paths, Selection(performance="a")).performance.tempo_factor == 0.8
    augmented = select_performance(paths, Selection(performance="a-augmented1"))
    (augmented.folder / "score.mid").write_bytes(b"that of the plain ones")
    assert sound_of(augmented, params.synthesize) is None


def test_unknown_names(paths):
    with pytest.raises(SfpipeError, match="has no piece 'click' -> did you mean 'clicks'"):
        select_performance(paths, Selection(piece="click"))
    with pytest.raises(SfpipeError, match="has no performance 'plane' -> did you mean 'plain'"):
        select_performance(paths, Selection(piece=PIECE, performance="plane"))
    with pytest.raises(SfpipeError, match="no performance in split valid"):
        select_performance(paths, Selection(split="valid"))


def test_sound_is_the_recording(shown, paths, params):
    assert (sound_of(shown, params.synthesize) == clicks()).all()


def test_without_recording_the_midi_file_is_played(paths, params):
    (paths.audio / PIECE / f"{PERFORMANCE}.flac").unlink()
    shown = select_performance(paths, Selection())
    assert sound_of(shown, params.synthesize) is None
    font = find_soundfont(DECLARED["TimGM6mb"])
    if font is None:
        pytest.skip("the sound font TimGM6mb is not on this machine: see `sfpipe doctor`")
    object.__setattr__(shown.performance, "soundfont", "TimGM6mb")
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    piano.notes.append(pretty_midi.Note(90, 72, 0.5, 1.0))
    midi.instruments.append(piano)
    midi.write(str(shown.folder / "score.mid"))
    samples = sound_of(shown, params.synthesize)
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 100)
    assert loud[0] / 22050 == pytest.approx(0.5, abs=0.02)
