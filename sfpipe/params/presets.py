"""Presets of training: what each changes of the schema's defaults, which are Table 5 of the paper.

A value in params.yaml takes the place of the preset's.
"""

from __future__ import annotations

from typing import Any

_MINUTES = {"num_envs": 64, "ent_coef": 0.01, "max_frames": 40_000}

# Of REINFORCE and A2C, which take one step on what was played: the less that is, the more steps.
# Nothing but the entropy keeps their policies from settling on a steady speed before they listen;
# with 0.03 that depends on the seed.
_ONE_STEP = {
    "learning_rate": 5e-4,
    "final_learning_rate": 3e-5,
    "ent_coef": 0.05,
    "final_ent_coef": 0.002,
    "normalize_advantage": True,
    "start_inside": 0.25,
    "max_frames": 3_000_000,
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Minutes on two cores: pretraining and imitation of the expert first, then `algo`.
    "demo": {
        "common": {
            "warm_start": "dagger",
            "standardise": True,
            "dropout": 0.0,  # one pass over fresh states does not overfit
            "average_frames": 16_000,
            "evaluate_every": 60,
            "validation_pieces": 24,
            "lr_reductions": 0,
        },
        "pretraining": {"max_frames": 1_200_000},
        "reinforce": _MINUTES,
        "a2c": _MINUTES,
        "ppo": _MINUTES,
    },
    # Reinforcement learning from random weights, by the reward alone.
    "scratch": {
        "common": {
            "dropout": 0.0,
            "standardise": True,
            "average_frames": 50_000,
            "evaluate_every": 25,
            "validation_pieces": 24,
            "lr_reductions": 0,
        },
        # Whole games become long as the agent learns, and updates rare: so stretches of games.
        "reinforce": _ONE_STEP
        | {
            "num_envs": 8,
            "num_steps": 60,
            "ent_coef": 0.06,
            # Returns that are played to their ends vary so much that, at Table 5's 0.5, the
            # value's gradient is most of the clipped whole.
            "vf_coef": 0.05,
            "evaluate_every": 104,
        },
        "a2c": _ONE_STEP | {"num_envs": 32, "num_steps": 8, "evaluate_every": 195},
        "ppo": {
            "num_envs": 128,
            "learning_rate": 5e-4,
            "final_learning_rate": 2e-5,
            "ent_coef": 0.02,
            "final_ent_coef": 0.001,
            "minibatch_size": 240,
            "start_inside": 0.25,
            # Enough for 240 tunes. States that follow one another differ little: with actions that
            # last four frames, as many states are of more music.
            "frame_skip": 4,
            "max_frames": 700_000,
        },
    },
    # Table 5: as long as it takes (hours on a GPU, days on two cores). REINFORCE plays one game.
    "paper": {"reinforce": {"num_envs": 1}},
}


def preset_for(algo: str) -> str:
    """The preset that `auto` stands for: by the reward alone if `algo` can learn so."""
    return "scratch" if algo in PRESETS["scratch"] else "demo"
