"""The progress line: share, rate, time left; live on a terminal, sparse in a log."""

import io
import re

import pytest

from sfpipe.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(progress: Progress, seconds: float) -> None:
    """Let the progress believe that it began so many seconds ago."""
    progress.started -= seconds
    progress.shown -= seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.4, "0:09"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (-3, "0:00")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_line_shows_share_rate_and_time_left():
    progress = Progress("engrave", 40, stream=io.StringIO())
    at(progress, 10)
    progress.done = 10
    found = re.fullmatch(
        r"engrave: 10/40 pieces, (1\.0) pieces/s, ETA 0:30, a note", progress.line("a note")
    )
    assert found


def test_unknown_total_has_no_time_left():
    progress = Progress("train", None, "frames", stream=io.StringIO())
    at(progress, 2)
    progress.advance(3000)
    assert re.fullmatch(r"train: 3000 frames, 1,\d{3}\.\d frames/s", progress.line())


def test_what_an_earlier_run_did_does_not_count_for_the_rate():
    progress = Progress("train", 1000, "frames", stream=io.StringIO())
    progress.start_at(900)
    at(progress, 10)
    progress.done += 50
    assert progress.line().startswith("train: 950/1000 frames, 5.0 frames/s, ETA 0:10")


def test_a_log_gets_a_line_only_every_so_often():
    log = io.StringIO()
    progress = Progress("clean", 100, stream=log, every=10)
    for _ in range(50):
        progress.advance()
    assert log.getvalue() == ""
    at(progress, 11)
    progress.advance()
    assert re.fullmatch(r"clean: 51/100 pieces, .*\n", log.getvalue())
    progress.advance()
    assert log.getvalue().count("\n") == 1
    progress.close("3 skipped")
    last = log.getvalue().splitlines()[-1]
    assert re.fullmatch(r"clean: 52 pieces in 0:11 \(4\.\d pieces/s\), 3 skipped", last)


def test_a_terminal_gets_one_line_that_is_written_over():
    screen = Terminal()
    progress = Progress("clean", 100, stream=screen)
    for _ in range(3):
        at(progress, 1)
        progress.advance()
    progress.close()
    shown = screen.getvalue().split("\r\x1b[K")[1:]
    assert len(shown) == 4
    assert [s.startswith(f"clean: {i + 1}") for i, s in enumerate(shown[:3])] == [True] * 3
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().endswith("\n")
