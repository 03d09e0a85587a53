"""Labelled passages: a stretch of strip, the sound that goes with it, how long its notes last."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from sfpipe.belief.network import COLUMNS, PACES, frames_heard
from sfpipe.params import BeliefParams
from sfpipe.store import gather
from sfpipe.store.bank import Bank
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import BINS, is_augmented

_LONGEST = 400.0  # px between onsets that a pace is taken from: beyond are breaks and long rests


class BeliefCrops(NamedTuple):
    """n passages of p places and t frames.

    Attributes
    ----------
    strip:
        float32 [shape=(n, 1, height, 4 p)], ink in [0, 1].
    sound:
        float32 [shape=(n, 1, 78, context - 1 + t)], all that the last t frames depend on.
    target:
        float32 [shape=(n, t)], px from the passage's left edge, at the last t frames.
    heard:
        bool [shape=(n, t)], the frame is between the first and the last onset.
    pace:
        float32 [shape=(n, p)], log of quarter notes per px; NaN where it is not known.
    """

    strip: torch.Tensor
    sound: torch.Tensor
    target: torch.Tensor
    heard: torch.Tensor
    pace: torch.Tensor


class BeliefCropSampler:
    """Draws passages from a bank, every second of music equally often but for `varied_weight`.

    Parameters
    ----------
    scores:
        By piece: how many quarter notes lie between its onsets.
    """

    def __init__(self, bank: Bank, scores: Mapping[str, ScoreRecord], params: BeliefParams):
        self.bank, self.params = bank, params
        self.place_px = COLUMNS * bank.window.shrink
        self.before = frames_heard(params.sound_steps) - 1  # frames before the first labelled one
        pieces = [info.piece for info in bank.infos]
        labels = {p: pace_labels(scores[p], bank.window.width) for p in sorted(set(pieces))}
        self._pace = [labels[p] for p in pieces]
        # Crops are cut by the processor, wherever the bank is: copied once, not for each batch.
        self._strip, self._spectrogram = bank.strip.cpu().numpy(), bank.spectrogram.cpu().numpy()
        # Paper behind the last strip, which may be narrower than a passage.
        self._strip = np.pad(self._strip, ((0, 0), (0, params.places * COLUMNS)))
        short = self.before + params.frames - self._spectrogram.shape[1]
        if short > 0:
            self._spectrogram = np.pad(self._spectrogram, ((0, 0), (0, short)))
        self._targets = bank.targets.cpu()
        weight = {True: params.varied_weight, False: 1.0}
        self._lengths = torch.tensor(
            [weight[is_augmented(i.performance)] * i.n_frames for i in bank.infos]
        )

    def draw(self, generator: torch.Generator) -> BeliefCrops:
        """One batch.

        Parameters
        ----------
        generator:
            On the CPU.
        """
        bank, p = self.bank, self.params
        n, span = p.passages, p.places * self.place_px
        performance = torch.multinomial(self._lengths, n, replacement=True, generator=generator)
        dice = torch.rand(2, n, generator=generator, dtype=torch.float64)
        at = performance.to(bank.device)
        first, last = bank.first_frame[at].cpu(), bank.last_frame[at].cpu()
        base = bank.frame_base[at].cpu()
        # Often the whole of a short performance, never beyond the last of all.
        frame = first + (dice[0] * (last - first - p.frames // 2).clamp(min=1)).to(torch.int64)
        frame = (base + frame).clamp(max=len(bank.targets) - p.frames) - base
        targets = self._targets
        here = targets[base + frame]
        width = bank.window.width
        begin = here - width * (0.4 + 0.7 * dice[1])
        begin = torch.minimum(begin, bank.strip_width[at].cpu() - span).clamp(min=0)
        begin = (begin / 2).floor() * 2
        column = bank.strip_base[at].cpu() + (begin / bank.window.shrink).to(torch.int64)
        frames = frame[:, None] + torch.arange(p.frames)
        target = (targets[base[:, None] + frames] - begin[:, None]).to(torch.float32)
        heard = (frames >= first[:, None]) & (frames <= last[:, None])
        sound = self._sound(base + frame, base, generator)
        strip = gather.windows(self._strip, column.numpy(), p.places * COLUMNS, 1 / 255)
        centre = (begin[:, None] + (torch.arange(p.places) + 0.5) * self.place_px).numpy()
        pace = np.stack(
            [
                self._pace[i][np.minimum(c.astype(np.int64), len(self._pace[i]) - 1)]
                for i, c in zip(performance.tolist(), centre, strict=True)
            ]
        )
        device = bank.device
        return BeliefCrops(
            self._shift(strip, generator).to(device),
            sound.to(device),
            target.to(device),
            heard.to(device),
            torch.from_numpy(pace).to(device),
        )

    def _sound(
        self, frame: torch.Tensor, base: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Excerpts as another room and microphone would give them, half of them unchanged."""
        p, n = self.params, len(frame)
        sound = self._excerpts(frame, base)
        dice = torch.rand(4, n, generator=generator)
        changed = (dice[0] < 0.5).nonzero()[:, 0]
        if not len(changed):
            return sound
        some = torch.pow(10.0, sound[changed]) - 1
        m = len(changed)
        knots = p.equaliser_db * torch.randn(m, 6, generator=generator)
        curve = torch.nn.functional.interpolate(
            knots[:, None], BINS, mode="linear", align_corners=True
        )[:, 0]
        level = p.gain_db * (2 * dice[1, changed] - 1)[:, None] + curve
        some *= torch.pow(10.0, level / 20)[:, None, :, None]
        echoing = (dice[3, changed] < p.reverb_share).nonzero()[:, 0]
        if len(echoing):
            some[echoing] = _reverberate(some[echoing], generator)
        noise = torch.randn(some.shape, generator=generator).abs_() * _pink()
        some += (p.noise * dice[2, changed] ** 3)[:, None, None, None] * noise
        sound[changed] = torch.log10(some + 1)
        return sound

    def _excerpts(self, frame: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Sound from `before` frames before each packed frame on; silence precedes `base`."""
        width = self.before + self.params.frames
        first = frame - self.before
        sound = gather.windows(self._spectrogram, first.clamp(min=0).numpy(), width, 1.0)
        for image, start, begin in zip(sound, first.tolist(), base.tolist(), strict=True):
            if start < 0:
                image.copy_(image.roll(-start, 2))
            if start < begin:
                image[:, :, : begin - start] = 0
        return sound

    def _shift(self, strip: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Strips moved up or down by a row or two, and paler or darker."""
        rows = torch.randint(-2, 3, (len(strip),), generator=generator).tolist()
        for image, by in zip(strip, rows, strict=True):
            if by:
                moved = image.roll(by, 1)
                moved[:, slice(by) if by > 0 else slice(by, None)] = 0
                image.copy_(moved)
        ink = 0.7 + 0.3 * torch.rand(len(strip), generator=generator)
        return strip * ink[:, None, None, None]


def _reverberate(sound: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Magnitudes [shape=(n, 1, 78, frames)] with the tail of a room behind each frame.

    Powers of a diffuse tail add up, and decay by 60 dB in 0.3 to 1 s.
    """
    dice = torch.rand(2, len(sound), 1, 1, generator=generator)
    decay = 10 ** (-6 / (6 + 14 * dice[0]))  # of the power, per frame
    level = 0.1 + 0.9 * dice[1]
    power, tail = sound**2, torch.zeros_like(sound[..., 0])
    out = power.clone()
    for t in range(1, sound.shape[3]):
        tail = decay * (tail + power[..., t - 1])
        out[..., t] += level * tail
    return out.sqrt_()


def _pink() -> torch.Tensor:
    """Level of pink noise in each bin, on average about 1: [shape=(78, 1)]."""
    return torch.logspace(0.35, -0.45, BINS)[:, None]


def pace_labels(score: ScoreRecord, padding_px: int) -> np.ndarray:
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
            labels[begin:end] = np.clip(np.log(long / wide), *PACES)
    return labels
