"""`make bench`: speed of every part beside the reference's way of doing it, in one run.

Both sides of a ratio are measured in turn, several times, and medians are compared: machines
drift. Figures of one run are comparable with each other only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import reference_style as reference
from benchmarks.data import PIECES, augmented, banks, data
from benchmarks.engraving import bench_engraving, bench_scores
from benchmarks.live import bench_live
from benchmarks.pages import bench_pages
from benchmarks.peak import bench_peak
from benchmarks.pitch import bench_pitch
from benchmarks.playing import Plan, eight, many, single
from benchmarks.shards import bench_shards
from benchmarks.table import Bench, Row, put_into, rate
from sfpipe.agents.cached_policy import CachedPlayer, CachedPolicy
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.audio.filterbank import filterbank
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.baselines.odtw import OdtwFollower
from sfpipe.baselines.score_sound import from_performance
from sfpipe.belief.network import PlaceNetwork
from sfpipe.following.agent import AgentFollower
from sfpipe.following.belief import BeliefFollower
from sfpipe.game.batched import BatchedGame
from sfpipe.game.env import ScoreFollowingEnv
from sfpipe.game.follower import Follower
from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.params import BeliefFilterParams, TrainParams
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.reader import ScoreRecord, read_performances, read_scores
from sfpipe.store.schema import FPS, SAMPLE_RATE
from sfpipe.store.window import WINDOWS
from sfpipe.training.a2c import A2C
from sfpipe.training.dagger import Dagger
from sfpipe.training.player import PlayingLearner
from sfpipe.training.ppo import PPO
from sfpipe.training.pretraining import Pretraining

HOP = SAMPLE_RATE / 20


def bench_game(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """Bare games with their observations; the optimal player, so that games last."""
    window = bank.window
    actions = Plan(bank)
    env = ScoreFollowingEnv(bank=bank)
    theirs = reference.make(songs[:1], window, 0)
    bench.compare(
        f"game, {name}, 1",
        "steps/s",
        single(lambda: env.reset(options={"performance": 0}), lambda a: env.step(a)[2], actions),
        single(theirs.reset, lambda a: theirs.step(a)[2], actions),
    )
    processes = reference.ProcessGames(songs[:1], window, 8)
    theirs_too = eight(processes, actions)
    for n in (64, 1024):
        game = BatchedGame(bank, window, n, seed=0)
        bench.compare(f"game, {name}, {n} (theirs: 8 processes)", "steps/s", many(game), theirs_too)
    processes.close()


def best_device(bank: Bank, root: Path) -> tuple[Bank, torch.device, bool]:
    """The bank on the GPU if there is one, that device, and whether bfloat16 pays there."""
    device = choose_device("auto")
    if device.type != "cpu":
        bank = load_bank(root / "scores.h5", root / "spectrograms.h5", bank.window, device=device)
    return bank, device, choose_bfloat16("auto", device)


def params_on(device: torch.device) -> TrainParams:
    """As many games and as large minibatches as pay on a device.

    On a processor one minibatch is the whole rollout, as in the paper (8 games of 15 steps).
    """
    gpu = device.type == "cuda"
    games = {"num_envs": 512 if gpu else 64, "num_steps": 15}
    ppo = games | {"minibatch_size": 1920 if gpu else 960}
    return TrainParams(preset="paper", a2c=games, ppo=ppo)


def bench_training(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """Rollout and update, A2C and PPO."""
    bank, device, bfloat16 = best_device(bank, root)
    params = params_on(device)
    kinds: dict[str, type[PlayingLearner]] = {"a2c": A2C, "ppo": PPO}
    for algo, kind in kinds.items():
        network = fresh(bank).placed(device)
        learner = kind(network, bank, bank, params, seed=0, bfloat16=bfloat16)
        games = reference.ProcessGames(songs, bank.window, 8)
        update = reference.train(reference.plain(fresh(bank)), games, algo)
        bench.compare(
            f"training, {name}, {algo}",
            "frames/s",
            partial(_learn, learner),
            update,
        )
        games.close()


def bench_augmented(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """PPO where every tune has two augmented performances more, and where it has none."""
    bank, device, bfloat16 = best_device(bank, root)
    more = load_bank(root / "scores.h5", augmented(root), bank.window, device=device)
    params = params_on(device)
    ours, plain = (
        PPO(fresh(played).placed(device), played, played, params, seed=0, bfloat16=bfloat16)
        for played in (more, bank)
    )
    label = f"training, {name}, augmented (beside: plain)"
    bench.compare(label, "frames/s", *(partial(_learn, one) for one in (ours, plain)))


def bench_pretraining(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """States learned from: in crops, or as many on their own (dagger's random states)."""
    bank, device, bfloat16 = best_device(bank, root)
    at_once = 128 if device.type == "cuda" else 8
    n = 60 * at_once
    params = TrainParams(
        pretraining={"crops": at_once},
        dagger={"num_envs": n, "num_steps": 1, "minibatch_size": n, "random_state_share": 1},
    )
    ours, alone = (
        kind(fresh(bank).placed(device), bank, bank, params, seed=0, bfloat16=bfloat16)
        for kind in (Pretraining, Dagger)
    )
    label = f"pretraining, {name} (beside: state by state)"
    bench.compare(label, "states/s", *(partial(_learn, one) for one in (ours, alone)))


def _learn(learner: PlayingLearner) -> float:
    return float(learner.update()["frames"])


def fresh(bank: Bank) -> ActorCritic:
    """A network that has learnt nothing."""
    return ActorCritic(bank.window, dropout=0).initialise(torch.Generator().manual_seed(0))


def bench_evaluation(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """Frames of evaluation: ten trials of everything at once, or one game and frame at a time.

    An untrained agent would lose its games at once; actions are taken from the planner on both
    sides, and the agents' own are computed and thrown away.
    """
    actor = Actor(
        fresh(bank).placed("cpu").eval(),
        torch.Generator().manual_seed(0),
        choose_bfloat16("auto", torch.device("cpu")),
    )

    def ours() -> float:
        player = Guided(CachedPlayer(CachedPolicy(actor, bank), bank), Expert(bank))
        return float(sum(len(g.error_px) for g in play_games(bank, player, trials=10)))

    frames = reference.evaluate(reference.plain(fresh(bank)), songs, bank.window)

    def theirs() -> float:
        for _ in range(200):
            next(frames)
        return 200

    row = Row(f"evaluation, {name}, 10 trials", "frames/s")
    theirs()
    for _ in range(bench.rounds):
        started = time.perf_counter()
        row.ours.append(ours() / (time.perf_counter() - started))
        row.theirs.append(rate(theirs, bench.seconds))
    bench.show(row)


class Guided:
    """Asks one player, does what another says."""

    needs_observation = False

    def __init__(self, asked: CachedPlayer, followed: Expert):
        self.asked, self.followed = asked, followed

    def act(self, state, observation):
        """The followed player's action."""
        self.asked.act(state, observation)
        return self.followed.act(state, observation)


def bench_latency(
    bench: Bench, name: str, bank: Bank, songs: list[reference.Song], root: Path
) -> None:
    """From 50 ms of samples to an action: spectrogram frame, observation, forward pass."""
    torch.set_num_threads(1)
    info = bank.infos[0]
    record = read_scores(root / "scores.h5")[info.piece]
    samples = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE * 30).astype(np.float32)
    follower = Led(fresh(bank).eval(), Plan(bank).actions)
    follower.reset(record)
    game, network = reference.make(songs, bank.window, 0), reference.plain(fresh(bank))
    bank_of_filters, hann = filterbank(), np.hanning(2048).astype(np.float32)
    torch.manual_seed(0)
    believing = BeliefFollower(PlaceNetwork(bank.window), BeliefFilterParams())
    median, tail = Row(f"latency, {name}, median", "ms"), Row(f"latency, {name}, p99", "ms")
    memory = Row(f"latency, {name}, with a memory, median", "ms")
    for _ in range(bench.rounds):
        taken = reaction_ms(follower, record, samples)
        median.ours.append(float(np.median(taken)))
        tail.ours.append(float(np.quantile(taken, 0.99)))
        memory.ours.append(float(np.median(reaction_ms(believing, record, samples))))
        seen, taken = game.reset(), []
        for i in range(300):
            frame = samples[int(i * HOP) : int(i * HOP) + 2048]
            started = time.perf_counter()
            reference.spectrogram_frame(frame * hann, bank_of_filters)
            with torch.no_grad():
                both = reference.tensors({k: v[np.newaxis] for k, v in seen.items()})
                logits = network(*both)[0]
                action = torch.distributions.Categorical(logits=logits).sample()
            seen, _, over, _ = game.step(int(action))
            taken.append(1e3 * (time.perf_counter() - started))
            if over:
                seen = game.reset()
        median.theirs.append(float(np.median(taken)))
        tail.theirs.append(float(np.quantile(taken, 0.99)))
        memory.theirs.append(median.theirs[-1])
    bench.show(median)
    bench.show(tail)
    bench.show(memory)


def reaction_ms(follower: Follower, record: ScoreRecord, samples: np.ndarray) -> list[float]:
    """How long a follower takes for each of 300 frames, ms, spectrogram included."""
    follower.reset(record)
    stream, taken = StreamingSpectrogram(), []
    stream.push(samples[:2048])
    for i in range(300):
        chunk = samples[int(2048 + i * HOP) : int(2048 + (i + 1) * HOP)]
        started = time.perf_counter()
        for frame in stream.push(chunk).T:
            follower.step(frame)
        taken.append(1e3 * (time.perf_counter() - started))
    return taken


class Led(AgentFollower):
    """Draws its actions and then takes those of a plan: an untrained agent would run away."""

    def __init__(self, network: ActorCritic, actions: list[int]):
        super().__init__(network, torch.Generator().manual_seed(0))
        self.plan = itertools.cycle(actions)

    def _choose(self, logits: np.ndarray) -> int:
        super()._choose(logits)
        return next(self.plan)


def bench_odtw(bench: Bench, root: Path) -> None:
    """Online DTW on one core: seconds of music followed per second."""
    torch.set_num_threads(1)
    records = read_scores(root / "scores.h5")
    performance = read_performances(root / "spectrograms.h5")[0]
    score = records[performance.piece]
    follower = OdtwFollower(lambda asked: from_performance(asked, performance))
    frames = np.ascontiguousarray(performance.spectrogram.T)
    follower.reset(score)

    def ours() -> float:
        for frame in frames:
            follower.step(frame)
        return len(frames) / FPS

    def whole() -> float:
        follower.reset(score)
        return ours()

    bench.compare("odtw, frame by frame", "x real time", ours)
    bench.compare("odtw, with reading the score", "x real time", whole)


def bench_sound(bench: Bench, root: Path) -> None:
    """MIDI to audio to spectrogram, milliseconds of work per second of audio."""
    from sfpipe.audio.soundfonts import resolve_soundfont

    font = resolve_soundfont("FluidR3_GM").path
    midis = sorted((root / "engraved").glob("*/score.mid"))[:4]
    filters = filterbank()
    row = Row("MIDI to spectrogram, per s of audio", "ms")
    for _ in range(bench.rounds):
        for side, make in (
            (row.ours, lambda m: ours_of(m, font)),
            (row.theirs, lambda m: theirs_of(m, font, filters)),
        ):
            started = time.perf_counter()
            seconds = sum(make(m) for m in midis)
            side.append(1e3 * (time.perf_counter() - started) / seconds)
    bench.show(row)


def ours_of(midi: Path, font: Path) -> float:
    """Seconds of audio made and analysed."""
    samples = synthesize_midi(midi, font)
    spectrogram(samples, SAMPLE_RATE)
    return len(samples) / SAMPLE_RATE


def theirs_of(midi: Path, font: Path, filters: np.ndarray) -> float:
    """Seconds of audio made and analysed."""
    samples = reference.audio_of(str(midi), str(font))
    reference.spectrogram_of(samples.astype(np.float32), filters)
    return len(samples) / SAMPLE_RATE


def main(arguments: list[str] | None = None) -> None:
    """Measure and print everything, or the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        help="game training augmented pretraining peak evaluation latency engrave scores pages "
        "live pitch sound odtw shards",
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both sides")
    parser.add_argument("--windows", nargs="*", default=list(WINDOWS))
    parser.add_argument("--data", type=Path, help="folder to keep the engraved tunes in")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--page", type=Path, help="put the table into it: docs/benchmarks.md")
    options = parser.parse_args(arguments)
    once = {
        "engrave": bench_engraving,
        "scores": bench_scores,
        "pages": bench_pages,
        "live": bench_live,
        "pitch": bench_pitch,
        "sound": bench_sound,
        "odtw": bench_odtw,
    }  # whatever the window
    known = [*MEASURES, *once, *ALONE]
    parts = options.parts or known
    if unknown := set(parts) - set(known):
        parser.error(f"unknown part {min(unknown)}; there are {', '.join(known)}")
    keep_memory()
    bench = Bench(options.seconds, options.rounds)
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    head = f"{'':44s} {'sfpipe':>12s} {'2019 style':>12s} {'ratio':>8s}"
    print(f"{machine}\n\n{head}")
    for part in set(parts) & set(ALONE):
        ALONE[part](bench)
    parts = [part for part in parts if part not in ALONE]
    with data(options.data) if parts else nullcontext((Path(), {})) as (root, took):
        for stage, seconds in took.items():
            bench.show(Row(f"stage {stage}", "pieces/s", [PIECES / seconds]))
        played = banks(root) if parts else {}
        for part in parts:
            threads = torch.get_num_threads()
            if part in once:
                once[part](bench, root)
                torch.set_num_threads(threads)
                continue
            for name in options.windows:
                MEASURES[part](bench, name, *played[name], root)
                torch.set_num_threads(threads)
    if options.page:
        put_into(options.page, [machine, "", head, *(row.text() for row in bench.rows)])
    if options.json:
        rows = [
            {"name": r.name, "unit": r.unit, "sfpipe": r.ours, "style": r.theirs}
            for r in bench.rows
        ]
        options.json.write_text(json.dumps(rows, indent=1))


MEASURES = {
    "game": bench_game,
    "evaluation": bench_evaluation,
    "latency": bench_latency,
    "training": bench_training,
    "augmented": bench_augmented,
    "pretraining": bench_pretraining,
    "peak": bench_peak,
}

ALONE = {"shards": bench_shards}  # those that need no engraved tunes

if __name__ == "__main__":
    main()
