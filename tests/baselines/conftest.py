"""A melody as the pipeline would have it: MIDI, note heads, strip, synthesised sound."""

from dataclasses import replace

import numpy as np
import pytest

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.store.reader import PerformanceRecord
from sfpipe.store.schema import SAMPLE_RATE
from tests.audio.conftest import write_midi
from tests.toy import score_record

PITCHES = [60, 62, 64, 65, 67, 67, 69, 67, 65, 64, 62, 60, 64, 67, 72, 71, 69, 67, 65, 64, 62, 60]
STEPS = [0.25, 0.25, 0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 0.25, 0.25, 1.0] * 2
ONSETS = 0.3 + np.concatenate([[0], np.cumsum(STEPS)[:-1]])


@pytest.fixture(scope="session")
def melody(tmp_path_factory):
    """Folder with `score.mid`, 22 notes of which two are repeated."""
    folder = tmp_path_factory.mktemp("melody")
    notes = [(t, t + s, p) for t, s, p in zip(ONSETS, STEPS, PITCHES, strict=True)]
    write_midi(folder / "score.mid", notes)
    return folder


@pytest.fixture(scope="session")
def score():
    """Its strip: an onset every 14 px or more."""
    x = 30 + np.concatenate([[0], np.cumsum(10 + 16 * np.array(STEPS[:-1]))])
    return score_record("melody", x.tolist(), width=int(x[-1]) + 60)


@pytest.fixture(scope="session")
def perform(melody):
    """Play it: perform(sound font, tempo factor) -> PerformanceRecord."""

    def play(font, tempo=1.0):
        samples = synthesize_midi(melody / "score.mid", font, tempo_factor=tempo)
        return PerformanceRecord(
            "melody",
            f"x{tempo}",
            "test",
            spectrogram(samples, SAMPLE_RATE),
            ONSETS / tempo,
            np.arange(len(ONSETS), dtype=np.int32),
            tempo,
            "TimGM6mb",
        )

    return play


@pytest.fixture(scope="session")
def plain(perform, soundfont):
    """The performance as written."""
    return replace(perform(soundfont), performance="plain")
