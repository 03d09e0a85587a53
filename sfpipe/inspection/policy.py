"""What the agent would do behind, on and ahead of the target (section 5.2, Figures 8 and 9).

One state of the agent's own game is taken, and displaced: the same music at the same speed, but
the agent stands some pixels further back or ahead. An agent that has understood the game speeds
up in the first state and slows down in the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.figures import AGENT, new_figure, plain, save, score_picture
from sfpipe.files import write_json
from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState, Observation, clip_position
from sfpipe.game.players import ACTIONS
from sfpipe.inspection.integrated_gradients import (
    STEPS,
    TOLERANCE,
    Attributions,
    Output,
    explain_states,
)
from sfpipe.inspection.saliency import draw_saliency
from sfpipe.inspection.states import AgentOnBank, error_px, evaluate_states, visit
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT


@dataclass(frozen=True)
class Situations:
    """One state and its displacements, n in all, and what the agent sees of them.

    `frame` is an unpadded one of the performance. `error_px`, float64 [shape=(n,)], is negative
    behind the target; `probability`, float32 [shape=(n, 3)], is that of -1, 0, +1 px/frame;
    `value` is float32 [shape=(n,)].
    """

    piece: str
    performance: str
    frame: int
    speed_px: float
    error_px: np.ndarray
    probability: np.ndarray
    value: np.ndarray
    observation: Observation

    @property
    def acceleration(self) -> np.ndarray:
        """Expected change of speed, px/frame, float64 [shape=(n,)]."""
        return self.probability.astype(np.float64) @ np.array(ACTIONS, np.float64)


def displaced(bank: Bank, state: GameState, offset_px: torch.Tensor) -> GameState:
    """States that stand `offset_px` (float64 [shape=(n,)]) further on, at the same speed.

    The previous position moves along; both stay inside the padded strip.
    """

    def moved(x: torch.Tensor) -> torch.Tensor:
        return clip_position(bank, state.performance, x + offset_px)

    return state._replace(
        position=moved(state.position), previous_position=moved(state.previous_position)
    )


def situations(
    played: AgentOnBank,
    performance: int,
    *,
    frame: int | None = None,
    offset_px: float | None = None,
) -> Situations:
    """Behind, on and ahead of the target in one moment of the agent's (argmax) game.

    Parameters
    ----------
    frame:
        Unpadded frame of the performance; None: that of the middle half of the game at which the
        agent is nearest to the target, and moving if it ever is.
    offset_px:
        How far behind and ahead, strip px; None: half the tracking threshold.

    Raises
    ------
    SfpipeError
        If the agent's game has no such frame.
    """
    bank = played.bank
    states, _ = visit(played, deterministic=True, performances=[performance])
    at = _moment(states, error_px(bank, states), frame)
    state = dynamics.select(states, torch.tensor([at] * 3))
    offset = bank.window.threshold_px / 2 if offset_px is None else offset_px
    # Exactly on target in the middle: whole pixels, as the game's own positions mostly are.
    away = -float(np.round(error_px(bank, state)[0]))
    offsets = torch.tensor([away - offset, away, away + offset], dtype=torch.float64)
    state = displaced(bank, state, offsets)
    outputs = evaluate_states(played, state)
    return Situations(
        piece=bank.infos[performance].piece,
        performance=bank.infos[performance].performance,
        frame=int(state.frame[0]) - EXCERPT,
        speed_px=float(state.speed[0]),
        error_px=error_px(bank, state),
        probability=outputs.probability,
        value=outputs.value,
        observation=dynamics.observe(bank, dynamics.observation_index(bank, state)),
    )


def _moment(states: GameState, error: np.ndarray, frame: int | None) -> int:
    frames = states.frame.numpy() - EXCERPT
    if frame is not None:
        if frame not in frames:
            raise SfpipeError(
                f"the agent's game has no frame {frame}",
                remedy=f"choose one of {frames.min()} to {frames.max()}",
            )
        return int(np.argmax(frames == frame))
    n = len(frames)
    middle = slice(n // 4, max(3 * n // 4, n // 4 + 1))
    standing = states.speed.numpy()[middle] == 0
    return n // 4 + int(np.argmin(np.abs(error[middle]) + 1e6 * standing))


def explain(
    played: AgentOnBank,
    out: Path,
    *,
    performance: int,
    frame: int | None = None,
    offset_px: float | None = None,
    output: Output = "logit",
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> list[Path]:
    """Write ``policy.png``, ``saliency.png`` and ``explanation.json`` of one moment into `out`.

    Raises
    ------
    SfpipeError
        As `situations`, or if captum is not installed.
    """
    bank = played.bank
    states = situations(played, performance, frame=frame, offset_px=offset_px)
    attributed = explain_states(
        played.actor.network, states.observation, output=output, steps=steps, tolerance=tolerance
    )
    shrink, threshold = bank.window.shrink, float(bank.window.threshold_px)
    paths = [draw_policy(states, out / "policy.png", threshold_px=threshold, shrink=shrink)]
    names = [f"{round(error):+d} px" for error in states.error_px]
    paths.append(draw_saliency(states.observation, attributed, names, out / "saliency.png"))
    write_json(out / "explanation.json", _facts(states, attributed, output))
    return [*paths, out / "explanation.json"]


def _facts(states: Situations, attributed: Attributions, output: Output) -> dict:
    planes = {
        "score": attributed.score[:, 0],
        "delta_score": attributed.score[:, 1],
        "spectrogram": attributed.spectrogram[:, 0],
        "delta_spectrogram": attributed.spectrogram[:, 1],
    }
    return {
        "piece": states.piece,
        "performance": states.performance,
        "frame": states.frame,
        "speed_px": states.speed_px,
        "output": output,
        "baseline": "zeros in all planes: paper and silence, nothing has changed",
        "states": [
            {
                "tracking_error_px": round(float(states.error_px[i]), 2),
                "probability": [round(float(p), 4) for p in states.probability[i]],
                "expected_acceleration": round(float(states.acceleration[i]), 4),
                "value": round(float(states.value[i]), 4),
                "explained_action": ACTIONS[int(attributed.action[i])],
                "output": round(float(attributed.output[i]), 5),
                "output_at_baseline": round(float(attributed.baseline[i]), 5),
                "attribution": {n: round(float(p[i].sum()), 5) for n, p in planes.items()},
                "steps": int(attributed.steps[i]),
                "incompleteness": round(float(attributed.incompleteness[i]), 5),
            }
            for i in range(len(attributed))
        ],
    }


def draw_policy(states: Situations, path: Path, *, threshold_px: float, shrink: int) -> Path:
    """Draw Figure 8: the score excerpts, and below each the probabilities of the actions."""
    n = len(states.error_px)
    figure = new_figure(3.3 * n, 3.6)
    height, width = states.observation.score.shape[2:]
    rows = figure.add_gridspec(2, n, height_ratios=[max(0.3, 1.2 * height / width), 1])
    for i, error in enumerate(states.error_px):
        picture = figure.add_subplot(rows[0, i])
        ink = states.observation.score[i, 0].float().numpy()
        score_picture(picture, ink, error / shrink, threshold_px / shrink)
        place = "on target" if abs(error) < 1 else "behind" if error < 0 else "ahead"
        picture.set_title(f"{place} ({round(error):+d} px)", fontsize=10)
        bars = plain(figure.add_subplot(rows[1, i]))
        probability = states.probability[i]
        bars.bar(range(3), probability, color=AGENT, width=0.6)
        for x, p in enumerate(probability):
            bars.text(x, p + 0.02, f"{p:.2f}", ha="center", fontsize=8)
        bars.set_xticks(range(3), ["slower\n-1", "keep\n0", "faster\n+1"])
        bars.set(ylim=(0, 1.12))
        bars.set_xlabel(f"value {states.value[i]:.2f}", fontsize=9)
        if i == 0:
            bars.set_ylabel("probability", fontsize=9)
    figure.suptitle(
        f"{states.piece}, frame {states.frame}, speed {states.speed_px:+.0f} px/frame"
        " (blue: agent, orange: target)",
        fontsize=9,
    )
    return save(figure, path)
