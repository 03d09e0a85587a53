"""A user's own scores and recordings, for `evaluate --real-performances`, `page` and `watch`.

`sfpipe.importers.recording_folders` says how they lie in a folder, and
`sfpipe.importers.recording_onsets` how it is found out when the onsets of a score are played.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sfpipe.audio.decoding import AUDIO_SUFFIXES
from sfpipe.audio.performances import made_files
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.datasets.catalogue import CATALOGUE
from sfpipe.datasets.index import Piece
from sfpipe.engraving.lilypond.program import require_walls
from sfpipe.engraving.stage import engrave_file, is_lilypond, seconds_of
from sfpipe.errors import SfpipeError, printable
from sfpipe.files import remove_made, remove_others, sha256
from sfpipe.importers.recording_folders import PieceFolder, survey, survey_piece
from sfpipe.importers.recording_onsets import Recording, read_performance
from sfpipe.notation.files import MEI_SUFFIXES, XML_SUFFIXES
from sfpipe.parallel import map_pieces
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.real_performances.conditions import Voice
from sfpipe.score.stage import add_strip, unroll_piece
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.writer import write_scores, write_spectrograms

RECORDING_SECONDS = 1200.0  # of work on one recording


@dataclass(frozen=True)
class _EngravedScore:
    """An engraved piece in the score store's terms."""

    strip: Any
    about: dict[str, Any]
    split: str
    title: str


def import_recordings(
    folder: Path,
    params: Params,
    paths: Paths,
    *,
    melody: bool = False,
    pieces: Sequence[str] = (),
    jobs: int = -1,
    tell: Callable[[str], None] = print,
) -> None:
    """Engrave the scores, align the recordings, and write both stores and the sound.

    Parameters
    ----------
    paths:
        Of the data set that is made. With `pieces` it is there: its engraved pieces are the
        scores, and its stores keep what they have.
    melody:
        Scores in MusicXML are melodies, drawn like those of the Nottingham Database, not piano
        music. ABC and MIDI files always are.
    pieces:
        Names of engraved pieces that are played: of one, its recordings lie in `folder` or in
        ``folder/<piece>``, of several in the latter.
    jobs:
        Number of processes; -1 is one per core.
    tell:
        Is given a line on every recording, on everything that is left out, and on how many.

    Raises
    ------
    SfpipeError
        If the folder has no pieces, a tool is missing, or not one recording is usable.
    """
    if pieces:
        found, left_out = _engraved_pieces(folder, pieces, paths)
    else:
        _require_new(paths)
        found, left_out = survey(folder)
    for name, reason in left_out.items():
        tell(f"{printable(name)}: left out: {reason}")
    for piece in found:
        for name, reason in piece.left_out.items():
            tell(f"{piece.name}/{printable(name)}: left out: {reason}")
    if not found:
        raise SfpipeError(
            "expected <piece>/ with a score and recordings",
            file=folder,
            remedy="put each score into a folder of its own, its recordings beside it",
        )
    scores: dict[str, _EngravedScore] = {}
    skipped: dict[str, str] = {}
    for piece, drawn, error in _draw(found, folder, params, paths, bool(pieces), melody, jobs):
        if error is None:
            scores[piece.name] = drawn
        else:
            n = len(piece.takes)
            tell(f"{piece.name}: left out with {n} recording{'s' * (n != 1)}: {error}")
            skipped[piece.name] = error
    performances: list[tuple[str, dict[str, Any]]] = []
    work = [
        Recording(p.name, take, p.score, paths.engraved / p.name, paths.real / p.name)
        for p in found
        if p.name in scores
        for take in p.takes
    ]
    if not pieces:
        remove_others(paths.real, scores, made_files)
        for name in scores:
            remove_made(paths.real / name, list(made_files(paths.real / name)))
    voice = Voice(
        resolve_soundfont(params.synthesize.train.soundfonts[0]).path,
        params.synthesize.program,
        params.synthesize.gain,
    )
    read = functools.partial(read_performance, voice=voice)
    outcomes = map_pieces(
        read, work, label="recordings", jobs=jobs, seconds=lambda _: RECORDING_SECONDS
    )
    for outcome in outcomes:
        name = f"{outcome.item.piece}/{outcome.item.take.path.name}"
        if outcome.error is not None:
            skipped[name] = outcome.error
            tell(f"{name}: left out: {outcome.error}")
        else:
            performance, line = outcome.value
            performances.append((outcome.item.piece, performance))
            tell(f"{name}: {line}")
    # What was tried only because nobody knows its suffix, and has no sound, is no recording.
    unknown = sum(
        outcome.error is not None and outcome.item.take.path.suffix.lower() not in AUDIO_SUFFIXES
        for outcome in outcomes
    )
    n_takes = sum(len(piece.takes) for piece in found) - unknown
    if not performances:
        raise SfpipeError(
            f"not one of {n_takes} recordings is usable",
            file=folder,
            remedy="mend what the lines above say",
        )
    # A score that nobody plays may be of another kind than the rest, and no agent reads both.
    played = {piece for piece, _ in performances}
    scores = {name: drawn for name, drawn in scores.items() if name in played}
    _write_scores(paths, scores, skipped, keep=bool(pieces))
    _write_performances(paths, scores, performances, skipped, keep=bool(pieces))
    tell(
        f"{len(performances)} of {n_takes} recordings imported, of {len(scores)} of {len(found)}"
        f" pieces; other files and folders left out:"
        f" {len(left_out) + sum(len(p.left_out) for p in found) + unknown}"
    )


def _require_new(paths: Paths) -> None:
    """Refuse to overwrite the stores of a data set that was not imported.

    Raises
    ------
    SfpipeError
        If the data set is built in or was downloaded.
    """
    if paths.dataset in CATALOGUE or (paths.raw / "index.json").is_file():
        raise SfpipeError(
            f"data set '{paths.dataset}' has pieces of its own",
            remedy="give --dataset a new name, or name the pieces that are played: --piece NAME",
        )


def _engraved_pieces(
    folder: Path, pieces: Sequence[str], paths: Paths
) -> tuple[list[PieceFolder], dict[str, str]]:
    """The folders of recordings of engraved pieces, and what else lies in `folder`."""
    for piece in pieces:
        if not (paths.engraved / piece / "engraving.json").is_file():
            raise SfpipeError(
                f"data set '{paths.dataset}' has no engraved piece '{piece}'",
                file=paths.engraved,
                remedy=f"for s in download engrave; do sfpipe $s --dataset {paths.dataset}"
                f" --piece {piece}; done",
            )
    if len(pieces) == 1 and not (folder / pieces[0]).is_dir():
        found = [survey_piece(folder, pieces[0], engraved=True)]
        return _with_takes(found, {})
    found = [survey_piece(folder / piece, piece, engraved=True) for piece in pieces]
    others = [path.name for path in sorted(folder.iterdir()) if path.name not in pieces]
    return _with_takes(found, dict.fromkeys(others, "no --piece of this name"))


def _with_takes(
    found: list[PieceFolder], left_out: dict[str, str]
) -> tuple[list[PieceFolder], dict[str, str]]:
    empty = {piece.name: "no recording in it" for piece in found if not piece.takes}
    return [piece for piece in found if piece.takes], left_out | empty


def _draw(
    found: list[PieceFolder],
    folder: Path,
    params: Params,
    paths: Paths,
    engraved: bool,
    melody: bool,
    jobs: int,
) -> list[tuple[PieceFolder, Any, str | None]]:
    """Each piece with its strip, or with the reason why it has none."""
    if engraved:
        work, seconds = functools.partial(_unroll, paths=paths, params=params), None
    else:
        sources = {piece.name: _piece(piece, folder, melody) for piece in found}
        if any(map(is_lilypond, sources.values())):
            require_walls(unconfined=params.engrave.allow_unconfined)
        # In processes of their own: a file that crashes its reader is reported like any other.
        work = functools.partial(
            _engrave, sources=sources, folder=folder, paths=paths, params=params
        )

        def seconds(piece: PieceFolder) -> float:
            return seconds_of(sources[piece.name])

    outcomes = map_pieces(work, found, label="scores", jobs=jobs, seconds=seconds)
    return [(outcome.item, outcome.value, outcome.error) for outcome in outcomes]


def _piece(piece: PieceFolder, folder: Path, melody: bool) -> Piece:
    source = piece.score
    assert source is not None
    suffix = source.suffix.lower()
    whole = suffix in MEI_SUFFIXES or (suffix in XML_SUFFIXES and not melody)
    return Piece(
        id=piece.name,
        title=piece.name,
        split="test",
        source=str(source.relative_to(folder)),
        sha256=sha256(source),
        licence="own",
        engine="verovio" if whole else None,
    )


def _engrave(
    piece: PieceFolder, sources: dict[str, Piece], folder: Path, paths: Paths, params: Params
) -> _EngravedScore:
    engrave_file(sources[piece.name], params.engrave, folder, paths.engraved)
    return _unroll(piece, paths, params)


def _unroll(piece: PieceFolder, paths: Paths, params: Params) -> _EngravedScore:
    strip, about = unroll_piece(paths.engraved / piece.name, params.scores.strip_px)
    return _EngravedScore(strip, about, str(about["split"]), str(about["title"]))


def _write_scores(
    paths: Paths, scores: dict[str, _EngravedScore], skipped: dict[str, str], *, keep: bool
) -> None:
    """The score store; with `keep` what is in it stays as it is."""
    there = read_scores(paths.scores) if keep and paths.scores.is_file() else {}
    if there.keys() >= scores.keys():
        return
    with write_scores(paths.scores, **_about(paths)) as store:
        for name, record in there.items():
            store.add(name, **{k: v for k, v in vars(record).items() if k != "piece"})
        for name, drawn in scores.items():
            if name not in there:
                add_strip(store, name, drawn.split, drawn.title, drawn.strip, drawn.about)
        for name, reason in skipped.items():
            store.skip(name, reason)


def _write_performances(
    paths: Paths,
    scores: dict[str, _EngravedScore],
    performances: list[tuple[str, dict[str, Any]]],
    skipped: dict[str, str],
    *,
    keep: bool,
) -> None:
    """The store of performances; with `keep` those in it that are not imported again stay."""
    old = read_performances(paths.performances) if keep and paths.performances.is_file() else []
    new = {(piece, made["performance"]) for piece, made in performances}
    with write_spectrograms(paths.performances, **_about(paths)) as store:
        for record in old:
            if (record.piece, record.performance) not in new:
                store.add(**vars(record))
        for piece, made in performances:
            store.add(piece, split=scores[piece].split, **made)
        for name, reason in skipped.items():
            store.skip(name, reason)


def _about(paths: Paths) -> dict[str, Any]:
    tools = {name: version(name) for name in ("sfpipe", "soundfile")}
    return {"dataset": paths.dataset, "params": {"import": "recordings"}, "tools": tools}
