"""How much higher music sounds than its page says: transposing instruments, other tunings.

A page says neither. A clarinet in B flat sounds two semitones lower than it is written, a guitar an
octave; a harpsichord may be tuned to a' = 415 Hz. The spectrogram takes the difference out: its
filters move with the music (`sfpipe.audio.filterbank`), so that followers hear what is written.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass

from sfpipe.errors import SfpipeError

A4_HZ = 440.0
A4_RANGE = 350.0, 520.0  # Hz, within four semitones of 440
MOST_SEMITONES = 24
OCTAVE = 12
TUNINGS = -2, 1  # semitones between which instruments are tuned: 392 to 466 Hz

# Semitones from the written to the sounding pitch, by the instruments' usual names.
INSTRUMENTS = {
    "piccolo": 12,
    "descant recorder": 12,
    "glockenspiel": 24,
    "tin whistle": 12,
    "clarinet in e flat": 3,
    "clarinet in b flat": -2,
    "clarinet in a": -3,
    "basset horn": -7,
    "bass clarinet": -14,
    "oboe d'amore": -3,
    "cor anglais": -7,
    "soprano saxophone": -2,
    "alto saxophone": -9,
    "tenor saxophone": -14,
    "baritone saxophone": -21,
    "trumpet in b flat": -2,
    "trumpet in c": 0,
    "trumpet in d": 2,
    "cornet in b flat": -2,
    "flugelhorn": -2,
    "horn in f": -7,
    "horn in e flat": -9,
    "tenor horn": -9,
    "baritone horn": -14,
    "guitar": -12,
    "bass guitar": -12,
    "banjo": 0,
    "tenor voice": -12,
    "double bass": -12,
    "contrabassoon": -12,
}


@dataclass(frozen=True)
class PitchOffset:
    """How much higher the music sounds than it is written, at a' = 440 Hz.

    Attributes
    ----------
    semitones:
        From -24 to 24: transposition.
    cents:
        Tuning, hundredths of a semitone.

    Raises
    ------
    SfpipeError
        If it is out of range.
    """

    semitones: int = 0
    cents: float = 0.0

    def __post_init__(self) -> None:
        if abs(self.semitones) > MOST_SEMITONES:
            raise SfpipeError(
                f"a transposition of {self.semitones} semitones is not supported",
                remedy=f"give one from -{MOST_SEMITONES} to {MOST_SEMITONES}",
            )
        if not A4_RANGE[0] <= self.a4_hz <= A4_RANGE[1]:
            low, high = A4_RANGE
            raise SfpipeError(
                f"a tuning of a' = {self.a4_hz:.6g} Hz is not supported",
                remedy=f"give one from {low:g} to {high:g} Hz, and the rest as a transposition",
            )

    @classmethod
    def at(cls, a4_hz: float = A4_HZ, semitones: int = 0) -> PitchOffset:
        """Where a' is tuned to `a4_hz`, and music sounds `semitones` higher than written.

        Raises
        ------
        SfpipeError
            If one is out of range.
        """
        if not (math.isfinite(a4_hz) and a4_hz > 0):
            raise SfpipeError(f"{a4_hz} is no frequency", remedy="give a' in Hz, e.g. 415")
        return cls(semitones, 1200 * math.log2(a4_hz / A4_HZ))

    @property
    def a4_hz(self) -> float:
        """Frequency of a' in Hz."""
        return float(A4_HZ * 2 ** (self.cents / 1200))

    @property
    def factor(self) -> float:
        """Sounding by written frequency; exactly 1 without any offset."""
        return float(2 ** ((self.semitones + self.cents / 100) / 12))

    def __str__(self) -> str:
        a4_hz, semitones = self.a4_hz, self.semitones
        if abs(semitones) == 1:  # an old tuning rather than an instrument that transposes
            a4_hz, semitones = a4_hz * 2 ** (semitones / 12), 0
        tuning = f"A4 = {a4_hz:.0f} Hz"
        if not semitones:
            return f"{tuning}, as written"
        return f"{tuning}, sounds {in_words(semitones)}"


AS_WRITTEN = PitchOffset()


def in_words(semitones: int) -> str:
    """How much higher or lower that is: "an octave lower", "2 semitones higher"."""
    way, many = "higher" if semitones > 0 else "lower", abs(semitones)
    named = {0: "as written", 1: f"a semitone {way}", 12: f"an octave {way}"}
    return named.get(many, f"{many} semitones {way}")


def transposition_of(instrument: str) -> int:
    """Semitones from the written to the sounding pitch of an instrument.

    Raises
    ------
    SfpipeError
        If the table has no such instrument.
    """
    name = re.sub(r"\s+", " ", instrument.replace("♭", " flat").replace("-", " ")).strip().lower()
    name = re.sub(r"\b([a-g])b\b", r"\1 flat", name)  # Bb
    key = re.fullmatch(r"([a-g](?: flat)?) (clarinet|trumpet|cornet|horn)", name)
    if key:
        name = f"{key[2]} in {key[1]}"
    if name in INSTRUMENTS:
        return INSTRUMENTS[name]
    if name in ("clarinet", "trumpet", "cornet"):
        return INSTRUMENTS[f"{name} in b flat"]
    if name == "horn":
        return INSTRUMENTS["horn in f"]
    near = difflib.get_close_matches(name, INSTRUMENTS, 3, 0.4)
    remedy = f"did you mean {', '.join(near)}? Otherwise " if near else ""
    raise SfpipeError(
        f"no transposition is known for the instrument '{instrument[:60]}'",
        remedy=f"{remedy}say by how many semitones it sounds higher than written: --transpose -2",
    )


@dataclass(frozen=True)
class ToldPitch:
    """What a user tells of the pitch; what is None is read from the notation, or as written.

    Attributes
    ----------
    a4_hz:
        Frequency of a' in Hz.
    semitones:
        How much higher the music sounds than it is written.
    find:
        Whether to look for the semitones in the sound; None: as far as neither the user nor the
        notation says them. (The tuning is always looked for, unless it is told.)

    Raises
    ------
    SfpipeError
        If one is out of range, or what is told is to be found.
    """

    a4_hz: float | None = None
    semitones: int | None = None
    find: bool | None = None

    def __post_init__(self) -> None:
        self.over(0)
        if self.find and self.semitones is not None:
            raise SfpipeError(
                "a transposition that is told need not be found", remedy="leave out one of them"
            )

    @classmethod
    def by(cls, a4_hz: float | None, semitones: int | None, instrument: str | None) -> ToldPitch:
        """The semitones may be told by the name of an instrument instead.

        Raises
        ------
        SfpipeError
            If both are told, or the instrument is not known.
        """
        if instrument is None:
            return cls(a4_hz, semitones)
        if semitones is not None:
            raise SfpipeError(
                "--transpose and --instrument both say how much higher the music sounds",
                remedy="give one of them",
            )
        return cls(a4_hz, transposition_of(instrument))

    def range(self, read: int | None) -> tuple[int, int]:
        """Semitones from `over` between which it is looked for.

        A picture (`read` is None) may be played an octave off. Notation says what sounds, up to
        the tuning: a harpsichord at 415 Hz is a semitone off.
        """
        if self.find or (self.find is None and self.semitones is None and read is None):
            return -OCTAVE, OCTAVE
        told = self.find is not None or self.semitones is not None or self.a4_hz is not None
        return (0, 0) if told else TUNINGS

    def over(self, read: int) -> PitchOffset:
        """The offset, where the notation says that it sounds `read` semitones higher."""
        a4_hz = A4_HZ if self.a4_hz is None else self.a4_hz
        return PitchOffset.at(a4_hz, read if self.semitones is None else self.semitones)


NOTHING_TOLD = ToldPitch()
