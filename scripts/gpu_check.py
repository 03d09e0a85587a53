"""Throughput of game, rollout and update on a device, then PPO from nothing for the time left.

Run by `gpu_check.sh`, which says what for.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.game.batched import BatchedGame
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.reader import strip_height
from sfpipe.store.window import window_for
from sfpipe.training.ppo import PPO
from sfpipe.training.rollout import collect
from sfpipe.training.stage import train

# How the score branch, most of the work, is computed: by kernel, fused, fused and recorded once.
MODES = {"eager": None, "compiled": "default", "CUDA graphs": "reduce-overhead"}
SAVING = 20  # seconds kept back for the last validation and for writing


def ppo_params(device: torch.device, /, **common: object) -> TrainParams:
    """The preset `scratch` with as many games and as large minibatches as pay on a device."""
    gpu = device.type == "cuda"
    games = {"num_envs": 512, "minibatch_size": 1920} if gpu else {"num_envs": 16}
    # The time ends it, and not the preset's frames, which are for melodies.
    ppo = games | {"max_frames": 50_000_000}
    return TrainParams(preset="scratch", common=common, ppo=ppo)


def rate(work: Callable[[], int], device: torch.device, seconds: float) -> float:
    """How much of its count `work` does per second; what the device still does is waited for."""
    for _ in range(3):  # a first call may compile, a second record
        work()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += work()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return done / (time.perf_counter() - started)


def throughput(
    name: str, bank: Bank, device: torch.device, bfloat16: bool, seconds: float, until: float
) -> list[dict]:
    """Frames per second of game, rollout and update, a row per way that there is time for."""
    params = ppo_params(device)
    games, steps = params.ppo.num_envs, params.ppo.num_steps
    game = BatchedGame(bank, bank.window, games, seed=0)
    generator = torch.Generator(device).manual_seed(0)

    def play() -> int:
        game.observe()
        game.step(torch.randint(-1, 2, (games,), generator=generator, device=device))
        return games

    rows = [{"data": name, "part": "game", "mode": "", "rate": rate(play, device, seconds)}]
    for mode, options in MODES.items():
        if time.monotonic() > until:  # compiling takes long; the training is what matters
            break
        network = ActorCritic(bank.window, dropout=0)
        network.initialise(torch.Generator().manual_seed(0)).placed(device)
        if options is not None:
            # Only windows of the score come in batches of one size, which is what is compiled for.
            torch.compiler.reset()
            if device.type == "cuda":
                network.score.compile(mode=options, dynamic=False)
            else:  # a stand-in: traced, not compiled
                network.score.compile(backend="eager")
        learner = PPO(network, bank, bank, params, seed=0, bfloat16=bfloat16)

        def roll(learner: PPO = learner) -> int:
            collect(learner.game, learner.actor, steps)
            return games * steps

        def update(learner: PPO = learner) -> int:
            return int(learner.update()["frames"])

        for part, work in (("rollout", roll), ("update", update)):
            row = {"data": name, "part": part, "mode": mode}
            try:
                row["rate"] = rate(work, device, seconds)
            except Exception as error:  # the compiler may be missing: the others still count
                row["error"] = (str(error).strip() or type(error).__name__).splitlines()[0][:100]
            rows.append(row)
    return rows


def main() -> None:
    """Measure, print, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packed", nargs="+", type=Path, help="the first one is trained on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="for all of it")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    device = choose_device(options.device)
    bfloat16 = choose_bfloat16("auto", device)
    keep_memory()
    called = torch.cuda.get_device_name(0) if device.type == "cuda" else "processor"
    print(f"{called}, PyTorch {torch.__version__}, {'bfloat16' if bfloat16 else 'float32'}")
    rows = []
    each, half = min(3.0, options.seconds / 120), time.monotonic() + options.seconds / 2
    for packed in options.packed:
        window = window_for(strip_height(packed))
        bank = load_bank(packed, packed, window, split="train", device=device)
        for row in throughput(window.name, bank, device, bfloat16, each, half):
            value = f"{row['rate']:,.0f} frames/s" if "rate" in row else row["error"]
            print(f"{row['data']:12s} {row['part']:8s} {row['mode']:12s} {value}", flush=True)
            rows.append(row)
        del bank
    options.out.mkdir(parents=True, exist_ok=True)
    machine = {"device": called, "torch": torch.__version__, "bfloat16": bfloat16}
    (options.out / "throughput.json").write_text(json.dumps(machine | {"rows": rows}, indent=1))
    minutes = (end - time.monotonic() - SAVING) / 60
    if minutes <= 0:
        raise SystemExit("gpu_check: no time is left to train in: give more MINUTES")
    common = {"device": options.device, "max_minutes": minutes, "checkpoint_seconds": 20}
    packed = options.packed[0]
    state = train(
        ppo_params(device, **common),
        packed,
        packed,
        options.out / "agent",
        algo="ppo",
        seed=4711,
        checkpoints=options.out / "checkpoints",
    )
    print(f"trained {state.frames:,} frames, R_on {state.best['r_on']:.3f} on validation pieces")
    for row in state.evaluations:
        print(f"  {row['frames']:12,.0f} frames  R_on {row['validation_r_on']:.3f}")


if __name__ == "__main__":
    try:
        main()
    except SfpipeError as error:
        raise SystemExit(f"gpu_check: {error}") from None
