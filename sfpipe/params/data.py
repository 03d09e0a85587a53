"""The sections of the stages that make data, and of human performances."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sfpipe.params.section import DatasetName, Section, TempoFactor


class FolderParams(Section):
    """A user's own folder of melodies, registered as a data set."""

    path: str
    licence: str = "unknown"
    citation: str = ""


class DownloadParams(Section):
    """`download`: which data set, how much of it."""

    max_pieces: Annotated[int, Field(ge=6)] | Literal["auto"] | None = "auto"
    monophonic: bool = True
    folders: dict[DatasetName, FolderParams] = Field(default={})


class PianoParams(Section):
    """Whole scores in MusicXML, drawn by Verovio: font, spacing, length of a line."""

    staff_space_px: float = Field(default=7.0, ge=2, le=40)  # as the paper's MSMD strips
    font: Literal["Leipzig", "Leland", "Bravura", "Gootville", "Petaluma"] = "Leipzig"
    line_spaces: float = Field(default=110.0, ge=40, le=5000)  # staff spaces
    staff_gap_spaces: float = Field(default=5.0, ge=1, le=24)  # between two staves, at least
    spacing_linear: float = Field(default=0.25, ge=0, le=1)
    spacing_non_linear: float = Field(default=0.6, ge=0, le=1)
    notes_per_minute: float = Field(default=240.0, gt=0, le=2000)  # without a tempo mark


class EngraveParams(Section):
    """`engrave`: scale and spacing of the staff image."""

    staff_space_px: float = Field(default=3.5, ge=2, le=40)
    spacing_linear: float = Field(default=0.22, ge=0, le=1)
    spacing_non_linear: float = Field(default=0.6, ge=0, le=1)
    notes_per_minute: float = Field(default=140.0, gt=0, le=2000)
    piano: PianoParams = PianoParams()
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
    """Augmented performances of a piece beside the plain ones (`sfpipe.audio.augment`)."""

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
    cents: float = Field(default=0.0, ge=0, le=100)  # a copy is tuned off by up to this
    programs: list[Annotated[int, Field(ge=0, le=127)]] = Field(default=[])  # none: `program`
    # Of the copies on wind, bowed and sung `programs` (`sfpipe.audio.instruments`).
    vibrato_share: float = Field(default=0.5, ge=0, le=1)
    slur_share: float = Field(default=0.5, ge=0, le=1)

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What copies were made with before there were these, so that those are not made again.
        unused = set() if self.programs else {"programs", "vibrato_share", "slur_share"}
        if not self.cents:
            unused.add("cents")
        return {name: value for name, value in handler(self).items() if name not in unused}

    @model_validator(mode="after")
    def _ranges_in_order(self) -> AugmentParams:
        for name in ("tempo", "loudness", "articulation", "snr_db", "rt60_s"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {low} to {high}: the smaller number comes first")
        if self.rt60_s[0] < 0.2 or self.rt60_s[1] > 3:
            raise ValueError(f"rt60_s {self.rt60_s}: no such rooms, 0.2 to 3 s can be had")
        return self


class VariantParams(Section):
    """Which performances of a piece are synthesised."""

    soundfonts: list[str] = Field(default=["FluidR3_GM"], min_length=1)
    tempo_factors: list[TempoFactor] = Field(default=[1.0], min_length=1)
    per_piece: int | None = Field(default=None, ge=1)


class SynthesizeParams(Section):
    """`synthesize`: sound fonts, tempi, gain."""

    gain: float = Field(default=0.2, gt=0, le=10)
    program: int = Field(default=0, ge=0, le=127)
    train: VariantParams = VariantParams(
        soundfonts=["FluidR3_GM", "TimGM6mb"], tempo_factors=[0.8, 1.0, 1.25], per_piece=2
    )
    augment: AugmentParams = AugmentParams()  # of training pieces
    test: VariantParams = VariantParams()
    # Performances by pianists, where a data set has them: beside those that are sequenced, in
    # their place, or not at all.
    human: Literal["beside", "instead", "none"] = "beside"


class SpectrogramsParams(Section):
    """`spectrograms`: the game's constants are fixed (section 4.1)."""

    shard_mib: int | None = Field(default=None, ge=1)  # MiB from which on another file begins


class ScoresParams(Section):
    """`scores`: geometry of the unrolled strip."""

    height_px: Annotated[int, Field(ge=16, le=400)] | Literal["auto"] = "auto"
    shard_mib: int | None = Field(default=None, ge=1)  # MiB from which on another file begins

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


class RealPerformancesParams(Section):
    """`real_performances`: the sound of human performances under the four conditions."""

    splits: list[Literal["train", "valid", "test"]] = Field(default=["test"], min_length=1)
    soundfont: str = "FluidR3_GM"
    direct_soundfont: str = "MuseScore_General_Lite"
    direct_program: int = Field(default=0, ge=0, le=127)
    room: RoomParams = RoomParams()
    recordings: dict[Literal["direct", "room"], str] = Field(default={})
