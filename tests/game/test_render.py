import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.game.draw_text import shortened, width_of, write
from sfpipe.game.render import AGENT, BAD, INK, TARGET, Saliency, draw_state, render_state

BLANK = np.zeros((40, 150), np.float32)
SILENCE = np.zeros((78, 40), np.float32)
INFO = {"frame": 312, "speed_px": 3.0, "reward": 0.86, "score": 287.4, "piece": "AReel"}


def _draw(score=BLANK, spectrogram=SILENCE, position=400.0, target=400.0, b=50.0, **options):
    return render_state(
        score, spectrogram, position_px=position, target_px=target, threshold_px=b, **options
    )


def _score_rows(picture, score=BLANK, scale=4):
    return picture[20 : 20 + score.shape[0] * scale]


def _columns_like(picture, colour):
    """Columns that have this colour, nearly, over the whole height of the score."""
    near = (np.abs(_score_rows(picture).astype(int) - colour) < 20).all(axis=2)
    return np.flatnonzero(near.all(axis=0))


def test_shape_type_and_untouched_input():
    score, spectrogram = np.full((40, 150), 0.5), np.full((78, 40), 0.5)
    picture = _draw(score, spectrogram, info=INFO)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    assert picture.shape[1] == 640 and picture.shape[0] >= 160 + 148
    assert (score == 0.5).all() and (spectrogram == 0.5).all()


@settings(deadline=None, max_examples=20)
@given(
    position=st.floats(0, 5000),
    off=st.floats(-500, 500),
    piece=st.text(max_size=300),
    number=st.floats(-1e9, 1e9),
)
def test_one_shape_for_all_states(position, off, piece, number):
    info = {"frame": 10**9, "speed_px": number, "reward": number, "score": number, "piece": piece}
    picture = _draw(position=position, target=position + off, info=info)
    assert picture.shape == _draw().shape
    # What video encoders want.
    assert picture.shape[0] % 16 == 0 and picture.shape[1] % 16 == 0


def test_agent_line_is_the_middle_and_target_line_moves():
    middle = 320
    for off in (-40, -10, 10, 44.5):
        picture = _draw(target=400 + off)
        assert _columns_like(picture, AGENT).mean() == pytest.approx(middle - 0.5)
        assert _columns_like(picture, TARGET).mean() == pytest.approx(middle + 4 * off - 0.5)


def test_half_size_excerpt():
    score = np.zeros((80, 256), np.float32)
    picture = _draw(score, target=500.0, b=170.0, window_px=512)
    near = (np.abs(_score_rows(picture, score).astype(int) - TARGET) < 20).all(axis=2)
    middle = picture.shape[1] // 2
    assert np.flatnonzero(near.all(axis=0)).mean() == pytest.approx(middle + 100 * 2 - 0.5)


def test_target_beyond_the_picture_is_at_its_border():
    for off, border in ((300, 620), (-300, 20)):
        columns = _columns_like(_draw(target=400.0 + off), TARGET)
        assert len(columns) and abs(columns.mean() - border) < 8


def test_dim_outside_the_tracking_window():
    row = _score_rows(_draw(b=50.0))[80, :, 0]
    assert (row[320 - 190 : 320 - 10] == 255).all()
    assert (row[22 : 320 - 210] < 230).all() and (row[320 + 210 : 618] < 230).all()


def test_ink_is_dark_where_it_is():
    score = BLANK.copy()
    score[10:20, 100:110] = 1
    rows = _score_rows(_draw(score))
    assert rows[44:76, 20 + 404 : 20 + 436].max() < 60
    assert rows[90:150, 20 + 404 : 20 + 436].min() == 255


def test_low_notes_at_the_bottom_now_at_the_right():
    spectrogram = SILENCE.copy()
    spectrogram[:10, -10:] = 1.0
    quiet, loud = _draw(), _draw(spectrogram=spectrogram)
    rows, columns = np.nonzero((quiet != loud).any(axis=2))
    assert rows.min() > quiet.shape[0] - 20 - 148 // 2
    assert columns.min() > 20 + 240 * 0.7 and columns.max() < 20 + 240


def test_loss_is_red():
    def red(picture):
        return int((np.abs(picture.astype(int) - BAD) < 20).all(axis=2).sum())

    assert red(_draw(target=450.0)) == 0
    assert red(_draw(target=450.1)) > 500


def test_every_figure_shows():
    for name in INFO:
        rest = {key: value for key, value in INFO.items() if key != name}
        assert (_draw(info=INFO) != _draw(info=rest)).any(), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.zeros((2, 40, 150))}, r"score of two dimensions, found shape \(2, 40, 150\)"),
        ({"spectrogram": np.zeros((78, 0))}, "spectrogram of two dimensions"),
        ({"position": float("nan")}, "finite positions"),
        ({"target": float("inf")}, "finite positions"),
        ({"b": 0.0}, "threshold > 0"),
        ({"scale": 0}, "scale >= 1"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(SfpipeError, match=message):
        _draw(**change)


def test_hidden_target_is_nowhere():
    paper = np.full((160, 600), 255, np.uint8)

    def draw(target):
        return draw_state(
            paper, SILENCE, per_px=4, position_px=400.0, target_px=target, threshold_px=50.0
        )

    assert len(_columns_like(draw(410.0), TARGET)) and not len(_columns_like(draw(None), TARGET))
    assert draw(None).shape == draw(410.0).shape


def test_saliency_colours_what_speaks_for_and_against():
    score, sound = np.zeros((40, 150)), np.zeros((78, 40))
    score[:, :20], score[:, -20:], sound[:10] = 1, -1, 1
    paper = np.full((160, 600), 255, np.uint8)
    picture = draw_state(
        paper,
        SILENCE,
        per_px=4,
        position_px=400.0,
        target_px=400.0,
        threshold_px=70.0,
        saliency=Saliency(score, sound),
    ).astype(int)
    red, blue = picture[100, 60], picture[100, 580]
    assert red[0] > red[2] + 80 and blue[2] > blue[0] + 80
    low = picture[-30, 100]  # low notes are at the bottom
    assert low[0] > low[2] + 80
    assert (picture[-150, 100] > 240).all()


def test_text_of_any_kind_and_too_long_text():
    canvas = np.full((40, 100, 3), 255, np.uint8)
    write(canvas, "a\nb\u0301\x00\U0001f3b5", 5, 20, INK)
    assert (canvas < 100).any()
    write(canvas, "x", 500, 300, INK)  # outside: nothing happens
    assert shortened("short", 200) == "short"
    cut = shortened("a very long title of a piece " * 9, 120)
    assert cut.endswith("…") and width_of(cut) <= 120 and len(cut) > 8
    assert shortened("abc", 0) == ""
