"""The game as the paper's own code of 2019 plays it, restated: the other side of every ratio.

What is restated is how that code works, not its text: one game per process, observations through
shared memory, a chain of wrappers around each game, songs in the memory of every process (its
faster mode); a float32 network in planar layout; 8 games of 15 steps per update; evaluation one
piece after the other with one forward pass per frame; audio through `pretty_midi`, and a
spectrogram computed frame by frame.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.store.bank import Bank
from sfpipe.store.window import Window

Seen = dict[str, np.ndarray]
FRAMES = 40


@dataclass(frozen=True)
class Song:
    """One piece and performance: padded grey strip, padded spectrogram, target per frame."""

    strip: np.ndarray
    spectrogram: np.ndarray
    targets: np.ndarray
    first_frame: int
    last_frame: int


def songs_of(bank: Bank, strips: dict[str, np.ndarray]) -> list[Song]:
    """The performances of a bank; `strips` are the grey strips at full size by piece."""
    found = []
    window = bank.window
    for i, info in enumerate(bank.infos):
        base, n = int(bank.frame_base[i]), info.n_frames + FRAMES
        strip = strips[info.piece]
        top = (strip.shape[0] - window.height) // 2
        grey = np.pad(
            strip[top : top + window.height],
            ((0, 0), (window.width, window.width)),
            constant_values=255,
        )
        found.append(
            Song(
                grey,
                bank.spectrogram[:, base : base + n].numpy(),
                bank.targets[base : base + n].numpy(),
                int(bank.first_frame[i]),
                int(bank.last_frame[i]),
            )
        )
    return found


class Game:
    """One game; observations are a grey excerpt and the newest frames."""

    def __init__(self, songs: list[Song], window: Window, seed: int):
        self.songs, self.window = songs, window
        self.random = np.random.default_rng(seed)

    def reset(self) -> Seen:
        """Begin with a song drawn at random."""
        self.song = self.songs[self.random.integers(len(self.songs))]
        self.frame = self.song.first_frame
        self.position = float(self.song.targets[self.frame])
        self.speed = 0.0
        return self._look()

    def step(self, action: int) -> tuple[Seen, float, bool, dict[str, Any]]:
        """Accelerate by action - 1 and move on by one frame."""
        self.speed += action - 1
        half = self.window.width / 2
        end = self.song.strip.shape[1] - half - 1
        self.position = float(np.clip(self.position + self.speed, half, end))
        self.frame += 1
        error = self.position - float(self.song.targets[self.frame])
        threshold = self.window.threshold_px
        reward = max((threshold - abs(error)) / threshold, 0.0)
        over = abs(error) > threshold or self.frame >= self.song.last_frame
        return self._look(), reward, over, {"error": error}

    def _look(self) -> Seen:
        first = int(self.position - self.window.width / 2)
        excerpt = self.song.strip[:, first : first + self.window.width]
        newest = self.song.spectrogram[:, self.frame - FRAMES : self.frame]
        return {"score": excerpt[np.newaxis], "spectrogram": newest[np.newaxis]}


class Wrapper:
    """Hands everything on."""

    def __init__(self, inner: Any):
        self.inner = inner

    def reset(self) -> Seen:
        """The wrapped game's, changed."""
        return self.change(self.inner.reset(), first=True)

    def step(self, action: int) -> tuple[Seen, float, bool, dict[str, Any]]:
        """The wrapped game's, its observation changed."""
        seen, reward, over, info = self.inner.step(action)
        return self.change(seen, first=False), reward, over, info

    def change(self, seen: Seen, first: bool) -> Seen:
        """What the wrapper is for."""
        return seen


class Shrink(Wrapper):
    """Halves the score excerpt."""

    def change(self, seen: Seen, first: bool) -> Seen:
        height, width = seen["score"].shape[1:]
        small = cv2.resize(
            seen["score"][0], (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
        return {**seen, "score": small[np.newaxis]}


class Invert(Wrapper):
    """Grey values to ink in [0, 1]."""

    def change(self, seen: Seen, first: bool) -> Seen:
        return {**seen, "score": 1 - seen["score"].astype(np.float32) / 255}


class Difference(Wrapper):
    """Adds the change since the previous observation as a channel."""

    before: Seen

    def change(self, seen: Seen, first: bool) -> Seen:
        before = seen if first else self.before
        self.before = seen
        return {key: np.concatenate([seen[key], seen[key] - before[key]]) for key in seen}


class Monitor(Wrapper):
    """Sums the rewards of a game."""

    def reset(self) -> Seen:
        self.rewards: list[float] = []
        return self.inner.reset()

    def step(self, action: int) -> tuple[Seen, float, bool, dict[str, Any]]:
        seen, reward, over, info = self.inner.step(action)
        self.rewards.append(reward)
        if over:
            info = {**info, "episode": {"r": sum(self.rewards), "l": len(self.rewards)}}
        return seen, reward, over, info


def make(songs: list[Song], window: Window, seed: int) -> Monitor:
    """A game in its chain of wrappers."""
    game: Any = Game(songs, window, seed)
    if window.shrink > 1:
        game = Shrink(game)
    return Monitor(Difference(Invert(game)))


class ProcessGames:
    """Games in processes of their own; observations come through shared memory."""

    def __init__(self, songs: list[Song], window: Window, n: int):
        self.shapes = {"score": (2, *window.image_shape), "spectrogram": (2, 78, FRAMES)}
        context = multiprocessing.get_context("fork")
        self.n = n
        self.memory = [
            {k: SharedMemory(create=True, size=4 * int(np.prod(s))) for k, s in self.shapes.items()}
            for _ in range(n)
        ]
        self.pipes: list[Connection] = []
        self.processes = []
        for i in range(n):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, songs, window, i, self.memory[i], self.shapes)
            )
            process.daemon = True
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def reset(self) -> Seen:
        """Begin all games."""
        for pipe in self.pipes:
            pipe.send(None)
        for pipe in self.pipes:
            pipe.recv()
        return self._look()

    def step(self, actions: np.ndarray) -> tuple[Seen, np.ndarray, np.ndarray]:
        """Advance all games; one that ends begins anew."""
        for pipe, action in zip(self.pipes, actions.tolist(), strict=True):
            pipe.send(action)
        rewards, over, _ = zip(*(pipe.recv() for pipe in self.pipes), strict=True)
        return self._look(), np.array(rewards, np.float32), np.array(over)

    def close(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send("close")
        for process in self.processes:
            process.join()
        for blocks in self.memory:
            for block in blocks.values():
                block.close()
                block.unlink()

    def _look(self) -> Seen:
        return {
            key: np.stack(
                [np.ndarray(shape, np.float32, self.memory[i][key].buf) for i in range(self.n)]
            )
            for key, shape in self.shapes.items()
        }


def _serve(
    pipe: Connection,
    songs: list[Song],
    window: Window,
    seed: int,
    memory: dict[str, SharedMemory],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    game = make(songs, window, seed)

    def show(seen: Seen) -> None:
        for key, shape in shapes.items():
            np.ndarray(shape, np.float32, memory[key].buf)[...] = seen[key]

    while (message := pipe.recv()) != "close":
        if message is None:
            show(game.reset())
            pipe.send(None)
            continue
        seen, reward, over, info = game.step(message)
        if over:
            seen = game.reset()
        show(seen)
        pipe.send((reward, over, info))


def plain(network: ActorCritic) -> ActorCritic:
    """The same network with PyTorch's own activation, planar, in float32."""

    def replace(module: nn.Module) -> None:
        for name, child in module.named_children():
            if type(child).__name__ == "ELU":
                setattr(module, name, nn.ELU(inplace=True))
            else:
                replace(child)

    replace(network)
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # not in stubs


def tensors(seen: Seen) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network takes."""
    return torch.from_numpy(seen["score"]), torch.from_numpy(seen["spectrogram"])


def train(
    network: ActorCritic, games: ProcessGames, algo: str, *, steps: int = 15
) -> Callable[[], int]:
    """A function that plays and learns once, and returns the frames played."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    state = {"seen": games.reset()}

    def update() -> int:
        rollout: list[tuple] = []
        for _ in range(steps):
            score, spectrogram = tensors(state["seen"])
            with torch.no_grad():
                logits, value = network(score, spectrogram)
                action = torch.distributions.Categorical(logits=logits).sample()
                log_prob = logits.log_softmax(1).gather(1, action[:, None]).squeeze(1)
            state["seen"], reward, over = games.step(action.numpy())
            rollout.append(
                (
                    *(score, spectrogram, action, log_prob, value),
                    *(torch.from_numpy(x).float() for x in (reward, over)),
                )
            )
        with torch.no_grad():
            running = network(*tensors(state["seen"]))[1]
        returns = []
        for *_, reward, over in reversed(rollout):
            running = reward + 0.9 * (1 - over) * running
            returns.append(running)
        target = torch.cat(returns[::-1])
        score, spectrogram, action, before, value = (
            torch.cat(column) for column in list(zip(*rollout, strict=True))[:5]
        )
        advantage = target - value
        logits, values = network(score, spectrogram)
        all_log_probs = logits.log_softmax(1)
        log_prob = all_log_probs.gather(1, action[:, None]).squeeze(1)
        if algo == "ppo":
            ratio = (log_prob - before).exp()
            policy = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        else:
            policy = -(advantage * log_prob).mean()
        entropy = -(all_log_probs.exp() * all_log_probs).sum(1).mean()
        loss = policy + 0.5 * (target - values).square().mean() - 0.05 * entropy
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimiser.step()
        return len(action)

    return update


def evaluate(network: ActorCritic, songs: list[Song], window: Window) -> Iterator[None]:
    """Play one song after the other, one forward pass per frame; yields after every frame."""
    while True:
        for song in songs:
            game = make([song], window, 0)
            seen, over = game.reset(), False
            while not over:
                with torch.no_grad():
                    logits = network(*tensors({k: v[np.newaxis] for k, v in seen.items()}))[0]
                    action = torch.distributions.Categorical(logits=logits).sample()
                seen, _, over, _ = game.step(int(action))
                yield


def audio_of(midi: str, soundfont: str) -> np.ndarray:
    """MIDI to samples at 22,050 Hz through `pretty_midi`, rendered at 44.1 kHz as in the paper."""
    import pretty_midi
    from scipy.signal import resample_poly

    samples = pretty_midi.PrettyMIDI(midi).fluidsynth(fs=44100, sf2_path=soundfont)
    return resample_poly(samples, 1, 2)


def spectrogram_of(samples: np.ndarray, filterbank: np.ndarray) -> np.ndarray:
    """Log-frequency spectrogram [shape=(78, n)], one frame after the other."""
    columns = []
    window = np.hanning(2048).astype(np.float32)
    at = 0.0
    while at < len(samples):
        first = int(at) - 1024
        frame = np.zeros(2048, np.float32)
        inside = samples[max(first, 0) : first + 2048]
        frame[max(-first, 0) : max(-first, 0) + len(inside)] = inside
        columns.append(spectrogram_frame(frame * window, filterbank))
        at += 1102.5
    return np.stack(columns, axis=1)


def spectrogram_frame(windowed: np.ndarray, filterbank: np.ndarray) -> np.ndarray:
    """One column of it."""
    magnitude = np.abs(np.fft.fft(windowed)[: len(windowed) // 2])
    return np.log10(magnitude @ filterbank + 1)
