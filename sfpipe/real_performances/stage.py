"""`performances`: human performances of a data set, aligned, heard under the four conditions."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from sfpipe.alignment.performances import (
    HumanPerformance,
    PlacedScore,
    align_performance,
    human_performances,
    place_score,
)
from sfpipe.audio import binding
from sfpipe.audio.files import load_audio, print_notice, write_flac
from sfpipe.audio.midi import read_midi
from sfpipe.audio.onset_files import score_onsets, write_onsets
from sfpipe.audio.performances import MADE, made_files
from sfpipe.audio.soundfonts import SoundFont, resolve_soundfont
from sfpipe.audio.stage import read_recording
from sfpipe.datasets.index import Piece, read_index
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, remove_others, sha256, write_json
from sfpipe.parallel import Files, StageReport, accepted_pieces, map_pieces
from sfpipe.params import RealPerformancesParams
from sfpipe.real_performances.conditions import (
    CONDITIONS,
    SIMULATED,
    Voice,
    check_recordings,
    describe,
    find_recordings,
    render_condition,
)
from sfpipe.store.schema import HUMAN
from sfpipe.store.writer import write_spectrograms

FORMAT = 3  # raise it when what this module writes changes, so that old files are made again


@dataclass(frozen=True)
class PerformanceJob:
    """All that a worker needs to know to make one performance audible."""

    piece: str
    human: HumanPerformance
    split: str
    engraved: Path
    out: Path
    placed: PlacedScore
    params: RealPerformancesParams
    fonts: dict[str, SoundFont]
    gain: float
    seed: int
    fluidsynth: str
    recordings: dict[str, Path]  # by condition

    @property
    def name(self) -> str:
        """Piece and performer."""
        return f"{self.piece}/{self.performer}"

    @property
    def performer(self) -> str:
        """Who plays, as the files are named."""
        return self.human.name


def performances(
    params: RealPerformancesParams,
    raw: Path,
    engraved: Path,
    clean: Path,
    out: Path,
    *,
    dataset: str,
    gain: float,
    seed: int,
    jobs: int = -1,
    only: Sequence[str] = (),
    tell: Callable[[str], None] = print_notice,
) -> StageReport:
    """Align all performances of a data set and write them to ``out/performances.h5``.

    Audio, onsets and recipe of each are ``out/<piece>/<performer>-<condition>.flac``, ``.csv``,
    ``.json``; what is there with the same recipe is kept, so an interrupted run goes on where it
    stopped. ``out/report.json`` has the counts of each alignment, what each condition is, and what
    was skipped and why.

    Parameters
    ----------
    raw:
        Folder with ``index.json`` whose pieces have performances (match files and MIDI).
    gain:
        FluidSynth's, as in `synthesize`.
    seed:
        With the performance's name, of the background noise.
    only:
        The pieces that are asked for; others that are there stay. None: all that are accepted.
    tell:
        Is given a line on each performance that is left out, on each file of a folder of
        recordings that is not used, and on how many performances are simulated.

    Raises
    ------
    SfpipeError
        If the data set has no performances, a tool, a sound font or a folder of recordings is
        missing, or not one performance is usable.
    """
    accepted = accepted_pieces(clean, only)
    pieces = [
        p
        for p in read_index(raw).pieces
        if p.performances and p.id in accepted and p.split in params.splits
    ]
    if not pieces:
        raise SfpipeError(
            "lists no accepted pieces with human performances",
            file=raw,
            remedy="use --dataset vienna4x22, or import your own: sfpipe import-recordings",
        )
    check_recordings(params.recordings)
    fonts = {
        "training": resolve_soundfont(params.soundfont),
        "direct": resolve_soundfont(params.direct_soundfont),
    }
    report = StageReport()

    def skip(name: str, reason: str) -> None:
        report.skipped[name] = reason
        store.skip(name, reason)
        tell(f"{name}: left out: {reason}")

    names = [human.match.stem for p in pieces for human in human_performances(p, raw)]
    recordings: dict[str, dict[str, Path]] = {}
    for condition, folder in params.recordings.items():
        recordings[condition], unused = find_recordings(Path(folder), names)
        for line in unused:
            tell(line)
        if len(recordings[condition]) < len(names):
            tell(
                f"{len(recordings[condition])} of {len(names)} performances have a recording in"
                f" {folder}: the others of condition {condition} are simulated"
            )
    counts: dict[str, dict[str, Any]] = {}
    recorded = dict.fromkeys(params.recordings, 0)
    tools = {"fluidsynth": binding.version()}
    if not only:
        remove_others(out, {piece.id for piece in pieces}, made_files)
    settings = params.model_dump(mode="json")
    files = Files[PerformanceJob](needed=_inputs, made=lambda job: [job.out])
    with write_spectrograms(out / HUMAN, dataset=dataset, params=settings, tools=tools) as store:
        for piece in pieces:
            try:
                work = _jobs(
                    piece,
                    raw,
                    engraved,
                    out,
                    params,
                    fonts,
                    gain,
                    seed,
                    tools["fluidsynth"],
                    recordings,
                )
            except SfpipeError as error:
                skip(piece.id, str(error))
                continue
            label = f"performances {piece.id}"
            for outcome in map_pieces(perform, work, label=label, jobs=jobs, files=files):
                job = outcome.item
                if outcome.error is not None:
                    skip(job.name, outcome.error)
                    continue
                made_audible, counted = outcome.value
                for performance in made_audible:
                    store.add(job.piece, split=job.split, **performance)
                    if performance["condition"] in recorded and not performance["simulated"]:
                        recorded[performance["condition"]] += 1
                counts[job.name] = counted
                report.done.append(job.name)
        remedy = "give a match file and a MIDI file of every performance, of this very score"
        report.require_done("not one performance is usable", file=raw, remedy=remedy)
    write_json(
        out / "report.json",
        {
            **report.as_dict(),
            "conditions": describe(params, recorded, len(report.done)),
            "totals": totals(counts),
            "alignment": dict(sorted(counts.items())),
        },
    )
    return report


def _inputs(job: PerformanceJob) -> list[Path]:
    """What a performance is made from."""
    return [job.human.match, job.human.midi, job.engraved, *job.recordings.values()]


def totals(counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Counts of all alignments added up; of the spread of chords the largest."""
    every = list(counts.values())
    names = every[0] if every else {}
    summed = {name: sum(c[name] for c in every) for name in names if not name.endswith("_s")}
    largest = {name: max(c[name] for c in every) for name in names if name.endswith("_s")}
    return {"performances": len(every), **summed, **largest}


def perform(job: PerformanceJob) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Make one performance under all conditions; what the store is given, and the counts.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged, match and MIDI file disagree, or a recording ends before
        its last onset.
    """
    source = {
        path.name: sha256(path)
        for path in (
            job.human.match,
            job.human.midi,
            job.engraved / "score.mid",
            job.engraved / _HEADS,
        )
    }
    recordings = {c: job.recordings.get(c) for c in CONDITIONS}
    recipes = {c: _recipe(job, c, source, recordings[c]) for c in CONDITIONS}
    missing = [c for c in CONDITIONS if not _is_made(job, c, recipes[c])]
    if missing:
        _make(job, missing, recipes, recordings)
    made_audible = [_analyse(job, c, recordings[c] is None) for c in CONDITIONS]
    return made_audible, _read_made(job.out / f"{job.performer}-performance.json").alignment


_HEADS = "noteheads.csv"


def _jobs(
    piece: Piece,
    raw: Path,
    engraved: Path,
    out: Path,
    params: RealPerformancesParams,
    fonts: dict[str, SoundFont],
    gain: float,
    seed: int,
    fluidsynth: str,
    recordings: dict[str, dict[str, Path]],
) -> list[PerformanceJob]:
    placed = place_score(raw / piece.source, engraved / piece.id)
    return [
        PerformanceJob(
            piece.id,
            human,
            piece.split,
            engraved / piece.id,
            out / piece.id,
            placed,
            params,
            fonts,
            gain,
            seed,
            fluidsynth,
            {c: of[human.match.stem] for c, of in recordings.items() if human.match.stem in of},
        )
        for human in human_performances(piece, raw)
    ]


def _make(
    job: PerformanceJob,
    conditions: list[str],
    recipes: dict[str, dict[str, Any]],
    recordings: dict[str, Path | None],
) -> None:
    score_s = score_onsets(job.engraved / _HEADS)
    performance = read_midi(job.human.midi)
    alignment = align_performance(
        job.human, job.placed, [(n.pitch, n.start_s) for n in performance.notes]
    )
    factor = alignment.tempo_factor(score_s)
    voices = {
        "training": Voice(job.fonts["training"].path, 0, job.gain),
        "direct": Voice(job.fonts["direct"].path, job.params.direct_program, job.gain),
    }
    score = read_midi(job.engraved / "score.mid")
    for condition in conditions:
        path = job.out / f"{job.performer}-{condition}"
        recording = recordings[condition]
        if recording is not None:
            samples = load_audio(recording)
        else:
            rng = np.random.default_rng([job.seed, zlib.crc32(job.name.encode())])
            samples = render_condition(
                condition, score, performance, factor, voices, job.params.room, rng
            )
        path.with_suffix(".json").unlink(missing_ok=True)
        write_flac(path.with_suffix(".flac"), samples)
        if condition == "score":
            write_onsets(path.with_suffix(".csv"), score_s / factor)
        else:
            write_onsets(
                path.with_suffix(".csv"), alignment.onset_s, alignment.score_onset, alignment.turn
            )
        made = {
            "recipe": recipes[condition],
            "condition": condition,
            "simulated": condition in SIMULATED and recording is None,
            "tempo_factor": factor,  # of the performance as a whole
            "alignment": alignment.counts.as_dict(),
        }
        write_json(path.with_suffix(".json"), made)  # last: it says all is there


def _recipe(
    job: PerformanceJob, condition: str, source: dict[str, str], recording: Path | None
) -> dict[str, Any]:
    recipe: dict[str, Any] = {"format": FORMAT, "source": source}
    if recording is not None:
        return recipe | {"recording": sha256(recording)}
    font = job.fonts["direct" if condition in SIMULATED else "training"]
    recipe |= {
        "soundfont": font.sha256,
        "program": job.params.direct_program if condition in SIMULATED else 0,
        "gain": job.gain,
        "fluidsynth": job.fluidsynth,
    }
    if condition == "room":
        recipe |= {"room": job.params.room.model_dump(mode="json"), "seed": job.seed}
    return recipe


def _is_made(job: PerformanceJob, condition: str, recipe: dict[str, Any]) -> bool:
    path = job.out / f"{job.performer}-{condition}"
    if not all(path.with_suffix(suffix).is_file() for suffix in MADE):
        return False
    try:
        return _read_made(path.with_suffix(".json")).recipe == recipe
    except SfpipeError:
        return False


class _Made(BaseModel):
    """What is written about a performance under one condition."""

    recipe: dict[str, Any]
    alignment: dict[str, float | int]
    tempo_factor: float = Field(gt=0)


def _read_made(path: Path) -> _Made:
    return read_json(path, remedy="run: sfpipe performances", schema=_Made)


def _analyse(job: PerformanceJob, condition: str, simulated: bool) -> dict[str, Any]:
    """Spectrogram and onsets of a recording, ready for the store."""
    description = (job.out / f"{job.performer}-{condition}").with_suffix(".json")
    recording = read_recording(description)
    made = _read_made(description)
    simulated = simulated and condition in SIMULATED
    recorded = "recording" in made.recipe
    font = job.fonts["direct" if condition in SIMULATED else "training"]
    return {
        "performance": f"{job.performer}-{condition}",
        **recording,
        "tempo_factor": made.tempo_factor,
        "soundfont": "" if recorded else font.name,
        "condition": condition,
        "simulated": simulated,
    }
