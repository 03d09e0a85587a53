"""A bank of which only the pieces in play are in memory: for data that memory cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
import torch
from numba import njit

from sfpipe.errors import SfpipeError
from sfpipe.store.bank import PLANES, Bank, MemoryFormat, PerformanceInfo, merge_onsets
from sfpipe.store.packing import pack_strips, packed_offsets
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.stored import StoredRecords
from sfpipe.store.window import Window

_FLOAT = 4  # bytes
_ABSENT = -(1 << 62)  # shift of a piece that is not in memory
MARGIN = 4096  # columns before and after all pieces, for windows that reach beyond theirs


class CachedBank(Bank):
    """A `Bank` that reads a piece from its store when it is played, and keeps what fits.

    Observations are gathered as from any bank, by the same packed columns and frames; those of a
    piece are moved to where it lies in the cache. What reaches beyond a performance's end or the
    paper beside a strip, which nothing is learned from, shows other pieces than in a `Bank`.
    Tables, names and targets are in memory as a whole: 8 bytes for each frame, and some 500 for
    each performance.

    Parameters
    ----------
    records:
        What is played.
    memory_bytes:
        For the pixels and sound that are kept.

    Raises
    ------
    SfpipeError
        If a store is damaged; also later, when a piece is read, or if a piece takes more memory.
    """

    def __init__(
        self,
        records: StoredRecords,
        window: Window,
        device: str | torch.device = "cpu",
        *,
        memory_bytes: int,
    ):
        self.window, self.device, self.records = window, torch.device(device), records
        self._info = lru_cache(1024)(self._read_info)
        self.infos = _Infos(self._info, len(records.performances))
        pieces = sorted({stored.piece for stored in records.performances})
        widths = {piece: records.strip_width(piece) for piece in pieces}
        self.offsets, self.columns_packed = packed_offsets(widths, window)
        self._tabulate(self._read_infos())
        frames_read = len(self.targets)
        # What reaches beyond the last performance need not be moved into another.
        self.targets = torch.cat([self.targets, self.targets[-1:].expand(MARGIN)])
        self.frames_packed = len(self.targets)
        self._pieces = pieces
        first = np.array([self.offsets[piece].base for piece in pieces])
        frames = self.frame_base.cpu().numpy()
        rows = window.height // window.shrink
        wanted = self.columns_packed * rows + frames_read * BINS * _FLOAT
        share = min(1.0, memory_bytes / wanted)
        self._strips = _Cache(
            first, self.columns_packed, share, rows, torch.uint8, self.device, self._read_strip
        )
        self._sounds = _Cache(
            frames, frames_read, share, BINS, torch.float32, self.device, self._read_sound
        )
        self.strip, self.spectrogram = self._strips.image, self._sounds.image

    def score_pairs(
        self,
        column: torch.Tensor,
        previous: torch.Tensor,
        memory_format: MemoryFormat = PLANES,
        *,
        width: int | None = None,
    ) -> torch.Tensor:
        """As of a `Bank`; in parts, if not all pieces fit into memory at once."""
        look = partial(super().score_pairs, memory_format=memory_format, width=width)
        return _in_parts(look, column, previous)

    def excerpt_pairs(
        self,
        frame: torch.Tensor,
        previous: torch.Tensor,
        memory_format: MemoryFormat = PLANES,
        *,
        width: int = EXCERPT,
    ) -> torch.Tensor:
        """As of a `Bank`; in parts, if not all pieces fit into memory at once."""
        look = partial(super().excerpt_pairs, memory_format=memory_format, width=width)
        return _in_parts(look, frame, previous)

    def strip_windows(self, column: torch.Tensor, width: int) -> torch.Tensor:
        """As of a `Bank`; in parts, if not all pieces fit into memory at once."""
        return _in_parts(partial(super().strip_windows, width=width), column)

    def sound_windows(self, frame: torch.Tensor, before: int, width: int) -> torch.Tensor:
        """As of a `Bank`; in parts, if not all pieces fit into memory at once."""
        return _in_parts(partial(super().sound_windows, before=before, width=width), frame)

    def _strip_at(self, *columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._strips.locate(columns)

    def _sound_at(self, *frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._sounds.locate(frames)

    def _read_infos(self) -> Iterator[PerformanceInfo]:
        """All infos; a piece's performances follow each other, and share its score."""
        piece, score = None, None
        for i, stored in enumerate(self.records.performances):
            if stored.piece != piece:
                piece, score = stored.piece, self.records.score(stored.piece, outline=True)
            assert score is not None
            yield merge_onsets(score, self.records.performance(i, outline=True), self.window)

    def _read_info(self, index: int) -> PerformanceInfo:
        score = self.records.score(self.records.performances[index].piece, outline=True)
        return merge_onsets(score, self.records.performance(index, outline=True), self.window)

    def _read_strip(self, number: int) -> np.ndarray:
        piece = self._pieces[number]
        return pack_strips({piece: self.records.score(piece)}, [piece], self.window)[0]

    def _read_sound(self, number: int) -> np.ndarray:
        sound = self.records.performance(number).spectrogram
        return np.pad(sound, ((0, 0), (EXCERPT, 0)))


class _TooMany(SfpipeError):
    """The pieces that are looked at at once do not fit into the cache."""


def _in_parts(look: Callable[..., torch.Tensor], *index: torch.Tensor) -> torch.Tensor:
    """`look` at states, at half of them at a time if their pieces do not fit into the cache."""
    n = len(index[0])
    try:
        return look(*index)
    except _TooMany:
        if n < 2:
            raise
    halves = (slice(None, n // 2), slice(n // 2, None))
    return torch.cat([_in_parts(look, *(i[half] for i in index)) for half in halves])


class _Infos(Sequence[PerformanceInfo]):
    """Infos that are read when they are asked for."""

    def __init__(self, read: Callable[[int], PerformanceInfo], n: int):
        self._read, self._n = read, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as `Sequence`: int or slice
        if isinstance(index, slice):
            return [self._read(i) for i in range(*index.indices(self._n))]
        return self._read(range(self._n)[index])


class _Cache:
    """Packed images side by side in a ring: a new one takes the place of the oldest.

    Parameters
    ----------
    base:
        int64 [shape=(n,)], first packed column of each, increasing.
    total:
        Packed columns of all.
    share:
        Of the columns that are kept.
    read:
        Gives an image by its number, with as many columns as the next one's base is further.
    """

    def __init__(
        self,
        base: np.ndarray,
        total: int,
        share: float,
        rows: int,
        dtype: torch.dtype,
        device: torch.device,
        read: Callable[[int], np.ndarray],
    ):
        self.size = np.diff(base, append=total)
        self.capacity = max(int(total * share), 1)
        columns = self.capacity + 2 * MARGIN
        self.image = torch.zeros(rows, columns, dtype=dtype, device=device)
        self.base = torch.from_numpy(base).to(device)
        # From packed columns to those of `image`; where an image is not kept, far below 0.
        self._shift = torch.full((len(base),), _ABSENT, dtype=torch.int64, device=device)
        self._begin = np.full(len(base), -1)
        self._head, self.reads, self._read = MARGIN, 0, read

    def locate(self, columns: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Columns of `image` where these packed columns are, once their images are read."""
        if self.image.device.type == "cpu":
            out = [torch.empty_like(column) for column in columns]
            tables = self.base.numpy(), self._shift.numpy()
            moved = [
                _move(c.numpy(), *tables, o.numpy()) for c, o in zip(columns, out, strict=True)
            ]
            if all(moved):
                return tuple(out)
        joined = torch.cat(columns)
        which = torch.searchsorted(self.base, joined, right=True) - 1
        shift = self._shift[which]
        absent = shift == _ABSENT
        if bool(absent.any()):
            self._fill(which[absent].unique().tolist(), which.unique().tolist())
            shift = self._shift[which]
        return (joined + shift).split([len(column) for column in columns])

    def _fill(self, missing: list[int], needed: list[int]) -> None:
        if all(self._place(number, needed) for number in missing):
            return
        # Too little is left in a row between those that are needed: all of them anew.
        if int(self.size[needed].sum()) > self.capacity:
            raise _TooMany(
                f"a piece has {int(self.size[needed].max()):,} columns, {self.capacity:,} fit",
                remedy="raise train.common.memory_gib",
            )
        self._forget(np.arange(len(self.size)))
        self._head = MARGIN
        for number in needed:
            self._place(number, needed)

    def _place(self, number: int, needed: list[int]) -> bool:
        """Read an image; False if there is no room but that of others that are needed."""
        size = int(self.size[number])
        begin = self._make_room(size, needed)
        if begin is None:
            return False
        image = self._read(number)
        self.image[:, begin : begin + image.shape[1]] = torch.from_numpy(image)
        self._head, self.reads = begin + size, self.reads + 1
        self._begin[number] = begin
        self._shift[number] = begin - self.base[number]
        return True

    def _make_room(self, size: int, needed: list[int]) -> int | None:
        """First of `size` columns in a row, from which what was there is forgotten."""
        head, end, rounds = self._head, MARGIN + self.capacity, 0
        while True:
            if head + size > end:
                head, rounds = MARGIN, rounds + 1
            if rounds > 1 or size > self.capacity:
                return None
            begin = self._begin
            overlap = (begin >= 0) & (begin < head + size) & (begin + self.size > head)
            busy = overlap[needed]
            if not busy.any():
                self._forget(overlap.nonzero()[0])
                return head
            ends = (begin + self.size)[needed]
            head = int(ends[busy].max())

    def _forget(self, numbers: np.ndarray) -> None:
        self._begin[numbers] = -1
        self._shift[torch.from_numpy(numbers).to(self._shift.device)] = _ABSENT


@njit(nogil=True, cache=True)
def _move(columns: np.ndarray, base: np.ndarray, shift: np.ndarray, out: np.ndarray) -> bool:
    """Add to each column the shift of the last base that is not beyond it; False if one lacks."""
    for i in range(len(columns)):
        column, low, high = columns[i], 0, len(base)
        while high - low > 1:
            middle = (low + high) // 2
            if base[middle] <= column:
                low = middle
            else:
                high = middle
        if shift[low] == _ABSENT:
            return False
        out[i] = column + shift[low]
    return True
