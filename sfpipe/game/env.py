"""Gymnasium shells on the game: one environment, and many that step as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sfpipe.errors import SfpipeError, naming_extra
from sfpipe.game import dynamics
from sfpipe.game.batched import BatchedGame
from sfpipe.game.dynamics import GameState, StepResult
from sfpipe.game.single import SingleGame
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import Window, window_by_name

if TYPE_CHECKING:
    # Not at run time: pygame is there for those who look.
    from sfpipe.game.screen import Screen

# 2048 full-scale samples under the Hann window sum to 1024: log10(1 + 1024) < 3.1.
LOUDEST = 3.1
MOST_CHANGE = 1.0  # px/frame, of continuous actions, as of the paper's three


class ScoreFollowingEnv(gym.Env):
    """
    ## Description
    A performance is played; you see the last two seconds of it as a spectrogram, and an excerpt
    of the unrolled score, and choose at every frame (20 per second) how to change your reading
    speed, so that the centre of your excerpt stays where the music is (Henkel et al. 2019,
    section 2).

    ## Action space
    With `actions=(-1, 0, 1)`: `Discrete(3)`, the index of the change of speed in px/frame. With
    `actions="continuous"`: `Box(-1, 1, (1,))`, the change itself.

    ## Observation space
    A `Dict` of float32 arrays:

    | key | shape | channel 0 | channel 1 |
    |---|---|---|---|
    | `spectrogram` | (2, 78, 40) | the 40 newest frames, 78 bins | minus the previous state's |
    | `score` | (2, 40, 150), msmd (2, 80, 256) | ink around your position | minus the previous |

    Channel 1 is zero in the first state of a game.

    ## Reward
    `(b - |d|) / b` with the tracking error `d = position - target` in px and b a third of the
    window's width (50 px; msmd 170 px). The target is interpolated linearly between note heads.

    ## Start
    At the performance's first onset, at its note head, with speed 0.

    ## End
    *Termination*: the target is lost (|d| > b, reward 0), or the last onset is reached. Games
    are never truncated.

    ## Information
    `frame` (of the performance), `position_px`, `target_px` (in the strip, without padding),
    `tracking_error_px`, `speed_px`, `onset` (whether an onset falls into this frame), `lost`,
    `piece`, `performance`.

    ## Arguments
    `scores`, `spectrograms`: the stores (`sfpipe inspect` lists pieces), or `bank`: a loaded
    one. `piece`: play only this piece; otherwise every reset draws a performance (or takes
    `options={"performance": index}`). `split`: only this split. `window`: `"nottingham"` or
    `"msmd"`. `render_mode`: `"rgb_array"`, or `"human"` for a window that shows every state at
    20 frames per second (needs pygame: `pip install sfpipe[play]`).

    ## Version history
    * v0: first version.
    """

    metadata = {  # noqa: RUF012  # a ClassVar cannot override Env.metadata, which is none
        "render_modes": ["rgb_array", "human"],
        "render_fps": 20,
    }

    def __init__(
        self,
        scores: str | Path | None = None,
        spectrograms: str | Path | None = None,
        piece: str | None = None,
        window: str | Window = "nottingham",
        actions: Sequence[int] | str = (-1, 0, 1),
        split: str | None = None,
        bank: Bank | None = None,
        render_mode: str | None = None,
    ):
        self.bank = bank or _load(scores, spectrograms, window, split, piece)
        self.window = self.bank.window
        self.actions = actions
        self.observation_space = observation_space(self.window)
        self.action_space = action_space(actions)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise SfpipeError(
                f"unknown render mode '{render_mode}'", remedy="use 'rgb_array' or 'human'"
            )
        self.render_mode = render_mode
        self.game: SingleGame | None = None
        self._score_so_far = self._reward = 0.0
        self._terminated = False
        self._screen: Screen | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start a game; `options={"performance": i}` chooses the i-th of the bank."""
        super().reset(seed=seed)
        chosen = (options or {}).get("performance")
        if chosen is None:
            chosen = int(self.np_random.integers(len(self.bank)))
        if not 0 <= chosen < len(self.bank):
            raise SfpipeError(f"performance {chosen} does not exist, there are {len(self.bank)}")
        self.game = SingleGame(self.bank, chosen)
        self._score_so_far, self._reward, self._terminated = 0.0, 0.0, False
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._info(lost=False)

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Change the speed, move, go on by one frame."""
        if self.game is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        if self._terminated:
            raise gym.error.ResetNeeded("the game has ended: call reset()")
        out = self.game.step(float(acceleration(self.actions, action, 1)[0]))
        self._reward = out.reward
        self._score_so_far += self._reward
        over = self._terminated = out.lost or out.finished
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._reward, over, False, self._info(lost=out.lost)

    @naming_extra()
    def render(self) -> np.ndarray | None:
        """The present state as a picture, uint8 [shape=(height, width, 3)]; None if in a window.

        Raises
        ------
        SfpipeError
            If the extra `pipeline` is not installed, or there is no pygame or no display for a
            window.
        """
        if self.render_mode is None or self.game is None:
            return None
        from sfpipe.game.render import render_state

        observed, info = self._observe(), self._info(lost=False)
        picture = render_state(
            score=observed["score"][0],
            spectrogram=observed["spectrogram"][0],
            position_px=info["position_px"],
            target_px=info["target_px"],
            threshold_px=self.window.threshold_px,
            window_px=self.window.width,
            info={**info, "reward": self._reward, "score": self._score_so_far},
        )
        if self.render_mode == "rgb_array":
            return picture
        if self._screen is None:
            from sfpipe.game.screen import Screen

            self._screen = Screen(info["piece"])
        self._screen.show(picture, fps=self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _observe(self) -> dict[str, np.ndarray]:
        assert self.game is not None
        score, spectrogram = self.game.observe()
        return {"score": score, "spectrogram": spectrogram}

    def _info(self, lost: bool) -> dict[str, Any]:
        game, width = self.game, self.window.width
        assert game is not None
        frame = game.frame - EXCERPT
        return {
            "frame": frame,
            "position_px": game.position - width,
            "target_px": game.target - width,
            "tracking_error_px": game.position - game.target,
            "speed_px": game.speed,
            "onset": frame in game.info.onset_set,
            "piece": game.info.piece,
            "performance": game.info.performance,
            "lost": lost,
        }


class ScoreFollowingVectorEnv(VectorEnv):
    """Many games that step as one batch; arguments and spaces as `ScoreFollowingEnv`.

    `autoreset_mode` says when a game that ends is replaced, as in Gymnasium's own vector
    environments (`gymnasium.vector.AutoresetMode`, or its value):

    * `SAME_STEP`, the default: within the step. The returned observation is the first of the next
      game, the last one of the ended game is in `infos["final_obs"]`, its information in
      `infos["final_info"]`.
    * `NEXT_STEP`: by the next step, which takes no action of that game and returns reward 0.
      Gymnasium's wrappers that transform observations need this one or the next.
    * `DISABLED`: by `reset(options={"reset_mask": ended})`, before the next step.
    """

    metadata = {  # noqa: RUF012  # a ClassVar cannot override VectorEnv.metadata, which is none
        "render_modes": [],
        "render_fps": 20,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        scores: str | Path | None = None,
        spectrograms: str | Path | None = None,
        piece: str | None = None,
        window: str | Window = "nottingham",
        actions: Sequence[int] | str = (-1, 0, 1),
        split: str | None = None,
        bank: Bank | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ):
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.bank = bank or _load(scores, spectrograms, window, split, piece)
        self.window, self.actions, self.num_envs = self.bank.window, actions, num_envs
        self.render_mode = render_mode
        self.single_observation_space = observation_space(self.window)
        self.single_action_space = action_space(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._game: BatchedGame | None = None
        self._draws: list[np.random.Generator] = []  # of each game, if each has a seed
        self._ended = np.zeros(num_envs, bool)  # which games wait for being replaced

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start all games anew, or those of `options={"reset_mask": bool [shape=(num_envs,)]}`.

        With a list of seeds, each game plays what a single environment with its seed would play.

        Raises
        ------
        SfpipeError
            If there are not as many seeds as games, or the mask is none.
        """
        mask = self._mask(options)
        if isinstance(seed, list):
            if len(seed) != self.num_envs:
                raise SfpipeError(f"{len(seed)} seeds for {self.num_envs} games")
            if not self._draws or mask.all():
                self._draws = [np_random(one)[0] for one in seed]
            for i in np.flatnonzero(mask):
                self._draws[i] = np_random(seed[i])[0]
        elif seed is not None:
            self._draws = []
        super().reset(seed=seed[0] if isinstance(seed, list) else seed)
        if self._game is None or mask.all():
            drawn = int(self.np_random.integers(2**31))
            self._game = BatchedGame(self.bank, self.window, self.num_envs, drawn)
            if self._draws:
                self._start(self._game, np.ones(self.num_envs, bool))
        else:
            self._start(self._game, mask)
        self._ended &= ~mask
        lost = np.zeros(self.num_envs, bool)
        return self._observe(self._game.state), self._infos(self._game.state, lost, mask)

    def step(
        self, actions: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance all games by one frame."""
        game, waiting = self._game, self._ended
        if game is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        if self.autoreset_mode == AutoresetMode.DISABLED and waiting.any():
            raise gym.error.ResetNeeded(
                f"games {np.flatnonzero(waiting).tolist()} have ended: reset them by 'reset_mask'"
            )
        change = acceleration(self.actions, actions, self.num_envs)
        # Games that wait begin now, and what they were to do is done to nobody.
        self._start(game, waiting)
        before = game.state
        out: StepResult = game.step(torch.from_numpy(change).to(self.bank.device), restart=False)
        if waiting.any():
            which = self._indices(waiting)
            game.put(which, dynamics.select(before, which))
        over = out.terminated.cpu().numpy() & ~waiting
        lost = out.lost.cpu().numpy() & ~waiting
        reward = np.where(waiting, 0.0, out.reward.cpu().numpy())
        final: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            final = self._final(game.state, over, lost) if over.any() else {}
            self._start(game, over)
            lost &= ~over  # of the new games
        else:
            self._ended = over.copy()  # the caller may keep the other
        infos = self._infos(game.state, lost, np.ones(self.num_envs, bool)) | final
        return self._observe(game.state), reward, over, np.zeros(self.num_envs, bool), infos

    def _mask(self, options: dict[str, Any] | None) -> np.ndarray:
        """Which games `reset` begins anew."""
        given = (options or {}).get("reset_mask")
        mask = np.ones(self.num_envs, bool) if given is None else np.asarray(given)
        if mask.dtype != bool or mask.shape != (self.num_envs,):
            raise SfpipeError(
                f"reset_mask has {mask.dtype} of shape {mask.shape}",
                remedy=f"give an array of {self.num_envs} bools",
            )
        return mask

    def _indices(self, which: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.flatnonzero(which), device=self.bank.device)

    def _start(self, game: BatchedGame, which: np.ndarray) -> None:
        """Replace games, by those that their own seeds draw if each has one."""
        if not which.any():
            return
        drawn: torch.Tensor | None = None
        if self._draws:
            performances = [self._draws[i].integers(len(self.bank)) for i in np.flatnonzero(which)]
            drawn = torch.as_tensor(np.array(performances), device=self.bank.device)
        game.restart(self._indices(which), drawn)

    def _final(self, state: GameState, over: np.ndarray, lost: np.ndarray) -> dict[str, Any]:
        """The last observations and information of the games that are over."""
        ended = dynamics.select(state, self._indices(over))
        observed, info = self._observe(ended), information(self.bank, ended, lost[over])
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_info: dict[str, Any] = {}
        for j, i in enumerate(np.flatnonzero(over)):
            final_obs[i] = {k: v[j] for k, v in observed.items()}
            final_info = self._add_info(final_info, {k: v[j] for k, v in info.items()}, int(i))
        return {
            "final_obs": final_obs,
            "_final_obs": over,
            "final_info": final_info,
            "_final_info": over,
        }

    def _observe(self, state: GameState) -> dict[str, np.ndarray]:
        observed = dynamics.observe(self.bank, dynamics.observation_index(self.bank, state))
        return {
            "score": observed.score.cpu().numpy(),
            "spectrogram": observed.spectrogram.cpu().numpy(),
        }

    def _infos(self, state: GameState, lost: np.ndarray, told: np.ndarray) -> dict[str, Any]:
        infos = information(self.bank, state, lost)
        return {k: np.asarray(v) for k, v in infos.items()} | {f"_{k}": told for k in infos}


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    for one in AutoresetMode:
        if mode in (one, one.value, one.name):
            return one
    names = ", ".join(one.name for one in AutoresetMode)
    raise SfpipeError(f"unknown autoreset_mode '{mode}'", remedy=f"use one of {names}")


def observation_space(window: Window) -> spaces.Dict:
    """The observation space of a window."""
    return spaces.Dict(
        {
            "score": spaces.Box(-1, 1, (2, *window.image_shape), np.float32),
            "spectrogram": spaces.Box(-LOUDEST, LOUDEST, (2, BINS, EXCERPT), np.float32),
        }
    )


def action_space(actions: Sequence[int] | str) -> spaces.Space:
    """`Discrete` for a list of speed changes, `Box` for ``"continuous"``.

    Raises
    ------
    SfpipeError
        If it is neither.
    """
    if isinstance(actions, str):
        if actions != "continuous":
            raise SfpipeError(
                f"unknown actions '{actions}'",
                remedy="use 'continuous' or a list of speed changes in px/frame",
            )
        return spaces.Box(-MOST_CHANGE, MOST_CHANGE, (1,), np.float32)
    return spaces.Discrete(len(actions))


def acceleration(actions: Sequence[int] | str, chosen: Any, n: int) -> np.ndarray:
    """Change of speed in px/frame for `n` chosen actions: float64 [shape=(n,)].

    Raises
    ------
    gymnasium.error.InvalidAction
        If there are not `n`, or one is none of those that there are.
    """
    try:
        change = np.asarray(chosen, np.float64).reshape(n)
    except (TypeError, ValueError):
        raise gym.error.InvalidAction(f"{chosen!r}: expected {n} numbers") from None
    if isinstance(actions, str):
        if not (np.abs(change) <= MOST_CHANGE).all():
            raise gym.error.InvalidAction(
                f"{change.tolist()}: expected changes of speed from -{MOST_CHANGE:g} to"
                f" {MOST_CHANGE:g} px/frame"
            )
        return change
    inside = (change >= 0) & (change < len(actions)) & (change == np.floor(change))
    if not inside.all():
        raise gym.error.InvalidAction(f"{change.tolist()}: expected 0 to {len(actions) - 1}")
    return np.asarray(actions, dtype=np.float64)[change.astype(np.int64)]


def information(bank: Bank, state: GameState, lost: np.ndarray) -> dict[str, list]:
    """What `info` tells of each state, per key a list of n values; `lost`: bool [shape=(n,)]."""
    frames = (state.frame - EXCERPT).tolist()
    aim = dynamics.target(bank, state.performance, state.frame)
    infos = [bank.infos[i] for i in state.performance.tolist()]
    return {
        "frame": frames,
        "position_px": (state.position - bank.window.width).tolist(),
        "target_px": (aim - bank.window.width).tolist(),
        "tracking_error_px": (state.position - aim).tolist(),
        "speed_px": state.speed.tolist(),
        "onset": [f in i.onset_set for f, i in zip(frames, infos, strict=True)],
        "piece": [i.piece for i in infos],
        "performance": [i.performance for i in infos],
        "lost": lost.tolist(),
    }


def _load(
    scores: str | Path | None,
    spectrograms: str | Path | None,
    window: str | Window,
    split: str | None,
    piece: str | None,
) -> Bank:
    if scores is None or spectrograms is None:
        raise SfpipeError(
            "the game needs both stores, scores= and spectrograms=",
            remedy="make them with 'dvc repro scores spectrograms'",
        )
    pieces = None if piece is None else [piece]
    return load_bank(scores, spectrograms, window_by_name(window), split=split, pieces=pieces)
