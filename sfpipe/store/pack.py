"""`sfpipe pack`: both stores of a data set in one small file, and back.

A packed file has the groups of both stores: ``/<piece>`` with the arrays of the score store and,
beside them, the groups of its performances (`schema.SCORE_DATASETS`, `SPECTROGRAM_DATASETS`).
Every array is a block of `sfpipe.store.codec`: strips and onsets lose nothing, spectrograms are
rounded to multiples of `step`. The file is read like either store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing, sha256
from sfpipe.progress import Progress
from sfpipe.store import codec
from sfpipe.store.reader import (
    ScoreRecord,
    open_store,
    performance_record,
    reading,
    score_record,
)
from sfpipe.store.schema import HEAD_DATASETS, PACKED, SCHEMA_VERSION, SCORE_DATASETS, plainness
from sfpipe.store.validation import check_split
from sfpipe.store.writer import write_scores, write_spectrograms

MIB = 1 << 20
STEP = 1 / 36  # log10(1 + magnitude): half a step is 0.014, on a scale up to about 1
LIMIT_MIB = 60.0


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote: pieces, performances, bytes of both parts and of the whole file."""

    pieces: int
    performances: int
    strip_bytes: int
    spectrogram_bytes: int
    bytes: int


def pack(
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    splits: Sequence[str] = ("train", "valid"),
    performances: int | None = None,
    step: float = STEP,
    limit_mib: float = LIMIT_MIB,
) -> Packed:
    """Write all that training needs of both stores into one file.

    Parameters
    ----------
    splits:
        Which pieces; training needs ``train`` and ``valid``.
    performances:
        How many of each piece's performances, plain ones first and of these the ones at the tempo
        nearest to the score's; None: all.
    step:
        Spectrograms are rounded to multiples of it; 0 keeps every bit.
    limit_mib:
        Largest size of the file, MiB.

    Raises
    ------
    SfpipeError
        If a store cannot be read, nothing is left to pack, or the file would exceed the limit
        (then none is written).
    """
    for split in splits:
        check_split("pack", split)
    if step < 0 or (performances is not None and performances < 1):
        raise SfpipeError(
            f"cannot pack {performances} performances in steps of {step:g}",
            remedy="give --performances of at least 1 and --step of at least 0",
        )
    limit = int(limit_mib * MIB)
    with (
        open_store(scores, "scores") as strips,
        open_store(spectrograms, "spectrograms") as played,
        replacing(out) as temporary,
    ):
        wanted = [p for p in strips if p in played and str(strips[p].attrs["split"]) in splits]
        if not wanted:
            raise SfpipeError(
                f"no piece of {', '.join(splits)} is in both stores",
                file=spectrograms,
                remedy="run 'dvc repro scores spectrograms'",
            )
        count = [0, 0, 0]  # performances, bytes of scores and of performances
        progress = Progress("pack", len(wanted))
        with h5py.File(temporary, "w", libver="latest") as file:
            _describe(file, strips, played, step, {"scores": scores, "spectrograms": spectrograms})
            for done, piece in enumerate(wanted, 1):
                group = file.create_group(piece)
                with reading(scores, "scores"):
                    score = score_record(strips[piece], piece)
                count[1] += _put_score(group, score)
                for name in _chosen(played[piece], performances):
                    count[0] += 1
                    count[2] += _put_performance(group, played[piece], name, step)
                file.flush()
                size = temporary.stat().st_size
                if size > limit:
                    raise _too_large(out, size, limit_mib, done / len(wanted))
                progress.advance(note=f"{size / MIB:.1f} MiB")
        size = temporary.stat().st_size
        if size > limit:
            raise _too_large(out, size, limit_mib, 1.0)
        progress.close(f"{size / MIB:.1f} MiB")
    return Packed(len(wanted), count[0], count[1], count[2], size)


def unpack(path: Path, scores_out: Path, spectrograms_out: Path) -> None:
    """Make both stores from a packed file.

    Raises
    ------
    SfpipeError
        If the file cannot be read or is not packed.
    """
    with open_store(path, "any") as file:
        if file.attrs["kind"] != PACKED:
            raise SfpipeError(f"is a store of {file.attrs['kind']}, not packed", remedy="use it")
        about: dict[str, Any] = {
            "dataset": str(file.attrs["dataset"]),
            "params": json.loads(file.attrs["params"]),
            "tools": json.loads(file.attrs["tools"]),
        }
        skipped = json.loads(file.attrs["skipped"])
        progress = Progress("unpack", len(file))
        with (
            write_scores(scores_out, **about) as scores,
            write_spectrograms(spectrograms_out, **about) as played,
        ):
            for piece, group in file.items():
                record = score_record(group, piece)
                scores.add(**vars(record))
                for name, sub in group.items():
                    if isinstance(sub, h5py.Group):
                        performance = performance_record(sub, piece, name, record.split)
                        played.add(**vars(performance), duration_s=float(sub.attrs["duration_s"]))
                progress.advance()
            for piece, reason in skipped.items():
                scores.skip(piece, reason)
                played.skip(piece, reason)
        progress.close()


def _describe(
    file: h5py.File, strips: h5py.File, played: h5py.File, step: float, sources: dict[str, Path]
) -> None:
    made = {"scores": strips, "spectrograms": played}
    params = {name: json.loads(store.attrs["params"]) for name, store in made.items()}
    tools: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for store in made.values():
        tools |= json.loads(store.attrs["tools"])
        skipped |= json.loads(store.attrs["skipped"])
    file.attrs.update(
        kind=PACKED,
        schema_version=SCHEMA_VERSION,
        dataset=str(strips.attrs["dataset"]),
        params=json.dumps({**params, "pack": {"step": step}}, sort_keys=True),
        tools=json.dumps({**tools, "sfpipe": version("sfpipe"), "h5py": h5py.__version__}),
        skipped=json.dumps(skipped),
        sources=json.dumps({name: sha256(path) for name, path in sources.items()}),
    )


def _chosen(group: h5py.Group, most: int | None) -> list[str]:
    """The first `most` performances of a piece: plain before varied, then by their tempo."""
    names = [name for name, sub in group.items() if isinstance(sub, h5py.Group)]

    def key(name: str) -> tuple[bool, float, str]:
        return plainness(name, float(group[name].attrs["tempo_factor"]))

    return sorted(names, key=key)[:most]


def _put_score(group: h5py.Group, score: ScoreRecord) -> int:
    group.attrs.update(
        split=score.split,
        title=score.title,
        staff_space_px=score.staff_space_px,
        px_per_cm=score.px_per_cm,
    )
    arrays = {name: getattr(score, name) for name in SCORE_DATASETS}
    if score.heads is not None:
        arrays |= dict(zip(HEAD_DATASETS, score.heads, strict=True))
    return sum(codec.put(group, name, values) for name, values in arrays.items())


def _put_performance(piece: h5py.Group, source: h5py.Group, name: str, step: float) -> int:
    split = str(source.attrs["split"])
    record = performance_record(source[name], piece.name.strip("/"), name, split)
    if name in piece:
        raise SfpipeError(f"{record.piece}: a performance is called '{name}'")
    group = piece.create_group(name)
    group.attrs.update(dict(source[name].attrs))
    return (
        codec.put(group, "spectrogram", record.spectrogram, step)
        + codec.put(group, "onset_s", record.onset_s)
        + codec.put(group, "score_onset", record.score_onset)
    )


def _too_large(out: Path, size: int, limit_mib: float, share: float) -> SfpipeError:
    whole = f", about {size / share / MIB:.0f} MiB in all" if share < 1 else ""
    return SfpipeError(
        f"over {limit_mib:g} MiB after {share:.0%} of the pieces{whole}",
        file=out,
        remedy="pack less: --performances 1, fewer --split, or a larger --step",
    )
