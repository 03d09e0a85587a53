"""The clock of a training, and what its card is told."""

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.training.session import Clock, revision


def test_what_is_saved_knows_all_the_time_it_took():
    """An evaluation just before a checkpoint counts, as do the runs before."""
    course, saved = SimpleNamespace(seconds=100.0), []
    stop = iter([False, True])
    clock = Clock(
        course,
        save=lambda: saved.append(course.seconds),
        checkpoint=Path("c.pt"),
        every=0,
        should_stop=lambda: next(stop),
    )
    time.sleep(0.05)
    clock.tick("1 frame")
    assert 100.05 <= saved[0] < 110
    with pytest.raises(SfpipeError, match="interrupted after 2 frames") as error:
        clock.tick("2 frames")
    assert saved[1] > saved[0] and error.value.file == "c.pt"


def test_nothing_is_saved_before_its_time():
    clock = Clock(
        SimpleNamespace(seconds=0.0),
        save=pytest.fail,
        checkpoint=None,
        every=60,
        should_stop=lambda: False,
    )
    clock.tick("1 frame")


@pytest.mark.parametrize("error", [OSError(), subprocess.TimeoutExpired("git", 10)])
def test_without_an_answer_of_git_there_is_no_revision(monkeypatch, error):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert revision() is None
