"""Score following by online dynamic time warping of spectra: the paper's MIDI-ODTW.

The performance is aligned with the synthesised score, and the score time found is mapped to a
position in the image (section 4.2). The follower hears the frames that an agent hears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sfpipe.baselines.chroma import Chroma, Spectrum
from sfpipe.baselines.online_dtw import OnlineDtw
from sfpipe.baselines.score_sound import ScoreSound
from sfpipe.baselines.tempo_dtw import TempoDtw
from sfpipe.errors import SfpipeError
from sfpipe.game.follower import check_frame
from sfpipe.params import OdtwParams
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import FPS


class OdtwFollower:
    """Follows by aligning what it hears with how the score sounds.

    Parameters
    ----------
    sound_of:
        Gives the sound of a score; whether that comes from the engraver's MIDI or from what was
        read in the image is the difference between MIDI-ODTW and OMR-ODTW.
    """

    lead_frames = 0  # the position is that of the newest frame

    def __init__(
        self, sound_of: Callable[[ScoreRecord], ScoreSound], params: OdtwParams | None = None
    ):
        self.sound_of, self.params = sound_of, params or OdtwParams()
        self._score: ScoreRecord | None = None
        self._chroma = self._features()
        self._dtw: OnlineDtw | TempoDtw | None = None

    def reset(self, score: ScoreRecord) -> None:
        """Get the score's sound, unless it is the last one's again, and wait at its first onset.

        Raises
        ------
        SfpipeError
            If there is none.
        """
        if score is not self._score:
            self._sound = self.sound_of(score)
            self._first = int(self._sound.onset_frames[0])
            self._reference = self._features().of(self._sound.spectrogram)[self._first :]
            self._score = score
        self._dtw = self._alignment()
        self._chroma.reset()
        self._heard: np.ndarray | None = None

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame before the music; the last one is taken for the first onset's.

        Raises
        ------
        SfpipeError
            If the frame has another shape than [shape=(78,)], or `reset` was not called.
        """
        self._heard = self._take(frame)[1]

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame; returns its position in strip px.

        Raises
        ------
        SfpipeError
            As `prime`.
        """
        dtw, features = self._take(frame)
        if self._heard is not None:
            dtw.step(self._heard)
            self._heard = None
        return self._sound.x_at(self._first + dtw.step(features))

    def misfit(self) -> float:
        """Mean distance of the performance so far from the score; inf before the first step."""
        return float("inf") if self._dtw is None else self._dtw.misfit()

    def _features(self) -> Chroma | Spectrum:
        if self.params.adaptive:
            return Spectrum()
        return Chroma(self.params.onset_weight, self.params.fading)

    def _alignment(self) -> OnlineDtw | TempoDtw:
        width = round(self.params.width_s * FPS)
        if self.params.adaptive:
            return TempoDtw(self._reference, width=width)
        max_run, stay = self.params.max_run, self.params.stay
        return OnlineDtw(self._reference, width=width, max_run=max_run, stay=stay)

    def _take(self, frame: np.ndarray) -> tuple[OnlineDtw | TempoDtw, np.ndarray]:
        check_frame(frame, ready=self._dtw is not None)
        assert self._dtw is not None
        return self._dtw, self._chroma.step(frame)


class OdtwChoice:
    """Follows with several sounds of the same score, say at several tempi.

    After each frame the position is that of the sound which has fitted best until then.

    Parameters
    ----------
    sounds_of:
        Gives the sounds of a score.
    """

    lead_frames = 0

    def __init__(
        self,
        sounds_of: Callable[[ScoreRecord], Sequence[ScoreSound]],
        params: OdtwParams | None = None,
    ):
        self.sounds_of, self.params = sounds_of, params
        self._score: ScoreRecord | None = None
        self._followers: list[OdtwFollower] = []

    def reset(self, score: ScoreRecord) -> None:
        """Get the score's sounds, and wait at the first onset: as `OdtwFollower.reset`."""
        if score is not self._score:
            sounds = self.sounds_of(score)
            if not sounds:
                raise SfpipeError("the score has no sound to be compared with")
            self._followers = [OdtwFollower(partial(_given, s), self.params) for s in sounds]
            self._score = score
        for follower in self._followers:
            follower.reset(score)

    def prime(self, frame: np.ndarray) -> None:
        """As `OdtwFollower.prime`."""
        check_frame(frame, ready=bool(self._followers))
        for follower in self._followers:
            follower.prime(frame)

    def step(self, frame: np.ndarray) -> float:
        """As `OdtwFollower.step`."""
        check_frame(frame, ready=bool(self._followers))
        positions = [follower.step(frame) for follower in self._followers]
        return positions[int(np.argmin([follower.misfit() for follower in self._followers]))]


def _given(sound: ScoreSound, _: ScoreRecord) -> ScoreSound:
    return sound
