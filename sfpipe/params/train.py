"""The section of training: what all algorithms share, one part per algorithm, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from sfpipe.params.presets import PRESETS
from sfpipe.params.section import DatasetName, Section

Step = Annotated[int, Field(ge=1, le=64)]
FrameSkip: TypeAlias = Literal[1, 2, 4, 8]  # what the sound branch's strides make cheap
UNKNOWN_SHARE = 0.05  # a return is known if rewards that are not seen would count for less
_MACHINE = {"window", "device", "precision"}  # keys that have an `auto` of their own
# Keys of `common` that say how a training is run, not what is learned.
_RUNNING = {"threads", "memory_gib", "checkpoint_seconds"}


class MachineParams(Section):
    """Window, device and arithmetic of a training."""

    window: Literal["auto", "nottingham", "msmd"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    # For the strips and sound to train on: if they take more, pieces are read when they are played.
    memory_gib: float | None = Field(default=None, gt=0)
    checkpoint_seconds: float = Field(default=60, ge=0)


class StoppingRule(Section):
    """When to validate, which weights to keep, when to lower the learning rate and to stop."""

    evaluate_every: int = Field(default=5000, ge=1)  # updates
    # Weights with the best validation, or those of the last validation.
    keep: Literal["best", "last"] = "best"
    patience: int = Field(default=50, ge=1)  # validations without improvement; then ...
    lr_reductions: int = Field(default=2, ge=0)  # ... so often a lower rate, from the best weights
    lr_reduction_factor: float = Field(default=0.1, gt=0, le=1)
    max_minutes: float | None = Field(default=None, gt=0)  # of the whole training; null: no limit


class CommonParams(MachineParams, StoppingRule):
    """What all algorithms share."""

    start_from: str | None = None  # an agent's name or folder: begin with its weights
    # Further data sets to learn from, whose stores are there; e.g. another engraving of it.
    also: list[DatasetName] = Field(default=[])
    warm_start: Literal["dagger"] | None = None  # imitation before `algo`
    # First weights such that every layer's outputs have mean 0 and deviation 1 on the data.
    standardise: bool = False
    dropout: float = Field(default=0.2, ge=0, lt=1)
    # Frames over which the weights that are validated and kept are averaged; 0: the present ones.
    average_frames: int = Field(default=0, ge=0)
    validation_pieces: int | None = Field(default=None, ge=1)
    validation_trials: int = Field(default=1, ge=1)  # games per performance and validation


class PolicyGradientParams(Section):
    """What the algorithms of section 3 share (Table 5, and what learning from nothing adds)."""

    num_envs: int = Field(default=8, ge=1)  # games at once
    # Frames that an action lasts: the speed changes with the first, and then stays. What counts as
    # frames of a training are the states that it learns from.
    frame_skip: FrameSkip = 1
    # Share of max_frames in which it does; then it lasts one.
    frame_skip_share: float = Field(default=1.0, gt=0, le=1)
    # Share of the games that begin in a random state inside a piece, not with its first onset.
    start_inside: float = Field(default=0.0, ge=0, le=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    # Reached at max_frames by exponential decay; null: the rate stays.
    final_learning_rate: float | None = Field(default=None, gt=0)
    gamma: float = Field(default=0.9, ge=0, le=1)
    ent_coef: float = Field(default=0.05, ge=0)
    # Reached at max_frames by linear decay; null: it stays.
    final_ent_coef: float | None = Field(default=None, ge=0)
    vf_coef: float = Field(default=0.5, ge=0)
    max_grad_norm: float = Field(default=0.5, gt=0)
    normalize_advantage: bool = False  # to mean 0 and deviation 1 over the batch
    max_frames: int | None = Field(default=None, ge=0)  # null: until validation stops it
    evaluate_every: int | None = Field(default=None, ge=1)  # updates; null: as `common` says


class ReinforceParams(PolicyGradientParams):
    """REINFORCE with baseline: whole games, or stretches of games that go on."""

    # Steps of all games per update, those left out whose returns are not known; null: whole games.
    num_steps: int | None = Field(default=None, ge=1)
    minibatch_size: int = Field(default=120, ge=1)  # states at once, to bound memory

    @model_validator(mode="after")
    def _returns_become_known(self) -> ReinforceParams:
        steps = self.num_steps
        if steps is not None and self.gamma**steps > UNKNOWN_SHARE:
            raise ValueError(
                f"num_steps {steps} is too few to know a return at gamma {self.gamma:g}: "
                "give more, or null for whole games"
            )
        return self


class A2CParams(PolicyGradientParams):
    """Advantage actor-critic: `num_steps` of all games per update."""

    num_steps: int = Field(default=15, ge=1)


class PPOParams(A2CParams):
    """Proximal policy optimisation."""

    normalize_advantage: bool = True
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip_coef: float = Field(default=0.2, gt=0)
    update_epochs: int = Field(default=1, ge=1)
    minibatch_size: int = Field(default=120, ge=1)
    localisation_coef: float = Field(default=0.0, ge=0)


class DaggerParams(Section):
    """Imitation of the expert, alone or as warm start."""

    max_frames: int = Field(default=250_000, ge=1)
    beta_frames: int = Field(default=0, ge=0)  # until the expert no longer acts
    random_state_share: float = Field(default=0.0, ge=0, le=1)  # of the frames, not played
    random_start: float = Field(default=0.15, ge=0, le=1)  # share of games moved, per rollout
    horizon: int = Field(default=8, ge=4)  # frames the expert looks ahead
    temperature: float = Field(default=0.5, gt=0)  # of the soft labels, px
    num_envs: int = Field(default=128, ge=1)
    num_steps: int = Field(default=8, ge=1)
    minibatch_size: int = Field(default=120, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    final_learning_rate: float = Field(default=5e-5, gt=0)
    warmup_steps: int = Field(default=200, ge=0)  # optimiser steps to the full learning rate
    gamma: float = Field(default=0.9, ge=0, le=1)
    vf_coef: float = Field(default=0.05, ge=0)
    expected_cost_coef: float = Field(default=10.0, ge=0)  # of the policy's expected cost
    transcription_coef: float = Field(default=1.0, ge=0)
    localisation_coef: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=0.5, gt=0)


class PretrainingParams(Section):
    """Supervised learning on crops, before any game; horizon and temperature are dagger's."""

    max_frames: int = Field(default=0, ge=0)  # states; 0: no such phase
    share_of_minutes: float = Field(default=0.4, gt=0, le=1)  # of max_minutes, if that is sooner
    crops: int = Field(default=8, ge=1)  # per update, each of so many ...
    windows: int = Field(default=9, ge=1)  # ... windows of the strip and ...
    excerpts: int = Field(default=16, ge=1)  # ... excerpts: all pairs of both are states
    speed_spread: float = Field(default=8.0, ge=0)  # px/frame, around the target's own speed
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float = Field(default=1e-4, gt=0)
    expected_cost_coef: float = Field(default=10.0, ge=0)  # reached at the end of the phase
    contrastive_coef: float = Field(default=1.0, ge=0)
    localisation_coef: float = Field(default=1.0, ge=0)
    transcription_coef: float = Field(default=1.0, ge=0)
    max_grad_norm: float = Field(default=0.5, gt=0)
    evaluate_every: int = Field(default=500, ge=1)  # updates


class BeliefParams(Section):
    """Training of an agent with a memory (`algo: belief`): supervised, on crops."""

    max_updates: int = Field(default=4000, ge=1)
    crops: int = Field(default=12, ge=1)  # per update, each of so many ...
    frames: int = Field(default=200, ge=10)  # ... frames of sound and ...
    places: int = Field(default=192, ge=32)  # ... places of the strip
    score_steps: list[Step] = Field(default=[1, 2, 4, 8], min_length=1)
    sound_steps: list[Step] = Field(default=[1, 2, 4, 8, 16], min_length=1)
    gains_db: list[float] = Field(default=[0.0, 30.0], min_length=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    final_learning_rate: float = Field(default=2e-5, gt=0)
    warmup_steps: int = Field(default=100, ge=0)  # updates
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    duration_coef: float = Field(default=0.5, ge=0)  # of how long printed notes last
    label_std_px: float = Field(default=6.0, gt=0)  # of the labels' places
    search_radius: float = Field(default=0.8, gt=0)  # of the window: places beyond do not count
    gain_db: float = Field(default=9.0, ge=0, le=60)  # on the fly, with ...
    equaliser_db: float = Field(default=4.0, ge=0, le=40)
    noise: float = Field(default=0.02, ge=0)  # greatest deviation added to magnitudes
    reverb_share: float = Field(default=0.0, ge=0, le=1)  # of those
    augmented_weight: float = Field(default=1.0, gt=0)  # of augmented performances, of others 1
    paper_share: float = Field(default=0.0, ge=0, le=1)  # of the crops, as a bad photo shows them
    jump_share: float = Field(default=0.0, ge=0, le=1)  # of the crops: other music sounds before
    average_updates: int = Field(default=200, ge=1)  # weights kept are the mean of so many
    keep: Literal["best", "last"] = "last"
    evaluate_every: int = Field(default=250, ge=1)  # updates
    validation_performances: int | None = Field(default=None, ge=1)  # drawn; null: all


class BeliefFilterParams(Section):
    """What an agent of `algo: belief` assumes of music while it plays."""

    likelihood_exponent: float = Field(default=0.15, gt=0, le=2)  # of a frame at the usual tempo
    place_prior_exponent: float = Field(default=1.0, ge=0)  # of the places' own frequency
    likelihood_floor: float = Field(default=0.02, ge=0, lt=1)  # of the mean likelihood
    tempo_std: float = Field(default=0.04, ge=0, le=1)  # of the tempo's log, per frame
    tempo_reset_prob: float = Field(default=0.01, ge=0, le=1)  # of any other tempo, per frame
    position_diffusion: float = Field(default=0.02, ge=0, le=0.3)  # per frame
    usual_tempo: float = Field(default=0.07, gt=0)  # quarter notes per frame (84 a minute) ...
    usual_tempo_std: float = Field(default=0.7, gt=0)  # ... and the deviation of its log
    # Any other tempo is, with this probability, about that of the last seconds.
    recent_tempo_share: float = Field(default=0.9, ge=0, le=1)
    recent_tempo_std: float = Field(default=0.25, gt=0)  # of its log
    tempo_memory_s: float = Field(default=10.0, gt=0)

    def replaced(self, by: AnyFilter) -> BeliefFilterParams:
        """This filter with the values that are set in `by`."""
        if by == "auto":
            return self
        return self.model_copy(update=by.model_dump(exclude_unset=True))


AnyFilter: TypeAlias = BeliefFilterParams | Literal["auto"]


class TrainParams(Section):
    """`train`: a preset, and what differs from it."""

    preset: str = "demo"
    common: CommonParams = CommonParams()
    reinforce: ReinforceParams = ReinforceParams()
    a2c: A2CParams = A2CParams()
    ppo: PPOParams = PPOParams()
    dagger: DaggerParams = DaggerParams()
    pretraining: PretrainingParams = PretrainingParams()
    belief: BeliefParams = BeliefParams()

    @model_validator(mode="before")
    @classmethod
    def _begin_with_preset(cls, data: Any) -> Any:
        """The preset's values, with those that are given in their places; `auto` is the preset's.

        Raises
        ------
        ValueError
            If there is no such preset.
        """
        if not isinstance(data, dict):
            return data
        name = data.get("preset", "demo")
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"preset {name!r} is none of {', '.join(PRESETS)}")
        merged = data | {k: dict(v) for k, v in PRESETS[name].items() if k not in data}
        for section, given in data.items():
            if isinstance(given, BaseModel):
                given = given.model_dump(exclude_unset=True)
            if section == "preset" or not isinstance(given, Mapping | None):
                continue
            own = {k: v for k, v in (given or {}).items() if v != "auto" or k in _MACHINE}
            merged[section] = dict(PRESETS[name].get(section, {})) | own
        return merged

    def phases(self, algo: str) -> list[str]:
        """What is trained one after the other: pretraining and a warm start, if any, then `algo`.

        An agent with a memory learns from crops alone.
        """
        if algo == "belief":
            return [algo]
        warm = self.common.warm_start
        before = ["pretraining"] if self.pretraining.max_frames else []
        return [*before, *([warm] if warm and warm != algo else []), algo]

    def used(self, algo: str) -> dict[str, Any]:
        """The values that decide what a training of `algo` learns, by section."""
        names = self.phases(algo)
        if "pretraining" in names:
            names.append("dagger")  # pretraining's horizon and temperature
        common = self.common.model_dump(exclude=_RUNNING)
        return {"common": common} | {n: getattr(self, n).model_dump() for n in dict.fromkeys(names)}


class RelocationParams(Section):
    """How an agent with a memory looks for its place in the whole score."""

    # A frame's likelihood is raised to this power, as `likelihood_exponent` of the filter.
    likelihood_exponent: float = Field(default=0.3, gt=0, le=2)
    worst: float = Field(default=1.5, gt=0)  # by which a frame lowers the log of a place's belief
    memory_s: float = Field(default=1.0, gt=0)  # in which what was heard is half forgotten
    jump_prob: float = Field(default=0.02, ge=0, le=1)  # per frame
    jump_prob_after_rest: float = Field(default=0.05, ge=0, le=1)  # when sound begins again
    anywhere: float = Field(default=0.1, gt=0, le=1)  # beside 1 at the beginning of a bar
    bar_width_px: float = Field(default=40.0, gt=0)
    return_weight: float = Field(default=10.0, ge=0)  # where the page tells to return
    near_px: float = Field(default=2000.0, ge=0)
    near_weight: float = Field(default=5.0, ge=1)
    stay: float = Field(default=0.5, ge=0, lt=1)  # share of jumps that lead to where it is
    log_odds: float = 0.0  # by which a place elsewhere must be likelier
    share: float = Field(default=0.2, ge=0, le=1)  # of the belief elsewhere that it must have
    slack: float = Field(default=2.5, ge=0)  # by which it may go better with each frame
    lead: float = Field(default=70.0, gt=0)  # of logits, added up, with which it has won
