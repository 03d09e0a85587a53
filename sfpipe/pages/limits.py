"""What is read at most of a score that anybody may have sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Looked at before a file is unpacked or drawn.

    Attributes
    ----------
    file_bytes:
        Of the file.
    pages:
        Of a document.
    page_pixels:
        Of a picture as its header says; a page of a document is drawn no larger.
    strip_px:
        Length of the strip.
    """

    file_bytes: int = 200 << 20
    pages: int = 200
    page_pixels: int = 120_000_000
    strip_px: int = 400_000


LIMITS = Limits()
