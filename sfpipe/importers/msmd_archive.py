"""`sfpipe import-msmd`: the original MSMD archives (v1.1 and page version) into both stores."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio import binding
from sfpipe.audio.files import load_audio
from sfpipe.audio.midi import read_midi
from sfpipe.audio.soundfonts import SoundFont, resolve_soundfont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.datasets.msmd import SPLIT
from sfpipe.datasets.split import read_split
from sfpipe.errors import SfpipeError
from sfpipe.importers import msmd_npz, msmd_v1
from sfpipe.importers.msmd_pages import UnrolledPages, unroll_pages
from sfpipe.importers.pieces import (
    PX_PER_CM,
    Made,
    check_made,
    describe_performance,
    import_pieces,
    other_layout,
)
from sfpipe.parallel import StageReport

STAFF_SPACE_PX = 7.0
NEAR_S = 0.05  # a head and the note of the MIDI that it stands for: one frame
MIN_NEAR = 0.95


def import_msmd(
    folder: Path,
    dataset: str,
    scores_out: Path,
    spectrograms_out: Path,
    *,
    soundfont: str = "FluidR3_GM",
    gain: float = 0.2,
    tempi: Sequence[int] = (1000,),
    jobs: int = -1,
) -> StageReport:
    """Read an unpacked MSMD archive into a score store and a spectrogram store.

    The systems are cut from the pages, 200 px around the middle of each, and put side by side.
    Of v1.1, which has no audio, the MIDI performances are synthesised; the page version's
    recordings are used as they are. Pieces that cannot be used, and those that MSMD's cleaned split
    leaves out, are listed with the reason in both stores.

    Parameters
    ----------
    folder:
        The archive's folder: of v1.1 the one with the pieces, of the page version the one with
        ``msmd_train``; or the folder around it.
    soundfont, gain:
        For MIDI performances; see `sfpipe.audio.synthesis.synthesize_midi`.
    tempi:
        Which performances of v1.1, in thousandths of the score's tempo.

    Raises
    ------
    SfpipeError
        If `folder` is in neither layout, FluidSynth or the sound font is missing, or not one
        piece is usable.
    """
    for place in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())):
        files, names = msmd_npz.find_pieces(place), msmd_v1.find_pieces(place)
        if files or names:
            break
    else:
        expected = "<piece>/scores/ (MSMD v1.1) or msmd_train/<piece>.npz (page version)"
        raise other_layout(folder, expected, "unpack the archive and give its folder")
    splits = {row["piece"]: row["split"] for row in read_split(SPLIT)}
    about: dict[str, Any] = {"dataset": dataset, "params": {"import": "msmd"}, "tools": {}}
    read: functools.partial[Made]
    if files:
        splits |= {piece: msmd_npz.SPLITS[path.parent.name] for piece, path in files.items()}
        read = functools.partial(_read_npz, files=files)
    else:
        font = resolve_soundfont(soundfont)
        options: dict[str, Any] = {"gain": gain, "tempi": sorted(set(tempi))}
        about["params"] |= {"soundfont": font.name, **options}
        about["tools"] = {"fluidsynth": binding.version()}
        read = functools.partial(_read_v1, folder=place, font=font, **options)
    pieces = sorted(files) or names
    return import_pieces(
        read,
        {piece: splits[piece] for piece in pieces if piece in splits},
        scores_out,
        spectrograms_out,
        about,
        folder=place,
        remedy="give an original archive of MSMD, unpacked again",
        skipped={p: "not in MSMD's cleaned split" for p in pieces if p not in splits},
        jobs=jobs,
    )


def _read_v1(piece: str, folder: Path, font: SoundFont, gain: float, tempi: Sequence[int]) -> Made:
    there = msmd_v1.performances(folder / piece)
    chosen = {tempo: there[tempo] for tempo in tempi if tempo in there}
    if not chosen:
        raise SfpipeError(f"no performance at tempo {', '.join(map(str, tempi))}")
    names = {tempo: path.parent.name for tempo, path in chosen.items()}
    plain = min(chosen, key=lambda tempo: abs(tempo - 1000))
    unrolled = unroll_pages(msmd_v1.read_pages(folder / piece, list(names.values())), names[plain])
    quarter = np.zeros(len(unrolled.x_px))
    played = []
    for tempo, path in chosen.items():
        midi = read_midi(path)
        starts = np.array(sorted((note.start_s, note.quarter) for note in midi.notes))
        onset_s = unrolled.onset_s[names[tempo]]
        _check_alignment(onset_s, starts[:, 0], path)
        if tempo == plain:
            quarter = np.interp(onset_s, starts[:, 0], starts[:, 1])
        samples = synthesize_midi(midi, font.path, gain=gain)
        name = f"{font.name}-x{tempo / 1000:.2f}"
        sound = {"tempo_factor": tempo / 1000, "soundfont": font.name}
        played.append(_performance(name, samples, onset_s) | sound)
    return check_made(piece, _score(unrolled, quarter), played)


def _read_npz(piece: str, files: dict[str, Path]) -> Made:
    path = files[piece]
    unrolled = unroll_pages(msmd_npz.read_pages(path), msmd_npz.RECORDING)
    onset_s = unrolled.onset_s[msmd_npz.RECORDING]
    played = _performance(msmd_npz.RECORDING, load_audio(path.with_suffix(".wav")), onset_s)
    # There are no written times in this version: the played ones stand in, 2 quarters a second.
    return check_made(piece, _score(unrolled, 2 * onset_s), [played])


def _check_alignment(onset_s: np.ndarray, start_s: np.ndarray, file: Path) -> None:
    """Refuse an alignment that is not this MIDI file's."""
    times = onset_s[np.isfinite(onset_s)]
    place = np.clip(np.searchsorted(start_s, times), 1, max(len(start_s) - 1, 1))
    both = start_s[np.stack([place - 1, np.minimum(place, len(start_s) - 1)])]
    near = float(np.mean(np.abs(both - times).min(0) <= NEAR_S)) if len(times) else 0.0
    if near < MIN_NEAR:
        raise SfpipeError(f"has a note at only {near:.0%} of the aligned onsets", file=file)


def _score(unrolled: UnrolledPages, quarter: np.ndarray) -> dict[str, Any]:
    return {
        "strip": unrolled.strip,
        "onset_x_px": unrolled.x_px,
        "onset_y_px": unrolled.y_px,
        "onset_quarter": quarter,
        "staff_space_px": STAFF_SPACE_PX,
        "px_per_cm": PX_PER_CM,
    }


def _performance(name: str, samples: np.ndarray, onset_s: np.ndarray) -> dict[str, Any]:
    index = np.flatnonzero(np.isfinite(onset_s))
    index = index[np.argsort(onset_s[index], kind="stable")]
    return describe_performance(name, samples, onset_s[index], index)
