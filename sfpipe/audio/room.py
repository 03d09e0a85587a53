"""A simulated room: what a microphone at some distance hears of an instrument.

A rectangular room whose walls absorb equally at all frequencies (image sources, pyroomacoustics),
an omnidirectional source and microphone. The time that the direct sound takes is taken off, so
that onsets stay where they were; the level is that of the dry recording, as a recordist would set
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sfpipe.errors import SfpipeError, optional
from sfpipe.store.schema import SAMPLE_RATE

SOURCE_M, MICROPHONE_M = 1.0, 1.3  # heights: an upright's or grand's soundboard, a microphone stand
MAX_ORDER = 60  # reflections followed; later ones are below the noise
WALL_M = 0.3  # nothing is nearer to a wall


@dataclass(frozen=True)
class Room:
    """Length, width, height (m), reverberation time (s), distance of the microphone (m).

    `turn`: direction from the piano to the microphone, as a share of a whole turn; the two stand
    on both sides of the room's middle.
    """

    length_m: float
    width_m: float
    height_m: float
    rt60_s: float
    distance_m: float
    turn: float = 0.1


@lru_cache(maxsize=64)
def response(room: Room) -> np.ndarray:
    """Impulse response from its direct sound on, of unit energy.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        At 22,050 Hz; not writeable, since it is shared.

    Raises
    ------
    SfpipeError
        If pyroomacoustics is not installed, the microphone does not fit into the room, or no
        walls give the reverberation time.
    """
    acoustics = optional("pyroomacoustics", "real")
    size = [room.length_m, room.width_m, room.height_m]
    try:
        absorption, order = acoustics.inverse_sabine(room.rt60_s, size)
    except ValueError:
        raise SfpipeError(
            f"a room of {size} m cannot have a reverberation time of {room.rt60_s} s",
            remedy="choose a longer one",
        ) from None
    source, microphone = _places(room)
    box = acoustics.ShoeBox(
        size,
        fs=SAMPLE_RATE,
        materials=acoustics.Material(absorption),
        max_order=min(order, MAX_ORDER),
    )
    box.add_source(source)
    box.add_microphone(microphone)
    box.compute_rir()
    whole = np.asarray(box.rir[0][0])
    delay = acoustics.constants.get("frac_delay_length") // 2
    speed = acoustics.constants.get("c")
    direct = delay + float(np.linalg.norm(np.subtract(source, microphone))) / speed * SAMPLE_RATE
    # A few samples of the band-limited direct sound lie before its middle.
    impulse = whole[max(int(direct) - 2, 0) :]
    impulse = (impulse / np.sqrt(np.sum(impulse**2))).astype(np.float32)
    impulse.setflags(write=False)
    return impulse


def reverberate(samples: np.ndarray, room: Room) -> np.ndarray:
    """A dry recording as the microphone hears it, equally long and loud (RMS).

    Takes int16 [shape=(N,)], mono at 22,050 Hz; gives float32, on the int16 scale, not clipped.

    Raises
    ------
    SfpipeError
        As `response`.
    """
    from scipy.signal import oaconvolve

    dry: np.ndarray = samples.astype(np.float32)
    wet = oaconvolve(dry, response(room))[: len(dry)].astype(np.float32)
    level = rms(wet)
    return wet * np.float32(rms(dry) / level if level > 0 else 1.0)


def add_noise(
    samples: np.ndarray, snr_db: float, rng: np.random.Generator, *, colour: float = 1.0
) -> np.ndarray:
    """Background noise `snr_db` below the recording's RMS.

    Parameters
    ----------
    samples:
        float32 [shape=(N,)].
    colour:
        Of the noise: power falls with frequency to this power; 0 is white, 1 pink (ventilation,
        traffic).

    Returns
    -------
    np.ndarray [shape=(N,), dtype=float32]
    """
    from scipy.fft import irfft, next_fast_len, rfftfreq

    n = next_fast_len(len(samples), real=True)
    frequency = rfftfreq(n)
    # Below 20 Hz a microphone hears nothing, and pink noise has no end.
    floor = 20 / SAMPLE_RATE
    shape = np.maximum(frequency, floor) ** (-colour / 2) * (frequency >= floor)
    spectrum = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    noise = irfft(spectrum * shape, n)[: len(samples)].astype(np.float32)
    noise_rms = rms(samples) * 10 ** (-snr_db / 20)
    return samples + noise * np.float32(noise_rms / max(rms(noise), 1e-12))


def rms(samples: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def _places(room: Room) -> tuple[list[float], list[float]]:
    """Source and microphone, on both sides of the room's middle."""
    drop = MICROPHONE_M - SOURCE_M
    reach = np.sqrt(max(room.distance_m**2 - drop**2, 0.0)) / 2
    step = reach * np.array([np.cos(2 * np.pi * room.turn), np.sin(2 * np.pi * room.turn)])
    # Off the exact middle: there, opposite walls would reflect in step.
    middle = np.array([0.47 * room.length_m, 0.53 * room.width_m])
    floor = np.array([room.length_m, room.width_m])
    for place in (middle - step, middle + step):
        if (place < WALL_M).any() or (place > floor - WALL_M).any():
            raise SfpipeError(
                f"a microphone {room.distance_m} m away does not fit into a room of "
                f"{room.length_m} x {room.width_m} m",
                remedy="make the room larger or the distance smaller",
            )
    if room.height_m < MICROPHONE_M + WALL_M:
        raise SfpipeError(f"a room {room.height_m} m high is too low", remedy="make it higher")
    return [*(middle - step), SOURCE_M], [*(middle + step), MICROPHONE_M]
