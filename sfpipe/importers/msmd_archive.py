"""`sfpipe import-msmd`: the original MSMD archives (v1.1 and page version) into both stores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.datasets.catalogue import recognise
from sfpipe.datasets.msmd import read_split
from sfpipe.errors import SfpipeError
from sfpipe.importers import msmd_npz, msmd_v1
from sfpipe.importers.msmd_pages import UnrolledPages, unroll_pages
from sfpipe.parallel import StageReport, map_pieces

PX_PER_CM = 1 / 0.035277778  # as the 2019 authors count: 72 px per inch
STAFF_SPACE_PX = 7.0
BATCH = 64  # pieces held in memory at once
MANY = 100_000  # files looked at, to tell what else a folder is
NEAR_S = 0.05  # a head and the note of the MIDI that it stands for: one frame
MIN_NEAR = 0.95

Made = tuple[dict[str, Any], list[dict[str, Any]]]


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
    # As in `tismir`: imported here, so that no stage comes to depend on later rooms through this.
    from sfpipe.audio import binding
    from sfpipe.audio.soundfonts import resolve
    from sfpipe.store.writer import write_scores, write_spectrograms

    folder = _inside(folder)
    split = {row["piece"]: row["split"] for row in read_split()}
    files = msmd_npz.find_pieces(folder)
    params: dict[str, Any] = {"import": "msmd"}
    tools: dict[str, str] = {}
    work: Callable[[str], Made]
    if files:
        split |= {piece: msmd_npz.SPLITS[path.parent.name] for piece, path in files.items()}
        work, pieces = functools.partial(_import_npz, files=files), sorted(files)
    else:
        font = resolve(soundfont)
        options: dict[str, Any] = {"soundfont": font.name, "gain": gain}
        options["tempi"] = sorted(set(tempi))
        params, tools = params | options, {"fluidsynth": binding.version()}
        pieces = msmd_v1.find_pieces(folder)
        work = functools.partial(_import_v1, folder=folder, font=font.path, **options)
    report = StageReport()
    about: dict[str, Any] = {"dataset": dataset, "params": params, "tools": tools}
    with (
        write_scores(scores_out, **about) as scores,
        write_spectrograms(spectrograms_out, **about) as specs,
    ):
        for piece in (p for p in pieces if p not in split):
            report.skipped[piece] = "not in MSMD's cleaned split"
        known = [p for p in pieces if p in split]
        for start in range(0, len(known), BATCH):
            for outcome in map_pieces(
                work, known[start : start + BATCH], label="import", jobs=jobs
            ):
                piece = outcome.item
                if outcome.error is not None:
                    report.skipped[piece] = outcome.error
                    continue
                score, played = outcome.value
                scores.add(piece, split=split[piece], title=piece, **score)
                for performance in played:
                    specs.add(piece, split=split[piece], **performance)
                report.done.append(piece)
        for piece, reason in report.skipped.items():
            scores.skip(piece, reason)
            specs.skip(piece, reason)
        if not report.done:
            first = next(iter(report.skipped.values()))
            raise SfpipeError(
                f"not one piece is usable (the first: {first})",
                file=folder,
                remedy="give an original archive of MSMD, unpacked again",
            )
    return report


def _inside(folder: Path) -> Path:
    """`folder`, or the only one within it that has the pieces."""
    for place in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())):
        if msmd_npz.find_pieces(place) or msmd_v1.find_pieces(place):
            return place
    other = recognise(str(p.relative_to(folder)) for p in islice(folder.rglob("*"), MANY))
    raise SfpipeError(
        "expected <piece>/scores/ (MSMD v1.1) or msmd_train/<piece>.npz (page version)"
        + (f", found {other.name}" if other else ""),
        file=folder,
        remedy=other.use if other else "unpack the archive and give its folder",
    )


def _import_v1(
    piece: str, folder: Path, font: Path, soundfont: str, gain: float, tempi: Sequence[int]
) -> Made:
    from sfpipe.audio.midi import read_midi
    from sfpipe.audio.synthesis import synthesize_midi

    found = msmd_v1.performances(folder / piece)
    chosen = {tempo: found[tempo] for tempo in tempi if tempo in found}
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
        heard = unrolled.heard_s[names[tempo]]
        _check_alignment(heard, starts[:, 0], path)
        if tempo == plain:
            quarter = np.interp(heard, starts[:, 0], starts[:, 1])
        samples = synthesize_midi(midi, font, gain=gain)
        sound = {"tempo_factor": tempo / 1000, "soundfont": soundfont}
        name = f"{soundfont}-x{tempo / 1000:.2f}"
        played.append(_performance(name, samples, heard) | sound)
    return _checked(piece, _score(unrolled, quarter), played)


def _import_npz(piece: str, files: dict[str, Path]) -> Made:
    from sfpipe.audio.files import load_audio

    path = files[piece]
    unrolled = unroll_pages(msmd_npz.read_pages(path), msmd_npz.RECORDING)
    heard = unrolled.heard_s[msmd_npz.RECORDING]
    played = _performance(msmd_npz.RECORDING, load_audio(path.with_suffix(".wav")), heard)
    # There are no written times in this version: the heard ones stand in, 2 quarters a second.
    return _checked(piece, _score(unrolled, 2 * heard), [played])


def _checked(piece: str, score: dict[str, Any], played: list[dict[str, Any]]) -> Made:
    from sfpipe.store.validation import check_piece

    check_piece(piece, score, played)
    return score, played


def _check_alignment(heard_s: np.ndarray, start_s: np.ndarray, file: Path) -> None:
    """Refuse an alignment that is not this MIDI file's."""
    times = heard_s[np.isfinite(heard_s)]
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


def _performance(name: str, samples: np.ndarray, heard_s: np.ndarray) -> dict[str, Any]:
    from sfpipe.audio.spectrogram import spectrogram
    from sfpipe.store.schema import SAMPLE_RATE

    index = np.flatnonzero(np.isfinite(heard_s))
    index = index[np.argsort(heard_s[index], kind="stable")]
    seconds = len(samples) / SAMPLE_RATE
    if len(index) == 0 or heard_s[index[-1]] >= seconds:
        raise SfpipeError(f"the last onset lies behind the end of the audio ({seconds:.1f} s)")
    return {
        "performance": name,
        "spectrogram": spectrogram(samples, SAMPLE_RATE),
        "onset_s": heard_s[index],
        "score_onset": index,
        "duration_s": seconds,
    }
