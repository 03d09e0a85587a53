"""Followers by name: the one place that knows which kinds there are.

`load_follower` takes a name of `FOLLOWERS` (baselines and reference followers), the name of a
published agent, or the folder of one. A new follower is one entry of `FOLLOWERS`, a new kind of
agent one entry of `AGENTS`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import (
    CARD,
    agent_window,
    find_agent,
    load_agent,
    published_agents,
    read_card,
)
from sfpipe.agents.cached_policy import CachedPlayer, CachedPolicy
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.agents.policy import Actor
from sfpipe.belief.agent import load_belief
from sfpipe.errors import SfpipeError
from sfpipe.following.agent import AgentFollower
from sfpipe.following.anywhere import AnywhereFollower, Tracer
from sfpipe.following.belief import BeliefFollower, play_all
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.reference import constant_speed, optimal
from sfpipe.following.sources import Sources
from sfpipe.game.follower import Follower
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.params import (
    AnyFilter,
    RelocationParams,
    override,
)
from sfpipe.store.bank import Bank
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.window import WINDOWS, Window

Games = list[PlayedGame]


@dataclass(frozen=True)
class Computing:
    """Where and how an agent computes, and how it chooses its moves."""

    device: torch.device
    bfloat16: bool
    deterministic: bool
    seed: int
    filter: AnyFilter = "auto"


def load_follower(
    name: str | Path,
    sources: Sources | None = None,
    *,
    device: str = "cpu",
    precision: str = "float32",
    deterministic: bool = False,
    seed: int = 0,
    filter: AnyFilter = "auto",
) -> LoadedFollower:
    """Load a follower: ``optimal``, ``constant-speed``, a baseline, or an agent.

    Parameters
    ----------
    name:
        Of `FOLLOWERS` or of a published agent, or the folder of an agent.
    sources:
        What is to be followed; agents can do without.
    device, precision:
        Of agents: ``auto``, ``cpu``, ``cuda``; ``auto``, ``float32``, ``bfloat16``.
    deterministic:
        An agent takes its most probable action instead of drawing one.
    seed:
        Of an agent's draws.
    filter:
        Values that replace those of an agent's own filter.

    Raises
    ------
    SfpipeError
        If there is no such follower, its files cannot be read, it is an agent for other strips
        than those of the sources, or the device is missing.

    Examples
    --------
    >>> follower = load_follower("nottingham-ppo")  # doctest: +SKIP
    >>> follower.reset(score)  # doctest: +SKIP
    >>> position_px = follower.step(frame)  # doctest: +SKIP
    """
    if str(name) in FOLLOWERS:
        if sources is None:
            raise SfpipeError(
                f"'{name}' needs the scores' files", remedy="call load_follower(name, sources)"
            )
        return FOLLOWERS[str(name)](sources)
    folder = find_agent(name)
    if not folder.exists():
        raise unknown_follower(str(name))
    card = read_card(folder)
    if sources is None:
        window = WINDOWS[card["window"]]
    else:
        window = agent_window(folder, card, sources.strip_px, file=sources.scores)
    chosen = choose_device(device)
    keep_memory()
    how = Computing(chosen, choose_bfloat16(precision, chosen), deterministic, seed, filter)
    return _kind_of(card).load(folder, window, how)


def follower_files(follower: str | Path, models: Path) -> list[Path]:
    """What a follower is made from and that lies under the working folder, but the stores.

    `models` holds the models of baselines, in a folder of their name each.
    """
    if str(follower) in FOLLOWERS:
        return [models / str(follower)]
    folder = find_agent(follower)
    with suppress(ValueError):
        return [Path(os.path.abspath(folder)).relative_to(os.getcwd())]
    return []


def unknown_follower(name: str) -> SfpipeError:
    """What to say of a name that there is no follower of: the nearest one, and all."""
    names = [*FOLLOWERS, *published_agents()]
    known, near = f"Known: {', '.join(names)}", difflib.get_close_matches(name, names, 1, 0.5)
    if near:
        return SfpipeError(
            f"unknown follower '{name}'", remedy=f"did you mean '{near[0]}'? {known}"
        )
    what = "no such file, and no follower has this name"
    remedy = f"train an agent first: dvc repro train. {known}"
    return SfpipeError(what, file=Path(name) / CARD, remedy=remedy)


def describe_agent(card: Mapping[str, Any]) -> AgentKind:
    """What kind of agent an `agent.json` is of."""
    return _kind_of(card)


def _actor_critic(folder: Path, window: Window, how: Computing) -> LoadedFollower:
    """A network of Tables 1 and 2, all performances and trials in one batch."""
    network, card = load_agent(folder, how.device)
    generator = torch.Generator(how.device).manual_seed(how.seed)
    policy = _Policy(Actor(network, generator, how.bfloat16))

    def variant(deterministic: bool) -> LoadedFollower:
        label = f"{folder.name}, argmax" if deterministic else folder.name

        def play(evaluation_set: EvaluationSet, trials: int, progress: str | None) -> Games:
            bank = evaluation_set.bank
            player = CachedPlayer(policy.of(bank), bank, deterministic=deterministic)
            return play_games(bank, player, trials=trials, label=progress, seed=how.seed)

        return LoadedFollower(
            folder.name,
            label,
            window,
            lambda: AgentFollower(
                network, None if deterministic else torch.Generator().manual_seed(how.seed)
            ),
            play,
            batched=True,
            chance=not deterministic,
            policy="argmax" if deterministic else "stochastic",
            card=card,
            network=network,
        )

    chosen = variant(how.deterministic)
    chosen.argmax = variant(True)
    return chosen


class _Policy:
    """One cached policy per bank: what it keeps serves the drawn and the argmax games."""

    def __init__(self, actor: Actor):
        self.actor = actor
        self.policy: tuple[Bank, CachedPolicy] | None = None

    def of(self, bank: Bank) -> CachedPolicy:
        if self.policy is None or self.policy[0] is not bank:
            self.policy = bank, CachedPolicy(self.actor, bank)
        return self.policy[1]


def _belief(folder: Path, window: Window, how: Computing) -> LoadedFollower:
    """Two encoders and a Bayes filter; there is no chance in it."""
    network, own, card = load_belief(folder, how.device)
    params = own.replaced(how.filter)

    def play(evaluation_set: EvaluationSet, trials: int, progress: str | None) -> Games:
        performances = evaluation_set.performances
        return play_all(network, params, evaluation_set.scores, performances, label=progress)

    def variant(relocation: RelocationParams | None) -> LoadedFollower:
        return LoadedFollower(
            folder.name,
            folder.name if relocation is None else f"{folder.name}, anywhere",
            window,
            lambda: (
                BeliefFollower(network, params)
                if relocation is None
                else AnywhereFollower(network, params, relocation)
            ),
            play if relocation is None else None,
            policy="planned",
            card=card,
            trace_all=Tracer(network, params, relocation).trace,
        )

    chosen = variant(None)
    chosen.anywhere = variant(RelocationParams())
    return chosen


def _midi_odtw(sources: Sources) -> LoadedFollower:
    from sfpipe.baselines.odtw import OdtwFollower
    from sfpipe.baselines.score_sound import ScoreSound, from_engraved, from_performance

    def sound_of(score: ScoreRecord) -> ScoreSound:
        record = sources.as_written(score.piece)
        if record is not None:
            return from_performance(score, record)
        return from_engraved(score, sources.engraved / score.piece, sources.synthesize)

    def make() -> Follower:
        return OdtwFollower(sound_of, sources.baselines.odtw)

    return LoadedFollower("midi-odtw", "MIDI-ODTW", sources.window, make)


def _omr_odtw(sources: Sources) -> LoadedFollower:
    from sfpipe.baselines.odtw import OdtwChoice
    from sfpipe.baselines.omr_odtw import sounds_of_image
    from sfpipe.omr.readers import find_reader

    omr = sources.baselines.omr
    params = override(sources.baselines.odtw, adaptive=omr.adaptive, stay=omr.stay)

    def make() -> Follower:
        reader, tempi = find_reader(omr), omr.steps_per_minute
        return OdtwChoice(
            lambda score: sounds_of_image(score.strip, sources.synthesize, reader, tempi), params
        )

    return LoadedFollower("omr-odtw", "OMR-ODTW", sources.window, make)


def _mm_loc(sources: Sources) -> LoadedFollower:
    from sfpipe.baselines.mm_loc import load_mm_loc
    from sfpipe.following.mm_loc import MmLocFollower, play_mm_loc

    folder, window = sources.models / "mm-loc", sources.window

    def play(evaluation_set: EvaluationSet, trials: int, progress: str | None) -> Games:
        bank = evaluation_set.bank
        network = load_mm_loc(folder, bank.device, window=bank.window)[0]
        bfloat16 = choose_bfloat16("auto", bank.device)
        return play_mm_loc(bank, network, bfloat16=bfloat16, label=progress)

    def make() -> Follower:
        return MmLocFollower(load_mm_loc(folder, window=window)[0])

    return LoadedFollower("mm-loc", "MM-Loc", window, make, play, batched=True)


FOLLOWERS: dict[str, Callable[[Sources], LoadedFollower]] = {
    "optimal": lambda sources: optimal(sources.window),
    "constant-speed": lambda sources: constant_speed(sources.window, sources.px_per_frame),
    "midi-odtw": _midi_odtw,
    "omr-odtw": _omr_odtw,
    "mm-loc": _mm_loc,
}


@dataclass(frozen=True)
class AgentKind:
    """One kind of agent.

    Attributes
    ----------
    load:
        Takes the agent's folder, the window of the game, and where and how to compute.
    about:
        What such an agent does, the lines of a sentence that "of sound, ..." continues.
    network:
        What it is made of; may name the ``{table}`` of the paper.
    learnt_by:
        How it learns, where that is not by the phases of its `agent.json`.
    """

    load: Callable[[Path, Window, Computing], LoadedFollower]
    about: tuple[str, ...]
    network: str
    learnt_by: str = ""


ACTOR_CRITIC = AgentKind(
    _actor_critic,
    ("A score following agent: it sees a window of the unrolled score and hears two seconds",),
    "Table {table} of the paper",
)
# By `algo` of agent.json; all others are networks of Tables 1 and 2.
AGENTS = {
    "belief": AgentKind(
        _belief,
        (
            "A score following agent with a memory: it reads the unrolled score beforehand, keeps",
            "a belief about place and tempo, compares a window of the score with the last seconds",
        ),
        "two encoders and a Bayes filter (`sfpipe/belief`)",
        "supervised, on labelled crops",
    ),
}


def _kind_of(card: Mapping[str, Any]) -> AgentKind:
    return AGENTS.get(card.get("algo", ""), ACTOR_CRITIC)
