import numpy as np
import pytest

from sfpipe.audio.room import Room, add_noise, response, reverberate, rms
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SAMPLE_RATE

OFFICE = Room(5, 6, 2.8, rt60_s=0.45, distance_m=2)


def test_direct_sound_is_at_the_start_and_the_rest_decays_in_time():
    impulse = response(OFFICE)
    assert np.argmax(np.abs(impulse)) <= 4
    assert np.sum(impulse**2) == pytest.approx(1, rel=1e-4)
    # Schroeder: the energy still to come falls by 20 dB in a third of the reverberation time.
    left = 10 * np.log10(np.cumsum(impulse[::-1] ** 2)[::-1])
    t20 = (np.argmax(left < -25) - np.argmax(left < -5)) / SAMPLE_RATE
    assert 3 * t20 == pytest.approx(0.45, rel=0.35)


def test_a_click_stays_where_it_was_and_as_loud():
    click = np.zeros(SAMPLE_RATE, np.int16)
    click[5000] = 20000
    wet = reverberate(click, OFFICE)
    assert len(wet) == len(click)
    assert abs(int(np.argmax(np.abs(wet))) - 5000) <= 4
    assert rms(wet) == pytest.approx(rms(click), rel=1e-3)
    assert np.abs(wet[:4990]).max() < 1


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_as_loud_as_stated_and_pink(snr_db):
    tone = (1000 * np.sin(np.arange(4 * SAMPLE_RATE) / 10)).astype(np.float32)
    noise = add_noise(tone, snr_db, np.random.default_rng(0)) - tone
    assert 20 * np.log10(rms(tone) / rms(noise)) == pytest.approx(snr_db, abs=0.01)
    power = np.abs(np.fft.rfft(noise)) ** 2
    f = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    octaves = [power[(f > a) & (f < 2 * a)].sum() for a in (100, 800, 3200)]
    assert max(octaves) < 1.5 * min(octaves)  # equal power per octave


def test_impossible_rooms_are_one_line():
    with pytest.raises(SfpipeError, match="does not fit"):
        response(Room(2, 2, 2.5, rt60_s=0.4, distance_m=3))
    with pytest.raises(SfpipeError, match="cannot have a reverberation time"):
        response(Room(9, 9, 4, rt60_s=0.05, distance_m=1))
