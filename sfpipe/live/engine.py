"""From samples to places on the page: one engine for files, microphones and browsers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sfpipe.audio.pitch import NOTHING_TOLD, ToldPitch
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import load_follower
from sfpipe.live.bars import find_clefs
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
        ``waiting`` for the first note, ``following``, ``lost`` or ``finished``.
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

    Attributes
    ----------
    offset:
        So much higher; what is set here holds for the streams to come.

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
    ):
        self.page_set = page_set
        self.offset = told.over(page_set.transposition)
        self.follower = follower or load_follower(page_set.agent, deterministic=True)
        self._tracker = make_tracker(self.follower, page_set.score_record(), find_clefs(page_set))
        self._lead = self._tracker.lead_frames
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
        self._spectrogram = StreamingSpectrogram(offset=self.offset)
        self._frames = 0
        self._tracker.restart()

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
        return self._track(self._spectrogram.push(self._mono.push(samples)))

    def flush(self) -> list[LivePosition]:
        """End the stream: the positions of the last frames."""
        rest = self._spectrogram.push(self._mono.flush())
        return self._track(np.concatenate([rest, self._spectrogram.flush()], axis=1))

    def skip(self, seconds: float) -> None:
        """So much sound was lost: the next sample is so much later."""
        self._frames += round(seconds * FPS)

    def place(self, strip_x: float) -> LivePosition:
        """The music is at this column of the strip now; follow from there."""
        self._tracker.place(strip_x)
        return self._position(Tracking(strip_x, "following"))

    def restart(self) -> LivePosition:
        """Wait at the first note."""
        self._tracker.restart()
        return self._position(Tracking(float(self.page_set.start_px), "waiting"))

    def _track(self, frames: np.ndarray) -> list[LivePosition]:
        positions = []
        for frame in frames.T:
            tracking = self._tracker.push(np.ascontiguousarray(frame))
            positions.append(self._position(tracking))
            self._frames += 1
        return positions

    def _position(self, tracking: Tracking) -> LivePosition:
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
        )

    def _warm_up(self) -> None:
        """Load and compile what the first frames need, before there is music."""
        tone = np.sin(np.arange(SAMPLE_RATE // 2) * 0.125).astype(np.float32)
        self.push(np.concatenate([np.zeros_like(tone), tone]))
        self.place(float(self.page_set.start_px))
        self.push(tone)
        self.open(SAMPLE_RATE)
