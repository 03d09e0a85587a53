"""`sfpipe pack`: both stores of a data set in one small file, and back.

A packed file has the groups of both stores: ``/<piece>`` with the arrays of the score store and,
beside them, the groups of its performances (`schema.SCORE_DATASETS`, `SPECTROGRAM_DATASETS`). It is
written and read like either store. All arrays are compressed by HDF5; strips and onsets lose
nothing, spectrograms are rounded to multiples of a step (attribute ``step``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py

from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.progress import Progress
from sfpipe.store.reader import open_store, performance_record, reading, score_record
from sfpipe.store.schema import PACKED, plainness
from sfpipe.store.validation import check_split
from sfpipe.store.writer import (
    SMALL,
    ScoreStoreWriter,
    SpectrogramStoreWriter,
    open_new,
    write_scores,
    write_spectrograms,
)

STEP = 1 / 36  # log10(1 + magnitude): half a step is 0.014, on a scale up to about 1


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote: pieces, performances, bytes of the file."""

    pieces: int
    performances: int
    bytes: int


def pack(
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    splits: Sequence[str] = ("train", "valid"),
    performances: int | None = None,
    step: float = STEP,
) -> Packed:
    """Write all that training needs of both stores into one file.

    Training needs the `splits` ``train`` and ``valid``. Spectrograms are rounded to multiples of
    `step`; 0 keeps every bit.

    Parameters
    ----------
    performances:
        How many of each piece's performances, plain ones first and of these the ones at the tempo
        nearest to the score's; None: all.

    Raises
    ------
    SfpipeError
        If a store cannot be read, or nothing is left to pack.
    """
    for split in splits:
        check_split("pack", split)
    if step < 0 or (performances is not None and performances < 1):
        raise SfpipeError(
            f"cannot pack {performances} performances in steps of {step:g}",
            remedy="give --performances of at least 1 and --step of at least 0",
        )
    with (
        open_store(scores, "scores") as strips,
        open_store(spectrograms, "spectrograms") as played,
    ):
        with reading(scores, "scores"):
            pieces = [p for p in strips if p in played and str(strips[p].attrs["split"]) in splits]
        if not pieces:
            raise SfpipeError(
                f"no piece of {', '.join(splits)} is in both stores",
                file=spectrograms,
                remedy="run 'dvc repro scores spectrograms'",
            )
        count = 0
        progress = Progress("pack", len(pieces))
        with (
            open_new(out, PACKED, **_describe(strips, played, step)) as file,
            closing(ScoreStoreWriter(file, SMALL)) as score_writer,
            closing(SpectrogramStoreWriter(file, SMALL, step)) as writer,
        ):
            file.attrs["skipped"] = json.dumps(_read("skipped", strips) | _read("skipped", played))
            file.attrs["sources"] = json.dumps(
                {"scores": sha256(scores), "spectrograms": sha256(spectrograms)}
            )
            for piece in pieces:
                with reading(scores, "scores"):
                    score = score_record(strips[piece], piece)
                score_writer.add(**vars(score))
                for name in _choose_plainest(played[piece], performances):
                    _copy_performance(played[piece], piece, name, score.split, writer)
                    count += 1
                progress.advance()
    size = out.stat().st_size
    progress.close(f"{size / (1 << 20):.1f} MiB")
    return Packed(len(pieces), count, size)


def unpack(path: Path, scores_out: Path, spectrograms_out: Path) -> None:
    """Make both stores from a packed file.

    Raises
    ------
    SfpipeError
        If the file cannot be read or is not packed.
    """
    with open_store(path, "any") as file, ExitStack() as outs:
        if file.attrs["kind"] != PACKED:
            raise SfpipeError(f"is a store of {file.attrs['kind']}, not packed", remedy="use it")
        about: dict[str, Any] = {
            "dataset": str(file.attrs["dataset"]),
            "params": _read("params", file),
            "tools": _read("tools", file),
        }
        scores = outs.enter_context(write_scores(scores_out, **about))
        played = outs.enter_context(write_spectrograms(spectrograms_out, **about))
        progress = Progress("unpack", len(file))
        for piece, group in file.items():
            score = score_record(group, piece)
            scores.add(**vars(score))
            for name, sub in group.items():
                if isinstance(sub, h5py.Group):
                    _copy_performance(group, piece, name, score.split, played)
            progress.advance()
        for piece, reason in _read("skipped", file).items():
            scores.skip(piece, reason)
            played.skip(piece, reason)
        progress.close()


def _read(name: str, file: h5py.File) -> dict[str, Any]:
    return json.loads(file.attrs[name])


def _describe(strips: h5py.File, played: h5py.File, step: float) -> dict[str, Any]:
    made = {"scores": strips, "spectrograms": played}
    own = {"sfpipe": version("sfpipe"), "h5py": h5py.__version__}
    return {
        "dataset": str(strips.attrs["dataset"]),
        "params": {k: _read("params", file) for k, file in made.items()} | {"pack": {"step": step}},
        "tools": _read("tools", strips) | _read("tools", played) | own,
    }


def _choose_plainest(group: h5py.Group, most: int | None) -> list[str]:
    """The first `most` performances of a piece: plain before augmented, then by their tempo."""
    names = [name for name, sub in group.items() if isinstance(sub, h5py.Group)]

    def key(name: str) -> tuple[bool, float, str]:
        return plainness(name, float(group[name].attrs["tempo_factor"]))

    return sorted(names, key=key)[:most]


def _copy_performance(
    source: h5py.Group, piece: str, name: str, split: str, store: SpectrogramStoreWriter
) -> None:
    record = performance_record(source[name], piece, name, split)
    store.add(**vars(record), duration_s=float(source[name].attrs["duration_s"]))
