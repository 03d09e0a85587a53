"""Draw the README's film: a published agent follows a tune on the printed page.

Usage: python scripts/draw_film.py DATASET PIECE AGENT [seconds] [file]

Run where `dvc repro scores spectrograms` has made the data set. The piece is engraved once more, at
ten pixels a staff space, so that the page is crisp. Below the page are the agent's own inputs, from
the stores.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from sfpipe.agents.agent import find_agent, load_agent
from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import read_image, read_noteheads, read_systems
from sfpipe.engraving.piece import engrave_piece
from sfpipe.following.agent import AgentFollower
from sfpipe.game.follower import follow
from sfpipe.params import EngraveParams
from sfpipe.paths import Paths
from sfpipe.store.reader import read_performances, read_scores
from sfpipe.store.schema import EXCERPT, FPS
from sfpipe.viewing.system_layout import breaks

SPACE = 10  # px of a staff space on the page: whole, so that all five lines are equally dark
WIDTH = 900
LINE = 80  # staff spaces on a line
MARGIN = 20
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 34), (130, 132, 140)
BLUE, ORANGE = (31, 95, 168), (222, 110, 18)
EVERY = 2  # frames of the game per picture: 10 pictures a second
QUALITY = 72


@dataclass(frozen=True)
class Line:
    """One line of the page: grey image, its first column in the system, its top on the page."""

    image: np.ndarray
    x_px: int
    top: int


@dataclass(frozen=True)
class Scene:
    """All that the pictures show: the page, and one entry per game frame of the arrays."""

    title: str
    subtitle: str
    lines: list[Line]
    onsets: np.ndarray  # columns of the page's system, by score onset
    strip_onsets: np.ndarray  # columns of the strip
    strip: np.ndarray
    zoom: float  # px of the page per px of the strip
    spectrogram: np.ndarray
    start: int
    position: np.ndarray
    target: np.ndarray
    window: tuple[int, int]

    def place(self, x: float) -> tuple[int, float]:
        """Line of the page and column in it of a strip column."""
        on_page = float(np.interp(x, self.strip_onsets, self.onsets))
        on_page += self.zoom * (x - min(max(x, self.strip_onsets[0]), self.strip_onsets[-1]))
        index = max(i for i, line in enumerate(self.lines) if line.x_px <= max(on_page, 0))
        return index, on_page - self.lines[index].x_px


def main(dataset: str, piece: str, agent: str, seconds: float, file: Path) -> None:
    """Let the agent play the piece, draw every second frame, and write the film."""
    scene = make_scene(dataset, piece, agent)
    frames = range(0, min(round(seconds * FPS), len(scene.position)), EVERY)
    pictures = [draw(scene, frame) for frame in frames]
    file.parent.mkdir(parents=True, exist_ok=True)
    pause = [1000 * EVERY // FPS] * (len(pictures) - 1) + [1500]
    rest = {"append_images": pictures[1:], "duration": pause, "loop": 0}
    pictures[0].save(file, save_all=True, quality=QUALITY, method=3, kmax=100, **rest)
    print(f"{file}: {len(pictures)} pictures, {file.stat().st_size / 2**20:.2f} MiB")


def make_scene(dataset: str, piece: str, agent: str) -> Scene:
    """Play the game and set the page."""
    paths = Paths(dataset)
    score = read_scores(paths.scores, pieces=[piece])[piece]
    record = read_performances(paths.spectrograms, pieces=[piece])[0]
    network, _ = load_agent(find_agent(agent))
    game = follow(AgentFollower(network), score, record, network.window)
    position = np.concatenate([game.onset_x_px[:1], game.position_px])
    target = np.interp(
        game.start_frame + np.arange(len(position)), game.onset_frames, game.onset_x_px
    )
    listed = next(p for p in read_index(paths.raw).pieces if p.id == piece)
    with tempfile.TemporaryDirectory() as folder:
        size = EngraveParams(staff_space_px=SPACE)
        engrave_piece(listed, size, paths.raw, Path(folder))
        system = read_systems(Path(folder) / piece)[0]
        image = read_image(Path(folder) / piece / system.file)
        heads = read_noteheads(Path(folder) / piece)
    onsets = np.array([heads.x_px[group].mean() for group in heads.onsets()])
    cuts = breaks(image, heads.x_px, LINE * SPACE, SPACE)
    lines, top = [], 62
    for first, end in cuts:
        part = image[:, first:end]
        inked = np.flatnonzero((part < 200).any(axis=1))
        part = part[max(int(inked[0]) - 8, 0) : int(inked[-1]) + 9]
        lines.append(Line(part, first, top))
        top += part.shape[0] + 10
    said = f"followed by {agent}, which was not trained on it"
    return Scene(
        score.title or piece, said, lines, onsets, score.onset_x_px, score.strip,
        SPACE / score.staff_space_px, record.spectrogram, game.start_frame, position, target,
        (network.window.height, network.window.width),
    )  # fmt: skip


def draw(scene: Scene, frame: int) -> Image.Image:
    """One picture: the page with the cursor, and below it what the agent gets."""
    bottom = scene.lines[-1].top + scene.lines[-1].image.shape[0]
    picture = Image.new("RGB", (WIDTH, bottom + 168), PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((MARGIN, 12), scene.title, INK, font("serif", 24))
    pen.text((WIDTH - MARGIN, 20), scene.subtitle, FAINT, font("sans-serif", 14), anchor="ra")
    for line in scene.lines:
        picture.paste(Image.fromarray(line.image).convert("RGB"), (MARGIN, line.top))
    _mark(scene, picture, frame)
    _inputs(scene, picture, frame, bottom + 22)
    return picture


def _mark(scene: Scene, picture: Image.Image, frame: int) -> None:
    """The agent's line in blue; a small orange triangle where the music is."""
    pen = ImageDraw.Draw(picture, "RGBA")
    index, x = scene.place(float(scene.position[frame]))
    line = scene.lines[index]
    left, low, high = MARGIN + x, line.top - 4, line.top + line.image.shape[0] + 4
    pen.rectangle((left - 14, low, left + 14, high), fill=(*BLUE, 34))
    pen.rectangle((left - 1, low, left + 1, high), fill=BLUE)
    index, x = scene.place(float(scene.target[frame]))
    left, low = MARGIN + x, scene.lines[index].top - 6
    pen.polygon([(left - 6, low - 9), (left + 6, low - 9), (left, low)], fill=ORANGE)


def _inputs(scene: Scene, picture: Image.Image, frame: int, top: int) -> None:
    """The window of the strip, two seconds of spectrogram, and the speed chosen."""
    pen = ImageDraw.Draw(picture)
    height, width = scene.window
    padded = np.pad(scene.strip, ((0, 0), (width, width)), constant_values=255)
    left = round(float(scene.position[frame])) + width - width // 2
    middle = padded.shape[0] // 2
    seen = padded[middle - height // 2 : middle + height // 2, left : left + width]
    small = font("sans-serif", 13)
    _framed(
        picture,
        seen,
        (MARGIN, top),
        (360, 96),
        "input: 40 x 150 px of the score",
        Image.Resampling.BICUBIC,
    )
    newest = scene.start + frame
    sound = np.pad(scene.spectrogram, ((0, 0), (EXCERPT, EXCERPT)))
    heard = sound[::-1, newest : newest + EXCERPT]
    shade = np.clip(np.sqrt(heard), 0, 1)
    colours = np.uint8(matplotlib.colormaps["Blues"](shade)[..., :3] * 255)
    _framed(
        picture,
        colours,
        (MARGIN + 380, top),
        (280, 78),
        "input: the last 2 s of the sound",
        Image.Resampling.NEAREST,
    )
    speed = float(scene.position[frame] - scene.position[max(frame - 1, 0)])
    before = float(scene.position[max(frame - 1, 0)] - scene.position[max(frame - 2, 0)])
    left = MARGIN + 684
    for i, (word, step) in enumerate((("faster", 1), ("as fast", 0), ("slower", -1))):
        box = (left, top + 32 * i, left + 156, top + 32 * i + 28)
        chosen = round(speed - before) == step
        pen.rounded_rectangle(box, 6, fill=BLUE if chosen else (238, 240, 244))
        where = (left + 78, top + 32 * i + 14)
        pen.text(where, word, PAPER if chosen else FAINT, font("sans-serif", 15), anchor="mm")
    said = f"action, now {speed:.0f} px/frame"
    pen.text((left, top + 104), said, FAINT, small)


def _framed(
    picture: Image.Image,
    pixels: np.ndarray,
    place: tuple[int, int],
    size: tuple[int, int],
    words: str,
    how: Image.Resampling,
) -> None:
    """An enlarged array with a caption below."""
    picture.paste(Image.fromarray(pixels).convert("RGB").resize(size, how), place)
    pen = ImageDraw.Draw(picture)
    x, y = place
    pen.rectangle((x - 1, y - 1, x + size[0], y + size[1]), outline=(200, 202, 208))
    pen.text((x, y + 104), words, FAINT, font("sans-serif", 13))


def font(family: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that comes with matplotlib."""
    name = "DejaVu Serif" if family == "serif" else "DejaVu Sans"
    return ImageFont.truetype(findfont(FontProperties(family=name)), size)


if __name__ == "__main__":
    main(
        *sys.argv[1:4],
        float(sys.argv[4]) if len(sys.argv) > 4 else 15.0,
        Path(sys.argv[5] if len(sys.argv) > 5 else "docs/film.webp"),
    )
