"""Every printed note head of a piece: what a reading aid learns from, and nothing else needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Heads(NamedTuple):
    """The struck note heads of a strip (fields as in `schema.HEAD_DATASETS`), sorted by onset.

    Attributes
    ----------
    onset:
        int32 [shape=(n_heads,)], index into the piece's onsets; every onset has a head.
    y_px:
        float32 [shape=(n_heads,)], px from the strip's top; may be outside the strip.
    pitch:
        int32 [shape=(n_heads,)], MIDI pitch.
    """

    onset: np.ndarray
    y_px: np.ndarray
    pitch: np.ndarray

    @classmethod
    def of(cls, onset: np.ndarray, y_px: np.ndarray, pitch: np.ndarray) -> Heads:
        """Heads with the store's dtypes; y rounded to a quarter of a px, which packs well."""
        y_px = np.round(np.asarray(y_px) * 4) / 4
        return cls(
            np.asarray(onset, np.int32), y_px.astype(np.float32), np.asarray(pitch, np.int32)
        )

    def of_onsets(self, onsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All heads of some onsets.

        Parameters
        ----------
        onsets:
            int [shape=(k,)], indices of onsets, in any order.

        Returns
        -------
        tuple
            int64 [shape=(m,)] each: which of `onsets`, and which head.
        """
        begin = np.searchsorted(self.onset, onsets)
        count = np.searchsorted(self.onset, onsets, side="right") - begin
        which = np.repeat(np.arange(len(onsets)), count)
        within = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        return which, begin[which] + within
