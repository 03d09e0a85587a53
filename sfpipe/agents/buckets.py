"""Places in a window as distributions over parts of its width (buckets, Dorfer et al. 2016)."""

from __future__ import annotations

import torch


def soft_buckets(x: torch.Tensor, n: int, width: float) -> torch.Tensor:
    """A place as shares of the two nearest buckets, by distance to their centres.

    Parameters
    ----------
    x:
        [shape=(n,)], px from the window's left edge; places outside belong to the outermost.
    n:
        Number of buckets, side by side over the window.
    width:
        Of the window, px.

    Returns
    -------
    torch.Tensor
        float32 [shape=(n, buckets)], each row sums to 1.
    """
    at = (x * (n / width) - 0.5).clamp(0, n - 1).to(torch.float32)
    lower = at.floor().clamp(max=n - 2)
    upper_share = (at - lower)[:, None]
    shares = torch.zeros(len(x), n, device=x.device)
    first = lower.to(torch.int64)[:, None]
    return shares.scatter(1, first, 1 - upper_share).scatter(1, first + 1, upper_share)
