"""Film the page of `sfpipe serve` in Chromium while it follows the package's example.

Usage: python scripts/film_live.py [seconds]

Writes docs/live.webp, and docs/pictures/live-*.webp: a phone, a tablet and a dark desktop.

It needs Playwright and a Chromium. What is filmed is what the browser paints and when; the
server and the sound are the real ones.
"""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import sys
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

SIZE = {"width": 760, "height": 480}
PER_SECOND = 8
QUALITY = 70
DOCS = Path(__file__).parents[1] / "docs"
# Width, height, colours, device pixels per px, seconds after the start.
STILLS = ((390, 844, "light", 2, 20.0), (820, 1180, "light", 1, 20.0), (1280, 800, "dark", 1, 20.0))
SERVE = "import sys; sys.argv[1:] = ['serve', '--example', '--port', '0']; "
SERVE += "from sfpipe.cli import main; main()"


def main(seconds: float) -> None:
    """Start the server and a browser, and write the film and the pictures."""
    command = [sys.executable, "-c", SERVE]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            write(film(browser, address, seconds), seconds, DOCS / "live.webp")
            for still in STILLS:
                photograph(browser, address, *still)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def open_page(browser: Browser, address: str, **options: Any) -> Page:
    """A tab that is ready to follow."""
    tab = browser.new_context(**options).new_page()
    tab.goto(address)
    tab.wait_for_selector("#start:not([disabled])", timeout=60_000)
    return tab


def film(browser: Browser, address: str, seconds: float) -> list[tuple[float, bytes]]:
    """What was painted, as (seconds since the start of the music, PNG)."""
    painted: list[tuple[float, bytes]] = []
    tab = open_page(browser, address, viewport=SIZE)
    record(tab, painted)
    tab.click("#start")
    tab.mouse.move(SIZE["width"] - 4, SIZE["height"] - 4)
    began = time.time()
    tab.wait_for_timeout(1000 * seconds)
    tab.context.close()
    return [(max(at - began, 0.0), picture) for at, picture in painted]


def photograph(
    browser: Browser, address: str, width: int, height: int, scheme: Any, scale: int, at_s: float
) -> None:
    """Write what a screen shows after some seconds of music."""
    size = {"width": width, "height": height}
    tab = open_page(browser, address, viewport=size, color_scheme=scheme, device_scale_factor=scale)
    tab.click("#start")
    tab.wait_for_timeout(1000 * at_s)
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    file = DOCS / f"pictures/live-{width}.webp"
    picture.save(file, quality=80, method=6)
    print(f"{file}: {file.stat().st_size >> 10} KiB")
    tab.context.close()


def record(tab: Page, painted: list[tuple[float, bytes]]) -> None:
    """Keep every picture that the browser paints from now on."""
    devtools = tab.context.new_cdp_session(tab)

    def keep(event: dict[str, Any]) -> None:
        painted.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        devtools.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    devtools.on("Page.screencastFrame", keep)
    devtools.send("Page.startScreencast", {"format": "png"})


def write(painted: list[tuple[float, bytes]], seconds: float, file: Path) -> None:
    """Write the film, some pictures a second; each lasts until the next other one."""
    times = [at for at, _ in painted]
    ticks = [k / PER_SECOND for k in range(round(seconds * PER_SECOND))]
    chosen = [max(bisect_right(times, tick) - 1, 0) for tick in ticks]
    order = sorted(set(chosen))
    lasting = [1000 * chosen.count(i) // PER_SECOND for i in order]
    pictures = [Image.open(io.BytesIO(painted[i][1])).convert("RGB") for i in order]
    rest = {"append_images": pictures[1:], "duration": lasting, "loop": 0}
    pictures[0].save(file, save_all=True, quality=QUALITY, method=4, kmax=200, **rest)
    print(f"{file}: {len(pictures)} pictures, {file.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 32.0)
