"""Draw where an agent with a memory loses the music, and what it heard there.

Usage: python scripts/draw_losses.py AGENT SCORES SPECTROGRAMS OUT [--piece NAME ...] [--no-strip]

A picture per performance that is lost in the order of the score. Above is the strip; below, from
top to bottom as time passes, how well the sound goes with each place (dark: well), the target, and
where the agent is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sfpipe.agents.agent import find_agent
from sfpipe.belief.agent import load_belief
from sfpipe.belief.network import PlaceNetwork
from sfpipe.evaluation.figures import AGENT, TARGET, new_figure, save
from sfpipe.following.belief import encode_performance, encode_strip, new_game
from sfpipe.params import BeliefFilterParams
from sfpipe.store.bank import merge_onsets
from sfpipe.store.reader import (
    PerformanceRecord,
    ScoreRecord,
    list_performances,
    read_performances,
    read_scores,
)
from sfpipe.store.schema import FPS

BEFORE_S, AFTER_S = 5.0, 2.0  # of the loss
WIDEST = 1500  # px of strip
CONTRAST = 6.0  # logits from black to white


class Lost(NamedTuple):
    """A game until some seconds after its loss; a row per frame.

    `logits`: float32 [shape=(frames, places)], less how often a place is played. `target_px`,
    `position_px`: strip px. `lost`: the row of the loss. `first_px`: of the first place.
    """

    logits: np.ndarray
    target_px: np.ndarray
    position_px: np.ndarray
    lost: int
    onset: int
    onsets: int
    first_px: float
    place_px: float


def play(
    network: PlaceNetwork, params: BeliefFilterParams, score: ScoreRecord, record: PerformanceRecord
) -> Lost | None:
    """Follow a performance; None if it is never lost."""
    info = merge_onsets(score, record, network.window)
    first, last = int(info.onset_frames[0]), int(info.onset_frames[-1])
    target = np.interp(np.arange(first, last + 1), info.onset_frames, info.onset_x_px)
    encoding = encode_strip(network, score)
    game = new_game(network, encoding, score, params, float(info.onset_x_px[0]))
    vectors = encode_performance(network, record.spectrogram)
    logits, position = [game.logits], [float(target[0])]
    lost, end = None, len(target)
    for n in range(len(target) - 1):
        position.append(game.step(vectors[first + n - 1] if n else None))
        logits.append(game.logits)
        if lost is None and abs(position[-1] - target[n + 1]) > network.window.threshold_px:
            lost, end = n + 1, min(n + 1 + round(AFTER_S * FPS), end)
        if n + 2 >= end:
            break
    if lost is None:
        return None
    begin = max(lost - round(BEFORE_S * FPS), 0)
    return Lost(
        np.array(logits[begin:end]),
        target[begin:end],
        np.array(position[begin:end]),
        lost - begin,
        int((info.onset_frames - first < lost).sum()),
        len(info.onset_frames),
        -encoding.offset_px,
        network.place_px,
    )


def draw(game: Lost, score: ScoreRecord, path: Path, *, strip: bool = True) -> None:
    """One picture."""
    middle = float(game.target_px[game.lost])
    both = np.concatenate([game.target_px, game.position_px])
    low = max(int(both.min()) - 100, int(middle) - WIDEST // 2, 0)
    high = min(int(both.max()) + 100, int(middle) + WIDEST // 2, score.strip.shape[1])
    tall = 8.4 * score.strip.shape[0] / (high - low) if strip else 0.0
    figure = new_figure(8.4, 3.2 + tall)
    if strip:
        above, below = figure.subplots(2, sharex=True, height_ratios=[tall, 3.2])
        rows = (low, high, score.strip.shape[0], 0)
        above.imshow(score.strip[:, low:high], cmap="gray", extent=rows, aspect="auto")
        above.axis("off")
    else:
        below = figure.subplots()
    first = max(int((low - game.first_px) / game.place_px), 0)
    last = int((high - game.first_px) / game.place_px) + 1
    part = game.logits[:, first:last]
    part = part - part.max(1, keepdims=True)
    edges = game.first_px + np.array([first, first + part.shape[1]]) * game.place_px
    seconds = (np.arange(len(part)) - game.lost) / FPS
    box = (edges[0], edges[1], seconds[-1], seconds[0])
    below.imshow(
        part, cmap="Greys", vmin=-CONTRAST, vmax=0, aspect="auto", interpolation="none", extent=box
    )
    below.plot(game.target_px, seconds, color=TARGET, lw=2, label="target")
    below.plot(game.position_px, seconds, color=AGENT, lw=2, label="agent")
    below.axhline(0, color="0.5", lw=0.8, ls=":")
    below.set(xlim=(low, high), ylabel="s after the loss", xlabel="px of the strip")
    below.legend(loc="upper right", frameon=True)
    save(figure, path, dpi=80)


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("agent")
    parser.add_argument("scores", type=Path)
    parser.add_argument("spectrograms", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--piece", nargs="*", help="default: all")
    parser.add_argument("--no-strip", action="store_true", help="without the music")
    options = parser.parse_args()
    network, params, _ = load_belief(find_agent(options.agent))
    options.out.mkdir(parents=True, exist_ok=True)
    names = list_performances(options.spectrograms, options.split)
    for piece in options.piece or names:
        (score,) = read_scores(options.scores, pieces=[piece]).values()
        for record in read_performances(options.spectrograms, options.split, [piece]):
            game = play(network, params, score, record)
            if game is not None:
                print(
                    piece, record.performance, f"{game.onset} of {game.onsets} onsets", flush=True
                )
                path = options.out / f"{piece}-{record.performance}.png"
                draw(game, score, path, strip=not options.no_strip)


if __name__ == "__main__":
    main()
