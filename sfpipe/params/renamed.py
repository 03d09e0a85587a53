"""Keys of earlier versions, and what they are called now."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

_S = "train.schedules.*"
_GAMES = {  # of a schedule, and now of each algorithm that plays
    "n_games": "num_envs",
    "t_max": "num_steps",
    "learning_rate": "learning_rate",
    "gamma": "gamma",
    "gae_lambda": "gae_lambda",
    "entropy": "ent_coef",
    "value_loss": "vf_coef",
    "max_grad_norm": "max_grad_norm",
    "max_frames": "max_frames",
}
_COMMON = {
    "refinements": "lr_reductions",
    "refinement_factor": "lr_reduction_factor",
    **{
        name: name
        for name in (
            *("warm_start", "dropout", "average_frames", "keep", "evaluate_every", "patience"),
            *("validation_pieces", "validation_trials", "max_minutes"),
        )
    },
}
_PPO = {
    "clip": "clip_coef",
    "epochs": "update_epochs",
    "batch": "minibatch_size",
    "localise_loss": "localisation_coef",
}
_CROPS = {
    "passages": "crops",
    "match_loss": "contrastive_coef",
    "read_loss": "transcription_coef",
}
_LOSSES = {
    "regret_loss": "expected_cost_coef",
    "localise_loss": "localisation_coef",
    "read_loss": "transcription_coef",
}
_DAGGER = {
    "frames": "max_frames",
    "scattered_share": "random_state_share",
    "mixture_frames": "beta_frames",
    "n_games": "num_envs",
    "t_max": "num_steps",
    "scatter": "random_start",
    "batch": "minibatch_size",
    "warm_up": "warmup_steps",
    "value_loss": "vf_coef",
    **_LOSSES,
}
_BELIEF = {
    "updates": "max_updates",
    "passages": "crops",
    "warm_up": "warmup_steps",
    "pace_loss": "duration_coef",
    "blur_px": "label_std_px",
    "reach": "search_radius",
    "varied_weight": "augmented_weight",
}
FILTER = {
    "trust": "likelihood_exponent",
    "prior": "place_prior_exponent",
    "doubt": "likelihood_floor",
    "drift": "tempo_std",
    "jump": "tempo_reset_prob",
    "blur": "position_diffusion",
    "tempo": "usual_tempo",
    "tempo_spread": "usual_tempo_std",
}
_MACHINE = ("window", "device", "precision", "threads", "checkpoint_seconds", "start_from")

# Old key (a shell pattern) -> new one. ALGO is the algorithm that params.yaml names.
RENAMED: dict[str, str] = {
    "performances": "real_performances",
    "train.schedule": "train.preset",
    **{f"train.{name}": f"train.common.{name}" for name in _MACHINE},
    **{f"{_S}.{old}": f"train.ALGO.{new}" for old, new in _GAMES.items()},
    **{f"{_S}.{old}": f"train.common.{new}" for old, new in _COMMON.items()},
    **{f"{_S}.ppo.{old}": f"train.ppo.{new}" for old, new in _PPO.items()},
    **{f"{_S}.dagger.{old}": f"train.dagger.{new}" for old, new in _DAGGER.items()},
    f"{_S}.dagger.*": "train.dagger.*",
    f"{_S}.study.frames": "train.pretraining.max_frames",
    f"{_S}.study.share": "train.pretraining.share_of_minutes",
    **{f"{_S}.study.{old}": f"train.pretraining.{new}" for old, new in (_CROPS | _LOSSES).items()},
    f"{_S}.study.*": "train.pretraining.*",
    "train.belief.max_minutes": "train.common.max_minutes",
    **{f"train.belief.{old}": f"train.belief.{new}" for old, new in _BELIEF.items()},
    **{f"train.belief.filter.{old}": f"evaluate.filter.{new}" for old, new in FILTER.items()},
    **{f"evaluate.filter.{old}": f"evaluate.filter.{new}" for old, new in FILTER.items()},
    **{f"baselines.mm_loc.{old}": f"baselines.mm_loc.{new}" for old, new in _CROPS.items()},
    **{f"baselines.mm_loc.{k}": f"baselines.mm_loc.{_COMMON[k]}" for k in list(_COMMON)[:2]},
}


def new_key(key: str, inside: Any, algo: Any) -> tuple[str, str] | None:
    """The old key at or below `key`, and its new name; None if none is known.

    Parameters
    ----------
    inside:
        The value of `key`.
    algo:
        That params.yaml names.
    """
    for old, new in RENAMED.items():
        if fnmatchcase(key, old) and key.count(".") == old.count("."):
            new = new.replace("*", key.rsplit(".", 1)[-1])
            return key, new.replace("ALGO", str(algo))
    for name, value in inside.items() if isinstance(inside, dict) else ():
        if renamed := new_key(f"{key}.{name}", value, algo):
            return renamed
    return None
