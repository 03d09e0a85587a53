"""Performances as they sound on another instrument or at another pitch.

Followers are told of the pitch, or are not, or it is found as the music plays. Then what has
sounded is heard again whenever another number of semitones turns out to be the best, so that of
such a performance there are several hearings, each of which counts from some frame on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from sfpipe.agents.agent import find_agent, read_card
from sfpipe.audio.files import load_audio
from sfpipe.audio.pitch import AS_WRITTEN, PitchOffset, ToldPitch
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import filtered, magnitudes, spectrogram
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.belief.agent import load_belief
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.sounding import Sounding
from sfpipe.following.belief import BeliefFollower
from sfpipe.following.pitch_search import PitchSearch
from sfpipe.parallel import map_pieces
from sfpipe.params import SynthesizeParams
from sfpipe.store.reader import (
    PerformanceRecord,
    dataset_of,
    read_performances,
    read_scores,
    strip_height,
)
from sfpipe.store.schema import FPS, SAMPLE_RATE, is_augmented
from sfpipe.store.window import window_for
from sfpipe.store.writer import write_spectrograms

Knowledge = Literal["told", "untold", "found"]

_LEAD = 2  # frames: positions of agents are so far ahead of what they have heard
_SOON_S = 10.0  # within which a pitch should be found


@dataclass(frozen=True)
class OtherSound:
    """How performances are to sound.

    Attributes
    ----------
    offset:
        How much higher than written.
    program:
        General MIDI program, 0-127; None: that of the parameters.
    pitch:
        Whether followers are ``told`` of the offset, so that their spectrogram takes it out, are
        not (``untold``), or hear it as it is ``found``.
    """

    offset: PitchOffset
    program: int | None = None
    pitch: Knowledge = "told"

    @property
    def described(self) -> dict[str, Any]:
        """For the record."""
        offset = self.offset
        return {
            "a4_hz": round(offset.a4_hz, 2),
            "semitones": offset.semitones,
            "program": self.program,
            "pitch": self.pitch,
        }


@dataclass(frozen=True)
class Finder:
    """Who finds the pitch: the folder of an agent with a memory, and the store of the scores."""

    agent: Path
    scores: Path

    @classmethod
    def of(cls, scores: Path, agent: str | Path | None = None) -> Finder:
        """The agent itself if it has a memory, else the published one for such strips.

        Raises
        ------
        SfpipeError
            If there is none.
        """
        folder = None if agent is None else find_agent(agent)
        if folder is None or not folder.exists() or read_card(folder).get("algo") != "belief":
            folder = find_agent(f"{window_for(strip_height(scores)).name}-belief")
        return cls(folder.absolute(), scores.absolute())

    def search(self, piece: str) -> PitchSearch:
        """At the beginning of a piece of which only the picture is known."""
        listener = BeliefFollower(*_network(self.agent))
        score = read_scores(self.scores, pieces=[piece])[piece]
        listener.reset(score)
        search = PitchSearch(listener, ToldPitch(find=True), None)
        search.reset(float(score.onset_x_px[0]))
        return search


Samples = Callable[[PerformanceRecord, OtherSound], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Synthesised:
    """Makes performances of a data set sound, from the MIDI files of its engraved pieces.

    Attributes
    ----------
    fonts:
        Files of the sound fonts by name.
    """

    engraved: Path
    params: SynthesizeParams
    fonts: Mapping[str, Path]

    @classmethod
    def of(
        cls, engraved: Path, params: SynthesizeParams, records: Sequence[PerformanceRecord]
    ) -> Synthesised:
        """With the sound fonts of these performances.

        Raises
        ------
        SfpipeError
            If one is missing.
        """
        names = {record.soundfont for record in records}
        return cls(engraved, params, {name: resolve_soundfont(name).path for name in names})

    def __call__(self, record: PerformanceRecord, sound: OtherSound) -> tuple[np.ndarray, float]:
        """Samples, and how many times as long they last."""
        program = self.params.program if sound.program is None else sound.program
        samples = synthesize_midi(
            self.engraved / record.piece / "score.mid",
            self.fonts[record.soundfont],
            gain=self.params.gain,
            program=program,
            tempo_factor=record.tempo_factor,
            offset=sound.offset,
        )
        return samples, 1.0


@dataclass(frozen=True)
class Resampled:
    """Plays recordings faster or slower, as an old tape machine does: pitch and tempo change.

    Attributes
    ----------
    folder:
        Of the recordings, by piece.
    """

    folder: Path

    def __call__(self, record: PerformanceRecord, sound: OtherSound) -> tuple[np.ndarray, float]:
        """Samples, and how many times as long they last."""
        import soxr

        samples = load_audio(self.folder / record.piece / f"{record.performance}.flac", exact=True)
        factor = sound.offset.factor
        if factor == 1:
            return samples, 1.0
        played = samples.astype(np.float32) / 32767
        return soxr.resample(played, SAMPLE_RATE * factor, SAMPLE_RATE), 1 / factor


def synthesised_records(spectrograms: Path, split: str) -> list[PerformanceRecord]:
    """The performances of a split that can be synthesised again.

    Raises
    ------
    SfpipeError
        If there are none.
    """
    records = [
        record
        for record in read_performances(spectrograms, split)
        if record.soundfont and not is_augmented(record.performance)
    ]
    if not records:
        raise SfpipeError(
            f"holds no performance of '{split}' that was synthesised",
            file=spectrograms,
            remedy="recordings sound as they do: leave out --a4, --transpose and --program",
        )
    return records


@contextmanager
def play_otherwise(
    sound: OtherSound,
    records: Sequence[PerformanceRecord],
    samples: Samples,
    spectrograms: Path,
    finder: Finder,
    *,
    jobs: int = -1,
) -> Iterator[Sounding]:
    """Performances as they sound otherwise, in stores that are gone afterwards.

    Parameters
    ----------
    samples:
        Makes them sound.
    spectrograms:
        The store that they are from.

    Raises
    ------
    SfpipeError
        If a file is missing, or one cannot be made to sound.
    """
    about = {"dataset": dataset_of(spectrograms), "params": sound.described, "tools": {}}
    with TemporaryDirectory(prefix="sfpipe-") as folder:
        heard: dict[tuple[str, str], _Heard] = {}
        for outcome in map_pieces(
            partial(_hear, sound, samples, finder), records, label="listen", jobs=jobs
        ):
            record = outcome.item
            if outcome.value is None:
                raise SfpipeError(f"{record.piece}/{record.performance}: {outcome.error}")
            heard[record.piece, record.performance] = outcome.value
        stores, begins = [], []
        for n in range(max(len(one.hearings) for one in heard.values())):
            stores.append(Path(folder) / f"{n}.h5")
            begins.append({k: h.hearings[n][0] for k, h in heard.items() if n < len(h.hearings)})
            with write_spectrograms(stores[-1], **about) as writer:
                for record in records:
                    one = heard[record.piece, record.performance]
                    if n < len(one.hearings):
                        _write(writer, record, one, n)
        described = sound.described
        if sound.pitch == "found":
            found = {"/".join(key): one.found for key, one in sorted(heard.items())}
            described |= summarised(found) | {"performances": found}
        yield Sounding(tuple(stores), described, tuple(begins))


def summarised(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How many pitches were right after ten seconds and in the end, and when they were found."""
    every = list(found.values())
    right_after = sorted(one["right_after_s"] for one in every if one["right"])
    return {
        "n": len(every),
        "right_within_10_s": sum(one["right_within_10_s"] for one in every),
        "right": len(right_after),
        "right_after_s_median": right_after[len(right_after) // 2] if right_after else None,
    }


@dataclass(frozen=True)
class _Heard:
    """One performance: per hearing the frame from which it counts, and its spectrogram."""

    hearings: list[tuple[int, np.ndarray]]
    longer: float
    found: dict[str, Any]


def _write(writer: Any, record: PerformanceRecord, heard: _Heard, n: int) -> None:
    writer.add(
        record.piece,
        record.performance,
        split=record.split,
        spectrogram=heard.hearings[n][1],
        onset_s=record.onset_s * heard.longer,
        score_onset=record.score_onset,
        tempo_factor=record.tempo_factor / heard.longer,
        soundfont=record.soundfont,
        condition=record.condition,
        simulated=record.simulated,
        aligned=record.aligned,
        estimated=record.estimated,
        confidence=record.confidence,
    )


def _hear(
    sound: OtherSound, samples_of: Samples, finder: Finder, record: PerformanceRecord
) -> _Heard:
    samples, longer = samples_of(record, sound)
    if sound.pitch != "found":
        offset = sound.offset if sound.pitch == "told" else AS_WRITTEN
        return _Heard([(0, spectrogram(samples, SAMPLE_RATE, offset))], longer, {})
    began = int(record.onset_s[0] * longer * FPS + 1e-9)
    hearings, found = listen(samples, finder.search(record.piece), began, sound.offset)
    return _Heard(hearings, longer, found)


def listen(
    samples: np.ndarray, search: PitchSearch, began: int, truth: PitchOffset
) -> tuple[list[tuple[int, np.ndarray]], dict[str, Any]]:
    """Find a performance's pitch as it plays.

    Parameters
    ----------
    samples:
        As of `StreamingSpectrogram.push`.
    began:
        Frame of the first onset.
    truth:
        To say whether it is right: within a quarter of a semitone.

    Returns
    -------
    (list of (int, np.ndarray [shape=(78, n_frames)]), dict)
        The hearings: what followers hear as frames come, and from which frame on. And what was
        found: ``a4_hz``, ``semitones``, ``state``, ``confidence``, ``right``, and within ten
        seconds, and since when.
    """
    stream = StreamingSpectrogram()
    frames = np.concatenate([stream.cut(samples), stream.cut_rest()])
    magnitude = np.concatenate([magnitudes(part) for part in np.array_split(frames, 8)])
    n = len(magnitude)
    known = []  # the offset at which each frame is heard when it comes
    again = [0]  # frames before which all is heard anew
    for t in range(n):
        known.append(search.offset)
        if search.push(magnitude[t], t - began + 1 if t >= began else None):
            again.append(t + 1)
    known.append(search.offset)
    hearings = []
    for begins, until in zip(again, [*again[1:], n], strict=True):
        offsets = [*[known[begins]] * begins, *known[begins:until]]
        offsets += [offsets[-1] if offsets else known[0]] * (n - len(offsets))
        hearings.append((begins + (_LEAD if begins else 0), _composed(magnitude, offsets)))
    found = known[-1]
    right = [abs(_cents(offset) - _cents(truth)) < 25 for offset in known]
    wrong = np.flatnonzero(~np.array(right))
    since = int(wrong[-1]) + 1 if len(wrong) else began
    return hearings, {
        "a4_hz": round(found.a4_hz, 2),
        "semitones": found.semitones,
        "state": search.state,
        "confidence": round(search.confidence, 3),
        "right": right[-1],
        "right_within_10_s": right[min(began + round(_SOON_S * FPS) + 1, n)],
        "right_after_s": max(since - began, 0) / FPS,
    }


def _cents(offset: PitchOffset) -> float:
    return 100 * offset.semitones + offset.cents


def _composed(magnitude: np.ndarray, offsets: Sequence[PitchOffset]) -> np.ndarray:
    """Spectrogram columns, each at its own offset: float32 [shape=(78, n_frames)]."""
    parts, at = [], 0
    for offset, group in groupby(offsets):
        end = at + len(list(group))
        parts.append(filtered(magnitude[at:end], offset))
        at = end
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1)
def _network(agent: Path) -> tuple[Any, Any]:
    """Once in each process."""
    network, params, _ = load_belief(agent)
    return network, params
