"""A server of several processes: what they share, and what is left when one of them dies."""

import asyncio
import contextlib
import json
import os
import signal
import time

import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from benchmarks.live import example
from benchmarks.serving import load
from sfpipe.live.scores import served_folder
from tests.live.conftest import alive, serving, workers_of
from tests.live.test_browser import WATCH, microphone_tab, page_widths, send_score
from tests.live.test_server import follow, get, post

STATES = """() => {
  const state = document.getElementById("state");
  window.states = []; window.begun = 0;
  new MutationObserver(() => {
    window.states.push(state.dataset.state);
    if (state.dataset.state === "following" && !window.begun) window.begun = window.states.length;
  }).observe(state, {attributes: true, attributeFilter: ["data-state"]});
}"""


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def score(served_by_two, tune):
    status, score, _ = post(served_by_two[0], "scores?name=tune.abc", tune.read_bytes())
    assert status == 200
    return score


def test_every_process_serves_every_score(served_by_two, score):
    """What one of them has read, the other has, too; connections are spread over both."""
    address, _, server = served_by_two
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(contextlib.closing(follow(address, score["key"])))
            assert get(address, score["pages"][0]["url"][1:])[0] == 200
        each = [connections(worker) for worker in workers_of(server)]
    assert sum(each) == 10 and min(each) >= 1


def connections(worker: psutil.Process) -> int:
    """Of those who follow; the listening socket and pictures asked for are none."""
    return sum(c.status == psutil.CONN_ESTABLISHED for c in worker.net_connections("tcp"))


def test_one_that_dies_is_replaced_and_takes_no_score_along(served_by_two, score):
    address, _, server = served_by_two
    sockets = [follow(address, score["key"]) for _ in range(6)]
    victim, other = sorted(workers_of(server), key=connections, reverse=True)
    readers = victim.children()
    kept = 6 - connections(victim)
    victim.kill()
    wait_for(lambda: answers(address, score["key"]))  # at once, by the other one
    wait_for(lambda: len(workers_of(server)) == 2)
    assert alive(other) and victim.pid not in [w.pid for w in workers_of(server)]
    wait_for(lambda: not any(map(alive, readers)))
    went_on = 0
    for socket in sockets:
        with contextlib.suppress(ConnectionClosed):
            socket.send(json.dumps({"type": "restart"}))
            went_on += json.loads(socket.recv(20))["type"] == "at"
            socket.close()
    assert went_on == kept
    new = next(worker for worker in workers_of(server) if worker.pid != other.pid)

    def takes_part() -> bool:
        with contextlib.closing(follow(address, score["key"])):
            return connections(new) > 0

    wait_for(takes_part, 120)  # it serves what was sent before it was there


def answers(address: str, key: str) -> bool:
    """Whether a connection is taken; one that was dealt to a process that has died is not."""
    try:
        follow(address, key).close()
    except (OSError, InvalidMessage):
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_all_end_with_the_first(tmp_path, number, monkeypatch):
    """However it ends; only a killed one leaves its scores, for the next to remove."""
    with serving(tmp_path, "--workers", "2") as (address, temporary, server):
        post(address, "scores/example", b"")
        family = psutil.Process(server).children(recursive=True)
        assert len(family) >= 4  # two that serve, and read
        os.kill(server, number)
        wait_for(lambda: not any(map(alive, family)))
    left = list(temporary.iterdir())
    assert bool(left) == (number == signal.SIGKILL)
    if left:
        assert oct(left[0].stat().st_mode)[-3:] == "700"
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        with served_folder() as folder:
            assert list(temporary.iterdir()) == [folder]


def following_tab(chromium, address, performed, tune, tmp_path, *scripts):
    """A page that hears `performed` by its microphone and follows it; scripts run before."""
    tab = microphone_tab(chromium, address, performed.samples, tmp_path)
    send_score(tab, tune)
    tab.evaluate("widths => { window.widths = widths; }", page_widths(tune))
    for script in (WATCH, *scripts):
        tab.evaluate(script)
    tab.click("#start")
    tab.wait_for_selector("#state[data-state=following]")
    return tab


def test_the_page_goes_on_when_its_process_is_killed(
    chromium, served_by_two, tune, performed, tmp_path
):
    """In the middle of the music: it connects to another process, and is at its place again."""
    address, _, server = served_by_two
    tab = following_tab(chromium, address, performed, tune, tmp_path, STATES)
    tab.wait_for_timeout(8000)  # then the connections are closed by which it got its files
    wait_for(lambda: sum(map(connections, workers_of(server))) == 1)
    before = tab.evaluate("window.sfpipe.last")
    max(workers_of(server), key=connections).kill()
    wait_for(lambda: tab.evaluate("window.states.includes('broken')"))
    tab.wait_for_selector("#state[data-state=following]")
    tab.wait_for_timeout(4000)
    after, first = tab.evaluate("[window.sfpipe.last, window.first]")
    first_s = first / tab.evaluate("new AudioContext().sampleRate")
    assert tab.evaluate("window.sfpipe.on")
    assert not {"empty", "waiting"} & set(tab.evaluate("window.states.slice(window.begun)"))
    assert 0 < after["lost_s"] < 25  # one second, unless the machine is busy
    assert after["time_s"] > before["time_s"] + 4
    assert after["state"] == "following" and after["confidence"] > 0.5
    at = after["time_s"] - first_s + performed.onset_s[0]
    truth = np.interp(at, performed.onset_s, performed.onset_x)
    assert after["strip_x"] == pytest.approx(truth, abs=12)  # two and a half note heads
    tab.context.browser.close()


@pytest.mark.slow
def test_fifty_pages_lose_sound_and_never_fall_behind(served_by_two):
    """Two cores follow some thirty: what they cannot is left out and told, and no queue grows."""
    address, _, server = served_by_two
    got = asyncio.run(load(address, server, 50, 20.0, 1.0, example()))
    for session in got.sessions:  # all sound was followed or counted
        assert session.end_s == pytest.approx(session.sent_s, abs=0.3)
    for share in (0.5, 0.99):
        early, late = got.age(share, from_s=4, to_s=8), got.age(share, from_s=16)
        assert late < early + 1, share
    assert got.age(0.5) < 3.5  # two seconds are sent ahead, and the last ones have their turn
    assert got.mib[-1] < got.mib[0] + 200  # each page keeps the first 20 s of the music


@pytest.mark.slow
def test_a_page_sends_no_more_than_its_server_answers(
    chromium, served_by_two, tune, performed, tmp_path
):
    """A server that stands still for six seconds: what was not sent meanwhile is left out."""
    address, _, server = served_by_two
    tab = following_tab(chromium, address, performed, tune, tmp_path)
    family = psutil.Process(server).children(recursive=True)
    for process in family:
        process.suspend()
    tab.wait_for_timeout(6000)
    for process in family:
        process.resume()
    tab.wait_for_timeout(4000)
    sent, last = tab.evaluate("[window.sent / new AudioContext().sampleRate, window.sfpipe.last]")
    assert 2 < last["lost_s"] < 12
    assert sent - last["time_s"] < 2.5
    assert "left out so far" in tab.inner_text("#notice")
    tab.context.browser.close()
