"""From samples to places on the page: one engine for files, microphones and browsers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sfpipe.audio.pitch import NOTHING_TOLD, PitchOffset, ToldPitch
from sfpipe.audio.spectrogram import filtered, magnitudes
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.following.belief import BeliefFollower
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.pitch_search import PitchSearch, PitchState, describe_pitch
from sfpipe.following.registry import load_follower
from sfpipe.live.bars import find_bars, find_clefs
from sfpipe.live.mono import MonoStream
from sfpipe.live.tracking import State, Tracking, make_tracker
from sfpipe.pages.page_set import PageSet
from sfpipe.store.schema import FPS, SAMPLE_RATE


@dataclass(frozen=True)
class LivePosition:
    """Where the music is.

    Attributes
    ----------
    time_s:
        When it is there, s from the stream's first sample: for followers that look ahead a little
        later than the newest sample.
    state:
        ``waiting`` for the first note, ``following``, ``unsure``, ``relocated`` (for two seconds,
        elsewhere than before), ``lost`` or ``finished``.
    strip_x:
        Column of the strip, px.
    page, system:
        From 0.
    x, y_top, y_bottom:
        On the page, px: a vertical line through the system.
    tempo:
        Quarter notes a minute; None: the follower does not say.
    confidence:
        From 0 to 1; None: the follower does not say.
    semitones, cents:
        How much higher the music sounds than it is written.
    pitch:
        Whether that was ``told`` (or read from the notation), is being looked for (``finding``), or
        is ``found``.
    pitch_confidence:
        From 0 to 1.
    """

    time_s: float
    state: State
    strip_x: float
    page: int
    system: int
    x: float
    y_top: float
    y_bottom: float
    tempo: float | None
    confidence: float | None
    semitones: int = 0
    cents: float = 0.0
    pitch: PitchState = "told"
    pitch_confidence: float = 1.0

    @property
    def pitch_words(self) -> str:
        """What is known of the pitch, for people."""
        offset = PitchOffset(self.semitones, self.cents)
        return describe_pitch(offset, self.pitch, self.pitch_confidence)

    def rounded(self) -> dict[str, Any]:
        """Plain data for JSON and tables."""
        values = asdict(self)
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}


class LiveEngine:
    """Follows one score through a stream of sound.

    The same samples give the same positions, whatever the size of the blocks. Positions come as
    soon as a frame of 50 ms is complete.

    Parameters
    ----------
    page_set:
        The score.
    follower:
        Its agent by default: by the number of staves.
    told:
        How much higher the music sounds than it is written; what is not told, the score may say.
    anywhere:
        Whether the music may begin, and go on, anywhere in the score; followers other than agents
        with a memory begin at the first note and follow in order.

    Raises
    ------
    SfpipeError
        If the follower cannot read the strip.
    """

    def __init__(
        self,
        page_set: PageSet,
        follower: LoadedFollower | None = None,
        told: ToldPitch = NOTHING_TOLD,
        *,
        anywhere: bool = True,
    ):
        self.page_set = page_set
        self.follower = follower or load_follower(page_set.agent, deterministic=True)
        if anywhere and self.follower.anywhere is not None:
            self.follower = replace(self.follower.anywhere)
        bar_px = np.array([begin for begin, _ in find_bars(page_set)])
        score = page_set.score_record()
        self._tracker = make_tracker(
            self.follower, score, find_clefs(page_set), bar_px, page_set.return_px
        )
        self._lead = self._tracker.lead_frames
        self._search = self._new_search(told)
        self.open(SAMPLE_RATE)
        self._warm_up()

    def open(self, rate: int, channels: int = 1) -> None:
        """Begin a new stream, and wait at the first note.

        Raises
        ------
        SfpipeError
            As `MonoStream`.
        """
        self._mono = MonoStream(rate, channels)
        self._stream = StreamingSpectrogram()
        self._frames, self._skipped = 0, 0.0
        self._tracker.restart()
        self._search.reset(float(self.page_set.start_px))
        self._at = Tracking(float(self.page_set.start_px), "waiting")

    def push(self, samples: np.ndarray) -> list[LivePosition]:
        """Take in a block of any size; a position for each frame that it completes.

        Parameters
        ----------
        samples:
            As of `MonoStream.push`.

        Raises
        ------
        SfpipeError
            As `MonoStream.push`.
        """
        return self._track(self._stream.cut(self._mono.push(samples)))

    def flush(self) -> list[LivePosition]:
        """End the stream: the positions of the last frames."""
        rest = self._stream.cut(self._mono.flush())
        return self._track(np.concatenate([rest, self._stream.cut_rest()]))

    def skip(self, seconds: float) -> None:
        """So much sound was lost: the next sample is so much later."""
        self._skipped += seconds * FPS  # often less than a frame at a time
        whole = int(self._skipped)
        self._skipped -= whole
        self._frames += whole

    @property
    def at(self) -> LivePosition:
        """The newest position."""
        return self._position(self._at)

    @property
    def offset(self) -> PitchOffset:
        """How much higher the music sounds than it is written, as far as that is known."""
        return self._search.offset

    def tell(self, told: ToldPitch) -> LivePosition:
        """How much higher it sounds, in place of what was told, read or found.

        In the middle of the music, what is to be found is looked for from where it is believed.
        """
        self._search, at = self._new_search(told), self._at
        if at.state == "waiting" or not self._search.looking:
            self._search.reset(float(self.page_set.start_px))
        else:
            self._search.reset(at.x_px)
            self._tracker.place(at.x_px)
        return self._position(at)

    def place(self, strip_x: float) -> LivePosition:
        """The music is at this column of the strip now; follow from there."""
        self._tracker.place(strip_x)
        self._search.restart(strip_x)
        return self._position(Tracking(strip_x, "following"))

    def resume(self, time_s: float, strip_x: float) -> LivePosition:
        """Take over a stream that another engine followed: the time and place of its position."""
        self._frames = max(round(time_s * FPS - self._lead), 0)
        return self.place(strip_x)

    def restart(self) -> LivePosition:
        """Wait at the first note."""
        self._tracker.restart()
        self._search.restart(float(self.page_set.start_px))
        return self._position(Tracking(float(self.page_set.start_px), "waiting"))

    def _track(self, frames: np.ndarray) -> list[LivePosition]:
        """Positions of frames of samples [shape=(n, 2048)], one after the other."""
        positions = []
        for samples in frames:
            magnitude = magnitudes(samples[None])
            tracking = self._tracker.push(filtered(magnitude, self._search.offset)[:, 0])
            positions.append(self._position(tracking))
            self._frames += 1
            sure = tracking.confidence or 0.0
            if self._search.push(magnitude[0], self._tracker.age, sure):
                self._tracker.retune(self._search.spectrogram(), self._search.start_px)
            self._tracker.patient = self._search.patient
        return positions

    def _new_search(self, told: ToldPitch) -> PitchSearch:
        read = self.page_set.transposition
        if told.find is None and self.page_set.staves_per_system != 1:
            # The agent for piano music follows a semitone off as well, and cannot tell.
            told = replace(told, find=False)
        return PitchSearch(self.listener if any(told.range(read)) else None, told, read)

    @cached_property
    def listener(self) -> BeliefFollower:
        """Who looks for the pitch: the follower, or the agent with a memory for such pages."""
        if isinstance(self.follower.frames, BeliefFollower):
            return self.follower.frames
        listener = load_follower(self.page_set.agent).frames
        assert isinstance(listener, BeliefFollower)
        listener.reset(self.page_set.score_record())
        return listener

    def _position(self, tracking: Tracking) -> LivePosition:
        self._at = tracking
        strip_x = min(max(tracking.x_px, 0.0), float(self.page_set.strip.shape[1]))
        place = self.page_set.to_page(strip_x)
        return LivePosition(
            (self._frames + self._lead) / FPS,
            tracking.state,
            strip_x,
            place.page,
            self.page_set.system_at(strip_x),
            place.x,
            place.y_top,
            place.y_bottom,
            tracking.tempo,
            tracking.confidence,
            self._search.offset.semitones,
            self._search.offset.cents,
            self._search.state,
            self._search.confidence,
        )

    def _warm_up(self) -> None:
        """Load and compile what the first frames need, before there is music."""
        tone = np.sin(np.arange(SAMPLE_RATE // 2) * 0.125).astype(np.float32)
        self.push(np.concatenate([np.zeros_like(tone), tone]))
        self.place(float(self.page_set.start_px))
        self.push(tone)
        self.open(SAMPLE_RATE)
