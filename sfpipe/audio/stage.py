"""`synthesize` (MIDI -> FLAC) and `spectrograms` (FLAC -> HDF5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel, Field

from sfpipe.alignment.performances import human_performances
from sfpipe.audio import binding
from sfpipe.audio.files import load_audio
from sfpipe.audio.onset_files import read_onsets
from sfpipe.audio.performances import (
    Instruments,
    Performance,
    SynthesisJob,
    choose_human,
    choose_performances,
    made_files,
    synthesize_piece,
)
from sfpipe.audio.soundfonts import SoundFont, resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import programs_of
from sfpipe.datasets.index import Piece, read_index
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, remove_made, remove_others, write_json
from sfpipe.parallel import Files, StageReport, accepted_pieces, batches, map_pieces
from sfpipe.params import SpectrogramsParams, SynthesizeParams
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.writer import SpectrogramStoreWriter, write_spectrograms


def synthesize(
    params: SynthesizeParams,
    clean: Path,
    engraved: Path,
    out: Path,
    *,
    seed: int,
    raw: Path | None = None,
    jobs: int = -1,
    only: Sequence[str] = (),
) -> StageReport:
    """Synthesise the accepted pieces into ``out/<piece>/<performance>.flac``, ``.csv``, ``.json``.

    The CSV lists the performed onsets (``onset_s,score_onset``; of a pianist's performance also
    its ``pass``), the JSON what the audio was made with. A pianist's performance is cut where the
    position jumps, as at a repeat. Performances that are there with the same recipe are kept, so an
    interrupted run goes on where it stopped; what nothing asks for any more is removed.

    Parameters
    ----------
    clean:
        JSON with ``accepted``: split -> piece ids.
    engraved:
        Folder with ``<piece>/score.mid`` and ``<piece>/noteheads.csv``.
    seed:
        With the piece's id, decides which performances it gets if `per_piece` is set.
    raw:
        Folder with ``index.json`` and the performances by pianists that it lists; None: there
        are none.
    jobs:
        Number of processes; -1 is one per core.
    only:
        The pieces that are asked for; others that are there stay. None: all that are accepted.

    Raises
    ------
    SfpipeError
        If FluidSynth or a sound font is missing, no sound font has one of the programs, or not one
        piece could be synthesised.
    """
    split_of = accepted_pieces(clean, only)
    fonts = {
        "train": _resolve_all(params.train.soundfonts),
        "test": _resolve_all(params.test.soundfonts),
    }
    drawn: _Drawn = {
        "instruments": _instruments(params.augment.programs, fonts["train"]),
        "cents": params.augment.cents,
    }
    fluidsynth = binding.version()
    played = {} if raw is None or params.human == "none" else _played_pieces(raw)
    work = []
    for piece, split in split_of.items():
        kind = "train" if split == "train" else "test"
        copies = params.augment.copies if kind == "train" else 0
        chosen: tuple[Performance, ...] = ()
        if params.human != "instead" or piece not in played:
            variants = getattr(params, kind)
            chosen = choose_performances(variants, fonts[kind], piece, seed, copies=copies, **drawn)
        printed = None
        if raw is not None and piece in played:
            humans = human_performances(played[piece], raw)
            chosen += choose_human(humans, fonts[kind], piece, seed, copies=copies, **drawn)
            printed = raw / played[piece].source
        work.append(
            SynthesisJob(
                piece,
                engraved / piece,
                out / piece,
                chosen,
                params.gain,
                params.program,
                fluidsynth,
                params.augment,
                seed,
                printed,
            )
        )
    if not only:
        remove_others(out, split_of, made_files)
    report = StageReport()
    files = Files[SynthesisJob](needed=_inputs, made=lambda job: [job.out])
    for outcome in map_pieces(synthesize_piece, work, label="synthesize", jobs=jobs, files=files):
        if outcome.error is None:
            report.done.append(outcome.item.piece)
            left_out = {f"{outcome.item.piece}/{name}": why for name, why in outcome.value.items()}
            report.skipped.update(left_out)
        else:
            report.skipped[outcome.item.piece] = outcome.error
            remove_made(outcome.item.out, list(made_files(outcome.item.out)))
    every = {font.name: font for kind in fonts.values() for font in kind}
    write_json(
        out / "report.json",
        {
            **report.as_dict(),
            "fluidsynth": fluidsynth,
            "augment": params.augment.model_dump(mode="json"),
            "soundfonts": {f.name: _describe(f) for f in every.values()},
        },
    )
    report.require_done("not one piece could be synthesised", file=clean)
    return report


def _inputs(job: SynthesisJob) -> list[Path]:
    """What a piece is synthesised from."""
    humans = [p.human for p in job.performances if p.human is not None]
    files = [file for human in humans for file in (human.match, human.midi)]
    return [job.source, *files, *([job.printed] if job.printed else [])]


def _played_pieces(raw: Path) -> dict[str, Piece]:
    """Pieces with performances by pianists, by id; none where nothing was downloaded."""
    if not (raw / "index.json").is_file():
        return {}
    return {piece.id: piece for piece in read_index(raw).pieces if piece.performances}


def spectrograms(
    params: SpectrogramsParams,
    audio: Path,
    clean: Path,
    out: Path,
    *,
    dataset: str,
    jobs: int = -1,
    only: Sequence[str] = (),
) -> StageReport:
    """Turn the recordings of the accepted pieces into one HDF5 store.

    A piece with a damaged, foreign or missing recording is left out as a whole, and listed in the
    store and in the report.

    Parameters
    ----------
    audio:
        What `synthesize` wrote.
    clean:
        JSON with ``accepted``: split -> piece ids.
    out:
        The store, e.g. ``data/spectrograms/ryan.h5``; it appears when it is complete.
    dataset:
        The data set's name, kept in the store.
    only:
        The pieces that are asked for; none: all that are accepted.

    Raises
    ------
    SfpipeError
        If an input is missing, or not one piece is usable.
    """
    split_of = accepted_pieces(clean, only)
    earlier = read_json(
        audio / "report.json", remedy="run the synthesize stage", schema=_SynthesisReport
    )
    report = StageReport()
    tools = {name: package_version(name) for name in ("numpy", "scipy", "soundfile")}
    tools["fluidsynth"] = earlier.fluidsynth
    work = [
        _Recordings(piece, audio / piece, split, earlier.skipped.get(piece))
        for piece, split in split_of.items()
    ]
    made_with = {**params.model_dump(exclude={"shard_mib"}), "augment": earlier.augment}
    with write_spectrograms(
        out, dataset=dataset, params=made_with, tools=tools, shard_mib=params.shard_mib
    ) as store:
        files = Files[_Recordings](needed=lambda item: [item.folder])
        for label, batch in batches("spectrograms", work):
            for outcome in map_pieces(_analyse, batch, label=label, jobs=jobs, files=files):
                _store(store, report, outcome.item, outcome.value, outcome.error)
        report.require_done("not one piece could be turned into a spectrogram", file=audio)
    return report


class _SynthesisReport(BaseModel):
    """Of the report of `synthesize`, the part that `spectrograms` reads."""

    skipped: dict[str, str] = {}
    fluidsynth: str = ""
    augment: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Recordings:
    piece: str
    folder: Path
    split: str
    reason: str | None  # why `synthesize` left the piece out


def _analyse(item: _Recordings) -> list[dict[str, Any]]:
    """Spectrogram and onsets of every performance of a piece, ready for the store."""
    if item.reason is not None:
        raise SfpipeError(item.reason)
    spectra = []
    for description in sorted(item.folder.glob("[!.]*.json")):
        tempo_factor, soundfont = _read_recipe(description)
        spectra.append(
            {
                "performance": description.stem,
                **read_recording(description),
                "tempo_factor": tempo_factor,
                "soundfont": soundfont,
            }
        )
    if not spectra:
        raise SfpipeError("no recordings", file=item.folder, remedy="run the synthesize stage")
    return spectra


class _Soundfont(BaseModel):
    name: str


class _Recipe(BaseModel):
    """Of what `synthesize` says of a recording, the part that is read here."""

    tempo_factor: float = Field(gt=0, lt=100)
    soundfont: _Soundfont


def _read_recipe(path: Path) -> tuple[float, str]:
    """Tempo factor and sound font of a performance."""
    remedy = "move it away and run the synthesize stage again"
    recipe = read_json(path, remedy=remedy, schema=_Recipe)
    return recipe.tempo_factor, recipe.soundfont.name


def read_recording(description: Path) -> dict[str, Any]:
    """What the store is given of a recording: spectrogram, onsets and duration.

    Parameters
    ----------
    description:
        ``<performance>.json``; ``.flac`` and ``.csv`` lie beside it.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged, or the recording ends before its last onset.
    """
    audio = description.with_suffix(".flac")
    samples = load_audio(audio, exact=True)
    onset_s, score_onset = read_onsets(description.with_suffix(".csv"))
    duration = len(samples) / SAMPLE_RATE
    if onset_s[-1] >= duration:
        raise SfpipeError(
            f"the last onset ({onset_s[-1]:.2f} s) lies behind the end of the audio "
            f"({duration:.2f} s)",
            file=audio,
        )
    return {
        "spectrogram": spectrogram(samples, SAMPLE_RATE),
        "onset_s": onset_s,
        "score_onset": score_onset,
        "duration_s": duration,
    }


def _store(
    store: SpectrogramStoreWriter,
    report: StageReport,
    item: _Recordings,
    performances: list[dict[str, Any]] | None,
    error: str | None,
) -> None:
    if performances is None:
        reason = error or "unknown"
        report.skipped[item.piece] = reason
        store.skip(item.piece, reason)
        return
    for performance in performances:
        store.add(item.piece, split=item.split, **performance)
    report.done.append(item.piece)


class _Drawn(TypedDict):
    """What augmented performances are drawn from."""

    instruments: Instruments
    cents: float


def _instruments(programs: Sequence[int], fonts: Sequence[SoundFont]) -> Instruments:
    """The sound fonts of each program; none has none."""
    if not programs:
        return {}
    has = [(font, programs_of(font.path)) for font in fonts]
    found = {p: [font for font, there in has if p in there] for p in programs}
    for program, those in found.items():
        if not those:
            raise SfpipeError(
                f"no sound font of synthesize.train has program {program}",
                remedy="take it out of synthesize.augment.programs, or name one that has it",
            )
    return found


def _resolve_all(names: list[str]) -> list[SoundFont]:
    fonts: dict[str, SoundFont] = {}
    for font in map(resolve_soundfont, names):
        same = fonts.setdefault(font.name, font)
        if same.path != font.path:
            raise SfpipeError(
                f"two sound fonts are called {font.name} ({same.path} and {font.path})",
                remedy="rename one of the files",
            )
    return list(fonts.values())


def _describe(font: SoundFont) -> dict[str, Any]:
    told = {"sha256": font.sha256, "licence": font.licence}
    return {**told, "warning": font.warning} if font.warning else told
