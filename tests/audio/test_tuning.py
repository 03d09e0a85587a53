"""The tuning of what sounds, against tones and instruments of a known one."""

import numpy as np
import pytest

from sfpipe.audio.pitch import PitchOffset
from sfpipe.audio.spectrogram import magnitudes
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.audio.tuning import TuningMeter
from sfpipe.store.schema import SAMPLE_RATE
from tests.audio.conftest import write_midi


def measured(samples: np.ndarray, seconds: float) -> TuningMeter:
    meter = TuningMeter()
    for start in range(0, round(seconds * SAMPLE_RATE) - 2048, 1102):
        meter.push(magnitudes(samples[None, start : start + 2048])[0])
    return meter


@pytest.mark.parametrize("cents", [-45, -20, 0, 10, 40])
def test_a_chord_of_sines(cents):
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hz = 440 * 2 ** ((np.array([-9, -2, 3, 7]) + cents / 100) / 12)
    samples = (0.1 * np.sin(2 * np.pi * hz[:, None] * t).sum(0)).astype(np.float32)
    meter = measured(samples, 2)
    assert meter.cents == pytest.approx(cents, abs=2) and meter.agreement > 0.9


@pytest.mark.parametrize("program", [0, 6, 40, 73])  # piano, harpsichord, violin, flute
@pytest.mark.parametrize("cents", [-30, 25])
def test_instruments_a_second_after_they_begin(tmp_path, large_soundfont, program, cents):
    notes = [(0.25 * i, 0.25 * i + 0.25, 60 + (5 * i) % 17) for i in range(8)]
    midi = write_midi(tmp_path / "scale.mid", notes)
    both = []
    for offset in (PitchOffset(), PitchOffset(0, cents)):
        samples = synthesize_midi(midi, large_soundfont, program=program, offset=offset)
        both.append(measured(samples.astype(np.float32) / 32768, 1.1).cents)
    assert both[1] - both[0] == pytest.approx(cents, abs=6)


def test_silence_and_noise_have_no_tuning():
    rng = np.random.default_rng(0)
    assert measured(np.zeros(SAMPLE_RATE, np.float32), 1).agreement == 0
    assert measured(rng.normal(0, 0.1, 5 * SAMPLE_RATE).astype(np.float32), 5).agreement < 0.2
