"""Files of pages -> pictures of pages, within limits: PDF, PNG, JPEG, TIFF, WebP, HEIC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sfpipe.errors import SfpipeError, optional
from sfpipe.pages.limits import Limits

PDF_SUFFIXES = (".pdf",)
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif")
PDF_WIDTH = 1700  # px that a page of a PDF is drawn wide: A4 at 206 dpi
LONGEST = 4000  # px: larger pictures are made smaller
REMEDY = "export or scan it again"


@dataclass(frozen=True)
class Picture:
    """One page: `grey` uint8 [shape=(height, width)], `number` from 1, `scale` to the file."""

    number: int
    grey: np.ndarray
    scale: float = 1.0


class PageSource:
    """The pages of one file, one after the other.

    Raises
    ------
    SfpipeError
        If the file is encrypted, damaged, or has too many pages.
    """

    def __init__(self, path: Path, limits: Limits):
        self.path, self.limits = path, limits
        self.is_pdf = path.suffix.lower() in PDF_SUFFIXES

    def __iter__(self) -> Iterator[Picture]:
        return _pdf(self.path, self.limits) if self.is_pdf else _pictures(self.path, self.limits)


def _pdf(path: Path, limits: Limits) -> Iterator[Picture]:
    pdfium = optional("pypdfium2", "live")
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise SfpipeError(
                "is encrypted", file=path, remedy="save it without a password"
            ) from None
        raise SfpipeError("is not a readable PDF", file=path, remedy=REMEDY) from None
    try:
        count = len(document)
        if count > limits.pages:
            raise _too_many(path, count, limits)
        for number in range(count):
            try:
                yield Picture(number + 1, _draw(document[number], PDF_WIDTH, limits))
            except (pdfium.PdfiumError, ValueError) as error:
                raise SfpipeError(
                    f"page {number + 1} cannot be drawn ({error})", file=path, remedy=REMEDY
                ) from None
    finally:
        document.close()


def draw_again(path: Path, number: int, factor: float, limits: Limits) -> np.ndarray:
    """A page of a PDF at a multiple of the usual resolution, uint8 [shape=(height, width)]."""
    pdfium = optional("pypdfium2", "live")
    document = pdfium.PdfDocument(path)
    try:
        return _draw(document[number - 1], round(PDF_WIDTH * factor), limits)
    finally:
        document.close()


def _draw(page: Any, width_px: int, limits: Limits) -> np.ndarray:
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise ValueError("it has no size")
    # Of a landscape page the height counts: its staves are as large as on a portrait one.
    scale = width_px / min(width, height)
    scale = min(scale, (limits.page_pixels / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        return np.array(bitmap.to_numpy()).reshape(bitmap.height, bitmap.width)
    finally:
        bitmap.close()


def _pictures(path: Path, limits: Limits) -> Iterator[Picture]:
    from PIL import Image, ImageOps

    if path.suffix.lower() in (".heic", ".heif"):
        optional("pillow_heif", "live").register_heif_opener()
    try:
        with Image.open(path) as opened:
            count = int(getattr(opened, "n_frames", 1)) if opened.format == "TIFF" else 1
            if count > limits.pages:
                raise _too_many(path, count, limits)
            for number in range(count):
                opened.seek(number)
                width, height = opened.size
                if width * height > limits.page_pixels:
                    raise SfpipeError(
                        f"is a picture of {width} x {height} px, at most "
                        f"{limits.page_pixels // 10**6} million pixels are read",
                        file=path,
                        remedy="scan it at 300 dpi",
                    )
                if opened.format == "JPEG":
                    opened.draft("L", (LONGEST // 2, LONGEST // 2))
                picture = opened
                with suppress(Exception):  # a damaged EXIF block turns nothing
                    picture = ImageOps.exif_transpose(opened)
                grey = _small(_grey(picture))
                yield Picture(number + 1, grey, max(grey.shape) / max(width, height))
    except SfpipeError:
        raise
    except Image.DecompressionBombError:
        raise SfpipeError("is a picture with too many pixels", file=path) from None
    except Exception as error:  # Pillow's plugins raise anything from OSError to struct.error
        raise SfpipeError(
            f"is not a readable picture ({type(error).__name__})", file=path, remedy=REMEDY
        ) from None


def _grey(picture: Any) -> np.ndarray:
    """8-bit grey on white paper."""
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float64)
        most = float(values.max(initial=1))
        return np.clip(values / (65535 if most > 255 else 255) * 255, 0, 255).astype(np.uint8)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return np.array(picture.convert("L"))


def _small(grey: np.ndarray) -> np.ndarray:
    scale = LONGEST / max(grey.shape)
    if scale >= 1:
        return grey
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _too_many(path: Path, count: int, limits: Limits) -> SfpipeError:
    return SfpipeError(
        f"has {count} pages, at most {limits.pages} are read",
        file=path,
        remedy="take the pages of one piece out of it",
    )
