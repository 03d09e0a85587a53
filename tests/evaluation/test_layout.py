"""Systems, bars and pages of engraved pieces."""

from dataclasses import replace

import numpy as np
import pytest

from sfpipe.datasets.index import read_index
from sfpipe.engraving.bar_lines import find_bar_lines
from sfpipe.engraving.files import read_systems
from sfpipe.engraving.piece import engrave_piece
from sfpipe.evaluation.layout import read_layouts
from sfpipe.params import EngraveParams
from sfpipe.score.stage import unroll_piece
from sfpipe.store.reader import ScoreRecord
from tests.engraving.test_verovio import LEFT, RIGHT, engraved, score
from tests.live.scores import TUNE
from tests.tunes import write_raw


def test_bar_lines_by_hand():
    strip = np.full((40, 200), 255, np.uint8)
    strip[10:31:5] = 0  # staff lines at rows 10 to 30
    strip[10:31, 50] = 0  # a bar line
    strip[10:26, 80] = 0  # a stem: too short
    strip[10:31, 120:122] = 180  # a faint one, of two columns
    strip[10:31, 195] = 0  # the last one, at the very end
    assert find_bar_lines(strip, (0, 200), (10, 30), 5.0) == [50, 121]
    stems = np.zeros(200, bool)
    stems[45:55] = True
    assert find_bar_lines(strip, (0, 200), (10, 30), 5.0, not_at=stems) == [121]


def record(folder) -> ScoreRecord:
    strip, about = unroll_piece(folder, None)
    return ScoreRecord(
        folder.name,
        "test",
        "",
        strip.image,
        strip.onset_x_px,
        strip.onset_y_px,
        strip.onset_quarter,
        about["staff_space_px"],
        about["px_per_cm"],
    )


def bars_of_onsets(layout, unrolled) -> list[int]:
    return np.searchsorted(layout.bars, unrolled.onset_x_px, side="right").tolist()


def test_piano_music_in_lines(tmp_path):
    folder = engraved(tmp_path, score(*[RIGHT + LEFT] * 60))
    unrolled = record(folder)
    layout = read_layouts(folder.parent, [unrolled])["piece"]
    systems = read_systems(folder)
    assert len(layout.systems) == len(systems) > 10
    assert layout.systems.tolist() == [system.x_px for system in systems]
    # Eight onsets in each bar of four quarters.
    assert bars_of_onsets(layout, unrolled) == (unrolled.onset_quarter // 4).tolist()
    # 25.7 cm at 28.346 px are 728 px.
    heights = np.array([system.height_px for system in systems])
    of_page = np.searchsorted(layout.pages, layout.systems, side="right")
    pages = [heights[of_page == page].sum() for page in np.unique(of_page)]
    assert len(pages) > 1 and max(pages) <= 728.5
    firsts = [heights[of_page == page][0] for page in np.unique(of_page)[1:]]
    assert all(full + first > 728.5 for full, first in zip(pages[:-1], firsts, strict=True))


def test_melody_on_one_line(tmp_path):
    raw = write_raw(tmp_path / "raw", {"tune": TUNE})
    engrave_piece(read_index(raw).pieces[0], EngraveParams(), raw, tmp_path / "out")
    unrolled = record(tmp_path / "out/tune")
    layout = read_layouts(tmp_path / "out", [unrolled])["tune"]
    assert layout.systems.tolist() == layout.pages.tolist() == [0]
    assert bars_of_onsets(layout, unrolled) == (unrolled.onset_quarter // 4).tolist()


@pytest.mark.parametrize("change", ["other strip", "no folder", "damaged"])
def test_nothing_is_known_without_the_engraved_piece(tmp_path, change):
    folder = engraved(tmp_path, score(*[RIGHT + LEFT] * 4))
    unrolled = record(folder)
    if change == "other strip":
        unrolled = replace(unrolled, strip=unrolled.strip[:, 1:])
    elif change == "no folder":
        unrolled = replace(unrolled, piece="other")
    else:
        (folder / "systems.csv").write_text("no table")
    assert read_layouts(folder.parent, [unrolled]) == {}
