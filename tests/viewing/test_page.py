"""The page, as HTML and in a browser."""

import json
import re

import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.viewing.page import page, write_page
from sfpipe.viewing.select_performance import Selection
from sfpipe.viewing.shown_game import play_selected
from tests.viewing.conftest import ONSET_S, WIDTHS, X

FOLLOWERS = ["optimal", "models/agent"]


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1])


def test_everything_is_inside(params, paths):
    path = page(params, paths, FOLLOWERS, Selection())
    assert str(path) == "pages/clicks-plain.html"
    text = path.read_text("utf-8")
    assert "://" not in text
    loaded = re.findall(r"<(?:link|img|iframe|script|audio|source)\b[^>]*", text)
    assert [tag for tag in loaded if "src" in tag or "href" in tag] == []
    assert "<h1>Clicks &amp; &lt;Ticks&gt;<small>" in text
    data = data_of(text)
    assert len(data["rows"]) == 2 and len(data["notes"]) == 16 and data["sound"]
    assert [f["name"] for f in data["followers"]] == ["music", "optimal", "agent"]
    assert [f["lost"] for f in data["followers"]] == [False, False, True]


def test_text_cannot_leave_its_place(shown):
    object.__setattr__(shown.score, "title", "</script><script>alert(1)")
    object.__setattr__(shown.performance, "performance", "</script>{{ data }}")
    from sfpipe.viewing.game_trace import GameTrace

    one = GameTrace(
        "</script>", 6, np.array([30.0]), np.array([30.0]), np.zeros(1), np.zeros(1), 50, False
    )
    text = write_page(shown, [one], None)
    assert text.count("</script>") == 2 and "alert(1)" in text
    assert data_of(text)["followers"][1]["name"] == "</script>"


def test_a_simulated_condition_is_called_so(shown, params, paths):
    one = play_selected(shown, FOLLOWERS[0], params, paths).trace
    assert "<small>clicks · plain</small>" in write_page(shown, [one], None)
    object.__setattr__(shown.performance, "condition", "room")
    assert "<small>clicks · plain · room</small>" in write_page(shown, [one], None)
    object.__setattr__(shown.performance, "simulated", True)
    assert "<small>clicks · plain · room (simulated)</small>" in write_page(shown, [one], None)


def test_nobody_follows(shown):
    with pytest.raises(SfpipeError, match="nobody follows"):
        write_page(shown, [], None)


@pytest.fixture(scope="module")
def browser(chromium):
    started = chromium()
    yield started
    started.close()


@pytest.fixture
def opened(browser, params, paths):
    path = page(params, paths, FOLLOWERS, Selection()).resolve()
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.set_default_timeout(120_000)  # ms; a busy machine takes its time
    problems, requests = [], []
    tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda e: problems.append(str(e)))
    tab.on("request", lambda r: requests.append(r.url[:60]))
    tab.goto(path.as_uri())
    tab.wait_for_function("() => document.getElementById('sound').readyState > 0")
    yield tab
    assert problems == []
    assert [u for u in requests if not u.startswith(("file:", "data:", "blob:"))] == []
    tab.close()


def line_at(tab, index):
    """Where a cursor's line is on the sheet, px."""
    return tab.evaluate(
        """i => { const s = document.getElementById("sheet").getBoundingClientRect();
                  const c = document.querySelectorAll(".cursor")[i].getBoundingClientRect();
                  return [(c.left + c.right) / 2 - s.left, c.top - s.top]; }""",
        index,
    )


def loss_at(tab):
    """Where the first mark of a loss is on the sheet, px."""
    return tab.evaluate(
        "() => ['left', 'top'].map(k => parseFloat(document.querySelector('.loss').style[k]))"
    )


@pytest.mark.parametrize("onset", [0, 5, 11])
def test_the_cursor_is_at_the_note_head_that_sounds(opened, onset):
    # Onsets belong to frames: the cursor is on the head at the frame's time.
    frame_s = int(20 * ONSET_S[onset]) / 20
    opened.evaluate("s => window.sfpipe.seek(s)", frame_s)
    opened.wait_for_function("s => Math.abs(window.sfpipe.seconds - s) < 0.001", arg=frame_s)
    opened.wait_for_timeout(100)
    left, top = line_at(opened, 0)
    assert left == pytest.approx(2 * X[onset], abs=1)
    assert top == pytest.approx(0 if onset < 8 else 2 * 28 + 40, abs=1)
    at = opened.evaluate("s => window.sfpipe.at(s)", frame_s)[0]
    assert (at["row"], at["left"]) == (onset // 8, pytest.approx(2 * X[onset], abs=0.3))


def test_a_click_on_a_head_seeks(opened):
    for onset in (12, 3):
        box = opened.locator("#sheet").bounding_box()
        y = [14, 18, 22, 26][onset % 4]
        top = 0 if onset < 8 else 2 * 28 + 40
        opened.mouse.click(box["x"] + 2 * X[onset], box["y"] + top + 2 * (y - 6))
        opened.wait_for_function(
            "s => Math.abs(window.sfpipe.seconds - s) < 0.002", arg=float(ONSET_S[onset])
        )
    opened.mouse.click(box["x"] + 2 * WIDTHS[1] - 2, box["y"] + 2)  # far from every head
    assert opened.evaluate("window.sfpipe.seconds") == pytest.approx(ONSET_S[3], abs=0.002)


def test_it_plays_and_the_cursor_moves(opened):
    opened.evaluate("window.sfpipe.seek(1); document.getElementById('sound').play()")
    opened.wait_for_function("() => window.sfpipe.seconds > 1.3")
    before = line_at(opened, 0)
    opened.wait_for_timeout(500)
    assert line_at(opened, 0) != before


@pytest.mark.parametrize("width", [390, 300])
def test_on_a_narrow_screen_the_rows_are_smaller(opened, width):
    """The wider row fills the window without its padding of 12 px, and nothing is beyond."""
    opened.evaluate("s => window.sfpipe.seek(s)", 0.65)
    wide = [*line_at(opened, 0), *loss_at(opened)]
    opened.set_viewport_size({"width": width, "height": 700})
    scale = min((width - 24) / WIDTHS[1], 2)
    opened.wait_for_function(
        "w => Math.abs(document.getElementById('sheet').clientWidth - w) < 1",
        arg=scale * WIDTHS[1],
    )
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    narrow = [*line_at(opened, 0), *loss_at(opened)]
    assert narrow[0] == pytest.approx(wide[0] * scale / 2, abs=0.5)
    assert narrow[2] == pytest.approx(wide[2] * scale / 2, abs=0.5)
    box = opened.locator("#sheet").bounding_box()
    opened.mouse.click(box["x"] + scale * X[3], box["y"] + scale * (26 - 6))
    opened.wait_for_function(
        "s => Math.abs(window.sfpipe.seconds - s) < 0.002", arg=float(ONSET_S[3])
    )


def test_on_a_phone_the_music_stays_legible_and_what_sounds_in_view(opened):
    """At 0.6 of the full size rows shrink no further: the paper scrolls, the page does not."""
    opened.set_viewport_size({"width": 160, "height": 700})
    opened.wait_for_function(
        "w => Math.abs(document.getElementById('sheet').clientWidth - w) < 1",
        arg=0.6 * 2 * WIDTHS[1],
    )
    assert opened.evaluate("document.documentElement.scrollWidth") == 160
    opened.evaluate("s => { window.sfpipe.seek(s); toggle(); }", float(ONSET_S[6]))
    opened.wait_for_function("() => document.querySelector('main').scrollLeft > 0")
    opened.wait_for_function(
        """() => { const x = document.querySelector(".cursor").getBoundingClientRect().left;
                   return 0 <= x && x < 160; }"""
    )


def test_loss_is_marked_and_leads_there(opened):
    marks = opened.locator(".loss")
    assert marks.count() == 1
    assert "agent lost the music at 0:" in marks.get_attribute("title")
    data = opened.evaluate("window.sfpipe.data.followers[2]")
    end = (data["start"] + len(data["x"]) - 1) / 20
    assert opened.evaluate("s => window.sfpipe.at(s)[2].lost", end)
    assert not opened.evaluate("s => window.sfpipe.at(s)[2].lost", end - 0.1)
    opened.get_by_role("button", name="lost at").click()
    opened.wait_for_function("s => Math.abs(window.sfpipe.seconds - s) < 0.01", arg=max(end - 2, 0))
    opened.get_by_label("agent", exact=False).last.uncheck()
    assert not opened.locator(".cursor").nth(2).is_visible() and not marks.is_visible()


def test_rows_are_cut_from_the_engravers_vectors(shown, params, paths):
    """Where every system has one; the part a row shows is given in the strip's pixels."""
    optimal = [play_selected(shown, "optimal", params, paths).trace]
    assert data_of(write_page(shown, optimal, None))["vectors"] == []
    for i, width in enumerate(WIDTHS):
        svg = f'<svg viewBox="0 0 {width} 40" xmlns="http://www.w3.org/2000/svg"></svg>'
        (shown.folder / f"system-{i}.svg").write_text(svg)
        data = data_of(write_page(shown, optimal, None))
        assert len(data["vectors"]) == (0 if i == 0 else 2)
    first, second = data["rows"]
    assert "image" not in first and (first["vector"], second["vector"]) == (0, 1)
    # Ink begins at row 12; 1.5 staff spaces of 4 px stay above it.
    assert (first["left"], first["cut"], first["width"]) == (0, 6, 150)
    assert f'viewBox="0 0 {WIDTHS[1]} 40"' in data["vectors"][1]
