"""The other side of the benchmarks plays the same game and trains the same network."""

import numpy as np
import pytest
import torch

from benchmarks import reference_style as reference
from benchmarks.bench import main
from benchmarks.table import Row, put_into
from sfpipe.agents.networks import ActorCritic
from sfpipe.game.single import SingleGame
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.toy import performance_record, score_record


def songs(window):
    score = score_record("a", [20, 60, 290], width=320, height=window.height)
    performance = performance_record("a", [0.2, 1.0, 4.0], frames=90)
    bank = Bank({"a": score}, [performance], window)
    return bank, reference.songs_of(bank, {"a": score.strip})


@pytest.mark.parametrize("name", WINDOWS)
def test_the_same_game(name):
    bank, held = songs(WINDOWS[name])
    theirs, ours = reference.make(held, bank.window, 0), SingleGame(bank, 0)
    seen, rng = theirs.reset(), np.random.default_rng(0)
    for _ in range(40):
        score, spectrogram = ours.observe()
        np.testing.assert_allclose(seen["spectrogram"], spectrogram, atol=1e-6)
        # Halving rounds to whole grey values, which OpenCV does to even ones.
        np.testing.assert_allclose(seen["score"], score, atol=1.01 / 255 * bank.window.shrink)
        action = int(rng.integers(0, 3))
        out = ours.step(action - 1)
        seen, reward, over, _ = theirs.step(action)
        assert reward == pytest.approx(out.reward)
        assert over == (out.lost or out.finished)
        if over:
            break


def test_games_in_processes_and_training():
    bank, held = songs(WINDOWS["nottingham"])
    games = reference.ProcessGames(held, bank.window, 3)
    try:
        network = reference.plain(ActorCritic(bank.window, dropout=0))
        before = [p.detach().clone() for p in network.parameters()]
        for algo in ("a2c", "ppo"):
            assert reference.train(network, games, algo, steps=4)() == 12
        assert any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    finally:
        games.close()


def test_an_unknown_part_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "unknown part nothing" in capsys.readouterr().err


@pytest.mark.slow
def test_every_part_is_measured(tmp_path, capsys):
    out = tmp_path / "bench.json"
    main(["--seconds", "0.1", "--rounds", "1", "--windows", "nottingham", "--json", str(out)])
    printed = capsys.readouterr().out
    for part in (
        "game",
        "training",
        "augmented",
        "pretraining",
        "evaluation",
        "latency",
        "MIDI to spectrogram",
        "odtw",
        "engrave",
    ):
        assert part in printed
    assert out.exists()


def test_the_page_of_the_documentation_gets_the_new_table(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("# Speed\n\n```text\nold 1\n```\n\nWhy.\n\n```text\nother\n```\n")
    put_into(page, ["a machine", Row("game", "steps/s", [8.0], [2.0]).text()])
    text = page.read_text()
    assert text.startswith("# Speed\n\n```text\na machine\ngame  ") and "4.00x  steps/s" in text
    assert text.endswith("```\n\nWhy.\n\n```text\nother\n```\n") and "old" not in text
