"""What of a sequence is in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


def longest_increasing(values: Sequence[float]) -> list[int]:
    """Indices of a longest strictly increasing subsequence."""
    ends: list[float] = []  # ends[n]: smallest end of an increasing subsequence of length n + 1
    at: list[int] = []
    before: list[int] = []
    for i, value in enumerate(values):
        n = bisect_right(ends, value)
        if n and ends[n - 1] == value:
            before.append(-1)
            continue
        before.append(at[n - 1] if n else -1)
        ends[n : n + 1] = [value]
        at[n : n + 1] = [i]
    chain: list[int] = []
    i = at[-1] if at else -1
    while i >= 0:
        chain.append(i)
        i = before[i]
    return chain[::-1]
