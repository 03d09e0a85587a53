"""SVG of one system -> 8-bit grey image at an exact scale."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from sfpipe.engraving.verovio.svg import Layout
from sfpipe.engraving.verovio.toolkit import STAFF_SPACE
from sfpipe.errors import SfpipeError

OVERSAMPLING = 3
MAX_WIDTH_PX = 32_000
MAX_PIXELS = 8_000_000  # the renderer needs 36 bytes for each


@dataclass(frozen=True)
class Raster:
    """A system as pixels, `image` uint8 [shape=(height, width)], paper 255.

    A point (x, y) of the layout is at pixel coordinates ``x * scale + dx``, ``y * scale + dy``,
    where the centre of the top left pixel is (0, 0). `svg` is the same picture in vectors, its
    user unit a pixel.
    """

    image: np.ndarray
    scale: float
    dx: float
    dy: float
    svg: str = ""

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Pixel coordinates (column, row) of a layout point."""
        return x * self.scale + self.dx, y * self.scale + self.dy


def rasterize(layout: Layout, staff_space_px: float, *, oversampling: int = OVERSAMPLING) -> Raster:
    """Render at `staff_space_px` pixels per staff space, the staff's middle on a pixel row.

    So every image of one staff shows the five lines with the same grey values.

    Parameters
    ----------
    oversampling:
        Rendered so many times larger and averaged, which keeps the thin lines of small staves
        even. 1 takes a quarter of the time of 3 and has the renderer's own 4 x 4 levels of grey.

    Raises
    ------
    SfpipeError
        If the image would be wider than 32,000 px or have more than 8 million pixels.
    """
    import cv2
    import resvg_py

    scale = staff_space_px / STAFF_SPACE
    middle = (layout.staff_top + layout.staff_bottom) / 2 * scale
    above = math.ceil(middle)
    below = math.ceil(layout.height * scale - middle)
    width, height = math.ceil((layout.width - layout.left) * scale), above + below + 1
    if width > MAX_WIDTH_PX or width * height > MAX_PIXELS:
        raise SfpipeError(
            f"its image would be {width} x {height} px, at most {MAX_WIDTH_PX} px of width and "
            f"{MAX_PIXELS:,} px in all are drawn"
        )
    # The middle line's centre falls on the centre of row `above`.
    top = middle - above - 0.5
    svg = _window(layout, width, height, top, scale)
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=width * oversampling,
        height=height * oversampling,
        background="white",
        skip_system_fonts=True,  # there is no text
    )
    large = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    if large is None or large.shape != (height * oversampling, width * oversampling):
        raise SfpipeError("the engraved page could not be rendered")
    image = large
    if oversampling > 1:
        image = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return Raster(image, scale, -layout.left * scale - 0.5, -top - 0.5, _without_ids(svg))


def _window(layout: Layout, width: int, height: int, top: float, scale: float) -> str:
    """The picture in pixel units: `width` x `height`, the system's y = `top` at its upper edge."""
    place = (
        f'class="definition-scale" overflow="visible" '
        f'x="{0 - layout.left * scale:.6g}" y="{-top:.6f}" '
        f'width="{layout.width * scale:.6f}" height="{layout.height * scale:.6f}"'
    )
    svg = re.sub(
        r'<svg viewBox="[^"]*"', f'<svg viewBox="0 0 {width} {height}"', layout.svg, count=1
    )
    # The outlines of glyphs are as thin as 0.02 px, and take a fifth of the time.
    svg = svg.replace(
        '<path transform="scale(1,-1)"', '<path stroke="none" transform="scale(1,-1)"'
    )
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    # What remains of the style: Verovio marks the beginning of a section with a hidden point.
    svg = re.sub(r'(class="[^"]*\bplaceholder\b)', r'visibility="hidden" \1', svg)
    return svg.replace('class="definition-scale"', f'stroke="black" {place}', 1)


def _without_ids(svg: str) -> str:
    """The same picture without Verovio's random ids: what is referred to is numbered instead."""
    ids = dict.fromkeys(re.findall(r'\sid="([^"]*)"', svg))
    used = [name for name in dict.fromkeys(re.findall(r"#([\w-]+)", svg)) if name in ids]
    numbers = {name: f"g{i}" for i, name in enumerate(used)}

    def renamed(match: re.Match[str]) -> str:
        return f' id="{numbers[match[1]]}"' if match[1] in numbers else ""

    svg = re.sub(r'\sid="([^"]*)"', renamed, svg)
    svg = re.sub(r'(class="\w+MilestoneEnd) [^"]*', r"\1", svg)  # an id follows
    return re.sub(r"#([\w-]+)", lambda match: "#" + numbers.get(match[1], match[1]), svg)
