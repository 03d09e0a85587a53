"""What a training's card is told."""

import subprocess

import pytest

from sfpipe.training.session import revision


@pytest.mark.parametrize("error", [OSError(), subprocess.TimeoutExpired("git", 10)])
def test_without_an_answer_of_git_there_is_no_revision(monkeypatch, error):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert revision() is None
