"""Rows of a page by their darkness, looked at in chunks of columns."""

from __future__ import annotations

import numpy as np

LIGHTER = 0.75  # of a chunk's columns may be lighter than what its profile says: less are heads


def chunk_means(grey: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean darkness of each row in chunks of `size` columns.

    Returns
    -------
    (np.ndarray, np.ndarray)
        Profiles, float32 0 to 1 [shape=(n_chunks, height)], and their middle columns.
    """
    n = max(grey.shape[1] // size, 1)
    part = grey[:, : n * size].reshape(grey.shape[0], n, -1)
    means = 1 - part.mean(axis=2, dtype=np.float32).T / 255
    return means, (np.arange(n) + 0.5) * size


def chunk_lines(grey: np.ndarray, size: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Darkness of each row that three quarters of a chunk's columns have or exceed.

    Only what goes on through the chunk keeps any: lines.

    Returns
    -------
    (np.ndarray, np.ndarray)
        As `chunk_means`, for chunks that begin every `step` columns.
    """
    width = grey.shape[1]
    starts = np.arange(0, max(width - size, 0) + 1, step)
    place = min(int(LIGHTER * min(size, width)), width - 1)
    turned = np.ascontiguousarray(grey.T)
    lines = np.stack([_ranked(turned[a : a + size], place) for a in starts])
    return 1 - lines.astype(np.float32) / 255, starts + (size - 1) / 2


def _ranked(columns: np.ndarray, place: int) -> np.ndarray:
    return np.partition(columns, place, axis=0)[place]
