"""Stage `evaluate`: stores and an agent -> metrics/eval.json, metrics/pieces.csv, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.agents.hardware import choose_device, computing_threads
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.layout import read_layouts
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation
from sfpipe.following.evaluation_set import EvaluationSet, load_evaluation_set
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import Sources, load_follower
from sfpipe.game.play import PlayedGame
from sfpipe.params import EvaluateParams


@dataclass(frozen=True)
class Sounding:
    """Performances that sound otherwise, and may be heard more than once.

    Attributes
    ----------
    stores:
        Spectrogram stores: in the first all of them, in the others those that are heard again.
    described:
        How they sound, for the record.
    begins:
        For each store the frames from which its hearings count, by piece and performance.
    """

    stores: tuple[Path, ...]
    described: dict[str, Any]
    begins: tuple[Mapping[tuple[str, str], int], ...]

    @classmethod
    def as_stored(cls, spectrograms: Path) -> Sounding:
        """The performances of a store, as they are."""
        return cls((spectrograms,), {}, ({},))

    @property
    def meta(self) -> dict[str, Any]:
        """What results say of it: nothing of performances as they are."""
        return {"sounding": self.described} if self.described else {}

    def play(
        self, follower: LoadedFollower, sets: Sequence[EvaluationSet], trials: int
    ) -> list[PlayedGame]:
        """Play every performance; `sets` are the stores' performances."""
        games = follower.play(sets[0], trials)
        for played, begins in zip(sets[1:], self.begins[1:], strict=True):
            if not played.performances:
                continue
            again = {(g.piece, g.performance, g.trial): g for g in follower.play(played, trials)}
            games = [
                joined(game, again[key], begins[key[:2]])
                if (key := (game.piece, game.performance, game.trial)) in again
                else game
                for game in games
            ]
        return games


def joined(first: PlayedGame, then: PlayedGame, frame: int) -> PlayedGame:
    """The game that is `first` before a frame of the performance, and `then` from it on.

    If `then` was lost before, it is lost there.
    """
    at = max(frame - first.start_frame - 1, 0)
    if len(first.error_px) <= at:  # lost before, or over
        return first
    last, position = then.error_px[at:], then.position_px[at:]
    if not len(last):
        target = np.interp(first.start_frame + 1 + at, first.onset_frames, first.onset_x_px)
        last = then.error_px[-1:]
        position = (target + last).astype(np.float32)
    error = np.concatenate([first.error_px[:at], last])
    reward = ((first.threshold_px - np.abs(error)) / first.threshold_px).clip(min=0)
    return replace(
        first,
        error_px=error,
        position_px=np.concatenate([first.position_px[:at], position]),
        lost=then.lost,
        reward_sum=float(reward.sum(dtype=np.float64)),
    )


def evaluate(
    params: EvaluateParams,
    scores: Path,
    spectrograms: Path,
    agent: str | Path,
    out: Path,
    *,
    seed: int,
    engraved: Path | None = None,
    quiet: bool = False,
    sounding: Sounding | None = None,
) -> dict[str, Any]:
    """Play every performance of a split with the agent, optimally and at constant speed.

    Parameters
    ----------
    agent:
        Folder of weights and `agent.json`, or the name of a published one.
    out:
        Folder of `eval.json`, `pieces.csv`, `plots/`.
    engraved:
        Folder of the engraved pieces, for what they say of systems, bars and pages.
    quiet:
        Do not print the pieces and the table. The content of `eval.json` is returned.
    sounding:
        What to play instead, and how it sounds; the reference followers know `spectrograms`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, the agent is one for other strips, or the split is
        empty.
    """
    followers = load_agent_and_references(params, Sources(scores, spectrograms), agent, seed=seed)
    follower = followers["agent"]
    device = choose_device(params.device)
    sounding = sounding or Sounding.as_stored(spectrograms)
    sets = [
        load_evaluation_set(scores, store, follower.window, split=params.split, device=device)
        for store in sounding.stores
    ]
    played = sets[0]
    with computing_threads(params.threads):
        results = {n: sounding.play(one, sets, params.trials) for n, one in followers.items()}
    meta = {
        "dataset": played.dataset,
        "split": params.split,
        "algo": follower.card.get("algo"),
        "window": follower.window.name,
        "policy": follower.policy,
        "agent_frames": follower.card.get("frames"),
        "agent_hours": follower.card.get("hours"),
        **sounding.meta,
    }
    layouts = read_layouts(engraved, played.scores.values()) if engraved else {}
    written = write_evaluation(results, out_dir=out, meta=meta, seed=seed, layouts=layouts)
    write_closeup(results["agent"], played.bank, played.scores, out / "plots")
    if not quiet:
        print(piece_lines(results["agent"]))
        print(summary(written))
    return written


def load_agent_and_references(
    params: EvaluateParams, sources: Sources, agent: str | Path, *, seed: int
) -> dict[str, LoadedFollower]:
    """An agent, its argmax if there is chance in it, and the reference followers.

    Returns
    -------
    dict
        By their names in eval.json.

    Raises
    ------
    SfpipeError
        As `load_follower`.
    """
    follower = load_follower(
        agent,
        sources,
        device=params.device,
        precision=params.precision,
        deterministic=params.deterministic,
        filter=params.filter,
        seed=seed,
    )
    return {
        "agent": follower,
        **({"agent_argmax": follower.argmax} if follower.argmax else {}),
        "optimal": load_follower("optimal", sources),
        "constant_speed": load_follower("constant-speed", sources),
    }
