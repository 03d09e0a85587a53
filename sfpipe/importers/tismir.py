"""The layout in which the authors of the paper distribute their preprocessed data.

``score/<piece>.npz`` holds the unrolled strip (``sheet``), the note heads' centres (``coords``,
(y, x) in px) and ``coord2onset``: note head -> place in the onset-sorted notes of the MIDI file.
``performance/<piece>.mid`` or ``.wav`` is what is played. Human performances lie beside it, one
folder per condition: ``performance_score``, ``performance_performance``, ``performance_direct``,
``performance_room`` (section 6), with the MIDI that says when each note was played.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio import binding
from sfpipe.audio.files import load_audio
from sfpipe.audio.midi import Midi, read_midi
from sfpipe.audio.soundfonts import SoundFont, resolve_soundfont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.importers.pieces import (
    PX_PER_CM,
    Made,
    check_made,
    describe_performance,
    import_pieces,
    other_layout,
)
from sfpipe.importers.plain_pickle import read_array, read_objects
from sfpipe.parallel import StageReport

STAFF_SPACE_PX = {40: 3.5}  # by strip height: Nottingham's ...
STAFF_SPACE_MSMD_PX = 7.0  # ... and, at 200 px, the MSMD's


@dataclass(frozen=True)
class TismirScore:
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

    Human performances are marked with their condition. MIDI performances are synthesised; for WAV
    performances the onsets come from the MIDI file of the same name, beside the recording or else
    beside the score. Pieces that cannot be used are listed with the reason in both stores.

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
    pieces = sorted(path.stem for path in (folder / "score").glob("*.npz"))
    if not pieces or not (folder / "performance").is_dir():
        expected = "score/<piece>.npz and performance/<piece>.mid or .wav"
        remedy = "give the folder that holds 'score' and 'performance'"
        raise other_layout(folder, expected, remedy)
    font = resolve_soundfont(soundfont)
    params = {"import": "tismir", "split": split, "soundfont": font.name, "gain": gain}
    return import_pieces(
        functools.partial(_read_piece, folder=folder, font=font, gain=gain),
        dict.fromkeys(pieces, split),
        scores_out,
        spectrograms_out,
        {"dataset": dataset, "params": params, "tools": {"fluidsynth": binding.version()}},
        folder=folder,
        remedy="give the folder as the authors distribute it, downloaded again",
        jobs=jobs,
    )


def read_score(path: Path) -> TismirScore:
    """Read and check ``score/<piece>.npz``.

    Raises
    ------
    SfpipeError
        If the file is damaged or not what the authors distribute.
    """
    try:
        sheet, coords = read_array(path, "sheet"), read_array(path, "coords")
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
    return TismirScore(sheet, coords, head, note)


def onset_map(score: TismirScore, note_s: np.ndarray, note_quarter: np.ndarray) -> OnsetMap:
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


def _read_piece(piece: str, folder: Path, font: SoundFont, gain: float) -> Made:
    score = read_score(folder / "score" / f"{piece}.npz")
    written = folder / "score" / f"{piece}.mid"
    performances = []
    places: OnsetMap | None = None
    for place in _performance_folders(folder, piece):
        condition = place.name.removeprefix("performance").removeprefix("_")
        midi = read_midi(_played_midi(folder, place, piece, condition))
        score_midi = read_midi(written) if written.is_file() else midi
        if len(score_midi.notes) != len(midi.notes):
            score_midi = midi
        onsets = onset_map(
            score,
            np.sort([note.start_s for note in midi.notes]),
            np.sort([note.quarter for note in score_midi.notes]),
        )
        places = places or onsets
        performance = _performance(place / f"{piece}.wav", midi, font, gain, onsets, places)
        if condition:
            performance["performance"] += f"-{condition}"
            performance["condition"] = condition
        performances.append(performance)
    if places is None:
        path = folder / "performance" / f"{piece}.mid"
        raise SfpipeError("no performance", file=path, remedy="download it again")
    made = {
        "strip": score.sheet,
        "onset_x_px": places.x_px,
        "onset_y_px": places.y_px,
        "onset_quarter": places.quarter,
        "staff_space_px": STAFF_SPACE_PX.get(score.sheet.shape[0], STAFF_SPACE_MSMD_PX),
        "px_per_cm": PX_PER_CM,
    }
    return check_made(piece, made, performances)


def _played_midi(folder: Path, place: Path, piece: str, condition: str) -> Path:
    """A performance's own MIDI file, else that of the plain performance, else the score's."""
    plain = folder / "performance" / f"{piece}.mid"
    written = folder / "score" / f"{piece}.mid"
    for path in (place / f"{piece}.mid", *((plain,) if condition else ()), written):
        if path.is_file():
            return path
    raise SfpipeError("no performance", file=written, remedy="download it again")


def _performance_folders(folder: Path, piece: str) -> list[Path]:
    """``performance``, then those of conditions, that have something of the piece."""
    every = sorted(path for path in folder.glob("performance*") if path.is_dir())
    return [p for p in every if any((p / f"{piece}{s}").is_file() for s in (".mid", ".wav"))]


def _nearest(places: OnsetMap, onsets: OnsetMap) -> np.ndarray:
    """Index into `places` of each onset: the same place on the strip, played at another time."""
    order = np.argsort(places.x_px, kind="stable")
    at = np.searchsorted(places.x_px[order], onsets.x_px).clip(0, len(order) - 1)
    before = (at - 1).clip(0)
    x = places.x_px[order]
    closer = np.abs(x[before] - onsets.x_px) < np.abs(x[at] - onsets.x_px)
    return order[np.where(closer, before, at)]


def _performance(
    recording: Path, midi: Midi, font: SoundFont, gain: float, onsets: OnsetMap, places: OnsetMap
) -> dict[str, Any]:
    """One performance: the recording if there is one, else its MIDI synthesised."""
    if recorded := recording.is_file():
        samples = load_audio(recording)
    else:
        samples = synthesize_midi(midi, font.path, gain=gain)
    name = "recording" if recorded else f"{font.name}-x1.00"
    performance = describe_performance(name, samples, onsets.onset_s, _nearest(places, onsets))
    return performance | {"tempo_factor": 1.0, "soundfont": "" if recorded else font.name}


def _coord2onset(path: Path) -> dict[Any, Any]:
    """The dict in ``coord2onset``, an object array of shape (1,)."""
    value = read_objects(path, "coord2onset")
    inside = value.reshape(-1)[0] if isinstance(value, np.ndarray) else value
    if not isinstance(inside, dict):
        raise TypeError("coord2onset is no dict")
    return inside
