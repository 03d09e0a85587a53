"""Labelled crops: a stretch of strip, the sound that goes with it, how long its notes last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from sfpipe.belief.network import COLUMNS, LOG_QUARTERS_PER_PX, audio_context
from sfpipe.params import BeliefParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import BINS, EXCERPT, FPS
from sfpipe.training.crops import CropSampler

KEPT = 8192  # pieces whose labels are kept in memory
_LONGEST = 400.0  # px between onsets that a label is taken from: beyond are breaks and long rests
_NEAR_SHARE = 0.7  # of the jumps come from near; the others from anywhere in the performance
_NEAR_S = (1.0, 15.0)
_STOP_SHARE, _SILENT_SHARE = 0.3, 0.15  # of the jumps: after a stop; after nothing; else at once
_STOP_S = (0.3, 3.0)
_DECAY_S = 0.15  # in which sound falls to 1/e when the player stops


class BeliefCrops(NamedTuple):
    """n crops of p places and t frames.

    Attributes
    ----------
    strip:
        float32 [shape=(n, 1, height, 4 p)], ink in [0, 1].
    sound:
        float32 [shape=(n, 1, 78, context - 1 + t)], all that the last t frames depend on.
    target:
        float32 [shape=(n, t)], px from the crop's left edge, at the last t frames.
    played:
        bool [shape=(n, t)], the frame is between the first and the last onset, and in no stop.
    log_quarters_per_px:
        float32 [shape=(n, p)], log of quarter notes per px; NaN where it is not known.
    """

    strip: torch.Tensor
    sound: torch.Tensor
    target: torch.Tensor
    played: torch.Tensor
    log_quarters_per_px: torch.Tensor


class Jump(NamedTuple):
    """How the music of a crop came to where it is.

    Attributes
    ----------
    frame:
        Labelled frame in which it goes on; below 0: so many before the first.
    source:
        Padded frame of the performance before which it left off.
    stop:
        Frames of dying away before `frame`.
    silent:
        Nothing sounds before `frame`.
    """

    frame: int
    source: int
    stop: int = 0
    silent: bool = False


class BeliefCropCutter:
    """Cuts crops with a label for each frame and place, and varies sound and picture.

    Parameters
    ----------
    scores:
        By piece: how many quarter notes lie between its onsets.
    """

    def __init__(self, bank: Bank, scores: Mapping[str, ScoreRecord], params: BeliefParams):
        self.bank, self.params = bank, params
        self.place_px = COLUMNS * bank.window.shrink
        self.before = audio_context(params.sound_steps) - 1  # frames before the first labelled one
        self._labels = lru_cache(KEPT)(lambda piece: tempo_labels(scores[piece], bank.window.width))
        self._targets = bank.targets.cpu()
        width = bank.window.width
        self.sampler = CropSampler(
            bank,
            strip_px=params.places * self.place_px,
            frames=params.frames,
            left_px=(0.4 * width, 1.1 * width),
            after=params.frames // 2,  # often the whole of a short performance
            step_px=2,
            augmented_weight=params.augmented_weight,
        )

    def sample(self, generator: torch.Generator, own: slice = slice(None)) -> BeliefCrops:
        """One batch.

        Parameters
        ----------
        generator:
            On the CPU; draws the same numbers whatever is `own`.
        own:
            Which crops of the batch are cut.
        """
        bank, p = self.bank, self.params
        at, *where = (field[own] for field in self.sampler.sample(p.crops, generator))
        begin, frame = (t.cpu() for t in where)
        first, last = bank.first_frame[at].cpu(), bank.last_frame[at].cpu()
        base, targets = bank.frame_base[at].cpu(), self._targets
        column = bank.strip_base[at].cpu() + (begin / bank.window.shrink).to(torch.int64)
        frames = frame[:, None] + torch.arange(p.frames)
        jumps = self._jumps(at, frame, generator, own)
        for heard, jump in zip(frames, jumps, strict=True):
            if jump and jump.frame > 0:
                before = torch.arange(-jump.frame, 0) + jump.source + jump.stop
                silent = jump.silent | (before >= jump.source)
                heard[: jump.frame] = before.clamp(min=0).masked_fill(silent, 0)
        target = (targets[base[:, None] + frames] - begin[:, None]).to(torch.float32)
        played = (frames >= first[:, None]) & (frames <= last[:, None])
        sound = self._sound(base + frame, base, jumps, generator, own)
        strip = bank.strip_windows(column.to(bank.device), p.places * COLUMNS)
        centre = (begin[:, None] + (torch.arange(p.places) + 0.5) * self.place_px).numpy()
        labelled = [self._labels(bank.names[i].piece) for i in at.tolist()]
        labels = np.stack(
            [
                label[np.minimum(c.astype(np.int64), len(label) - 1)]
                for label, c in zip(labelled, centre, strict=True)
            ]
        )
        device = bank.device
        return BeliefCrops(
            self._paper(self._shift(strip, generator, own), generator, own).to(device),
            sound.to(device),
            target.to(device),
            played.to(device),
            torch.from_numpy(labels).to(device),
        )

    def _jumps(
        self, at: torch.Tensor, frame: torch.Tensor, generator: torch.Generator, own: slice
    ) -> list[Jump | None]:
        """Which of the crops, whose first labelled padded frames are `frame`, jump, and how."""
        p = self.params
        if not p.jump_share:
            return [None] * len(frame)
        dice = torch.rand(7, p.crops, generator=generator)[:, own].T.tolist()
        return [
            self._jump(int(i), int(begin), drawn) if drawn[0] < p.jump_share else None
            for i, begin, drawn in zip(at, frame, dice, strict=True)
        ]

    def _jump(self, performance: int, begin: int, dice: list[float]) -> Jump | None:
        """A jump to a note that is struck, between two frames, from before another note."""
        onsets = self.bank.infos[performance].onset_frames + EXCERPT
        earliest, latest = -self.before / 3, 2 * self.params.frames / 3
        to = _next(onsets, begin + round(earliest + dice[1] * (latest - earliest)))
        if to - begin >= self.params.frames:
            return None
        first, last = int(onsets[0]) + 1, int(onsets[-1])
        if dice[2] < _NEAR_SHARE:
            near, far = (s * FPS for s in _NEAR_S)
            far = round(near * (far / near) ** dice[4])
            source = to + far if dice[3] < 0.5 else to - far
            if not first <= source <= last:
                source = 2 * to - source
        else:
            source = first + int(dice[4] * (last - first + 1))
        source = _next(onsets, min(max(source, first), last))
        stop = 0
        if dice[5] < _STOP_SHARE:
            stop = round((_STOP_S[0] + dice[6] * (_STOP_S[1] - _STOP_S[0])) * FPS)
            stop = min(stop, self.before + to - begin - 1)
        silent = _STOP_SHARE <= dice[5] < _STOP_SHARE + _SILENT_SHARE
        return Jump(to - begin, source, stop, silent)

    def _sound(
        self,
        frame: torch.Tensor,
        base: torch.Tensor,
        jumps: list[Jump | None],
        generator: torch.Generator,
        own: slice,
    ) -> torch.Tensor:
        """Excerpts as another room and microphone would give them, half of them unchanged."""
        p = self.params
        sound = self._excerpts(frame, base)
        for i, jump in enumerate(jumps):
            if jump:
                self._jump_in(sound[i], jump, base[i : i + 1])
        dice = torch.rand(4, p.crops, generator=generator)
        changed = (dice[0] < 0.5).nonzero()[:, 0]
        m = len(changed)
        if not m:
            return sound
        # Drawn for the crops of the whole batch, of which only `own` are here.
        knots = p.equaliser_db * torch.randn(m, 6, generator=generator)
        echo = dice[3, changed] < p.reverb_share
        tails = torch.zeros(2, m, 1, 1)
        if bool(echo.any()):
            tails[:, echo] = torch.rand(2, int(echo.sum()), 1, 1, generator=generator)
        noise = torch.randn(m, *sound.shape[1:], generator=generator)
        begin, end, _ = own.indices(p.crops)
        mine = (changed >= begin) & (changed < end)
        changed, knots, echo, tails = changed[mine], knots[mine], echo[mine], tails[:, mine]
        if not len(changed):
            return sound
        here = changed - begin
        some = torch.pow(10.0, sound[here]) - 1
        curve = F.interpolate(knots[:, None], BINS, mode="linear", align_corners=True)[:, 0]
        level = p.gain_db * (2 * dice[1, changed] - 1)[:, None] + curve
        some *= torch.pow(10.0, level / 20)[:, None, :, None]
        if bool(echo.any()):
            some[echo] = _reverberate(some[echo], *tails[:, echo])
        noise = noise[mine].abs_() * _pink()
        some += (p.noise * dice[2, changed] ** 3)[:, None, None, None] * noise
        sound[here] = torch.log10(some + 1)
        return sound

    def _jump_in(self, sound: torch.Tensor, jump: Jump, base: torch.Tensor) -> None:
        """Put what precedes a jump into an excerpt [shape=(1, 78, n)], in place."""
        cut = self.before + jump.frame
        if jump.silent:
            sound[..., :cut] = 0
            return
        heard = cut - jump.stop
        sound[..., :heard] = self._excerpts(base + jump.source, base, heard, heard)[0]
        if jump.stop:
            quietest = sound[..., cut:].amin(-1, keepdim=True)
            decay = torch.exp(-torch.arange(1, jump.stop + 1) / (_DECAY_S * FPS))
            level = (torch.pow(10.0, sound[..., heard - 1 : heard]) - 1) * decay
            sound[..., heard:cut] = torch.maximum(torch.log10(level + 1), quietest)

    def _excerpts(
        self,
        frame: torch.Tensor,
        base: torch.Tensor,
        before: int | None = None,
        width: int | None = None,
    ) -> torch.Tensor:
        """Sound from `before` frames before each packed frame on; silence precedes `base`."""
        before = self.before if before is None else before
        width = width or before + self.params.frames
        first = frame - before
        sound = self.bank.sound_windows(frame.to(self.bank.device), before, width)
        for image, start, begin in zip(sound, first.tolist(), base.tolist(), strict=True):
            if start < 0:
                image.copy_(image.roll(-start, 2))
            if start < begin:
                image[:, :, : begin - start] = 0
        return sound

    def _shift(self, strip: torch.Tensor, generator: torch.Generator, own: slice) -> torch.Tensor:
        """Strips moved up or down by a row or two, and paler or darker."""
        n = self.params.crops
        rows = torch.randint(-2, 3, (n,), generator=generator)[own].tolist()
        for image, by in zip(strip, rows, strict=True):
            if by:
                moved = image.roll(by, 1)
                moved[:, slice(by) if by > 0 else slice(by, None)] = 0
                image.copy_(moved)
        ink = 0.7 + 0.3 * torch.rand(n, generator=generator)[own]
        return strip * ink[:, None, None, None]

    def _paper(self, strip: torch.Tensor, generator: torch.Generator, own: slice) -> torch.Tensor:
        """Some of the strips as an uneven photo of grey paper shows them."""
        if not self.params.paper_share:
            return strip
        chosen = torch.rand(self.params.crops, generator=generator) < self.params.paper_share
        if bool(chosen.any()):
            here = torch.zeros_like(chosen)
            here[own] = True
            mine = chosen[own]
            strip[mine] = photographed(strip[mine], generator, here[chosen])
        return strip


def _next(onsets: np.ndarray, frame: int) -> int:
    """The first onset's frame from `frame` on, or `frame` where none is left."""
    i = int(np.searchsorted(onsets, frame))
    return int(onsets[i]) if i < len(onsets) else frame


def photographed(
    strip: torch.Tensor, generator: torch.Generator, among: torch.Tensor | None = None
) -> torch.Tensor:
    """Ink [shape=(n, 1, height, width), in 0 to 1] skewed, out of focus, on grey and noisy paper.

    It is turned by up to a degree about its middle. The paper is up to 0.35 dark, and not
    equally dark on both sides; up to a third of the ink fades; noise has a deviation of up to 0.08.

    Parameters
    ----------
    among:
        Bool [shape=(m,)], which of m strips, for which numbers are drawn, are these n; by default
        there are no others.
    """
    n, _, height, width = strip.shape
    among = torch.ones(n, dtype=torch.bool) if among is None else among
    m = len(among)
    dice = torch.rand(6, m, 1, 1, 1, generator=generator)[:, among]
    noise = torch.randn(m, 1, height, width, generator=generator)[among]
    if not n:
        return strip
    turn = torch.zeros(n, 2, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = 1
    slope = math.tan(math.radians(1)) * (2 * dice[0, :, 0, 0, 0] - 1)
    turn[:, 1, 0] = slope * width / height  # both axes of a grid run from -1 to 1
    grid = F.affine_grid(turn, list(strip.shape), align_corners=False)
    image = F.grid_sample(strip, grid, align_corners=False)
    soft = F.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
    image = image + dice[1] * (soft - image)
    across = torch.linspace(0, 1, width)
    paper = 0.35 * (dice[2] * across + dice[3] * (1 - across))
    image = paper + (1 - paper) * (1 - dice[4] / 3) * image
    return (image + 0.08 * dice[5] * noise).clamp_(0, 1)


def _reverberate(sound: torch.Tensor, length: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Magnitudes [shape=(n, 1, 78, frames)] with the tail of a room behind each frame.

    Powers of a diffuse tail add up, and decay by 60 dB in 0.3 to 1 s.

    Parameters
    ----------
    length, level:
        Of each tail, from the least (0) to the most (1), float32 [shape=(n, 1, 1)].
    """
    decay = 10 ** (-6 / (6 + 14 * length))  # of the power, per frame
    level = 0.1 + 0.9 * level
    power, tail = sound**2, torch.zeros_like(sound[..., 0])
    out = power.clone()
    for t in range(1, sound.shape[3]):
        tail = decay * (tail + power[..., t - 1])
        out[..., t] += level * tail
    return out.sqrt_()


def _pink() -> torch.Tensor:
    """Level of pink noise in each bin, on average about 1: [shape=(78, 1)]."""
    return torch.logspace(0.35, -0.45, BINS)[:, None]


def tempo_labels(score: ScoreRecord, padding_px: int) -> np.ndarray:
    """Log of quarter notes per px at every px of a padded strip: float32, NaN where not known."""
    x, quarter = score.onset_x_px.astype(np.float64), score.onset_quarter.astype(np.float64)
    labels = np.full(score.strip.shape[1] + 2 * padding_px, np.nan, np.float32)
    # Of onsets above each other one; of those that lie left of an earlier one none.
    kept = [0]
    for i in range(1, len(x)):
        if x[i] > x[kept[-1]] + 1 and quarter[i] > quarter[kept[-1]] + 1e-6:
            kept.append(i)
    for i, j in pairwise(kept):
        wide, long = x[j] - x[i], quarter[j] - quarter[i]
        if wide <= _LONGEST:
            begin, end = (int(v) + padding_px for v in (x[i], x[j]))
            labels[begin:end] = np.clip(np.log(long / wide), *LOG_QUARTERS_PER_PX)
    return labels
