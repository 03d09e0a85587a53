"""The four conditions of section 6 in which a performance is heard, easiest first.

``score``        the score's MIDI, synthesised, at the performance's mean tempo
``performance``  the performance's MIDI, synthesised with a sound font of the training
``direct``       the performance on a piano of no training piece, recorded at its strings
``room``         that piano in an office of 5 x 6 m, a microphone 2 m away, with background noise

Where there are recordings, they are `direct` and `room`. Where there are none, both are simulated
(another sound font; image sources and pink noise), and every output says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.decoding import AUDIO_SUFFIXES, has_sound
from sfpipe.audio.files import to_int16
from sfpipe.audio.midi import Midi
from sfpipe.audio.room import Room, add_noise, reverberate
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.params import RealPerformancesParams, RoomParams

CONDITIONS = ("score", "performance", "direct", "room")
LABELS = {
    "score": "score MIDI",
    "performance": "performance MIDI",
    "direct": "direct",
    "room": "room",
}
SIMULATED = ("direct", "room")  # unless recorded


@dataclass(frozen=True)
class Voice:
    """What plays: a sound font, a General MIDI program, FluidSynth's gain."""

    soundfont: Path
    program: int
    gain: float


def room_of(params: RoomParams) -> Room:
    """The office."""
    length, width, height = params.size_m
    return Room(length, width, height, rt60_s=params.rt60_s, distance_m=params.distance_m)


def render_condition(
    condition: str,
    score: Midi,
    performance: Midi,
    tempo_factor: float,
    voices: Mapping[str, Voice],
    room: RoomParams,
    rng: np.random.Generator,
) -> np.ndarray:
    """A performance as heard under a simulated condition.

    Parameters
    ----------
    tempo_factor:
        At which the score's MIDI is played in condition ``score``.
    voices:
        ``training`` and ``direct``.
    rng:
        Of the background noise.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]
        Mono at 22,050 Hz.
    """
    voice = voices["direct" if condition in SIMULATED else "training"]
    dry = synthesize_midi(
        score if condition == "score" else performance,
        voice.soundfont,
        gain=voice.gain,
        program=voice.program,
        tempo_factor=tempo_factor if condition == "score" else 1.0,
    )
    if condition != "room":
        return dry
    return to_int16(add_noise(reverberate(dry, room_of(room)), room.snr_db, rng))


def check_recordings(folders: Mapping[Any, str]) -> None:
    """Refuse folders that are not there: all their performances would be simulated unasked.

    Raises
    ------
    SfpipeError
        If one is missing.
    """
    for condition, folder in folders.items():
        if not Path(folder).expanduser().is_dir():
            raise SfpipeError(
                f"no such folder, but recordings of condition {condition} are to be in it",
                file=folder,
                remedy="correct real_performances.recordings in params.yaml, or leave it out",
            )


def find_recordings(folder: Path, names: Collection[str]) -> tuple[dict[str, Path], list[str]]:
    """The recordings in a folder that are of the performances `names`.

    Capital letters in a name or suffix make no difference. What has a usual suffix of recordings
    is one, be it damaged, and so is any other file with sound in it.

    Returns
    -------
    tuple
        Name -> recording, and a line on every other file in the folder: why it is none of them.
    """
    spelled = {name.casefold(): name for name in names}
    recordings: dict[str, Path] = {}
    told = []
    for path in sorted(folder.expanduser().iterdir(), key=_usual_first):
        name = spelled.get(path.stem.casefold())
        if not path.is_file():
            reason = "a folder; recordings are looked for beside it"
        elif path.name.startswith("."):
            reason = "a hidden file"
        elif name is None:
            near = difflib.get_close_matches(path.stem, sorted(names), n=1, cutoff=0)
            reason = f"no performance is called so; the nearest is {', '.join(near)}"
        elif name in recordings:
            reason = f"{recordings[name].name} is taken for {name}"
        elif path.suffix.lower() in AUDIO_SUFFIXES or has_sound(path):
            recordings[name] = path
            continue
        else:
            reason = "no sound in it"
        told.append(f"{path}: not used: {reason}")
    return recordings, sorted(told)


def _usual_first(path: Path) -> tuple[int, str]:
    suffix = path.suffix.lower()
    order = AUDIO_SUFFIXES.index(suffix) if suffix in AUDIO_SUFFIXES else len(AUDIO_SUFFIXES)
    return order, path.name


def shown(label: str, simulated: bool) -> str:
    """A condition's name in tables and plots: nobody shall take a simulated one for real."""
    return f"{label} (simulated)" if simulated else label


def describe(params: RealPerformancesParams, recorded: Mapping[Any, int], n: int) -> dict[str, str]:
    """What each condition is, in words, for the report; recorded ones name their folder.

    Parameters
    ----------
    recorded:
        Of how many of the `n` performances there is a recording, by condition.
    """
    room = params.room
    size = " x ".join(f"{side:g}" for side in room.size_m)
    told = {
        "score": f"score MIDI at the performance's mean tempo, {params.soundfont}",
        "performance": f"performance MIDI, {params.soundfont}",
        "direct": f"simulated: performance MIDI, {params.direct_soundfont}",
        "room": (
            f"simulated: as direct, in a room of {size} m (reverberation time {room.rt60_s:g} s), "
            f"omnidirectional microphone {room.distance_m:g} m away, pink noise at "
            f"{room.snr_db:g} dB SNR"
        ),
    }
    for condition, folder in params.recordings.items():
        there, others = recorded[condition], ""
        if there < n:
            others = f", the others {told[condition]}"
        told[condition] = f"{there} of {n} recordings in {folder}{others}"
    return told
