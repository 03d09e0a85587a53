"""Piano music at three times the strip's resolution, in the strip's pixels."""

import base64
import re

import cv2
import numpy as np
import pytest

from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import read_image, read_systems
from sfpipe.engraving.lilypond.crisp import FACTOR, crisp_systems

pytestmark = pytest.mark.xdist_group("lilypond")

IMAGE = re.compile(
    r'viewBox="0 0 (\d+) (\d+)"><image x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"'
    r' href="data:image/png;base64,(\S+)"/></svg>'
)


def test_the_large_picture_lies_on_the_small_one(sources):
    raw, engraved, _ = sources
    folder = engraved / "piano"
    piece = next(p for p in read_index(raw).pieces if p.id == "piano")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    drawn = crisp_systems(piece, raw, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    systems = read_systems(folder)
    assert len(drawn) == len(systems)
    for svg, system in zip(drawn, systems, strict=True):
        width, height, x, y, w, h, data = IMAGE.search(svg).groups()
        small = read_image(folder / system.file)
        assert small.shape == (int(height), int(width))
        fine = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 0)
        assert fine.shape == (round(float(h) * FACTOR), round(float(w) * FACTOR))
        scores = {
            (right, down): agreement(small, fine, float(x) + right, float(y) + down)
            for right in (-1, 0, 1)
            for down in (-1, 0, 1)
        }
        assert max(scores, key=scores.get) == (0, 0), scores
        assert scores[0, 0] > 0.9


def agreement(small: np.ndarray, fine: np.ndarray, x: float, y: float) -> float:
    """Correlation of a picture with a large one that is shrunk onto it at (x, y)."""
    shrink = np.array(
        [[1 / FACTOR, 0, x + 0.5 / FACTOR - 0.5], [0, 1 / FACTOR, y + 0.5 / FACTOR - 0.5]]
    )
    smooth = cv2.blur(fine, (FACTOR, FACTOR))
    laid = cv2.warpAffine(smooth, shrink, small.shape[::-1], borderValue=255)
    return float(np.corrcoef(laid.ravel(), small.ravel())[0, 1])
