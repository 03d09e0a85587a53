"""Draw the README's picture: the trained agent in the middle of an unseen test tune.

Usage: python scripts/draw_frame.py [frames into the tune] [file]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import torch

from sfpipe.agents.agent import AgentPlayer, load_agent
from sfpipe.agents.policy import Actor
from sfpipe.game import dynamics
from sfpipe.game.env import ScoreFollowingEnv
from sfpipe.game.play import play_games
from sfpipe.params import load_params
from sfpipe.paths import Paths
from sfpipe.store.bank import load_bank
from sfpipe.store.window import window_by_name


def main(frames: int, file: Path) -> None:
    """Let the agent play the first test piece it follows to the end, and draw one state."""
    paths = Paths(load_params().dataset)
    network, card = load_agent("models/agent")
    window = window_by_name(card["window"])
    bank = load_bank(paths.scores, paths.spectrograms, window, split="test")
    player = AgentPlayer(Actor(network, torch.Generator().manual_seed(0)), deterministic=True)
    games = play_games(bank, player)
    longest = max(range(len(games)), key=lambda i: (not games[i].lost, len(games[i].error_px)))
    env = ScoreFollowingEnv(bank=bank, render_mode="rgb_array")
    env.reset(options={"performance": longest})
    for _ in range(min(frames, len(games[longest].error_px) - 1)):
        assert env.game is not None
        state = env.game.state()
        seen = dynamics.observe(bank, dynamics.observation_index(bank, state))
        env.step(int(player.act(state, seen)) + 1)
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.cvtColor(env.render(), cv2.COLOR_RGB2BGR))
    print(f"{games[longest].piece}: {file}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 600,
        Path(sys.argv[2] if len(sys.argv) > 2 else "docs/frame.png"),
    )
