"""Variations of a performance for training: as people play, as microphones hear.

The MIDI is augmented before synthesis: a tempo that drifts within the piece, onsets that are early
or late, chords that are not struck at once, dynamics, touch and pedal
(`sfpipe.audio.expression`). The audio after it: a room, background noise, equalisation, gain. All
of it is drawn by one generator per performance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from sfpipe.audio.expression import add_expression, drifting
from sfpipe.audio.files import to_int16
from sfpipe.audio.midi import SHORTEST_S, Midi
from sfpipe.audio.room import Room, add_noise, reverberate
from sfpipe.params import AugmentParams
from sfpipe.store.schema import SAMPLE_RATE

GRID_S = 0.01  # resolution at which tempo is integrated
N_ROOMS = 24  # a room's response takes half a second to compute, so there are only so many
BANDS_HZ = (60, 200, 600, 1800, 6000)  # where the equaliser's gain is drawn
CLOSEST_SHARE = 0.45  # of the gap between two onsets that one of them moves at most


def augment_midi(
    midi: Midi, onset_s: np.ndarray, params: AugmentParams, rng: np.random.Generator
) -> tuple[Midi, np.ndarray]:
    """A human way of playing a score.

    Parameters
    ----------
    onset_s:
        float64 [shape=(n,)], the score's onsets, increasing.

    Returns
    -------
    The MIDI as played, and its onsets, float64 [shape=(n,)], increasing; of a chord the moment
    around which its notes are struck.
    """
    warp = _warp(max(midi.end_s, float(onset_s[-1])), params, rng)
    played = warp(onset_s)
    moved = played + _jitter(played, params.jitter_s, rng)

    def when(seconds: np.ndarray) -> np.ndarray:
        # Whatever lies between two onsets goes along with them.
        return np.maximum(warp(seconds) + np.interp(seconds, onset_s, moved - played), 0.0)

    start = when(np.array([note.start_s for note in midi.notes]))
    end = when(np.array([note.end_s for note in midi.notes]))
    asynchrony = rng.normal(0, params.asynchrony_s, len(start)).clip(
        -2 * params.asynchrony_s, 2 * params.asynchrony_s
    )
    start = np.maximum(start + asynchrony, 0.0)
    louder = rng.uniform(-params.velocity, params.velocity)
    accents = rng.normal(0, params.velocity / 2, len(start))
    notes = [
        replace(
            note,
            start_s=float(s),
            end_s=float(max(e, s + SHORTEST_S)),
            velocity=int(np.clip(round(note.velocity + louder + accent), 1, 127)),
        )
        for note, s, e, accent in zip(midi.notes, start, end, accents, strict=True)
    ]
    notes.sort(key=lambda n: (n.start_s, n.channel, n.pitch))
    times = when(np.array([control.time_s for control in midi.controls]))
    controls = [replace(c, time_s=float(t)) for c, t in zip(midi.controls, times, strict=True)]
    # A child: what is drawn for expression leaves all else as it would be without.
    played_notes = add_expression(Midi(notes, controls), params, rng.spawn(1)[0])
    return played_notes, np.maximum(moved, 0.0)


def augment_audio(
    samples: np.ndarray, params: AugmentParams, rng: np.random.Generator
) -> np.ndarray:
    """A recording as some microphone in some room hears it; onsets stay where they are.

    Parameters
    ----------
    samples:
        int16 [shape=(N,)], mono at 22,050 Hz.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]

    Raises
    ------
    SfpipeError
        If pyroomacoustics is needed and not installed.
    """
    # Everything is drawn, whether used or not: a share changed leaves the rest as it was.
    in_room, noisy = rng.random(2) < (params.room_share, params.noise_share)
    room = int(rng.integers(N_ROOMS))
    snr_db, colour = rng.uniform(*params.snr_db), rng.uniform(0, 2)
    bands_db = rng.uniform(-params.equaliser_db, params.equaliser_db, len(BANDS_HZ))
    gain_db = rng.uniform(-params.gain_db, params.gain_db)
    audio: np.ndarray = samples.astype(np.float32)
    if in_room:
        audio = reverberate(samples, rooms(*params.rt60_s)[room])
    if noisy:
        audio = add_noise(audio, snr_db, rng, colour=colour)
    if params.equaliser_db:
        audio = equalise(audio, bands_db)
    return to_int16(audio * np.float32(10 ** (gain_db / 20)))


def equalise(samples: np.ndarray, bands_db: np.ndarray) -> np.ndarray:
    """Filter with a smooth gain over log frequency, without delay.

    Parameters
    ----------
    samples:
        float32 [shape=(N,)].
    bands_db:
        float64 [shape=(5,)], gain at 60, 200, 600, 1800 and 6000 Hz; linear in dB between.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=float32]
    """
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    n = next_fast_len(len(samples) + SAMPLE_RATE, real=True)
    frequency = np.maximum(rfftfreq(n, 1 / SAMPLE_RATE), 1.0)
    gain_db = np.interp(np.log(frequency), np.log(BANDS_HZ), bands_db)
    shaped = rfft(samples, n) * (10 ** (gain_db / 20)).astype(np.float32)
    return irfft(shaped, n)[: len(samples)].astype(np.float32)


@lru_cache(maxsize=4)
def rooms(shortest_s: float, longest_s: float) -> tuple[Room, ...]:
    """The rooms that are drawn from: living room to small hall, reverberation times in s."""
    rng = np.random.default_rng(N_ROOMS)
    shapes = []
    for rt60_s in np.geomspace(shortest_s, longest_s, N_ROOMS):
        length, width = rng.uniform(4.0, 9.0, 2)
        shapes.append(
            Room(
                float(length),
                float(width),
                float(rng.uniform(2.5, 4.0)),
                rt60_s=float(rt60_s),
                distance_m=float(rng.uniform(0.5, 2.8)),
                turn=float(rng.random()),
            )
        )
    return tuple(shapes)


def _warp(
    length_s: float, params: AugmentParams, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Score time -> performed time: a tempo drawn every `drift_s` seconds, gliding between."""
    grid = np.arange(0, length_s + 2 * GRID_S, GRID_S)
    slow, fast = (float(np.log(tempo)) for tempo in params.tempo)
    log_tempo = drifting(grid, (slow, fast), params.drift_s, length_s, rng)
    pace = np.exp(-log_tempo)  # performed s per s of the score
    performed = np.concatenate([[0.0], np.cumsum((pace[1:] + pace[:-1]) / 2 * GRID_S)])
    return lambda seconds: np.interp(seconds, grid, performed)


def _jitter(onset_s: np.ndarray, deviation_s: float, rng: np.random.Generator) -> np.ndarray:
    """Displacements of onsets that leave them in order."""
    gap = np.diff(onset_s, prepend=onset_s[0] - 1, append=onset_s[-1] + 1)
    room = CLOSEST_SHARE * np.minimum(gap[:-1], gap[1:])
    return rng.normal(0, deviation_s, len(onset_s)).clip(-room, room)
