"""One recording of an engraved piece: its sound, and when each onset of the score is played.

A match or MIDI file beside it says so; without one the onsets are estimated from the sound
(`sfpipe.real_performances.sound_alignment`), and marked as such. Where that does not succeed, only
the first and the last sound are known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.alignment.notes import (
    Match,
    PlayedNote,
    ScoreNote,
    WrittenScore,
    read_match,
    read_score_notes,
)
from sfpipe.alignment.onsets import Alignment, align, place_notes
from sfpipe.alignment.pairing import match_performance, pair_notes
from sfpipe.audio.decoding import AUDIO_SUFFIXES
from sfpipe.audio.files import load_audio, write_flac
from sfpipe.audio.midi import read_midi
from sfpipe.audio.onset_files import write_onsets
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.engraving.files import NoteHeads, read_noteheads
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256, write_json
from sfpipe.importers.recording_folders import Take
from sfpipe.notation.files import DOCUMENT_SUFFIXES
from sfpipe.real_performances.conditions import Voice
from sfpipe.real_performances.sound_alignment import Estimate, estimate_onsets
from sfpipe.store.schema import FPS, SAMPLE_RATE

SILENCE_DB = 40  # below the loudest frame: silence
LEAST_MATCHED = 0.5  # share of the score's notes; below, the notes are of another piece


@dataclass(frozen=True)
class Recording:
    """A recording of an engraved piece, and where what is made of it goes."""

    piece: str
    take: Take
    score: Path | None
    engraved: Path
    out: Path


def read_performance(recording: Recording, voice: Voice) -> tuple[dict[str, Any], str]:
    """Arguments for the store, and what to tell about it; the sound is written."""
    take = recording.take
    notices: list[str] = []
    samples = _load(take.path, notices)
    spec = spectrogram(samples, SAMPLE_RATE)
    duration = len(samples) / SAMPLE_RATE
    heads = read_noteheads(recording.engraved)
    n_onsets = len(heads.onsets())
    marks: dict[str, Any] = {"aligned": True}
    aligned, line = _by_notes(recording, heads, duration, notices)
    if aligned is not None:
        onset_s, score_onset = aligned.onset_s, aligned.score_onset
    else:
        bounds = music_bounds(spec)
        estimate = _by_sound(recording, heads, samples, voice, notices)
        if estimate is not None:
            onset_s, score_onset = estimate.onset_s, estimate.score_onset
            marks |= {"estimated": True, "confidence": estimate.confidence}
            line = (
                f"{len(onset_s)} of {n_onsets} onsets estimated from the sound, confidence"
                f" {estimate.confidence:.2f}"
            )
        else:
            onset_s, score_onset = np.array(bounds), np.array([0, n_onsets - 1])
            marks = {"aligned": False}
            line = "only coverage can be reported"
    path = recording.out / f"{take.performance}.flac"
    write_flac(path, samples)
    write_onsets(path.with_suffix(".csv"), onset_s, score_onset)
    made = {"condition": take.condition, "simulated": False, "tempo_factor": 1.0, **marks}
    write_json(path.with_suffix(".json"), {"recipe": {"recording": sha256(take.path)}, **made})
    return {
        "performance": take.performance,
        "spectrogram": spec,
        "onset_s": onset_s,
        "score_onset": score_onset,
        "duration_s": duration,
        "condition": take.condition,
        **marks,
    }, "; ".join([line, *notices])


def _load(path: Path, notices: list[str]) -> np.ndarray:
    try:
        return load_audio(
            path, tell=lambda line: notices.append(line.removeprefix(str(path)).lstrip(": "))
        )
    except SfpipeError as error:
        if path.suffix.lower() in AUDIO_SUFFIXES:
            raise
        raise SfpipeError(f"neither a recording nor a score or its notes ({error.what})") from None


def _by_notes(
    recording: Recording, heads: NoteHeads, duration: float, notices: list[str]
) -> tuple[Alignment | None, str]:
    """The onsets by the match or MIDI file beside a recording, and what to tell of them."""
    take = recording.take
    by_heads = functools.partial(_by_pairing, heads=heads)
    ways: list[tuple[Path | None, Callable[[Path], Alignment]]] = [
        (take.match, lambda path: by_heads(_matched(path))),
        (take.midi, lambda path: by_heads(_played(path))),
    ]
    score = recording.score
    if score is not None and score.suffix.lower() in DOCUMENT_SUFFIXES:
        written = read_score_notes(score)
        ways = [
            (take.match, lambda path: _by_names(read_match(path), written, heads)),
            (take.match, lambda path: _by_unfolding(_matched(path), written, heads)),
            (take.midi, lambda path: _by_unfolding(_played(path), written, heads)),
            *ways,
        ]
    for file, way in ways:
        if file is None:
            continue
        try:
            aligned = _inside(way(file), duration, file)
        except SfpipeError as error:
            notices.append(f"{file.name} does not help: {error.what}")
            continue
        counts = aligned.counts
        played = len(set(aligned.score_onset.tolist()))
        line = (
            f"{counts.matched} of {counts.score_notes} notes matched ({file.name}),"
            f" {counts.extra} others; {played} of {counts.onsets} onsets"
        )
        if counts.onsets_repeated:
            line += f", {counts.onsets_repeated} of them repeated"
        return aligned, line
    return None, ""


def _by_names(match: Match, written: WrittenScore, heads: NoteHeads) -> Alignment:
    """By the ids that the match file and the score give the notes."""
    placed = place_notes(written.notes, heads)
    return align(match.written(written), written.notes, placed, len(heads.onsets()))


def _by_unfolding(played: list[PlayedNote], written: WrittenScore, heads: NoteHeads) -> Alignment:
    """By the notes of the score, whose repeats are played or not."""
    placed = place_notes(written.notes, heads)
    match = match_performance(written, played)
    _check_matched(match, written.notes)
    return align(match, written.notes, placed, len(heads.onsets()))


def _by_pairing(played: list[PlayedNote], heads: NoteHeads) -> Alignment:
    """By the printed heads, each played once."""
    notes, placed = notes_of(heads)
    match = pair_notes(notes, played)
    _check_matched(match, notes)
    return align(match, notes, placed, len(heads.onsets()))


def _check_matched(match: Match, notes: Mapping[str, ScoreNote]) -> None:
    n_matched = len({name for name, _ in match.pairs})
    if n_matched < LEAST_MATCHED * len(notes):
        raise SfpipeError(f"only {n_matched} of {len(notes)} notes of the score are in it")


def _matched(match: Path) -> list[PlayedNote]:
    return list(read_match(match).played.values())


def notes_of(heads: NoteHeads) -> tuple[dict[str, ScoreNote], dict[str, int]]:
    """The struck note heads of an engraved piece as notes, and the onset of each."""
    notes, placed = {}, {}
    for index, group in enumerate(heads.onsets()):
        for i in group:
            name, quarter = f"head{i}", float(heads.onset_quarter[i])
            notes[name] = ScoreNote(name, quarter, int(heads.midi_pitch[i]), bool(heads.grace[i]))
            placed[name] = index
    return notes, placed


def _played(midi: Path) -> list[PlayedNote]:
    return [PlayedNote(f"p{i}", n.start_s, n.pitch) for i, n in enumerate(read_midi(midi).notes)]


def _inside(aligned: Alignment, duration: float, file: Path) -> Alignment:
    """The onsets within the recording.

    Raises
    ------
    SfpipeError
        If fewer than two frames have one.
    """
    inside = (aligned.onset_s >= 0) & (aligned.onset_s < duration)
    onset_s, score_onset = aligned.onset_s[inside], aligned.score_onset[inside]
    if len(np.unique((onset_s * FPS).astype(np.int64))) < 2:
        raise SfpipeError(
            f"of {len(aligned.onset_s)} aligned onsets only {len(onset_s)} lie within the"
            f" {duration:.1f} s of the recording",
            file=file,
        )
    return Alignment(onset_s, score_onset, aligned.turn[inside], aligned.counts)


def _by_sound(
    recording: Recording, heads: NoteHeads, samples: np.ndarray, voice: Voice, notices: list[str]
) -> Estimate | None:
    """Onsets estimated from the sound; None if they are not to be trusted."""
    try:
        estimate = estimate_onsets(
            samples,
            recording.engraved / "score.mid",
            np.array([heads.onset_s[group[0]] for group in heads.onsets()]),
            voice.soundfont,
            gain=voice.gain,
            program=voice.program,
        )
    except SfpipeError as error:
        notices.append(f"it cannot be aligned with the score: {error.what}")
        return None
    if not estimate.trusted:
        notices.append(
            f"it does not sound like its score (likeness {estimate.likeness:.2f}, confidence"
            f" {estimate.confidence:.2f}): is it of this piece, from beginning to end?"
        )
        return None
    return estimate


def music_bounds(spec: np.ndarray) -> tuple[float, float]:
    """When the first sound begins and the last note is struck, as far as loudness tells, in s.

    The first frame that is not silent, and the last such one in which much more becomes louder than
    does where notes are held: a quarter of what the strongest attacks bring.

    Parameters
    ----------
    spec:
        float32 [shape=(78, n_frames)].

    Raises
    ------
    SfpipeError
        If there is nothing but silence.
    """
    power = np.sum((10**spec - 1) ** 2, axis=0)
    loud = power > power.max() * 10 ** (-SILENCE_DB / 10)
    if power.max() <= 0 or loud.sum() < 2:
        raise SfpipeError("is silent", remedy="record it again")
    flux = np.maximum(np.diff(spec, axis=1, prepend=spec[:, :1]), 0).sum(axis=0)
    struck = np.flatnonzero(loud & (flux > 0.25 * np.percentile(flux[loud], 95)))
    first = int(np.flatnonzero(loud)[0])
    last = int(struck[-1]) if len(struck) else int(np.flatnonzero(loud)[-1])
    return first / FPS, max(last, first + 1) / FPS
