"""The page in a browser: a microphone that plays a performance, keys, clicks, three widths."""

import numpy as np
import pytest
import soundfile

from sfpipe.live.replay import write_replay
from sfpipe.pages.read import read_pages
from sfpipe.store.schema import SAMPLE_RATE
from tests.live.test_engine import push_all

HEAD_PX = 1.3 * 3.5  # a note head's width in the strip
BEFORE_S = 2.0  # of silence, in which the page opens the microphone
READY = "#start:not([disabled])"
WATCH = """() => {
  window.trace = []; window.sent = 0; window.first = null;
  window.sfpipe.onblock = block => {
    let sum = 0;
    for (const x of block) sum += x * x;
    if (window.first === null && sum / block.length > 1e-5) window.first = window.sent;
    window.sent += 512;
  };
  window.sfpipe.onposition = at => {
    const cursor = document.querySelector(".cursor").getBoundingClientRect();
    const page = document.querySelectorAll(".page")[at.page].getBoundingClientRect();
    const there = page.left + page.width * at.x / window.widths[at.page];
    window.trace.push([window.sent, at.strip_x, at.system, at.state,
                       (cursor.left + cursor.right) / 2 - there]);
  };
}"""


@pytest.fixture(scope="module")
def browser(chromium):
    started = chromium()
    yield started
    started.close()


def open_page(browser, address, **options):
    """A tab that must load nothing from elsewhere and report no error."""
    tab = browser.new_context(**options).new_page()
    tab.set_default_timeout(60_000)
    tab.problems = []
    tab.on("console", lambda m: tab.problems.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda e: tab.problems.append(str(e)))
    tab.on(
        "request",
        lambda r: None if r.url.startswith((address, "blob:")) else tab.problems.append(r.url),
    )
    tab.goto(address)
    return tab


def send_score(tab, path):
    tab.set_input_files("#score-file", path)
    tab.wait_for_selector(READY)


def microphone_tab(chromium, address, samples, folder):
    """A tab whose microphone plays `samples`, after some silence."""
    silence = np.zeros(round(BEFORE_S * SAMPLE_RATE))
    soundfile.write(folder / "played.wav", np.concatenate([silence, samples]), SAMPLE_RATE)
    browser = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'played.wav'}%noloop",
    )
    return open_page(browser, address, permissions=["microphone"])


def microphone_trace(chromium, address, tune, samples, folder, seconds):
    """What the page shows while the microphone plays `samples`: as `WATCH`."""
    tab = microphone_tab(chromium, address, samples, folder)
    send_score(tab, tune)
    tab.evaluate("widths => { window.widths = widths; }", page_widths(tune))
    tab.evaluate(WATCH)
    tab.click("#start")
    tab.wait_for_timeout(1000 * (seconds + BEFORE_S + 1))
    rate = tab.evaluate("new AudioContext().sampleRate")
    trace, first = tab.evaluate("[window.trace, window.first]")
    tab.screenshot(path=folder / "microphone.png")
    assert tab.problems == []
    tab.context.browser.close()
    return trace, first / rate, rate


def page_widths(tune):
    return [page.width for page in read_pages(tune).pages]


@pytest.mark.parametrize("seconds", [12, pytest.param(34, marks=pytest.mark.slow)])
def test_the_cursor_follows_a_microphone(chromium, served, tune, performed, tmp_path, seconds):
    samples = performed.samples[: seconds * SAMPLE_RATE]
    trace, first_s, rate = microphone_trace(chromium, served[0], tune, samples, tmp_path, seconds)
    score = read_pages(tune)
    onsets = performed.onset_s - performed.onset_s[0] + first_s
    played = performed.onset_s < seconds - 0.5
    times = np.array([row[0] / rate for row in trace])
    shown = np.searchsorted(times, onsets[played]) - 1  # what is on the screen at each onset
    x = np.array([row[1] for row in trace])[shown]
    truth = score.onsets.strip_x[played]
    systems = [score.system_at(v) for v in truth]
    near = np.abs(x - truth) < HEAD_PX
    assert np.mean(near) >= 0.9, list(np.round(x - truth, 1))
    # At the first note of a system the cursor may still be on its way there.
    right = [trace[i][2] == s for i, s in zip(shown, systems, strict=True)]
    begins = [k > 0 and systems[k] != systems[k - 1] for k in range(len(systems))]
    assert all(r or b for r, b in zip(right, begins, strict=True))
    assert max(abs(row[4]) for row in trace[5:] if row[3] == "following") < 40  # px, on its way
    assert {row[3] for row in trace if row[0] / rate < first_s - 0.1} <= {"waiting"}


def test_the_example_plays_and_is_followed(browser, served):
    tab = open_page(browser, served[0])
    tab.get_by_role("button", name="Try the example").click()
    tab.wait_for_selector(READY)
    assert tab.locator("#state").inner_text() == "Ready"
    tab.keyboard.press("Space")
    tab.wait_for_selector("#state[data-state=following]")
    tab.wait_for_timeout(2500)
    last = tab.evaluate("window.sfpipe.last")
    assert last["system"] == 0 and last["confidence"] > 0.3
    assert tab.locator("#sure").inner_text().endswith("% sure")
    tab.keyboard.press("Space")
    tab.wait_for_selector("#state[data-state=ready]")
    assert tab.problems == []
    tab.context.close()


def test_a_score_is_dropped_and_a_click_places_the_cursor(browser, served, tune):
    tab = open_page(browser, served[0])
    send_score(tab, tune)
    system = tab.evaluate("window.sfpipe.view.score.systems.at(-1)")
    page = tab.locator(".page").nth(system["page"])
    page.scroll_into_view_if_needed()
    size = tab.evaluate("p => window.sfpipe.view.score.pages[p]", system["page"])
    box = page.bounding_box()
    x = (system["left"] + 0.4 * (system["right"] - system["left"])) / size["width"]
    y = (system["top"] + system["bottom"]) / 2 / size["height"]
    page.click(position={"x": x * box["width"], "y": y * box["height"]})
    tab.wait_for_timeout(500)
    cursor, box = tab.locator(".cursor").bounding_box(), page.bounding_box()
    middle = cursor["x"] + cursor["width"] / 2 - box["x"]
    assert middle == pytest.approx(x * box["width"], abs=3)
    assert cursor["y"] < box["y"] + y * box["height"] < cursor["y"] + cursor["height"]
    assert tab.problems == []
    tab.context.close()


def test_the_pitch_is_shown_and_corrected_by_hand(browser, served, tune):
    tab = open_page(browser, served[0], viewport={"width": 390, "height": 844})
    send_score(tab, tune)
    assert tab.locator("#pitch").inner_text() == "Finding the pitch"
    tab.click("#pitch")
    tab.select_option("#instrument", label="clarinet in B flat (2 lower)")
    assert tab.input_value("#semitones") == "-2"
    tab.fill("#a4", "415")
    tab.get_by_role("button", name="Set").click()
    told = "A4 = 415 Hz, sounds 2 semitones lower (told)"
    tab.wait_for_function("t => document.getElementById('pitch').innerText === t", arg=told)
    assert tab.evaluate("[sfpipe.last.semitones, sfpipe.last.pitch]") == [-2, "told"]
    tab.click("#pitch")
    assert tab.input_value("#a4") == "415.0"
    tab.fill("#semitones", "-9")
    assert tab.locator("#instrument option:checked").inner_text() == "alto saxophone (9 lower)"
    tab.keyboard.press("Escape")
    assert tab.locator("#pitch").inner_text() == told
    tab.click("#pitch")
    tab.get_by_role("button", name="Find it by ear").click()
    tab.wait_for_function("() => document.getElementById('pitch').innerText.startsWith('Find')")
    assert tab.problems == []
    tab.context.close()


def test_what_is_no_score_is_told(browser, served, tmp_path):
    (tmp_path / "notes.pdf").write_bytes(b"no PDF")
    tab = open_page(browser, served[0])
    tab.set_input_files("#score-file", tmp_path / "notes.pdf")
    tab.wait_for_selector("#notice:not([hidden])")
    assert "notes.pdf" in tab.locator("#notice").inner_text()
    assert tab.locator("#welcome").is_visible()
    tab.context.close()


def place_at(tab, system, share):
    tab.evaluate(
        """([i, share]) => {
            const view = window.sfpipe.view, s = view.score.systems[i];
            view.manualUntil = 0;
            view.move({page: s.page, system: i, x: s.left + share * (s.right - s.left),
                       y_top: s.top, y_bottom: s.bottom, strip_x: 0, state: "following"}); }""",
        [system, share],
    )


def two_pages(tab):
    """The score that is shown, taken as two pages of two systems, as if it were longer."""
    tab.evaluate(
        """() => {
            const view = window.sfpipe.view, score = structuredClone(view.score);
            const page = score.pages[0];
            const system = score.systems[0], height = system.bottom - system.top;
            const tall = {...page, height: page.width * 1.4};
            score.pages = [tall, tall, tall];
            score.systems = [0, 1, 2].flatMap(p => [0.1, 0.4, 0.8].map(share => ({
                ...system, page: p, top: share * tall.height,
                bottom: share * tall.height + height})));
            view.show(score); }"""
    )


def test_pages_turn_ahead_of_the_last_system(browser, served, tune):
    tab = open_page(browser, served[0])
    send_score(tab, tune)
    two_pages(tab)
    shown = "[...document.querySelectorAll('.page')].map(p => p.className.slice(5))"
    tab.select_option("#mode", "page")
    for system, share, expected in (
        (0, 0.9, ["shown", "", ""]),
        (2, 0.3, ["shown", "", ""]),
        (2, 0.7, ["", "shown", ""]),  # before the last system is over
        (3, 0.1, ["", "shown", ""]),
        (8, 0.9, ["", "", "shown"]),
    ):
        place_at(tab, system, share)
        assert tab.evaluate(shown) == expected, (system, share)
    tab.select_option("#mode", "half")
    for system, share, expected in (
        (0, 0.9, ["shown", "", ""]),
        (2, 0.1, ["shown", "ahead", ""]),  # the upper half is the next page's
        (3, 0.1, ["", "shown", ""]),
        (8, 0.9, ["", "", "shown"]),
    ):
        place_at(tab, system, share)
        assert tab.evaluate(shown) == expected, (system, share)
    # The halves meet between two systems: of those at 10, 40 and 80 % the first two.
    assert 0.4 > tab.evaluate("window.sfpipe.view.cut(1)") >= 0.3
    # A pedal turns, and for a while nothing turns back.
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("PageUp")
    assert tab.evaluate(shown) == ["", "shown", ""]
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(shown) == ["", "", "shown"]
    assert tab.problems == []
    tab.context.close()


def test_it_scrolls_ahead(browser, served, tune):
    tab = open_page(browser, served[0], viewport={"width": 1000, "height": 700})
    send_score(tab, tune)
    two_pages(tab)
    top = "document.getElementById('stand').scrollTop"
    place_at(tab, 1, 0.2)
    tab.wait_for_timeout(900)
    before = tab.evaluate(top)
    place_at(tab, 1, 0.7)
    tab.wait_for_timeout(900)
    assert tab.evaluate(top) > before + 100
    line = tab.locator(".cursor").bounding_box()
    assert line["y"] > 0 and line["y"] + line["height"] < 700  # in sight still
    tab.context.close()


def music_on_screen(tab):
    """Left and right end of the first system, px of the screen."""
    return tab.evaluate(
        """() => {
            const {score} = window.sfpipe.view, s = score.systems[0];
            const page = document.querySelector(".page").getBoundingClientRect();
            return [s.left, s.right].map(x => page.left + x / score.pages[0].width * page.width);
        }"""
    )


def test_a_large_page_moves_with_the_cursor(browser, served, tune):
    tab = open_page(browser, served[0], viewport={"width": 390, "height": 844})
    send_score(tab, tune)
    tab.select_option("#mode", "large")
    left, right = music_on_screen(tab)
    assert right - left > 1.5 * 390
    for share in (0.1, 0.5, 0.95):
        place_at(tab, 0, share)
        tab.wait_for_timeout(800)
        cursor = tab.locator(".cursor").bounding_box()
        assert 0 < cursor["x"] < 390, share
    tab.context.close()


@pytest.mark.parametrize("width", [390, 760, 820, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen(browser, served, tune, width, scheme):
    size = {"width": width, "height": 844}
    tab = open_page(browser, served[0], viewport=size, color_scheme=scheme)
    send_score(tab, tune)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    for name in ("#start", "#open", "#restart", "#mode"):
        box = tab.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 36
    left, right = music_on_screen(tab)
    assert left >= 0 and right <= width and right - left > 0.85 * min(width, 1000)
    tab.evaluate("document.body.classList.add('on')")
    heights = set()
    for state in ("waiting", "following", "lost"):
        tab.evaluate("state => window.sfpipe.say(state)", state)
        box = tab.locator("#state").bounding_box()
        assert box["x"] + box["width"] <= width
        whole = "document.getElementById('state').scrollWidth"
        assert tab.evaluate(whole) <= box["width"] + 1, state  # nothing is cut off
        heights.add(tab.locator("header").bounding_box()["height"])
    assert len(heights) == 1  # the music stays where it is
    names = tab.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent).map(b =>"
        " b.getAttribute('aria-label') || b.innerText.trim())"
    )
    assert all(names)
    assert tab.problems == []
    tab.context.close()


def test_what_was_followed_is_played_again(browser, engine, performed, tmp_path):
    """The cursor is where it was at that time, and a click goes to when the music was there."""
    positions = push_all(engine, performed.samples[: 8 * SAMPLE_RATE])
    write_replay(tmp_path / "take.html", performed.page_set, positions, None)
    tab = browser.new_page()
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto((tmp_path / "take.html").as_uri())
    expected = min(positions, key=lambda p: abs(p.time_s - 5))
    tab.evaluate("player => { player.currentTime = 5.01; }", tab.evaluate_handle("window.player"))
    tab.wait_for_timeout(300)
    page = tab.locator(".page").nth(expected.page).bounding_box()
    cursor = tab.locator(".cursor").bounding_box()
    at = (cursor["x"] + cursor["width"] / 2 - page["x"]) / page["width"]
    width = performed.page_set.pages[expected.page].width
    assert at * width == pytest.approx(expected.x, abs=0.01 * width)
    assert tab.locator("#state").inner_text() == "following"
    earlier = min(positions, key=lambda p: abs(p.time_s - 2))
    tab.locator(".page").nth(earlier.page).click(
        position={
            "x": earlier.x / width * page["width"],
            "y": earlier.y_top / width * page["width"],
        }
    )
    assert tab.evaluate("window.player.currentTime") == pytest.approx(earlier.time_s, abs=0.1)
    assert errors == []
    tab.close()
