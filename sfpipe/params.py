"""params.yaml as frozen, validated dataclass-like models; one section per stage."""

from __future__ import annotations

import difflib
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sfpipe.errors import SfpipeError

# Data sets are folders, and words on command lines.
DATASET_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
DatasetName = Annotated[str, Field(pattern=DATASET_NAME)]
AnySection = TypeVar("AnySection", bound="Section")
Step = Annotated[int, Field(ge=1, le=64)]
TempoFactor = Annotated[float, Field(gt=0, le=10)]


class Section(BaseModel):
    """A frozen section of params.yaml; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FolderParams(Section):
    """A user's own folder of melodies, registered as a data set."""

    path: str
    licence: str = "unknown"
    citation: str = ""


class DownloadParams(Section):
    """`download`: which data set, how much of it."""

    max_pieces: Annotated[int, Field(ge=6)] | Literal["auto"] | None = None
    monophonic: bool = True
    folders: dict[DatasetName, FolderParams] = {}


class EngraveParams(Section):
    """`engrave`: scale and spacing of the staff image."""

    staff_space_px: float = Field(default=3.5, ge=2, le=40)
    spacing_linear: float = Field(default=0.22, ge=0, le=1)
    spacing_non_linear: float = Field(default=0.6, ge=0, le=1)
    notes_per_minute: float = Field(default=140.0, gt=0, le=2000)
    # Not dumped: it changes no piece, so it belongs into no fingerprint.
    allow_unconfined: bool = Field(default=False, exclude=True)


class CleanParams(Section):
    """`clean`: what a piece must satisfy to be used."""

    min_onsets: int = Field(default=16, ge=2)
    max_onsets: int = Field(default=10000, ge=2)
    max_width_px: int = Field(default=200_000, ge=100)
    max_duration_error_s: float = Field(default=0.1, gt=0)
    min_dark_share: float = Field(default=0.9, ge=0, le=1)
    min_matched_share: float = Field(default=0.98, ge=0, le=1)

    @model_validator(mode="after")
    def _limits_in_order(self) -> CleanParams:
        if self.max_onsets < self.min_onsets:
            raise ValueError(f"max_onsets {self.max_onsets} is below min_onsets {self.min_onsets}")
        return self


class AugmentParams(Section):
    """Varied performances of a piece beside the plain ones (`sfpipe.audio.augment`)."""

    copies: int = Field(default=0, ge=0, le=100)  # of each piece; 0: none
    tempo: tuple[TempoFactor, TempoFactor] = (0.5, 2.0)  # drifts within these factors
    drift_s: float = Field(default=8.0, gt=0)  # from one tempo drawn to the next
    jitter_s: float = Field(default=0.02, ge=0, le=1)  # standard deviation of onsets
    asynchrony_s: float = Field(default=0.015, ge=0, le=1)  # the same of a chord's notes
    velocity: float = Field(default=20.0, ge=0, le=127)
    loudness: tuple[float, float] = (-50.0, 10.0)  # drifts: added to velocities
    voicing: float = Field(default=20.0, ge=0, le=127)  # below the highest note of a chord
    articulation: tuple[TempoFactor, TempoFactor] = (0.3, 1.3)  # factors of notes' durations
    pedal_share: float = Field(default=0.6, ge=0, le=1)  # of the copies
    gain_db: float = Field(default=12.0, ge=0, le=60)
    equaliser_db: float = Field(default=6.0, ge=0, le=40)
    noise_share: float = Field(default=0.5, ge=0, le=1)  # of the copies
    snr_db: tuple[float, float] = (10.0, 40.0)
    room_share: float = Field(default=0.5, ge=0, le=1)
    rt60_s: tuple[float, float] = (0.25, 0.9)

    @model_validator(mode="after")
    def _ranges_in_order(self) -> AugmentParams:
        for name in ("tempo", "loudness", "articulation", "snr_db", "rt60_s"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {low} to {high}: the smaller number comes first")
        if self.rt60_s[0] < 0.2 or self.rt60_s[1] > 3:
            raise ValueError(f"rt60_s {self.rt60_s}: no such rooms, 0.2 to 3 s can be had")
        return self


class PerformanceParams(Section):
    """Which performances of a piece are synthesised."""

    soundfonts: list[str] = Field(default=["FluidR3_GM"], min_length=1)
    tempo_factors: list[TempoFactor] = Field(default=[1.0], min_length=1)
    per_piece: int | None = Field(default=None, ge=1)


class SynthesizeParams(Section):
    """`synthesize`: sound fonts, tempi, gain."""

    gain: float = Field(default=0.2, gt=0, le=10)
    program: int = Field(default=0, ge=0, le=127)
    train: PerformanceParams = PerformanceParams()
    augment: AugmentParams = AugmentParams()  # of training pieces
    test: PerformanceParams = PerformanceParams()


class SpectrogramsParams(Section):
    """`spectrograms`: nothing to choose; the game's constants are fixed (section 4.1)."""


class ScoresParams(Section):
    """`scores`: geometry of the unrolled strip."""

    height_px: Annotated[int, Field(ge=16, le=400)] | Literal["auto"] = "auto"

    @property
    def strip_px(self) -> int | None:
        """Height of the strip in px; None: as the paper's."""
        return None if self.height_px == "auto" else self.height_px


class RoomParams(Section):
    """The simulated office of section 6."""

    size_m: tuple[float, float, float] = (5.0, 6.0, 2.8)
    distance_m: float = Field(default=2.0, gt=0)
    rt60_s: float = Field(default=0.45, gt=0, le=5)
    snr_db: float = Field(default=20.0, ge=-20, le=120)


class PerformancesParams(Section):
    """`performances`: the conditions under which human performances are heard."""

    soundfont: str = "FluidR3_GM"
    direct_soundfont: str = "MuseScore_General_Lite"
    direct_program: int = Field(default=0, ge=0, le=127)
    room: RoomParams = RoomParams()
    recordings: dict[Literal["direct", "room"], str] = {}


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
    varied_weight: float = Field(default=1.0, gt=0)  # of varied performances, of plain ones 1
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
    schedules: dict[str, Schedule] = {"paper": Schedule()}
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


class EvaluateParams(Section):
    """`evaluate`: how many games, with which policy."""

    split: Literal["train", "valid", "test"] = "test"
    trials: int = Field(default=10, ge=1)
    real_trials: int = Field(default=50, ge=1)
    deterministic: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(default=1, ge=1)


class MmLocParams(Section):
    """MM-Loc: network, examples, when to stop."""

    window: Literal["auto", "nottingham", "msmd"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=60, ge=0)
    buckets: int = Field(default=40, ge=2, le=512)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    passages: int = Field(default=8, ge=1)  # per update
    windows: int = Field(default=9, ge=1)  # of a passage
    excerpts: int = Field(default=16, ge=1)
    match_loss: float = Field(default=1.0, ge=0)
    read_loss: float = Field(default=1.0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    evaluate_every: int = Field(default=500, ge=1)  # updates
    validation_examples: int = Field(default=2048, ge=1)
    patience: int = Field(default=5, ge=1)  # evaluations
    refinements: int = Field(default=2, ge=0)
    refinement_factor: float = Field(default=0.1, gt=0, le=1)
    max_updates: int | None = Field(default=None, ge=1)
    max_minutes: float | None = Field(default=None, gt=0)


class OdtwParams(Section):
    """Online dynamic time warping."""

    width_s: float = Field(default=10.0, ge=1, le=60)
    max_run: int = Field(default=3, ge=1)  # frames of score or performance without the other
    stay: float = Field(default=0.0, ge=0)  # cost of a step of one alone, beside its distance
    onset_weight: float = Field(default=1.0, ge=0)
    fading: float = Field(default=0.7, ge=0, lt=1)
    adaptive: bool = True


class OmrParams(Section):
    """Reading notes from score images."""

    reader: Literal["builtin", "audiveris"] = "builtin"
    # Tempi at which what was read is played, of the most frequent step from onset to onset.
    steps_per_minute: list[Annotated[float, Field(ge=20, le=2000)]] = Field(
        default=[200, 280, 400], min_length=1
    )
    # By how well they fit the tempi are chosen, and that is what adaptive features blur.
    adaptive: bool = False
    stay: float = Field(default=0.8, ge=0)


class BaselinesParams(Section):
    """`baseline`: which ones the pipeline evaluates, and their parameters."""

    names: list[str] = ["midi-odtw"]
    odtw: OdtwParams = OdtwParams()
    omr: OmrParams = OmrParams()
    mm_loc: MmLocParams = MmLocParams()


class Params(Section):
    """The whole of params.yaml."""

    dataset: DatasetName
    algo: Literal["reinforce", "a2c", "ppo", "dagger", "belief"]
    seed: int = Field(ge=0, lt=2**31)
    download: DownloadParams = DownloadParams()
    engrave: EngraveParams = EngraveParams()
    clean: CleanParams = CleanParams()
    synthesize: SynthesizeParams = SynthesizeParams()
    spectrograms: SpectrogramsParams = SpectrogramsParams()
    scores: ScoresParams = ScoresParams()
    performances: PerformancesParams = PerformancesParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    baselines: BaselinesParams = BaselinesParams()


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read or is not YAML, a key is unknown (with its nearest
        neighbour), or a value is out of range (with the range).
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe").load(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise SfpipeError(
            "no such file", file=path, remedy="run in the project folder, or give --params FILE"
        ) from None
    except OSError as error:
        raise SfpipeError(
            f"cannot be read ({error.strerror})", file=path, remedy="give --params FILE"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SfpipeError(f"is not valid YAML ({error})", file=path, remedy="correct it") from None
    return parse_params(data, source=str(path))


def parse_params(data: Any, *, source: str = "params") -> Params:
    """Check plain data (as read from YAML) against the schema.

    Raises
    ------
    SfpipeError
        As `load_params`.
    """
    if not isinstance(data, dict):
        raise SfpipeError(
            "does not consist of keys and values", file=source, remedy="see the shipped params.yaml"
        )
    # Sections may be written empty in YAML, which reads as None.
    data = {k: ({} if v is None and k in _SECTIONS else v) for k, v in data.items()}
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        raise _explained(error, data, source) from None


def override(section: AnySection, **changes: Any) -> AnySection:
    """A section with some values changed; those that are None stay.

    Raises
    ------
    SfpipeError
        If a value is out of range.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return type(section)(**section.model_dump() | given)
    except ValidationError as error:
        raise _explained(error, given, None) from None


def _explained(error: ValidationError, data: dict[str, Any], source: str | None) -> SfpipeError:
    """The first of the errors, in one line with a remedy."""
    first = error.errors()[0]
    key = ".".join(_place(first["loc"], data))
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(Params, data), n=1, cutoff=0)
        return SfpipeError(f"unknown key '{key}'", file=source, remedy=f"did you mean '{near[0]}'?")
    found = textwrap.shorten(repr(first.get("input")), 60, placeholder="...")
    message = first["msg"].removeprefix("Value error, ")
    return SfpipeError(
        f"'{key}': {message} (found {found})", file=source, remedy="correct the value"
    )


def _place(location: tuple[int | str, ...], data: Any) -> list[str]:
    """The keys that lead to an error; pydantic adds which of several types it tried."""
    keys = []
    for part in location:
        nested = isinstance(data, (dict, list))
        if not nested:
            break
        keys.append(str(part))
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = {}  # a key that is missing
    return keys


_SECTIONS = {
    name
    for name, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def _known_keys(model: type[BaseModel], data: Any, prefix: str = "") -> list[str]:
    """All keys of the schema; of tables with free names (schedules), under the names in `data`."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        kind, inside = field.annotation, data.get(name) if isinstance(data, dict) else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += _known_keys(kind, inside, f"{prefix}{name}.")
        for entry in get_args(kind)[1:]:
            if isinstance(entry, type) and issubclass(entry, BaseModel):
                for own, value in inside.items() if isinstance(inside, dict) else ():
                    keys += _known_keys(entry, value, f"{prefix}{name}.{own}.")
    return keys
