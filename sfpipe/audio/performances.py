"""Which performances a piece gets, and the synthesis of one piece's performances."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.alignment.performances import (
    HumanPerformance,
    PlacedScore,
    align_performance,
    place_score,
)
from sfpipe.audio.augment import augment_audio, augment_midi
from sfpipe.audio.files import write_flac
from sfpipe.audio.instruments import SUSTAINED, is_melody, play_melody
from sfpipe.audio.midi import Midi, read_midi
from sfpipe.audio.onset_files import score_onsets, write_onsets
from sfpipe.audio.pitch import PitchOffset
from sfpipe.audio.soundfonts import SoundFont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, remove_made, sha256, write_json
from sfpipe.params import AugmentParams, VariantParams
from sfpipe.store.schema import AUGMENTED, SAMPLE_RATE

FORMAT = 1  # raise it when what this module writes changes, so that old files are made again
MADE = (".flac", ".csv", ".json")  # what one performance consists of
PART = "-part"  # in the names of the parts of a performance in which the position jumps
LEAST_ONSETS = 8  # of a part; shorter ones are left out
LEAD_S = 0.25  # a part begins at most so long before its first onset


@dataclass(frozen=True)
class Performance:
    """One way of playing a piece; `copy` counts the augmented ones from 1, 0 is plain.

    `human`: a pianist's performance in place of the sequenced score. `program`: General MIDI's, in
    place of that of the parameters. `cents`: how much higher it is tuned.
    """

    soundfont: SoundFont
    tempo_factor: float
    copy: int = 0
    human: HumanPerformance | None = None
    program: int | None = None
    cents: float = 0.0

    @property
    def name(self) -> str:
        """File name without suffix, e.g. ``FluidR3_GM-x1.25``, ``FluidR3_GM-augmented1``."""
        if self.human:
            plain = f"{self.human.name}-{self.soundfont.name}"
            return f"{plain}{AUGMENTED}{self.copy}" if self.copy else plain
        if self.copy:
            return f"{self.soundfont.name}{AUGMENTED}{self.copy}"
        two = f"{self.tempo_factor:.2f}"
        exact = two if float(two) == self.tempo_factor else f"{self.tempo_factor:g}"
        return f"{self.soundfont.name}-x{exact}"


@dataclass(frozen=True)
class SynthesisJob:
    """All that a worker process needs to know to synthesise one piece."""

    piece: str
    source: Path  # engraved/<piece>
    out: Path  # audio/<piece>
    performances: tuple[Performance, ...]
    gain: float
    program: int
    fluidsynth: str  # version
    augment: AugmentParams
    seed: int
    printed: Path | None = None  # the score whose notes match files name

    def program_of(self, performance: Performance) -> int:
        """The General MIDI program that plays a performance."""
        return self.program if performance.program is None else performance.program


Instruments = Mapping[int, Sequence[SoundFont]]  # program -> sound fonts that have it


def choose_performances(
    params: VariantParams,
    soundfonts: Sequence[SoundFont],
    piece: str,
    seed: int,
    *,
    copies: int = 0,
    instruments: Instruments | None = None,
    cents: float = 0.0,
) -> tuple[Performance, ...]:
    """Choose the performances of a piece.

    Parameters
    ----------
    soundfonts:
        The sound fonts of `params.soundfonts`, in that order.
    copies:
        Augmented performances beside them.
    instruments:
        What those are drawn from; none: the first program on all `soundfonts`.
    cents:
        They are tuned off by up to this.

    Returns
    -------
    tuple of Performance
        All combinations of sound font and tempo factor, or `params.per_piece` distinct ones,
        drawn by a generator seeded with (`seed`, `piece`). The first is always the first sound
        font at the tempo factor nearest to 1, so that every piece has its plain version. Augmented
        ones follow, `copies` of them, each with a sound font drawn.
    """
    factors = sorted(set(params.tempo_factors), key=lambda f: (abs(np.log(f)), f))
    fonts = {font.name: font for font in soundfonts}.values()
    every = [Performance(font, factor) for font in fonts for factor in factors]
    augmented = []
    for copy in range(1, copies + 1):
        drawn_font = int(_generator(seed, piece, copy).integers(len(soundfonts)))
        performance = Performance(soundfonts[drawn_font], 1.0, copy)
        rng = _generator(seed, piece, copy, 2)
        augmented.append(_on_some_instrument(performance, instruments, cents, rng))
    if params.per_piece is None or params.per_piece >= len(every):
        return (*every, *augmented)
    rng = _generator(seed, piece)
    drawn = 1 + rng.permutation(len(every) - 1)[: params.per_piece - 1]
    return (every[0], *(every[i] for i in sorted(drawn)), *augmented)


def choose_human(
    humans: Sequence[HumanPerformance],
    soundfonts: Sequence[SoundFont],
    piece: str,
    seed: int,
    *,
    copies: int = 0,
    instruments: Instruments | None = None,
    cents: float = 0.0,
) -> tuple[Performance, ...]:
    """A sound font for each performance by a pianist and for its augmented copies, drawn.

    Parameters
    ----------
    soundfonts, seed, copies, instruments, cents:
        As `choose_performances`.
    """
    chosen = []
    for human in humans:
        for copy in range(copies + 1):
            name = f"{piece}/{human.name}"
            drawn = _generator(seed, name, copy).integers(len(soundfonts))
            performance = Performance(soundfonts[int(drawn)], 1.0, copy, human)
            if copy:
                rng = _generator(seed, name, copy, 2)
                performance = _on_some_instrument(performance, instruments, cents, rng)
            chosen.append(performance)
    return tuple(chosen)


def _on_some_instrument(
    performance: Performance,
    instruments: Instruments | None,
    cents: float,
    rng: np.random.Generator,
) -> Performance:
    """The performance on a program and a sound font that has it, tuned off: both drawn."""
    performance = replace(performance, cents=float(rng.uniform(-cents, cents)) if cents else 0.0)
    if not instruments:
        return performance
    program = sorted(instruments)[int(rng.integers(len(instruments)))]
    fonts = instruments[program]
    return replace(performance, program=program, soundfont=fonts[int(rng.integers(len(fonts)))])


def _generator(seed: int, piece: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(piece.encode()), *numbers])


def synthesize_piece(job: SynthesisJob) -> dict[str, str]:
    """Make the performances of a piece that are not there yet, and remove those not asked for.

    Returns
    -------
    dict of str to str
        Name of a pianist's performance that cannot be used -> reason.

    Raises
    ------
    SfpipeError
        If a file of the engraved piece or a sound font is missing or damaged, or not one
        performance is usable.
    """
    score = job.source / "score.mid"
    onsets = score_onsets(job.source / "noteheads.csv")
    if not score.is_file():
        raise SfpipeError("no such file", file=score, remedy="run the engrave stage")
    source = {name: sha256(job.source / name) for name in ("score.mid", "noteheads.csv")}
    midi = placed = None
    names: list[str] = []
    left_out: dict[str, str] = {}
    for performance in job.performances:
        recipe = _recipe(job, performance, source)
        made = _made(job.out, performance.name, recipe)
        if not made and performance.human:
            try:
                placed = placed or _place(job)
                made = _make_human(job, performance, placed, onsets, recipe)
            except SfpipeError as error:
                left_out[performance.human.name] = str(error)
        elif not made:
            midi = midi or read_midi(score)
            samples, onset_s = _play(job, performance, midi, onsets)
            made = [_write(job, performance.name, recipe, samples, onset_s)]
        names += made
    if not names:
        raise SfpipeError(f"no usable performance ({next(iter(left_out.values()), 'none asked')})")
    expected = {name + suffix for name in names for suffix in MADE}
    remove_made(job.out, [file for file in made_files(job.out) if file.name not in expected])
    return left_out


def _make_human(
    job: SynthesisJob,
    performance: Performance,
    placed: PlacedScore,
    score_s: np.ndarray,
    recipe: dict[str, Any],
) -> list[str]:
    """Write a pianist's performance, cut where the position on the strip jumps; the parts' names.

    Of a repeat that is played the position jumps back, and over the first ending the second time.
    A part lasts from before its first onset until the next part.
    """
    assert performance.human is not None
    midi = read_midi(performance.human.midi)
    played = [(note.pitch, note.start_s) for note in midi.notes]
    aligned = align_performance(performance.human, placed, played)
    samples = synthesize_midi(
        midi,
        performance.soundfont.path,
        gain=job.gain,
        program=job.program_of(performance),
        offset=PitchOffset(0, performance.cents),
    )
    if performance.copy:
        rng = _generator(job.seed, f"{job.piece}/{performance.human.name}", performance.copy, 1)
        samples = augment_audio(samples, job.augment, rng)
    starts = [_start_of(aligned.onset_s, part.start) for part in aligned.stretches()]
    ends = [*starts[1:], len(samples) / SAMPLE_RATE]
    parts = [
        (part, start, end)
        for part, start, end in zip(aligned.stretches(), starts, ends, strict=True)
        if part.stop - part.start >= LEAST_ONSETS
    ]
    if not parts:
        raise SfpipeError(
            f"no {LEAST_ONSETS} onsets in a row are played", file=performance.human.match
        )
    names = _part_names(performance.name, len(parts))
    for name, (part, start, end) in zip(names, parts, strict=True):
        index = aligned.score_onset[part]
        seconds = np.ptp(aligned.onset_s[part])
        told = {"tempo_factor": float(np.ptp(score_s[index]) / seconds), "parts": len(parts)}
        told |= {"start_s": round(start, 6)}
        cut = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        onset_s = aligned.onset_s[part] - round(start * SAMPLE_RATE) / SAMPLE_RATE
        _write(job, name, recipe | told, cut, onset_s, index, aligned.turn[part])
    return names


def _start_of(onset_s: np.ndarray, first: int) -> float:
    """When the sound of a part begins: shortly before its first onset."""
    gap = onset_s[first] - onset_s[first - 1] if first else np.inf
    return float(max(onset_s[first] - min(LEAD_S, gap / 2), 0.0))


def _place(job: SynthesisJob) -> PlacedScore:
    if job.printed is None:
        raise SfpipeError("has no score whose notes a match file could name")
    return place_score(job.printed, job.source)


def _write(
    job: SynthesisJob,
    name: str,
    recipe: dict[str, Any],
    samples: np.ndarray,
    onset_s: np.ndarray,
    score_onset: np.ndarray | None = None,
    turn: np.ndarray | None = None,
) -> str:
    """Write the files of a performance; its name."""
    (job.out / f"{name}.json").unlink(missing_ok=True)
    write_flac(job.out / f"{name}.flac", samples)
    write_onsets(job.out / f"{name}.csv", onset_s, score_onset, turn)
    write_json(job.out / f"{name}.json", recipe)  # last: it says all is there
    return name


def made_files(folder: Path) -> Iterator[Path]:
    """The files in `folder` that sfpipe made, as a recipe says, or did not finish."""
    yield from folder.glob(".*.tmp.*")
    for recipe in folder.glob("*.json"):
        try:
            made = "tempo_factor" in read_json(recipe, remedy="", schema=dict)
        except SfpipeError:
            continue
        if made:
            yield from (recipe.with_suffix(suffix) for suffix in MADE)


def _play(
    job: SynthesisJob, performance: Performance, midi: Midi, onset_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and onsets of one performance."""
    rng = _generator(job.seed, job.piece, performance.copy, 1)
    if performance.copy:
        melody = performance.program in SUSTAINED and is_melody(midi)
        midi, onset_s = augment_midi(midi, onset_s, job.augment, rng)
        if melody:
            midi = play_melody(midi, job.augment, rng.spawn(1)[0])
    samples = synthesize_midi(
        midi,
        performance.soundfont.path,
        gain=job.gain,
        program=job.program_of(performance),
        tempo_factor=performance.tempo_factor,
        offset=PitchOffset(0, performance.cents),
    )
    if performance.copy:
        samples = augment_audio(samples, job.augment, rng)
    return samples, onset_s / performance.tempo_factor


def _recipe(job: SynthesisJob, performance: Performance, source: dict[str, str]) -> dict[str, Any]:
    font = asdict(performance.soundfont)
    augmented = {}
    if performance.copy:
        settings = job.augment.model_dump(mode="json", exclude={"copies"})
        augmented = {"copy": performance.copy, "seed": job.seed, "augment": settings}
    recipe = augmented | {
        "format": FORMAT,
        "piece": job.piece,
        "tempo_factor": performance.tempo_factor,
        "soundfont": {key: font[key] for key in ("name", "sha256", "licence")},
        "gain": job.gain,
        "program": job.program_of(performance),
        "fluidsynth": job.fluidsynth,
        "source": source,
    }
    if performance.cents:
        recipe["cents"] = performance.cents
    if performance.human:  # its tempo is known when it is aligned
        del recipe["tempo_factor"]
        files = (performance.human.match, performance.human.midi)
        recipe["human"] = {file.name: sha256(file) for file in files}
    return recipe


def _made(folder: Path, name: str, recipe: dict[str, Any]) -> list[str]:
    """Names of what is there of a performance, itself or its parts; empty: it is to be made."""
    for first in (name, f"{name}{PART}1"):
        told = _told(folder, first, recipe)
        if told:
            parts = _part_names(name, int(told.get("parts", 1)))
            if all(_told(folder, part, recipe) for part in parts):
                return parts
    return []


def _told(folder: Path, name: str, recipe: dict[str, Any]) -> dict[str, Any] | None:
    """What is written beside a recording, if that is whole and was made with this recipe."""
    if not all((folder / (name + suffix)).is_file() for suffix in MADE):
        return None
    try:
        told = read_json(folder / f"{name}.json", remedy="", schema=dict[str, Any])
    except SfpipeError:
        return None
    same = {key: told.get(key) for key in recipe} == recipe
    return told if same else None


def _part_names(name: str, parts: int) -> list[str]:
    return [name] if parts == 1 else [f"{name}{PART}{n}" for n in range(1, parts + 1)]
