"""How much higher music sounds than its page: told, taken out of the spectrogram, synthesised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.audio.filterbank import filterbank
from sfpipe.audio.pitch import AS_WRITTEN, INSTRUMENTS, PitchOffset, ToldPitch, transposition_of
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SAMPLE_RATE


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def test_factors_by_hand():
    assert AS_WRITTEN.factor == 1.0 and PitchOffset.at() == AS_WRITTEN
    assert PitchOffset(-12).factor == 0.5 and PitchOffset(12).factor == 2.0
    assert PitchOffset.at(415).factor == pytest.approx(415 / 440)
    assert PitchOffset.at(415).cents == pytest.approx(-101.3, abs=0.05)
    assert PitchOffset.at(466.16, -2).factor == pytest.approx(2 ** (-1 / 12), rel=1e-5)
    assert PitchOffset(0, 100).a4_hz == pytest.approx(466.16, abs=0.01)


def test_nothing_told_is_the_filterbank_of_the_paper_to_the_last_bit():
    np.testing.assert_array_equal(filterbank(AS_WRITTEN.factor), filterbank())
    samples = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    np.testing.assert_array_equal(
        spectrogram(samples, SAMPLE_RATE, AS_WRITTEN), spectrogram(samples, SAMPLE_RATE)
    )


@settings(max_examples=60)
@given(
    pitch=st.integers(60, 90),
    semitones=st.integers(-12, 12),
    cents=st.floats(-100, 100),
)
def test_a_tone_is_in_the_bin_of_its_written_pitch(pitch, semitones, cents):
    """From middle C on every filter is narrower than a semitone to either side, also an octave
    lower."""
    offset = PitchOffset(semitones, cents)
    written = 440 * 2 ** ((pitch - 69) / 12)
    bins = [
        int(spectrogram(tone(hz), SAMPLE_RATE, shift)[:, 5].argmax())
        for hz, shift in ((written, AS_WRITTEN), (written * offset.factor, offset))
    ]
    assert abs(bins[0] - bins[1]) <= (1 if pitch + semitones < 66 else 0), (bins, written)


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5), cents=st.floats(-100, 100))
def test_streams_give_the_offline_numbers_at_any_tuning(sizes, cents):
    samples = np.random.default_rng(len(sizes)).normal(0, 0.1, 6000).astype(np.float32)
    offset = PitchOffset(-2, cents)
    live, parts, at = StreamingSpectrogram(offset=offset), [], 0
    for size in sizes:
        parts.append(live.push(samples[at : at + size]))
        at += size
    rest = [live.push(samples[at:]), live.flush()]
    streamed = np.concatenate([*parts, *rest], axis=1)
    np.testing.assert_array_equal(streamed, spectrogram(samples, SAMPLE_RATE, offset))


def test_a_stream_can_be_retuned_while_it_runs():
    samples = np.random.default_rng(1).normal(0, 0.1, 11025).astype(np.float32)
    live = StreamingSpectrogram()
    first = live.push(samples[:5000])
    live.offset = PitchOffset(0, 30)
    second = np.concatenate([live.push(samples[5000:]), live.flush()], axis=1)
    n = first.shape[1]
    np.testing.assert_array_equal(first, spectrogram(samples, SAMPLE_RATE)[:, :n])
    np.testing.assert_array_equal(
        second, spectrogram(samples, SAMPLE_RATE, PitchOffset(0, 30))[:, n:]
    )


@pytest.mark.parametrize(
    "name, semitones",
    [
        ("clarinet in B flat", -2),  # written D sounds C
        ("Bb clarinet", -2),
        ("B♭ clarinet", -2),
        ("clarinet", -2),
        ("A clarinet", -3),
        ("Eb Clarinet", 3),
        ("alto saxophone", -9),  # written C sounds the E flat below
        ("tenor  saxophone", -14),
        ("horn in F", -7),
        ("F horn", -7),
        ("Guitar", -12),
        ("piccolo", 12),
    ],
)
def test_instruments_by_their_names(name, semitones):
    assert transposition_of(name) == semitones
    assert ToldPitch.by(None, None, name).over(5) == PitchOffset(semitones)


def test_all_instruments_are_within_range():
    assert all(PitchOffset(n).semitones == n for n in INSTRUMENTS.values())


def test_what_is_told_goes_before_what_is_read():
    assert ToldPitch().over(-2) == PitchOffset(-2)
    assert ToldPitch(semitones=0).over(-2) == AS_WRITTEN
    assert ToldPitch(a4_hz=415).over(-2).semitones == -2
    assert ToldPitch(a4_hz=415).over(-2).a4_hz == pytest.approx(415)


def test_what_cannot_be_is_refused():
    with pytest.raises(SfpipeError, match=r"a tuning of a' = 41\.5 Hz is not supported"):
        ToldPitch(a4_hz=41.5)
    with pytest.raises(SfpipeError, match="a transposition of 40 semitones is not supported"):
        ToldPitch(semitones=40)
    with pytest.raises(SfpipeError, match="is no frequency"):
        ToldPitch(a4_hz=float("nan"))
    with pytest.raises(SfpipeError, match="both say"):
        ToldPitch.by(None, -2, "clarinet")
    with pytest.raises(SfpipeError, match="the instrument 'clarinett in B'") as error:
        transposition_of("clarinett in B")
    assert "clarinet in b flat" in error.value.remedy and "--transpose" in error.value.remedy


def test_offsets_in_words():
    assert str(PitchOffset(-2)) == "A4 = 440 Hz, sounds 2 semitones lower"
    assert str(PitchOffset.at(415, 12)) == "A4 = 415 Hz, sounds an octave higher"
    assert str(AS_WRITTEN) == "A4 = 440 Hz, as written"
    # A harpsichord's tuning, found as a semitone and a cent.
    assert str(PitchOffset(-1, -1.3)) == "A4 = 415 Hz, as written"
    assert str(PitchOffset.at(392)) == "A4 = 392 Hz, as written"
