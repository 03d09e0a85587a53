"""Commands that look at agents and games."""

import pytest

from tests.commands.conftest import SPECTROGRAMS


def test_looking_inside(project, sfpipe):
    for command, files in (
        ("embed", ["embedding.png", "embedding.html", "embedding.json"]),
        ("tempo", ["tempo.csv", "tempo.png"]),
        ("explain", ["policy.png", "saliency.png", "explanation.json"]),
    ):
        code, out, err = sfpipe(command)
        assert code == 0, err
        assert out.splitlines() == [f"inspection/{name}" for name in files]
        assert all((project / line).stat().st_size > 100 for line in out.splitlines())


@pytest.mark.parametrize("command", ["embed", "tempo", "explain"])
def test_looking_inside_what_is_not_there(refuses, command):
    refuses(command, "--agent", "other", file="other/agent.json", says="no such file")
    refuses(command, "--dataset", "none", file="data/scores/none.h5", says="no such file")
    if command == "embed":
        refuses(command, "--split", "tset", file=SPECTROGRAMS, says="no performance has a strip")
    else:
        refuses(command, "--piece", "tune9", file=SPECTROGRAMS, says="no piece 'tune9'")


def test_report_needs_an_evaluation(refuses):
    refuses("report", file="metrics/eval.json", says="no such file")


def test_watch_and_page(project, sfpipe):
    code, out, err = sfpipe("watch", "--player", "optimal", "--piece", "tune1")
    assert (code, out) == (0, "watch/tune1-plain-optimal.mp4\n")
    assert err == "sfpipe: no recording of tune1-plain is here: the film is silent\n"
    assert (project / "watch/tune1-plain-optimal.mp4").stat().st_size > 1000
    code, out, _ = sfpipe("page", "--player", "optimal", "--player", "constant-speed")
    assert (code, out) == (0, "pages/tune2-plain.html\n")
    text = (project / "pages/tune2-plain.html").read_text("utf-8")
    assert "optimal" in text and "constant speed" in text
    code, out, _ = sfpipe("page", "--player", "optimal", "--every", "--split", "train", "-j", "1")
    assert (code, out) == (0, "pages/tune0-plain.html\n")


def test_pages_of_every_piece(refuses):
    refuses("page", "--every", "--piece", "tune1", file="", says="has a page of its own")
    refuses("page", "--jobs", "2", file="", says="one page is made here")
    refuses("page", "--every", "--split", "all", file=SPECTROGRAMS, says="split all is empty")


def test_watch_page_and_play_of_what_is_not_there(refuses):
    refuses("watch", "--player", "best", file="best/agent.json", says="no such file")
    refuses("watch", "--baseline", "dtw", file="", says="unknown follower 'dtw'")
    refuses("watch", "--agent", "a", "--player", "optimal", file="", says="shows one follower")
    refuses("watch", "--agent", "other", file="other/agent.json", says="no such file")
    refuses("page", "--piece", "tune9", file=SPECTROGRAMS, says="has no piece 'tune9'")
    refuses("page", "--performance", "plane", file=SPECTROGRAMS, says="no performance 'plane'")
    refuses("play", "--split", "all", file=SPECTROGRAMS, says="no performance in split all")
    missing = "data/real/vienna4x22/performances.h5"
    refuses("watch", "--real-performances", file=missing, says="no such file")


def test_you_play_against_the_trained_agent(project, refuses):
    (project / "models/agent/agent.json").write_text("{}")
    refuses("play", file="models/agent/agent.json", says="names no window")
