"""Which performances a piece gets, and the synthesis of one piece's performances."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sfpipe.audio.augment import augment_audio, augment_midi
from sfpipe.audio.files import write_flac
from sfpipe.audio.midi import Midi, read_midi
from sfpipe.audio.soundfonts import SoundFont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.files import remove_made, replacing, sha256, write_json
from sfpipe.params import AugmentParams, VariantParams
from sfpipe.store.schema import AUGMENTED

FORMAT = 1  # raise it when what this module writes changes, so that old files are made again
MADE = (".flac", ".csv", ".json")  # what one performance consists of


@dataclass(frozen=True)
class Performance:
    """One way of playing a piece; `copy` counts the augmented ones from 1, 0 is plain."""

    soundfont: SoundFont
    tempo_factor: float
    copy: int = 0

    @property
    def name(self) -> str:
        """File name without suffix, e.g. ``FluidR3_GM-x1.25``, ``FluidR3_GM-augmented1``."""
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


def choose_performances(
    params: VariantParams,
    soundfonts: Sequence[SoundFont],
    piece: str,
    seed: int,
    *,
    copies: int = 0,
) -> tuple[Performance, ...]:
    """Choose the performances of a piece.

    Parameters
    ----------
    soundfonts:
        The sound fonts of `params.soundfonts`, in that order.
    copies:
        Augmented performances beside them.

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
        augmented.append(Performance(soundfonts[drawn_font], 1.0, copy))
    if params.per_piece is None or params.per_piece >= len(every):
        return (*every, *augmented)
    rng = _generator(seed, piece)
    drawn = 1 + rng.permutation(len(every) - 1)[: params.per_piece - 1]
    return (every[0], *(every[i] for i in sorted(drawn)), *augmented)


def _generator(seed: int, piece: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(piece.encode()), *numbers])


def synthesize_piece(job: SynthesisJob) -> int:
    """Make the performances of a piece that are not there yet, and remove those not asked for.

    Returns
    -------
    int
        How many were made.

    Raises
    ------
    SfpipeError
        If a file of the engraved piece or a sound font is missing or damaged.
    """
    score = job.source / "score.mid"
    onsets = score_onsets(job.source / "noteheads.csv")
    if not score.is_file():
        raise SfpipeError("no such file", file=score, remedy="run the engrave stage")
    source = {name: sha256(job.source / name) for name in ("score.mid", "noteheads.csv")}
    expected = {p.name + suffix for p in job.performances for suffix in MADE}
    remove_made(job.out, [file for file in made_files(job.out) if file.name not in expected])
    midi = None
    made = 0
    for performance in job.performances:
        recipe = _recipe(job, performance, source)
        if _is_made(job.out, performance.name, recipe):
            continue
        midi = midi or read_midi(score)
        samples, onset_s = _play(job, performance, midi, onsets)
        (job.out / f"{performance.name}.json").unlink(missing_ok=True)
        write_flac(job.out / f"{performance.name}.flac", samples)
        write_onsets(job.out / f"{performance.name}.csv", onset_s)
        write_json(job.out / f"{performance.name}.json", recipe)  # last: it says all is there
        made += 1
    return made


def made_files(folder: Path) -> Iterator[Path]:
    """The files in `folder` that sfpipe made, as a recipe says, or did not finish."""
    yield from folder.glob(".*.tmp.*")
    for recipe in folder.glob("*.json"):
        try:
            made = "tempo_factor" in json.loads(recipe.read_text("utf-8"))
        except (OSError, ValueError, TypeError, RecursionError):
            continue
        if made:
            yield from (recipe.with_suffix(suffix) for suffix in MADE)


def _play(
    job: SynthesisJob, performance: Performance, midi: Midi, onset_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and onsets of one performance."""
    rng = _generator(job.seed, job.piece, performance.copy, 1)
    if performance.copy:
        midi, onset_s = augment_midi(midi, onset_s, job.augment, rng)
    samples = synthesize_midi(
        midi,
        performance.soundfont.path,
        gain=job.gain,
        program=job.program,
        tempo_factor=performance.tempo_factor,
    )
    if performance.copy:
        samples = augment_audio(samples, job.augment, rng)
    return samples, onset_s / performance.tempo_factor


def score_onsets(noteheads: Path) -> np.ndarray:
    """Distinct onset times of the struck (not tied) note heads of an engraved piece.

    Returns
    -------
    np.ndarray [shape=(n_onsets,), dtype=float64]
        s at the score's own tempo, increasing.

    Raises
    ------
    SfpipeError
        If the list is missing or is not what `engrave` writes.
    """
    remedy = "run the engrave stage"
    try:
        with open(noteheads, newline="", encoding="utf-8") as file:
            times = [float(r["onset_s"]) for r in csv.DictReader(file) if not int(r["tied"])]
    except FileNotFoundError:
        raise SfpipeError("no such file", file=noteheads, remedy=remedy) from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise SfpipeError(
            f"is not a list of note heads ({error!r})", file=noteheads, remedy=remedy
        ) from None
    onsets = np.unique(np.asarray(times, dtype=np.float64))
    if len(onsets) == 0 or not np.isfinite(onsets).all() or onsets[0] < 0:
        raise SfpipeError("has no onsets, or impossible ones", file=noteheads, remedy=remedy)
    return onsets


def _recipe(job: SynthesisJob, performance: Performance, source: dict[str, str]) -> dict:
    font = asdict(performance.soundfont)
    augmented = {}
    if performance.copy:
        settings = job.augment.model_dump(mode="json", exclude={"copies"})
        augmented = {"copy": performance.copy, "seed": job.seed, "augment": settings}
    return augmented | {
        "format": FORMAT,
        "piece": job.piece,
        "tempo_factor": performance.tempo_factor,
        "soundfont": {key: font[key] for key in ("name", "sha256", "licence")},
        "gain": job.gain,
        "program": job.program,
        "fluidsynth": job.fluidsynth,
        "source": source,
    }


def _is_made(folder: Path, name: str, recipe: dict) -> bool:
    if not all((folder / (name + suffix)).is_file() for suffix in MADE):
        return False
    try:
        return json.loads((folder / f"{name}.json").read_text("utf-8")) == recipe
    except (OSError, ValueError):
        return False


def write_onsets(path: Path, onset_s: np.ndarray, score_onset: np.ndarray | None = None) -> None:
    """Write performed onsets (s) with the score onset of each; None: they are all, in order."""
    indices = range(len(onset_s)) if score_onset is None else score_onset
    rows = [f"{time:.6f},{index}\n" for time, index in zip(onset_s, indices, strict=True)]
    with replacing(path) as temporary:
        temporary.write_text("onset_s,score_onset\n" + "".join(rows), "utf-8")
