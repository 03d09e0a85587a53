"""Playing whole games: all performances and all trials in one batch, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from sfpipe.game import dynamics
from sfpipe.game.chance import GameChances
from sfpipe.game.dynamics import GameState, Observation
from sfpipe.game.players import ChancePlayer, Player
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank


@dataclass(frozen=True)
class PlayedGame:
    """One game from first onset to last onset or loss.

    Attributes
    ----------
    start_frame:
        Unpadded performance frame of the first state, that of the first onset.
    error_px:
        float32 [shape=(T,)], tracking error after steps 1..T; the first state's is 0 and not
        in here.
    position_px:
        float32 [shape=(T,)], strip px without padding.
    lost:
        The target was lost; the last error is then the losing one.
    onset_frames, onset_x_px, onset_s:
        [shape=(N,)] merged onsets: unpadded frame, strip px, s.
    after_loss_px:
        float32 [shape=(M,)], strip px, in the frames after the loss, of a follower that went on.
    believed_px:
        float32 [shape=(K,)], strip px, after each step to the last onset, lost or not: where a
        follower that knows says the music is. The game's positions move by whole px a frame, and
        change their speed by one. Empty: it does not say.
    """

    piece: str
    performance: str
    trial: int
    start_frame: int
    error_px: np.ndarray
    position_px: np.ndarray
    lost: bool
    onset_frames: np.ndarray
    onset_x_px: np.ndarray
    onset_s: np.ndarray
    px_per_cm: float
    width: int
    threshold_px: float
    reward_sum: float
    after_loss_px: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    believed_px: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def onsets_reached(self) -> int:
        """Onsets whose frame came before the target was lost."""
        if not self.lost:
            return len(self.onset_frames)
        return int((self.onset_frames < self.start_frame + len(self.error_px)).sum())


def play_games(
    bank: Bank,
    player: Player,
    *,
    trials: int = 1,
    performances: list[int] | None = None,
    chunk: int = 1024,
    label: str | None = None,
    seed: int | None = None,
) -> list[PlayedGame]:
    """Play every performance `trials` times, as one batch that shrinks as games end.

    Parameters
    ----------
    performances:
        Indices into the bank; None plays all.
    chunk:
        Most games in the batch at a time, to bound memory.
    label:
        Shown with a progress line; None is silent.
    seed:
        Of draws that belong to a game, by its names and trial, whatever else is in the batch; the
        player is then a `ChancePlayer`. None: the player draws from a generator of its own.

    Returns
    -------
    list of PlayedGame
        In the order of performances, trials together.
    """
    chosen = range(len(bank)) if performances is None else performances
    order = [(p, t) for p in chosen for t in range(trials)]
    length = [int(bank.last_frame[p] - bank.first_frame[p]) for p, _ in order]
    # Games of like length end together, so that no chunk waits for one long piece.
    by_length = sorted(range(len(order)), key=lambda i: -length[i])
    progress = Progress(label, sum(length), "frames") if label else None
    games: dict[int, PlayedGame] = {}
    for at in range(0, len(by_length), chunk):
        indices = by_length[at : at + chunk]
        for i, game in zip(
            indices, _play(bank, player, [order[i] for i in indices], progress, seed), strict=True
        ):
            games[i] = game
    if progress:
        progress.total = progress.done
        progress.close()
    return [games[i] for i in range(len(order))]


def _play(
    bank: Bank,
    player: Player,
    order: list[tuple[int, int]],
    progress: Progress | None,
    seed: int | None,
) -> list[PlayedGame]:
    threshold = bank.window.threshold_px
    index = torch.tensor([p for p, _ in order], dtype=torch.int64, device=bank.device)
    act = _acting(bank, player, order, index, seed)
    state = dynamics.start(bank, index)
    alive = torch.arange(len(order), device=bank.device)
    log: list[tuple[torch.Tensor, ...]] = []
    lost = np.zeros(len(order), bool)
    while len(alive):
        observation = None
        if player.needs_observation:
            observation = dynamics.observe(bank, dynamics.observation_index(bank, state))
        action = act(state, observation, alive)
        state, out = dynamics.step(bank, state, action, threshold)
        log.append((alive, out.error, state.position, out.reward))
        over = out.terminated
        if progress:
            progress.advance(len(alive), f"{len(alive)} games in play")
        if bool(over.any()):
            lost[alive[out.lost].cpu().numpy()] = True
            alive, state = alive[~over], dynamics.select(state, ~over)
    who, error, position, reward = (
        torch.cat(column).cpu().numpy() for column in zip(*log, strict=True)
    )
    by_game = np.argsort(who, kind="stable")
    ends = np.cumsum(np.bincount(who, minlength=len(order)))
    return [
        _record(bank, order[g], bool(lost[g]), *(c[rows] for c in (error, position, reward)))
        for g, rows in enumerate(np.split(by_game, ends[:-1]))
    ]


def _acting(
    bank: Bank,
    player: Player,
    order: list[tuple[int, int]],
    performance: torch.Tensor,
    seed: int | None,
) -> Callable[[GameState, Observation | None, torch.Tensor], torch.Tensor]:
    """What the player does in the states of these games, whose numbers are given too."""
    if seed is None:
        return lambda state, observation, games: player.act(state, observation)
    assert isinstance(player, ChancePlayer)
    drawer = player
    steps = (bank.last_frame - bank.first_frame)[performance].tolist()
    names = [bank.names[p] for p, _ in order]
    games = [(n.piece, n.performance, t) for n, (_, t) in zip(names, order, strict=True)]
    chances = GameChances(seed, games, steps, bank.device)
    return lambda state, observation, which: drawer.choose(state, observation, chances.take(which))


def _record(
    bank: Bank,
    which: tuple[int, int],
    lost: bool,
    error: np.ndarray,
    position: np.ndarray,
    reward: np.ndarray,
) -> PlayedGame:
    performance, trial = which
    info = bank.infos[performance]
    return PlayedGame(
        info.piece,
        info.performance,
        trial,
        int(info.onset_frames[0]),
        error.astype(np.float32),
        (position - bank.window.width).astype(np.float32),
        lost,
        info.onset_frames,
        info.onset_x_px.astype(np.float32),
        info.onset_s,
        info.px_per_cm,
        bank.window.width,
        float(bank.window.threshold_px),
        float(reward.sum(dtype=np.float64)),
    )


def share_of_onsets(games: list[PlayedGame]) -> float:
    """R_on: onsets reached before losing the target over all onsets, pooled (section 4.1)."""
    total = sum(len(g.onset_frames) for g in games)
    return sum(g.onsets_reached for g in games) / max(total, 1)


def mean_error(games: list[PlayedGame]) -> float:
    """Mean tracking error over all frames played until the target was lost, px."""
    frames = [g.error_px[: len(g.error_px) - g.lost] for g in games]
    kept = np.concatenate(frames) if frames else np.zeros(0)
    return float(np.abs(kept).mean()) if len(kept) else 0.0
