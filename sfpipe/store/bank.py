"""All strips and spectrograms packed into two tensors, from which observations are gathered."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from sfpipe.errors import SfpipeError
from sfpipe.store import gather
from sfpipe.store.packing import pack_strips
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.records import load_records
from sfpipe.store.schema import BINS, EXCERPT, FPS
from sfpipe.store.window import Window


@dataclass(frozen=True)
class MemoryFormat:
    """How observations lie in memory; a network asks for what it would convert them to.

    Attributes
    ----------
    channels_last, bfloat16:
        float32 in planes by default; bfloat16 is always channels-last.
    """

    channels_last: bool = False
    bfloat16: bool = False

    def apply(self, pairs: torch.Tensor) -> torch.Tensor:
        """`pairs` in this memory_format."""
        if self.bfloat16:
            pairs = pairs.to(torch.bfloat16)
        if self.bfloat16 or self.channels_last:
            pairs = pairs.contiguous(memory_format=torch.channels_last)
        return pairs


PLANES = MemoryFormat()


@dataclass(frozen=True)
class PerformanceInfo:
    """One performance in a bank: names, and its onsets merged per frame.

    Attributes
    ----------
    onset_frames:
        int64 [shape=(n,)], unpadded frames, strictly increasing.
    onset_x_px:
        float64 [shape=(n,)], strip px without padding: the first note head of each frame.
    onset_s:
        float64 [shape=(n,)], s, the earliest onset of each frame.
    heads:
        Strip px and px from the top of the window of every note head that is played, float64
        [shape=(m, 2)]; of scores without note heads, those of the onsets.
    notes:
        Unpadded frame and pitch of every note head that is played, int64 [shape=(m, 2)]; of
        scores without note heads, -1 for the pitch.
    """

    piece: str
    performance: str
    split: str
    title: str
    n_frames: int
    strip_width: int
    px_per_cm: float
    onset_frames: np.ndarray
    onset_x_px: np.ndarray
    onset_s: np.ndarray
    heads: np.ndarray
    notes: np.ndarray

    @cached_property
    def onset_set(self) -> frozenset[int]:
        """The onset frames, to ask whether a frame is one."""
        return frozenset(self.onset_frames.tolist())


class Bank:
    """Packed strips and spectrograms on one device; every observation is a gather from it.

    Strips stand side by side with one window width of paper between them, spectrograms with 40
    frames of silence between them, so that no gather needs a bounds check. A window shrunk by
    two is kept in two phases, for windows that begin at an even and at an odd strip column, so
    that no resizing happens during play.

    Attributes
    ----------
    strip:
        uint8 [shape=(height seen, columns)], ink: 255 - grey value.
    spectrogram:
        float32 [shape=(78, frames)].
    targets:
        float64 [shape=(frames,)], target x in padded strip px at each padded frame.
    names, columns_packed, frames_packed:
        Of the performances, and how many columns and frames are packed.
    first_frame, last_frame, start_x, strip_width, strip_base, frame_base, phase_stride:
        Per-performance tables [shape=(n,)]: padded first and last onset frame, padded x of the
        first onset, padded strip width, where its strip and frames begin in the packed tensors,
        and the distance of the two phases.
    """

    def __init__(
        self,
        scores: Mapping[str, ScoreRecord],
        performances: Sequence[PerformanceRecord],
        window: Window,
        device: str | torch.device = "cpu",
    ):
        if not performances:
            raise SfpipeError("no performances to play", remedy="check the split and the stores")
        self.window = window
        self.device = torch.device(device)
        strips, self.offsets = pack_strips(scores, sorted({r.piece for r in performances}), window)
        frames: list[np.ndarray] = []
        for record in performances:
            frames += [np.zeros((BINS, EXCERPT), np.float32), record.spectrogram]
        self.infos: Sequence[PerformanceInfo] = [
            merge_onsets(scores[record.piece], record, window) for record in performances
        ]
        self._tabulate(self.infos)
        self.strip = torch.from_numpy(strips).to(self.device)
        self.spectrogram = torch.from_numpy(np.concatenate(frames, axis=1)).to(self.device)
        self.columns_packed, self.frames_packed = self.strip.shape[1], self.spectrogram.shape[1]

    def _tabulate(self, infos: Iterable[PerformanceInfo]) -> None:
        """Fill the per-performance tables and the targets, looking at each info once."""
        window = self.window
        self.names: list[PerformanceName] = []
        targets = array("d")
        tables: dict[str, list[float]] = {k: [] for k in _TABLES}
        base = 0
        for info in infos:
            n = info.n_frames
            targets.frombytes(_target_curve(info, n + EXCERPT, window.width).tobytes())
            row = (
                info.onset_frames[0] + EXCERPT,
                info.onset_frames[-1] + EXCERPT,
                info.onset_x_px[0] + window.width,
                info.strip_width + 2 * window.width,
                self.offsets[info.piece].base,
                base,
                self.offsets[info.piece].phase,
            )
            for key, value in zip(_TABLES, row, strict=True):
                tables[key].append(value)
            base += n + EXCERPT
            self.names.append(PerformanceName(info.piece, info.performance, n))
        self.targets = torch.from_numpy(np.frombuffer(targets)).to(self.device)

        def table(key: str, dtype: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.tensor(tables[key], dtype=dtype, device=self.device)

        self.first_frame, self.last_frame = table("first_frame"), table("last_frame")
        self.start_x = table("start_x", torch.float64)
        self.strip_width = table("strip_width", torch.float64)
        self.strip_base, self.frame_base = table("strip_base"), table("frame_base")
        self.phase_stride = table("phase_stride")

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, performance: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """First packed column of the window around `position` (int64, same shape).

        Parameters
        ----------
        performance:
            int64 [shape=(n,)].
        position:
            float64 [shape=(n,)], padded strip px; the window begins at int(position - W/2).
        """
        start = (position - self.window.width / 2).to(torch.int64)
        base = self.strip_base[performance]
        if self.window.shrink == 1:
            return base + start
        return base + (start >> 1) + (start & 1) * self.phase_stride[performance]

    def score_windows(self, columns: torch.Tensor) -> torch.Tensor:
        """Gather windows: uint8 ink [shape=(n, height, width)] as the network sees them."""
        (columns,) = self._strip_at(columns)
        return _every(self.strip, self.window.image_shape[1])[columns]

    def excerpts(self, frames: torch.Tensor) -> torch.Tensor:
        """Gather the 40 frames before each packed frame index: float32 [shape=(n, 78, 40)]."""
        (frames,) = self._sound_at(frames)
        return _every(self.spectrogram, EXCERPT)[frames - EXCERPT]

    def score_pairs(
        self,
        column: torch.Tensor,
        previous: torch.Tensor,
        memory_format: MemoryFormat = PLANES,
        *,
        width: int | None = None,
    ) -> torch.Tensor:
        """Windows and what changed since the previous ones, ink in [0, 1].

        Parameters
        ----------
        column, previous:
            int64 [shape=(n,)], first packed columns.
        width:
            Columns as the network sees them; by default those of the window.

        Returns
        -------
        torch.Tensor
            [shape=(n, 2, height, width)].
        """
        width = width or self.window.image_shape[1]
        column, previous = self._strip_at(column, previous)
        if self.device.type == "cpu":
            return self._cut(self.strip, column, previous, width, 1 / 255, memory_format)
        view = _every(self.strip, width)
        now, before = (view[c].to(torch.float32) for c in (column, previous))
        now, before = now * (1 / 255), before * (1 / 255)
        return memory_format.apply(torch.stack([now, now - before], dim=1))

    def excerpt_pairs(
        self,
        frame: torch.Tensor,
        previous: torch.Tensor,
        memory_format: MemoryFormat = PLANES,
        *,
        width: int = EXCERPT,
    ) -> torch.Tensor:
        """Excerpts and what changed since the previous ones [shape=(n, 2, 78, width)].

        All begin 40 frames before their packed frame index, also those of another `width`.
        """
        frame, previous = self._sound_at(frame, previous)
        first, second = frame - EXCERPT, previous - EXCERPT
        if self.device.type == "cpu":
            return self._cut(self.spectrogram, first, second, width, 1.0, memory_format)
        view = _every(self.spectrogram, width)
        now, before = view[first], view[second]
        return memory_format.apply(torch.stack([now, now - before], dim=1))

    def score_pair(self, column: int, previous: int) -> np.ndarray:
        """One window and its change: float32 [shape=(2, height, width)]."""
        if self.device.type != "cpu":
            return self.score_pairs(self._index(column), self._index(previous))[0].cpu().numpy()
        return gather.pair(self._arrays[0], column, previous, self.window.image_shape[1], 1 / 255)

    def excerpt_pair(self, frame: int, previous: int) -> np.ndarray:
        """One excerpt and its change: float32 [shape=(2, 78, 40)]."""
        if self.device.type != "cpu":
            return self.excerpt_pairs(self._index(frame), self._index(previous))[0].cpu().numpy()
        return gather.pair(self._arrays[1], frame - EXCERPT, previous - EXCERPT, EXCERPT, 1.0)

    def strip_windows(self, column: torch.Tensor, width: int) -> torch.Tensor:
        """Stretches of strip from packed columns on: float32 ink [shape=(n, 1, height, width)].

        On the processor, as is the result.
        """
        (column,) = self._strip_at(column)
        return self._stretches(self.strip, column, width, 1 / 255)

    def sound_windows(self, frame: torch.Tensor, before: int, width: int) -> torch.Tensor:
        """Stretches of sound from `before` frames before packed frames on.

        On the processor, as is the result: float32 [shape=(n, 1, 78, width)]. There is nothing
        before the bank's first frame: what begins earlier begins there.
        """
        (frame,) = self._sound_at(frame)
        return self._stretches(self.spectrogram, (frame - before).clamp(min=0), width, 1.0)

    def _stretches(
        self, image: torch.Tensor, first: torch.Tensor, width: int, scale: float
    ) -> torch.Tensor:
        """Windows that may leave the image on its right, where they are 0."""
        if width > image.shape[1]:  # else nothing is copied: it may be gigabytes
            image = F.pad(image, (0, width - image.shape[1]))
        over = (first - (image.shape[1] - width)).clamp(min=0)
        if self.device.type == "cpu":
            cut = gather.windows(image.numpy(), (first - over).numpy(), width, scale)
        else:
            cut = (_every(image, width)[first - over].float() * scale)[:, None].cpu()
        for i in over.nonzero()[:, 0].tolist():
            by = min(int(over[i]), width)
            cut[i] = F.pad(cut[i, ..., by:], (0, by))
        return cut

    def _strip_at(self, *columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Where packed columns are in `strip`: there, for all of them are."""
        return columns

    def _sound_at(self, *frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Where packed frames are in `spectrogram`: there, for all of them are."""
        return frames

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.strip.numpy(), self.spectrogram.numpy()

    def _index(self, value: int) -> torch.Tensor:
        return torch.tensor([value], device=self.device)

    def _cut(
        self,
        image: torch.Tensor,
        first: torch.Tensor,
        second: torch.Tensor,
        width: int,
        scale: float,
        memory_format: MemoryFormat,
    ) -> torch.Tensor:
        where = (image.numpy(), first.numpy(), second.numpy(), width, scale)
        if memory_format.bfloat16:
            return gather.pairs_bfloat16(*where)
        cut = torch.from_numpy(gather.pairs(*where, interleaved=memory_format.channels_last))
        return cut.permute(0, 3, 1, 2) if memory_format.channels_last else cut


class PerformanceName(NamedTuple):
    """What each performance of a bank is called, and how many frames it has without padding."""

    piece: str
    performance: str
    n_frames: int


_TABLES = (
    "first_frame",
    "last_frame",
    "start_x",
    "strip_width",
    "strip_base",
    "frame_base",
    "phase_stride",
)


def _every(image: torch.Tensor, width: int) -> torch.Tensor:
    """Every window of an image as a view: [shape=(columns - width + 1, rows, width)]."""
    rows, columns = image.shape
    return image.as_strided((columns - width + 1, rows, width), (1, columns, 1))


def load_bank(
    scores: str | Path,
    spectrograms: str | Path,
    window: Window,
    *,
    device: str | torch.device = "cpu",
    split: str | None = None,
    pieces: Sequence[str] | None = None,
) -> Bank:
    """Read both stores into a bank; parameters and errors are as for `load_records`."""
    strips, records = load_records(scores, spectrograms, window, split=split, pieces=pieces)
    return bank_of(spectrograms, strips, records, window, device)


def bank_of(
    spectrograms: str | Path,
    scores: Mapping[str, ScoreRecord],
    performances: Sequence[PerformanceRecord],
    window: Window,
    device: str | torch.device = "cpu",
) -> Bank:
    """A bank of what was read; its errors name the file of the performances."""
    try:
        return Bank(scores, performances, window, device)
    except SfpipeError as error:
        raise SfpipeError(error.what, file=spectrograms, remedy=error.remedy) from None


def merge_onsets(score: ScoreRecord, record: PerformanceRecord, window: Window) -> PerformanceInfo:
    """What the game needs to know of a performance; onsets of one frame are the first of them.

    Raises
    ------
    SfpipeError
        If an onset points outside the score, or fewer than two are inside the audio.
    """
    name = f"{record.piece}/{record.performance}"
    if record.score_onset.min() < 0 or record.score_onset.max() >= len(score.onset_x_px):
        raise SfpipeError(
            f"{name}: an onset points outside the score",
            remedy="make both stores again: dvc repro scores spectrograms",
        )
    # The tiny term keeps an onset at k/20 s in frame k: 20 * 0.15 is 2.999... in binary.
    every = np.floor(record.onset_s * FPS + 1e-9).astype(np.int64)
    frames, first = np.unique(every, return_index=True)
    inside = frames < record.spectrogram.shape[1]
    frames, first = frames[inside], first[inside]
    if len(frames) < 2:
        raise SfpipeError(f"{name}: fewer than two onsets inside the audio")
    cut = (score.strip.shape[0] - window.height) // 2  # rows above the window, as crop_rows
    inside_audio = every < record.spectrogram.shape[1]
    heads, notes = _printed(score, every[inside_audio], record.score_onset[inside_audio], cut)
    return PerformanceInfo(
        record.piece,
        record.performance,
        record.split,
        score.title,
        record.spectrogram.shape[1],
        score.strip.shape[1],
        score.px_per_cm,
        frames,
        score.onset_x_px[record.score_onset[first]].astype(np.float64),
        record.onset_s[first],
        heads,
        notes,
    )


def _printed(
    score: ScoreRecord, frames: np.ndarray, onset: np.ndarray, cut: int
) -> tuple[np.ndarray, np.ndarray]:
    """`heads` and `notes` of a `PerformanceInfo`, from the frame and the index of every onset."""
    if score.heads is None:
        y, pitch = score.onset_y_px[onset], np.full(len(onset), -1)
    else:
        which, head = score.heads.of_onsets(onset)
        frames, onset = frames[which], onset[which]
        y, pitch = score.heads.y_px[head], score.heads.pitch[head]
    heads = np.stack([score.onset_x_px[onset], y - cut], axis=1).astype(np.float64)
    return heads, np.stack([frames, pitch], axis=1).astype(np.int64)


def _target_curve(info: PerformanceInfo, n_padded: int, width: int) -> np.ndarray:
    """Target x at every padded frame: linear between onsets, constant outside them."""
    padded = np.arange(n_padded)
    return np.interp(padded, info.onset_frames + EXCERPT, info.onset_x_px + width)
