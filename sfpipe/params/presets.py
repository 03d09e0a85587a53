"""Presets of training: what each changes of the schema's defaults, which are Table 5 of the paper.

A value in params.yaml takes the place of the preset's.
"""

from __future__ import annotations

from typing import Any

_MINUTES = {"num_envs": 64, "ent_coef": 0.01, "max_frames": 40_000}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Minutes on two cores: pretraining and imitation of the expert first, then `algo`.
    "demo": {
        "common": {
            "warm_start": "dagger",
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
    # Table 5: as long as it takes (hours on a GPU, days on two cores). REINFORCE plays one game.
    "paper": {"reinforce": {"num_envs": 1}},
}
