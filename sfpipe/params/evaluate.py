"""The sections of evaluation and of the baselines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sfpipe.params.section import Section
from sfpipe.params.train import AnyFilter, MachineParams, StoppingRule


class EvaluateParams(Section):
    """`evaluate`: how many games, with which policy."""

    split: Literal["train", "valid", "test"] = "test"
    trials: int = Field(default=10, ge=1)
    real_trials: int = Field(default=50, ge=1)
    deterministic: bool = False
    # Of agents with a memory: what replaces parts of the filter that the agent came with.
    filter: AnyFilter = Field(default="auto", union_mode="left_to_right")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(default=1, ge=1)


class OdtwParams(Section):
    """Online dynamic time warping."""

    width_s: float = Field(default=10.0, ge=1, le=60)
    # Spectra measured by what sounded before, and a path that keeps to a tempo; false: chroma, and
    # a path as cheap as can be, for which the rest is.
    adaptive: bool = True
    max_run: int = Field(default=3, ge=1)  # frames of score or performance without the other
    stay: float = Field(default=0.0, ge=0)  # cost of a step of one alone, beside its distance
    onset_weight: float = Field(default=1.0, ge=0)
    fading: float = Field(default=0.7, ge=0, lt=1)


class OmrParams(Section):
    """Reading notes from score images."""

    reader: Literal["builtin", "audiveris"] = "builtin"
    # Tempi at which what was read is played, of the most frequent step from onset to onset.
    steps_per_minute: list[Annotated[float, Field(ge=20, le=2000)]] = Field(
        default=[200, 280, 400], min_length=1
    )
    # By how well they fit the tempi are chosen, and that is what adapting to them blurs.
    adaptive: bool = False
    stay: float = Field(default=0.8, ge=0)


class MmLocParams(MachineParams, StoppingRule):
    """MM-Loc: network, examples, when to stop."""

    buckets: int = Field(default=40, ge=2, le=512)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    crops: int = Field(default=8, ge=1)  # per update, each of so many ...
    windows: int = Field(default=9, ge=1)  # ... snippets and ...
    excerpts: int = Field(default=16, ge=1)  # ... excerpts: all pairs of both are examples
    contrastive_coef: float = Field(default=1.0, ge=0)
    transcription_coef: float = Field(default=1.0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    evaluate_every: int = Field(default=500, ge=1)  # updates
    validation_examples: int = Field(default=2048, ge=1)
    patience: int = Field(default=10, ge=1)  # validations
    max_updates: int | None = Field(default=None, ge=1)
    max_minutes: float | None = Field(default=20.0, gt=0)


class BaselinesParams(Section):
    """`baseline`: which ones the pipeline evaluates, and their parameters."""

    names: list[str] = Field(default=["midi-odtw"])
    odtw: OdtwParams = OdtwParams()
    omr: OmrParams = OmrParams()
    mm_loc: MmLocParams = MmLocParams()
