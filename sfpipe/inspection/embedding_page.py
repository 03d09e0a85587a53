"""The map of states as a page: point at a state to see what the agent saw there.

One file without outside resources. The pictures are not those of the states but of the whole
strips and spectrograms, from which the page cuts: so every state has one, in a few megabytes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.files import replacing
from sfpipe.game.dynamics import GameState
from sfpipe.inspection.states import NetworkOutputs, error_px
from sfpipe.inspection.templates import embed_json, fill_template
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT

MOST_BYTES = 14 << 20  # of pictures, in base64; states of further performances are left out
TEMPLATE = Path(__file__).with_name("embedding_page.html")
_GREYS = 16


def write_hover(
    bank: Bank,
    states: GameState,
    outputs: NetworkOutputs,
    points: np.ndarray,
    kinds: Mapping[str, np.ndarray],
    path: Path,
    *,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Write the page of n states.

    Parameters
    ----------
    points:
        float [shape=(n, 2)], places in the map.
    kinds:
        Name -> bool [shape=(n,)].
    most_bytes:
        Of pictures; when they are more, performances at the end of the bank go without, and
        their states are left out of the page.
    """
    pictures, fitting = _pictures(bank, most_bytes)
    keep = np.isin(states.performance.numpy(), fitting)
    data = {
        "window": [*bank.window.image_shape, bank.window.shrink, bank.window.threshold_px],
        "excerpt": EXCERPT,
        "pictures": pictures,
        "kinds": list(kinds),
        "left_out": int((~keep).sum()),
        "columns": _columns(bank, states, outputs, points, kinds, keep),
    }
    with replacing(path) as temporary:
        temporary.write_text(fill_template(TEMPLATE, data=embed_json(data)), "utf-8")
    return path


def _columns(
    bank: Bank,
    states: GameState,
    outputs: NetworkOutputs,
    points: np.ndarray,
    kinds: Mapping[str, np.ndarray],
    keep: np.ndarray,
) -> dict[str, list[str]]:
    """Columns of the table of states: name -> [JavaScript's name of the type, base64]."""
    low, high = points.min(0), points.max(0)
    scale = 65535 / max(float((high - low).max()), 1e-9)
    x, y = ((points - low) * scale).round().astype("<u2").T
    performance = states.performance.numpy()
    # In px of the strip's picture, which is padded by a window, as positions are.
    left = (states.position.numpy() - bank.window.width / 2).astype(int) // bank.window.shrink
    marks = sum((mask.astype(int) << i for i, mask in enumerate(kinds.values())), 0 * performance)
    table: dict[str, tuple[str, Any]] = {
        "x": ("Uint16Array", x),
        "y": ("Uint16Array", y),
        "value": ("Float32Array", outputs.value),
        "probability": ("Uint8Array", (255 * outputs.probability).round().astype("u1")),
        "picture": ("Uint16Array", performance.astype("<u2")),
        "left": ("Uint32Array", left.astype("<u4")),
        "frame": ("Uint32Array", states.frame.numpy().astype("<u4")),
        "error": ("Float32Array", error_px(bank, states).astype("<f4")),
        "speed": ("Float32Array", states.speed.numpy().astype("<f4")),
        "kind": ("Uint8Array", marks.astype("u1")),
    }
    return {
        name: [kind, base64.b64encode(column[keep].tobytes()).decode()]
        for name, (kind, column) in table.items()
    }


def _pictures(bank: Bank, most_bytes: int) -> tuple[list[dict[str, str]], list[int]]:
    """Strip and spectrogram of each performance, and the indices of those that fit."""
    strips: dict[str, str] = {}
    pictures: list[dict[str, str]] = []
    fitting: list[int] = []
    used = 0
    for index, info in enumerate(bank.infos):
        strip = strips.get(info.piece) or _png(_strip(bank, index))
        sound = _png(_sound(bank, index))
        used += len(sound) + (0 if info.piece in strips else len(strip))
        if used > most_bytes and fitting:
            break
        strips[info.piece] = strip
        pictures.append(
            {"piece": info.piece, "performance": info.performance, "strip": strip, "sound": sound}
        )
        fitting.append(index)
    return pictures, fitting


def _strip(bank: Bank, index: int) -> np.ndarray:
    """The padded strip as the network sees it, uint8, paper 255."""
    first = int(bank.strip_base[index])
    width = int(bank.strip_width[index]) // bank.window.shrink
    return 255 - bank.strip[:, first : first + width].numpy()


def _sound(bank: Bank, index: int) -> np.ndarray:
    """The padded spectrogram, uint8, silence 255, low notes at the bottom."""
    first = int(bank.frame_base[index])
    frames = bank.infos[index].n_frames + EXCERPT
    level = bank.spectrogram[:, first : first + frames].numpy()[::-1]
    return (255 - 255 * np.sqrt(level.clip(0, 1))).astype(np.uint8)


def _png(grey: np.ndarray) -> str:
    """A picture of 16 greys as a data URI."""
    import cv2

    coarse = (grey.astype(np.float32) / 255 * (_GREYS - 1)).round() * (255 / (_GREYS - 1))
    done, png = cv2.imencode(".png", coarse.astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()
