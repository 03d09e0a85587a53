"""A user's own scores and recordings, for `evaluate --real-performances`.

``FOLDER/<piece>/`` holds one score (MusicXML) and recordings ``<name>.wav`` (.mp3, .m4a, ...). A
``<name>.match`` or ``<name>.mid`` beside a recording, in its time, says when each note was played;
without it only coverage can be reported (`sfpipe.evaluation.coverage`). A name that ends in
``-direct`` or ``-room`` is of that condition, all others are of condition ``recording``.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.decoding import AUDIO_SUFFIXES
from sfpipe.audio.files import load_audio
from sfpipe.audio.midi import read_midi
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import read_noteheads
from sfpipe.engraving.lilypond.piece import engrave_source
from sfpipe.engraving.lilypond.program import require_walls
from sfpipe.engraving.piece import engrave_piece
from sfpipe.errors import SfpipeError
from sfpipe.notation.files import XML_SUFFIXES
from sfpipe.parallel import map_pieces
from sfpipe.params import EngraveParams
from sfpipe.real_performances.alignment import align, place_notes
from sfpipe.real_performances.notes import PlayedNote, read_match, read_score_notes
from sfpipe.real_performances.pairing import pair_notes
from sfpipe.score.stage import add_strip, unroll_piece
from sfpipe.store.schema import FPS, SAMPLE_RATE
from sfpipe.store.writer import write_scores, write_spectrograms

CONDITION = "recording"
NOTES_SUFFIXES = (".match", ".mid", ".midi")
SILENCE_DB = 40  # below the loudest frame: silence


def import_recordings(
    folder: Path,
    dataset: str,
    engraved: Path,
    scores_out: Path,
    performances_out: Path,
    *,
    melody: EngraveParams | None = None,
    unconfined: bool = False,
    jobs: int = -1,
) -> list[str]:
    """Engrave the scores, align the recordings, and write both stores.

    Parameters
    ----------
    melody:
        The scores are melodies, drawn by Verovio like those of the Nottingham Database; None:
        piano music, drawn by LilyPond like that of the MSMD.
    unconfined:
        LilyPond may draw also where the system cannot confine it.
    jobs:
        Number of processes; -1 is one per core.

    Returns
    -------
    list of str
        One line per recording and per piece left out: what became of it.

    Raises
    ------
    SfpipeError
        If the folder has no pieces, a tool is missing, or not one recording is usable.
    """
    pieces = sorted(path for path in folder.glob("*") if path.is_dir() and _score(path))
    if not pieces:
        raise SfpipeError(
            f"expected <piece>/ with a score ({', '.join(XML_SUFFIXES)}) and recordings",
            file=folder,
            remedy="put each score into a folder of its own, its recordings beside it",
        )
    if melody is None:
        require_walls(unconfined=unconfined)
    about: dict[str, Any] = {"dataset": dataset, "params": {"import": "recordings"}}
    tools = {name: version(name) for name in ("sfpipe", "soundfile")}
    # In processes of their own: a file that crashes its reader is reported like any other.
    draw = functools.partial(
        _engrave, folder=folder, engraved=engraved, melody=melody, unconfined=unconfined
    )
    read = functools.partial(_read_performance, engraved=engraved)
    told: list[str] = []
    usable = 0
    with (
        write_scores(scores_out, **about, tools=tools) as scores,
        write_spectrograms(performances_out, **about, tools=tools) as played,
    ):
        for drawn in map_pieces(draw, pieces, label="engrave", jobs=jobs):
            path = drawn.item
            if drawn.error is not None:
                told.append(f"{path.name}: left out: {drawn.error}")
                scores.skip(path.name, drawn.error)
                continue
            strip, description = drawn.value
            add_strip(scores, path.name, "test", path.name, strip, description)
            for outcome in map_pieces(read, _recordings(path, told), label=path.name, jobs=jobs):
                name = f"{path.name}/{outcome.item.name}"
                if outcome.error is not None:
                    told.append(f"{name}: left out: {outcome.error}")
                    played.skip(name, outcome.error)
                    continue
                performance, line = outcome.value
                played.add(path.name, split="test", **performance)
                usable += 1
                told.append(f"{name}: {line}")
        if not usable:
            raise SfpipeError(
                f"not one recording is usable ({told[0] if told else 'there are none'})",
                file=folder,
                remedy="put recordings that can be played beside a score in MusicXML",
            )
    return told


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


def _score(folder: Path) -> Path | None:
    files = (p for p in sorted(folder.iterdir()) if p.suffix.lower() in XML_SUFFIXES)
    return next(files, None)


def _recordings(folder: Path, told: list[str]) -> list[Path]:
    """The recordings of a piece; what is neither score, notes nor recording is told."""
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    known = (*XML_SUFFIXES, *NOTES_SUFFIXES, *AUDIO_SUFFIXES)
    told += [
        f"{folder.name}/{p.name}: left out: '{p.suffix}' is none of {', '.join(AUDIO_SUFFIXES)}"
        for p in files
        if p.suffix.lower() not in known
    ]
    return [p for p in files if p.suffix.lower() in AUDIO_SUFFIXES]


def _engrave(
    path: Path, folder: Path, engraved: Path, melody: EngraveParams | None, unconfined: bool
) -> tuple[Any, dict[str, Any]]:
    """The strip of a piece and its description."""
    source = _score(path)
    assert source is not None
    piece = Piece(
        id=path.name,
        title=path.name,
        split="test",
        source=str(source.relative_to(folder)),
        sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        licence="own",
        engine=None if melody else "lilypond",
    )
    if melody:
        engrave_piece(piece, melody, folder, engraved)
    else:
        engrave_source(piece, folder, engraved, unconfined=unconfined)
    return unroll_piece(engraved / path.name, None)


def _read_performance(recording: Path, engraved: Path) -> tuple[dict[str, Any], str]:
    """Arguments for the store, and what to tell about it."""
    path = recording.parent
    engraved /= path.name
    notices: list[str] = []
    samples = load_audio(recording, tell=notices.append)
    spec = spectrogram(samples, SAMPLE_RATE)
    duration = len(samples) / SAMPLE_RATE
    ending = recording.stem.rpartition("-")[2]
    condition = ending if ending in ("direct", "room") else CONDITION
    stem = recording.stem.removesuffix(f"-{ending}") if condition == ending else recording.stem
    match = _match(recording, stem, path)
    heads = read_noteheads(engraved)
    n_onsets = len(heads.onsets())
    if match is None:
        onset_s = np.array(music_bounds(spec))
        score_onset = np.array([0, n_onsets - 1])
        line = "no MIDI or match file beside it: only coverage can be reported"
    else:
        notes = read_score_notes(_score(path) or path)
        aligned = align(match, notes, place_notes(notes, heads), n_onsets)
        inside = aligned.onset_s < duration
        onset_s, score_onset = aligned.onset_s[inside], aligned.score_onset[inside]
        if len(np.unique((onset_s * FPS).astype(np.int64))) < 2:
            raise SfpipeError(
                f"of {len(aligned.onset_s)} aligned onsets only {len(onset_s)} lie within its"
                f" {duration:.1f} s",
                file=recording,
                remedy="is the MIDI or match file that of this recording?",
            )
        counts = aligned.counts
        line = (
            f"{counts.matched} of {counts.score_notes} notes matched, {counts.extra} others; "
            f"{len(onset_s)} of {n_onsets} onsets"
        )
    return {
        "performance": f"{stem}-{condition}",
        "spectrogram": spec,
        "onset_s": onset_s,
        "score_onset": score_onset,
        "duration_s": duration,
        "condition": condition,
        "aligned": match is not None,
    }, "; ".join([line, *notices])


def _match(recording: Path, stem: str, path: Path) -> Any:
    """From a match file, else from a MIDI file, of the recording or of its name."""
    beside = {p.name.lower(): p for p in path.iterdir()}
    for suffix in NOTES_SUFFIXES:
        for name in (recording.stem, stem):
            file = beside.get(f"{name}{suffix}".lower())
            if file is None:
                continue
            if suffix == ".match":
                return read_match(file)
            played = [
                PlayedNote(f"p{i}", n.start_s, n.pitch) for i, n in enumerate(read_midi(file).notes)
            ]
            return pair_notes(read_score_notes(_score(path) or path), played)
    return None
