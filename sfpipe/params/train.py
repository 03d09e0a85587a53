"""The section of training: window, device, one part per algorithm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sfpipe.params.section import Section

Step = Annotated[int, Field(ge=1, le=64)]


class PPOParams(Section):
    """Of PPO; REINFORCE takes `batch` too, to bound memory."""

    clip: float = Field(default=0.2, gt=0)
    epochs: int = Field(default=1, ge=1)
    batch: int = Field(default=120, ge=1)
    localise_loss: float = Field(default=0.0, ge=0)  # of PPO alone


class DaggerParams(Section):
    """Imitation of the planner, alone or as warm start."""

    frames: int = Field(default=500_000, ge=1)
    scattered_share: float = Field(default=0.0, ge=0, le=1)
    mixture_frames: int = Field(default=100_000, ge=0)
    horizon: int = Field(default=8, ge=4)
    temperature: float = Field(default=4.0, gt=0)
    n_games: int = Field(default=64, ge=1)
    t_max: int = Field(default=15, ge=1)
    scatter: float = Field(default=0.0, ge=0, le=1)
    batch: int = Field(default=120, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    final_learning_rate: float = Field(default=5e-5, gt=0)
    warm_up: int = Field(default=0, ge=0)  # optimiser steps until the learning rate is reached
    value_loss: float = Field(default=0.5, ge=0)
    read_loss: float = Field(default=0.0, ge=0)
    localise_loss: float = Field(default=0.0, ge=0)
    regret_loss: float = Field(default=0.0, ge=0)


class StudyParams(Section):
    """Learning from passages, before any game is played; horizon and temperature are dagger's."""

    frames: int = Field(default=0, ge=0)  # states; 0: no such phase
    share: float = Field(default=0.5, gt=0, le=1)  # of max_minutes, if that is sooner
    passages: int = Field(default=8, ge=1)  # per update
    windows: int = Field(default=9, ge=1)  # of a passage
    excerpts: int = Field(default=16, ge=1)
    speed_spread: float = Field(default=8.0, ge=0)  # px/frame, around the target's own speed
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float = Field(default=1e-4, gt=0)
    regret_loss: float = Field(default=0.0, ge=0)  # grows to this in the course of the study
    match_loss: float = Field(default=1.0, ge=0)
    localise_loss: float = Field(default=1.0, ge=0)
    read_loss: float = Field(default=1.0, ge=0)
    evaluate_every: int = Field(default=500, ge=1)  # updates


class Schedule(Section):
    """One training schedule: the hyper-parameters of Table 5, budget and stopping rule."""

    warm_start: Literal["dagger"] | None = None
    n_games: int = Field(default=8, ge=1)
    t_max: int = Field(default=15, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    gamma: float = Field(default=0.9, ge=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    entropy: float = Field(default=0.05, ge=0)
    value_loss: float = Field(default=0.5, ge=0)
    max_grad_norm: float = Field(default=0.5, gt=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    # Frames over which the weights that are judged and kept are averaged; 0: the present ones.
    average_frames: int = Field(default=0, ge=0)
    # Weights with the highest R_on on validation, or those judged last, be they worse.
    keep: Literal["best", "last"] = "best"
    evaluate_every: int = Field(default=5000, ge=1)  # updates
    validation_pieces: int | None = Field(default=None, ge=1)
    validation_trials: int = Field(default=1, ge=1)  # games per performance and evaluation
    patience: int = Field(default=50, ge=1)  # evaluations
    refinements: int = Field(default=2, ge=0)
    refinement_factor: float = Field(default=0.1, gt=0, le=1)
    max_frames: int | None = Field(default=None, ge=0)  # of `algo`; null: until it stops
    max_minutes: float | None = Field(default=None, gt=0)  # of the whole training
    ppo: PPOParams = PPOParams()
    dagger: DaggerParams = DaggerParams()
    study: StudyParams = StudyParams()


class BeliefFilterParams(Section):
    """What an agent of `algo: belief` assumes of music while it plays."""

    trust: float = Field(default=0.15, gt=0, le=2)  # exponent of a frame at the usual tempo
    prior: float = Field(default=1.0, ge=0)  # share of the places' own frequency that is taken out
    doubt: float = Field(default=0.02, ge=0, lt=1)  # least likelihood, of the mean one
    drift: float = Field(default=0.04, ge=0, le=1)  # of the tempo's log, per frame
    jump: float = Field(default=0.01, ge=0, le=1)  # probability of any other tempo, per frame
    blur: float = Field(default=0.02, ge=0, le=0.3)  # of the position, per frame
    tempo: float = Field(default=0.07, gt=0)  # usual tempo, quarter notes per frame ...
    tempo_spread: float = Field(default=0.7, gt=0)  # ... and its deviation, as a log


class BeliefParams(Section):
    """Training of an agent with a memory (`algo: belief`): supervised, on passages."""

    updates: int = Field(default=4000, ge=1)
    max_minutes: float | None = Field(default=None, gt=0)
    passages: int = Field(default=12, ge=1)  # per update, each of so many ...
    frames: int = Field(default=200, ge=10)  # ... frames of sound and ...
    places: int = Field(default=192, ge=32)  # ... places of the strip
    score_steps: list[Step] = Field(default=[1, 2, 4, 8], min_length=1)
    sound_steps: list[Step] = Field(default=[1, 2, 4, 8, 16], min_length=1)
    gains_db: list[float] = Field(default=[0.0, 30.0], min_length=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    final_learning_rate: float = Field(default=2e-5, gt=0)
    warm_up: int = Field(default=100, ge=0)  # updates
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    pace_loss: float = Field(default=0.5, ge=0)  # of how long printed notes last
    blur_px: float = Field(default=6.0, gt=0)  # deviation of the labels' places
    reach: float = Field(default=0.8, gt=0)  # of the window: places beyond are not told apart
    gain_db: float = Field(default=9.0, ge=0, le=60)  # on the fly, with ...
    equaliser_db: float = Field(default=4.0, ge=0, le=40)
    noise: float = Field(default=0.02, ge=0)  # greatest deviation added to magnitudes
    reverb_share: float = Field(default=0.0, ge=0, le=1)  # of those
    varied_weight: float = Field(default=1.0, gt=0)  # of augmented performances, of plain ones 1
    average_updates: int = Field(default=200, ge=1)  # weights kept are the mean of so many
    keep: Literal["best", "last"] = "last"  # on validation, or judged last
    evaluate_every: int = Field(default=250, ge=1)  # updates
    filter: BeliefFilterParams = BeliefFilterParams()


class TrainParams(Section):
    """`train`: which window, on what, and the schedule chosen by name."""

    window: Literal["auto", "nottingham", "msmd"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=60, ge=0)
    start_from: str | None = None
    schedule: str = "paper"
    schedules: dict[str, Schedule] = Field(default={"paper": Schedule()})
    belief: BeliefParams = BeliefParams()

    @model_validator(mode="after")
    def _schedule_exists(self) -> TrainParams:
        if self.schedule not in self.schedules:
            raise ValueError(f"schedule '{self.schedule}' is none of {', '.join(self.schedules)}")
        return self

    @property
    def chosen(self) -> Schedule:
        """The schedule called `schedule`."""
        return self.schedules[self.schedule]
