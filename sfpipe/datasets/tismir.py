"""The layout in which the authors of the paper distribute their preprocessed data.

``score/<piece>.npz`` holds the unrolled strip (``sheet``), the note heads' centres (``coords``,
(y, x) in px) and ``coord2onset``: note head -> place in the onset-sorted notes of the MIDI file.
``performance/<piece>.mid`` or ``.wav`` is what is heard.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.datasets.catalogue import recognise
from sfpipe.datasets.plain_pickle import read_objects
from sfpipe.errors import SfpipeError
from sfpipe.parallel import StageReport, map_pieces

PX_PER_CM = 1 / 0.035277778  # 72 px per inch (section 5)
STAFF_SPACE_PX = {40: 3.5}  # by strip height: Nottingham's ...
STAFF_SPACE_MSMD_PX = 7.0  # ... and, at 200 px, the MSMD's
BATCH = 64  # pieces held in memory at once
MANY = 100_000  # files looked at, to tell what else a folder is


@dataclass(frozen=True)
class Score:
    """One ``score/<piece>.npz``.

    `sheet`: uint8 [shape=(height, width)], paper 255. `coords`: float32 [shape=(n, 2)], (y, x) in
    px. `note`: int64 [shape=(m,)], place in the onset-sorted MIDI notes of note head `head`:
    int64 [shape=(m,)], increasing.
    """

    sheet: np.ndarray
    coords: np.ndarray
    head: np.ndarray
    note: np.ndarray


@dataclass(frozen=True)
class OnsetMap:
    """Distinct onsets: `onset_s`, `x_px`, `y_px`, `quarter`, each float64 [shape=(n,)]."""

    onset_s: np.ndarray
    x_px: np.ndarray
    y_px: np.ndarray
    quarter: np.ndarray


def import_tismir(
    folder: Path,
    dataset: str,
    scores_out: Path,
    spectrograms_out: Path,
    *,
    split: str = "test",
    soundfont: str = "FluidR3_GM",
    gain: float = 0.2,
    jobs: int = -1,
) -> StageReport:
    """Read a folder in the authors' layout into a score store and a spectrogram store.

    MIDI performances are synthesised; for WAV performances the onsets come from the MIDI file of
    the same name, beside the recording or else beside the score. Pieces that cannot be used are
    left out and listed with the reason in both stores.

    Parameters
    ----------
    folder:
        Holds ``score`` and ``performance``.
    split:
        Which of ``train``, ``valid`` and ``test`` the pieces are.
    soundfont, gain:
        For MIDI performances; see `sfpipe.audio.synthesis.synthesize_midi`.

    Raises
    ------
    SfpipeError
        If `folder` is not in this layout, FluidSynth or the sound font is missing, or not one
        piece is usable.
    """
    # This importer is a pipeline of its own and the only place where datasets uses later rooms;
    # imported here, so that no stage comes to depend on them through this module.
    from sfpipe.audio import binding
    from sfpipe.audio.soundfonts import resolve
    from sfpipe.store.writer import write_scores, write_spectrograms

    pieces = sorted(path.stem for path in (folder / "score").glob("*.npz"))
    if not pieces or not (folder / "performance").is_dir():
        other = recognise(str(p.relative_to(folder)) for p in islice(folder.rglob("*"), MANY))
        found = f", found {other.name}" if other else ""
        raise SfpipeError(
            f"expected score/<piece>.npz and performance/<piece>.mid or .wav{found}",
            file=folder,
            remedy=other.use if other else "give the folder that holds 'score' and 'performance'",
        )
    font = resolve(soundfont)
    params = {"import": "tismir", "split": split, "soundfont": font.name, "gain": gain}
    tools = {"fluidsynth": binding.version()}
    work = functools.partial(
        _import_piece, folder=folder, soundfont=font.path, name=font.name, gain=gain
    )
    report = StageReport()
    with (
        write_scores(scores_out, dataset=dataset, params=params, tools=tools) as scores,
        write_spectrograms(spectrograms_out, dataset=dataset, params=params, tools=tools) as specs,
    ):
        for start in range(0, len(pieces), BATCH):
            batch = pieces[start : start + BATCH]
            for outcome in map_pieces(work, batch, label="import", jobs=jobs):
                if outcome.error is None:
                    score, performance = outcome.value
                    scores.add(outcome.item, split=split, title=outcome.item, **score)
                    specs.add(outcome.item, split=split, **performance)
                    report.done.append(outcome.item)
                else:
                    report.skipped[outcome.item] = outcome.error
                    scores.skip(outcome.item, outcome.error)
                    specs.skip(outcome.item, outcome.error)
        if not report.done:
            first = next(iter(report.skipped.values()))
            raise SfpipeError(f"not one piece is usable (the first: {first})", file=folder)
    return report


def read_score(path: Path) -> Score:
    """Read and check ``score/<piece>.npz``.

    Raises
    ------
    SfpipeError
        If the file is damaged or not what the authors distribute.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            sheet, coords = arrays["sheet"], arrays["coords"]
        pairs = sorted((int(k), int(v)) for k, v in _coord2onset(path).items())
    except Exception as error:
        # A damaged zip archive or pickle raises nearly anything.
        raise SfpipeError(
            f"is not a score of the 2019 layout ({type(error).__name__}: {error})",
            file=path,
            remedy="download it again",
        ) from None
    if sheet.dtype != np.uint8 or sheet.ndim != 2 or coords.ndim != 2 or coords.shape[1] != 2:
        raise SfpipeError(
            f"expected sheet uint8 (height, width) and coords (n, 2), found {sheet.dtype} "
            f"{sheet.shape} and {coords.shape}",
            file=path,
        )
    head, note = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    if len(head) == 0 or head[0] < 0 or head[-1] >= len(coords) or note.min() < 0:
        raise SfpipeError("coord2onset names note heads that are not there", file=path)
    return Score(sheet, coords, head, note)


def onset_map(score: Score, note_s: np.ndarray, note_quarter: np.ndarray) -> OnsetMap:
    """Place of every distinct onset on the strip: that of its first note head.

    Parameters
    ----------
    note_s, note_quarter:
        float64 [shape=(n_notes,)], start of every MIDI note, sorted: performed, in s, and
        written, in quarter notes.

    Raises
    ------
    SfpipeError
        If `score` refers to more notes than there are.
    """
    if score.note.max() >= len(note_s):
        raise SfpipeError(
            f"coord2onset refers to note {score.note.max()}, but the MIDI file has {len(note_s)}"
        )
    # `head` increases, and np.unique returns the first of equals: the first note head.
    onset_s, first = np.unique(note_s[score.note], return_index=True)
    y_px, x_px = score.coords[score.head[first]].astype(np.float64).T
    return OnsetMap(onset_s, x_px, y_px, note_quarter[score.note[first]])


def _import_piece(
    piece: str, folder: Path, soundfont: Path, name: str, gain: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments for the two stores' ``add``."""
    from sfpipe.audio.files import load_audio
    from sfpipe.audio.midi import read_midi
    from sfpipe.audio.spectrogram import spectrogram
    from sfpipe.audio.synthesis import synthesize_midi
    from sfpipe.store.schema import SAMPLE_RATE

    score = read_score(folder / "score" / f"{piece}.npz")
    written = folder / "score" / f"{piece}.mid"
    played = folder / "performance" / f"{piece}.mid"
    recording = played.with_suffix(".wav")
    if not played.is_file():
        if not recording.is_file() or not written.is_file():
            raise SfpipeError("no performance", file=played, remedy="download it again")
        played = written
    midi = read_midi(played)
    if recording.is_file():
        samples, label = load_audio(recording), "recording"
    else:
        samples = synthesize_midi(midi, soundfont, gain=gain)
        label = f"{name}-x1.00"
    note_s = np.sort([note.start_s for note in midi.notes])
    score_midi = read_midi(written) if written.is_file() else midi
    if len(score_midi.notes) != len(midi.notes):
        score_midi = midi
    quarter = np.sort([note.quarter for note in score_midi.notes])
    onsets = onset_map(score, note_s, quarter)
    if onsets.onset_s[-1] >= len(samples) / SAMPLE_RATE:
        raise SfpipeError("the last onset lies behind the end of the audio", file=recording)
    height = score.sheet.shape[0]
    return (
        {
            "strip": score.sheet,
            "onset_x_px": onsets.x_px,
            "onset_y_px": onsets.y_px,
            "onset_quarter": onsets.quarter,
            "staff_space_px": STAFF_SPACE_PX.get(height, STAFF_SPACE_MSMD_PX),
            "px_per_cm": PX_PER_CM,
        },
        {
            "performance": label,
            "spectrogram": spectrogram(samples, SAMPLE_RATE),
            "onset_s": onsets.onset_s,
            "score_onset": np.arange(len(onsets.onset_s)),
            "tempo_factor": 1.0,
            "soundfont": "" if label == "recording" else name,
            "duration_s": len(samples) / SAMPLE_RATE,
        },
    )


def _coord2onset(path: Path) -> dict[Any, Any]:
    """The dict in ``coord2onset``, an object array of shape (1,)."""
    value = read_objects(path, "coord2onset")
    found = value.reshape(-1)[0] if isinstance(value, np.ndarray) else value
    if not isinstance(found, dict):
        raise TypeError("coord2onset is no dict")
    return found
