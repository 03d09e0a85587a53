import cv2
import numpy as np
import pytest
import resvg_py

from sfpipe.engraving.layout import STAFF_SPACE, engrave
from sfpipe.engraving.piece import read_melody
from sfpipe.engraving.raster import rasterize
from sfpipe.errors import SfpipeError
from sfpipe.params import EngraveParams
from tests.tunes import PLAIN, RICH


@pytest.fixture(scope="module", params=[RICH, PLAIN], ids=["rich", "plain"])
def engraved(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("raster") / "tune.abc"
    path.write_text(request.param)
    melody = read_melody(path, None, EngraveParams())
    return melody, engrave(melody.score, EngraveParams())


@pytest.mark.parametrize("staff_space", [3.5, 7.0, 10.0])
def test_staff_lines_are_where_the_layout_says_at_the_scale_asked_for(engraved, staff_space):
    _, layout = engraved
    raster = rasterize(layout, staff_space)
    assert raster.image.dtype == np.uint8
    top, bottom = (raster.pixel(0, y)[1] for y in (layout.staff_top, layout.staff_bottom))
    assert bottom - top == pytest.approx(4 * staff_space)
    assert ((top + bottom) / 2) == pytest.approx(round((top + bottom) / 2))
    darkness = 255.0 - np.median(raster.image, axis=1)  # only the lines cross every column
    for line in np.linspace(top, bottom, 5):
        rows = np.arange(int(line) - 1, int(line) + 3)
        assert np.average(rows, weights=darkness[rows] + 1e-9) == pytest.approx(line, abs=0.2)


@pytest.mark.parametrize("staff_space", [3.5, 10.0])
def test_every_filled_head_is_dark_at_its_centre_and_the_paper_beside_it_is_not(
    engraved, staff_space
):
    melody, layout = engraved
    raster = rasterize(layout, staff_space)
    filled = [h for h in melody.heads if h.end - h.written < 2 * 960]
    centres = np.array([raster.pixel(*layout.heads[h.id]) for h in filled])
    columns, rows = np.rint(centres).astype(int).T
    assert (raster.image[rows, columns] < 100).all()
    beside = rows, columns + round(0.95 * staff_space)
    assert np.mean(raster.image[beside] < 100) < 0.5  # stems and accidentals are there too


def test_head_centres_stand_on_lines_and_in_spaces(engraved):
    melody, layout = engraved
    steps = {note.id: note.step for _, event in melody.score.events() for note in event.notes}
    bottom_line = 30  # E4
    for head in melody.heads:
        place = layout.staff_bottom - (steps[head.id] - bottom_line) * STAFF_SPACE / 2
        assert layout.heads[head.id][1] == pytest.approx(place, abs=0.02 * STAFF_SPACE)


def test_an_image_too_wide_to_draw_is_refused(engraved):
    with pytest.raises(SfpipeError, match="px of width"):
        rasterize(engraved[1], 1000.0)


def test_the_vectors_are_the_same_picture(engraved):
    """Rendered three times larger and averaged, they give the image; no two runs differ."""
    raster = rasterize(engraved[1], 3.5)
    height, width = raster.image.shape
    png = resvg_py.svg_to_bytes(
        svg_string=raster.svg, width=3 * width, height=3 * height, background="white"
    )
    large = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    image = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(image, raster.image)
    assert raster.svg == rasterize(engraved[1], 3.5).svg


def test_the_dots_of_dotted_notes_are_drawn_and_hidden_marks_are_not(tmp_path):
    path = tmp_path / "tune.abc"
    path.write_text("X:1\nM:3/4\nL:1/4\nK:C\nc3|c2z|\n")  # the same heads; the first has a dot
    score = read_melody(path, None, EngraveParams()).score
    layout = engrave(score, EngraveParams())
    raster = rasterize(layout, 10.0)
    dotted, plain = (raster.pixel(*layout.heads[note]) for note in sorted(layout.heads))
    # Right of the head and its stem, in the space that the head of c' stands in.
    beside = [
        raster.image[round(y) - 4 : round(y) + 5, round(x) + 10 : round(x) + 21].min()
        for x, y in (dotted, plain)
    ]
    assert beside[0] < 100 and beside[1] > 200
    margin = raster.image[:, :3]  # where the point at the beginning would be: five lines alone
    assert (margin < 200).sum(0).max() <= 10
