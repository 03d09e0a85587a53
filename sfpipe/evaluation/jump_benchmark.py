"""The jump benchmark: stores and an agent -> metrics/jumps.json, metrics/jumps.csv, a table.

Each performance is followed as it is, and once cut as its player might have practised
(`sfpipe.evaluation.jumps`); some sequenced ones also with wrong and missing notes. The agent is
followed twice: as it plays the game, in the order of the score, and free to go anywhere.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.agents.hardware import computing_threads
from sfpipe.audio.midi import read_midi
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.jumps import (
    PracticeTake,
    joined_parts,
    plain_take,
    practice_take,
    with_alikes,
    with_wrong_notes,
)
from sfpipe.evaluation.onset_tracking import count_onsets
from sfpipe.evaluation.parts import Cast, Part, single_pieces, there
from sfpipe.evaluation.recovery import WITHIN_S, FollowedTake, recoveries, summarise
from sfpipe.evaluation.table import Table, format_number, format_thresholds
from sfpipe.evaluation.whole import whole_performance
from sfpipe.files import write_csv, write_json
from sfpipe.following.anywhere import bars_on
from sfpipe.following.evaluation_set import EvaluationSet, load_evaluation_set
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.sources import Sources
from sfpipe.game.follower import judged
from sfpipe.parallel import on_cluster
from sfpipe.params import EvaluateParams, override
from sfpipe.progress import Progress
from sfpipe.store.bank import merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import FPS, SAMPLE_RATE, is_augmented

PER_PIECE = 2  # performances of a piece and of a condition
WRONG_SHARE = 0.25  # of the sequenced performances are played with wrong notes, too
_PART = re.compile(r".*-part\d+")
_SEQUENCED = re.compile(r".*-x\d+\.\d+")  # as `synthesize` names what no human played


def evaluate_jumps(
    params: EvaluateParams,
    sources: Sources,
    agent: str | Path,
    out: Path,
    *,
    seed: int,
    pieces: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Let an agent follow performances with jumps, restarts and pauses.

    Parameters
    ----------
    agent:
        As of `load_follower`.
    out:
        Folder of `jumps.json` and `jumps.csv`, a row per event.
    pieces:
        Only these; none: all of the split.
    quiet:
        Print nothing.

    Returns
    -------
    dict
        The content of `jumps.json`.

    Raises
    ------
    SfpipeError
        As `load_follower` and `load_evaluation_set`, or if no performance is long enough.
    """
    certain = override(params, device="cpu", precision="float32", deterministic=True)
    cast = Cast(certain, seed, agent, references=False, engraved=True)
    follower = cast.load_agent(sources)["agent"]
    played = load_evaluation_set(
        sources.scores, sources.spectrograms, follower.window, split=params.split
    )
    if pieces:
        some = [r for r in played.performances if r.piece in pieces]
        played = replace(played, performances=some)
    practise = _Practise(cast, None if on_cluster() else follower)
    parts = sorted(single_pieces([played]), key=lambda sets: sets[0].performances[0].piece)
    followed: dict[str, list[FollowedTake]] = {name: [] for name in _ways(follower)}
    progress = None if quiet or on_cluster() else Progress("jumps", len(parts), "pieces")
    done = (
        there(practise, cast, sources, parts, "jumps")
        if on_cluster()
        else (practise(Part(sets, sources)) for sets in parts)
    )
    for takes in done:
        for name, some_takes in takes.items():
            followed[name] += some_takes
        if progress:
            progress.advance()
    if progress:
        progress.close()
    if not any(t.take.events for t in followed["in order"]):
        raise SfpipeError("no performance is long enough to jump in", file=sources.spectrograms)
    result = {
        "meta": {
            "dataset": played.dataset,
            "split": params.split,
            "agent": follower.name,
            "algo": follower.card.get("algo"),
            "seed": seed,
            "pieces": len(parts),
        },
        "followers": {
            name: {**summarise(takes), "plain": _of_plain(takes, played)}
            for name, takes in followed.items()
        },
    }
    write_json(out / "jumps.json", result)
    _write_events(out / "jumps.csv", followed)
    if not quiet:
        print(describe_jumps(result))
    return result


@dataclass(frozen=True)
class _Practise:
    """Follows all takes of a piece, in every way; `follower` is loaded where there is none."""

    cast: Cast
    follower: LoadedFollower | None

    def __call__(self, part: Part) -> dict[str, list[FollowedTake]]:
        follower = self.follower or self.cast.load_agent(part.sources)["agent"]
        played = part.sets[0]
        piece = played.performances[0].piece
        score, threshold = played.scores[piece], follower.window.threshold_px
        with computing_threads(self.cast.params.threads):
            takes = [
                with_alikes(plain, score, threshold)
                for plain in piece_takes(played, piece, part.sources, self.cast.seed)
            ]
            return {
                name: [_follow(one, score, take) for take in takes]
                for name, one in _ways(follower).items()
            }


def _ways(follower: LoadedFollower) -> dict[str, LoadedFollower]:
    """An agent in the order of the score and, if it can be, free to go anywhere."""
    free = {"anywhere": follower.anywhere} if follower.anywhere else {}
    return {"in order": follower, **free}


def piece_takes(
    played: EvaluationSet, piece: str, sources: Sources, seed: int
) -> Iterator[PracticeTake]:
    """What is followed of a piece, drawn by the seed and the piece's name."""
    rng = np.random.default_rng([seed, zlib.crc32(piece.encode())])
    score = played.scores[piece]
    bar_px = bars_on(score.strip)
    records = [r for r in played.performances if r.piece == piece and r.aligned]
    yield from joined_parts(score, records, played.window)
    whole = [
        r for r in records if not (_PART.fullmatch(r.performance) or is_augmented(r.performance))
    ]
    for condition in sorted({r.condition for r in whole}):
        of_it = [r for r in whole if r.condition == condition]
        drawn = rng.permutation(len(of_it))[:PER_PIECE]
        for record in (of_it[i] for i in sorted(drawn)):
            info = merge_onsets(score, record, played.window)
            yield plain_take(info, record)
            take = practice_take(info, record, bar_px, rng)
            if take is not None:
                yield take
            wrong = _with_wrong_notes(record, sources, rng)
            if wrong is not None:
                yield plain_take(info, wrong, "wrong notes")


def describe_jumps(result: Mapping[str, Any]) -> str:
    """The tables that `sfpipe evaluate --jumps` prints."""
    columns = ("", "n", *(f"<= {s:g} s" for s in WITHIN_S), "median s", "right in 5 s")
    parts = []
    for name, figures in result["followers"].items():
        kinds = {
            "all jumps": figures["jumps"],
            "those the notes tell": figures["jumps_told_by_notes"],
            **figures["kinds"],
            "begin, the notes tell": figures["begin_told_by_notes"],
        }
        rows = [(kind, *_row(of)) for kind, of in kinds.items() if of["n"]]
        false = ", ".join(
            f"{kind} {format_number(of['per_minute'])} ({of['n']} in {of['minutes']:.0f} min)"
            for kind, of in figures["false_jumps"].items()
        )
        plain = figures["plain"]
        parts.append(
            f"{result['meta']['agent']}, {name}\n{Table(columns, rows).to_text()}\n"
            f"false jumps a minute: {false}\n"
            f"where nobody jumps: R_on {format_number(plain['r_on'], 3)}, frames within the"
            f" threshold {format_number(plain['share_right'], 3)},\n"
            f"onsets within 0.1 / 0.5 / 1 s: {format_thresholds(plain)}\n"
        )
    return "\n".join(parts)


def _row(of: Mapping[str, Any]) -> list[str]:
    shares = [format_number(of["within_s"][f"{s:g}"]) for s in WITHIN_S]
    medians = [format_number(of["median_s"], 1), format_number(of["share_right_5s"])]
    return [str(of["n"]), *shares, *medians]


def _follow(follower: LoadedFollower, score: ScoreRecord, take: PracticeTake) -> FollowedTake:
    position = follower.trace(score, take.spectrogram)
    return FollowedTake(take, position, float(follower.window.threshold_px), score.px_per_cm)


def _of_plain(takes: Sequence[FollowedTake], played: EvaluationSet) -> dict[str, Any]:
    """Figures of the performances without jumps; `whole_performance` as in `eval.json`."""
    infos = {
        (r.piece, r.performance): merge_onsets(played.scores[r.piece], r, played.window)
        for r in played.performances
    }
    plain = [t for t in takes if t.take.kind == "plain"]
    games = [
        judged(
            infos[t.take.piece, t.take.performance],
            t.position_px[1:].astype(np.float32),
            played.window,
        )
        for t in plain
    ]
    counts = [count_onsets(game) for game in games]
    frames = sum(len(t.right) for t in plain)
    return {
        "n": len(plain),
        "r_on": sum(c.n_reached for c in counts) / sum(c.n_onsets for c in counts),
        "r_tue": float(np.mean([c.to_end for c in counts])),
        "share_right": float(sum(t.right.sum() for t in plain) / frames),
        "whole_performance": whole_performance(games),
    }


def _with_wrong_notes(
    record: PerformanceRecord, sources: Sources, rng: np.random.Generator
) -> PerformanceRecord | None:
    """The same performance with wrong notes, of some that were sequenced."""
    drawn = rng.random()
    midi = sources.engraved / record.piece / "score.mid"
    sequenced = _SEQUENCED.fullmatch(record.performance) and not record.condition
    if drawn >= WRONG_SHARE or not sequenced or not midi.is_file():
        return None
    samples = synthesize_midi(
        with_wrong_notes(read_midi(midi), rng),
        resolve_soundfont(record.soundfont).path,
        gain=sources.synthesize.gain,
        program=sources.synthesize.program,
        tempo_factor=record.tempo_factor,
    )
    return replace(record, spectrogram=spectrogram(samples, SAMPLE_RATE))


def _write_events(path: Path, followed: Mapping[str, Sequence[FollowedTake]]) -> None:
    columns = ("follower", "piece", "performance", "kind", "alike", "at_s", "from_px", "to_px")
    rows = [
        (
            name,
            r.piece,
            r.performance,
            r.event.kind,
            int(r.event.alike),
            f"{r.event.frame / FPS:.2f}",
            f"{r.event.from_px:.0f}",
            f"{r.event.to_px:.0f}",
            f"{r.recovery_s:.2f}",
            f"{r.share_right:.2f}",
        )
        for name, takes in followed.items()
        for take in takes
        for r in recoveries(take)
    ]
    write_csv(path, (*columns, "recovery_s", "share_right_5s"), rows)
