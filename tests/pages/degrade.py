"""Pages as scanners and phones see them, by a seeded generator that knows where each point went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

KINDS = ("noise", "blur", "light", "skew", "perspective", "bend", "jpeg", "all")


@dataclass
class Photo:
    """A page's picture, uint8, and where the points of the page are in it."""

    image: np.ndarray
    moves: list[Callable[[np.ndarray], np.ndarray]] = field(default_factory=list)

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Points of the clean page, float [shape=(n, 2)], in the picture."""
        for move in self.moves:
            xy = move(xy)
        return xy


def degrade(page: np.ndarray, kind: str, rng: np.random.Generator) -> Photo:
    """A page, uint8 [shape=(height, width)], degraded in one way of `KINDS`, or in all."""
    photo = Photo(page)
    if kind in ("all", "bend", "perspective", "skew"):
        _frame(photo)
    for name, change in _CHANGES.items():
        if kind in (name, "all"):
            change(photo, rng)
    return photo


def _frame(photo: Photo) -> None:
    """More paper around the page, 6 % of its width, so that nothing leaves the picture."""
    more = round(0.06 * photo.image.shape[1])
    photo.image = cv2.copyMakeBorder(photo.image, *[more] * 4, cv2.BORDER_REPLICATE)
    photo.moves.append(lambda xy: xy + more)


def _bend(photo: Photo, rng: np.random.Generator) -> None:
    """An open book: lines rise towards one edge, by up to 1.2 % of the page's width."""
    width = photo.image.shape[1]
    size = rng.uniform(0.006, 0.012) * width * rng.choice([-1, 1])
    side, power = rng.choice([0, 1]), rng.uniform(2, 3)

    def shift(x: np.ndarray) -> np.ndarray:
        share = np.clip(x / width, 0, 1)
        return size * np.abs(share - side) ** power

    x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in photo.image.shape[::-1]))
    photo.image = _warp(photo.image, x, y - shift(x).astype(np.float32))
    photo.moves.append(lambda xy: np.stack([xy[:, 0], xy[:, 1] + shift(xy[:, 0])], 1))


def _perspective(photo: Photo, rng: np.random.Generator) -> None:
    """Each corner moves by up to 3 % of the page's size."""
    height, width = photo.image.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-0.03, 0.03, (4, 2)) * (width, height)
    _project(photo, cv2.getPerspectiveTransform(corners, moved.astype(np.float32)))


def _skew(photo: Photo, rng: np.random.Generator) -> None:
    """Turned by up to 3 degrees."""
    height, width = photo.image.shape
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-3, 3)), 1)
    _project(photo, np.vstack([turned, [0, 0, 1]]))


def _project(photo: Photo, matrix: np.ndarray) -> None:
    size = photo.image.shape[::-1]
    photo.image = cv2.warpPerspective(
        photo.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    photo.moves.append(
        lambda xy: cv2.perspectiveTransform(np.float64(xy)[None], np.float64(matrix))[0]
    )


def _blur(photo: Photo, rng: np.random.Generator) -> None:
    """Out of focus: sigma of 1.6 px on a page of 1654 px, A4 at 200 dpi."""
    photo.image = cv2.GaussianBlur(photo.image, (0, 0), 1.6 * photo.image.shape[1] / 1654)


def _light(photo: Photo, rng: np.random.Generator) -> None:
    """Light that falls off to 0.35 from one corner or edge to the opposite one."""
    height, width = photo.image.shape
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    along = x * np.cos(angle) + y * np.sin(angle)
    share = (along - along.min()) / np.ptp(along)
    photo.image = (photo.image * (1 - 0.65 * share)).astype(np.uint8)


def _noise(photo: Photo, rng: np.random.Generator) -> None:
    """Of a sensor: sigma 18 of 255."""
    noisy = photo.image + rng.normal(0, 18, photo.image.shape).astype(np.float32)
    photo.image = np.clip(noisy, 0, 255).astype(np.uint8)


def _jpeg(photo: Photo, rng: np.random.Generator) -> None:
    """Quality 50."""
    coded = cv2.imencode(".jpg", photo.image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    photo.image = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


def _warp(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


# In the order in which a camera meets them.
_CHANGES: dict[str, Callable[[Photo, np.random.Generator], None]] = {
    "bend": _bend,
    "perspective": _perspective,
    "skew": _skew,
    "blur": _blur,
    "light": _light,
    "noise": _noise,
    "jpeg": _jpeg,
}
