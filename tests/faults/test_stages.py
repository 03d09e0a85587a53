"""Every stage on a machine that misbehaves: it goes on, or ends in one line; then it is made good.

What happens is drawn from seeds. A run that was disturbed is followed by one that is not, and
leaves what a run that was never disturbed leaves, byte for byte.
"""

import random
import re
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import STAGES, Chain, leavings
from tests.faults.machine import Ended

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
SOME = ("engrave", "spectrograms", "train")  # without -m slow
EACH = [s if s in SOME else pytest.param(s, marks=pytest.mark.slow) for s in STAGES]
every = pytest.mark.parametrize("stage", EACH)
seeded = pytest.mark.parametrize("seed", SEEDS)


def drawn(seed: int, calls: int) -> int:
    """Which of so many calls, from 1."""
    return random.Random(seed).randint(1, max(calls, 1))


def temporary(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".tmp" in path.name]


def one_line(ended: Ended) -> str:
    """The message of a run that failed: one line, with a remedy or a word of what ended it."""
    assert ended.code > 0, ended
    assert "Traceback" not in ended.err, ended.err
    assert ended.said.startswith("sfpipe: "), ended.err
    return ended.said


def make_good(chain: Chain, stage: str, folder: Path) -> None:
    """Run it once more, undisturbed."""
    ended = chain.machine.run(folder, *STAGES[stage][0])
    assert ended.code == 0, ended.err
    assert leavings(folder, stage) == chain.before[stage].leaves
    assert temporary(folder) == []


@every
@seeded
@pytest.mark.parametrize("fault", ["short", "clock"])
def test_short_reads_and_writes_and_a_clock_that_jumps_change_nothing(
    chain, tmp_path, stage, seed, fault
):
    folder = chain.copy(stage, tmp_path / "p")
    ended = chain.machine.run(folder, *STAGES[stage][0], fault=fault, seed=seed)
    assert ended.code == 0, ended.err
    assert leavings(folder, stage) == chain.before[stage].leaves


@every
@seeded
def test_killed_in_the_middle_of_a_write(chain, tmp_path, stage, seed):
    folder = chain.copy(stage, tmp_path / "p")
    nth = drawn(seed, chain.before[stage].calls.writes)
    ended = chain.machine.run(folder, *STAGES[stage][0], fault="kill", nth=nth)
    assert ended.code == -9
    made = {path: path.stat().st_mtime_ns for path in finished(folder, stage)}
    make_good(chain, stage, folder)
    again = [path for path, at in made.items() if path.stat().st_mtime_ns != at]
    assert again == []  # what was finished is not made again


def finished(folder: Path, stage: str) -> list[Path]:
    """Files of pieces that a stage keeps when it runs again."""
    if stage not in ("engrave", "synthesize"):
        return []
    root = folder / STAGES[stage][1][0]
    if stage == "synthesize":  # the recipe is written last, and says that all is there
        return [path for path in root.rglob("*.flac") if path.with_suffix(".json").exists()]
    found = [path for path in root.rglob("*.png") if ".tmp" not in str(path.relative_to(root))]
    return [path for path in found if (path.parent / "noteheads.csv").exists()]


@every
@seeded
def test_terminated_in_the_middle_of_a_write(chain, tmp_path, stage, seed):
    folder = chain.copy(stage, tmp_path / "p")
    nth = drawn(seed + 100, chain.before[stage].calls.writes)
    ended = chain.machine.run(folder, *STAGES[stage][0], fault="term", nth=nth)
    if ended.code == 0:  # a training that was over has but its files to write, and does so
        assert stage == "train"
    else:
        assert re.search("terminated|interrupted", one_line(ended))
        assert temporary(folder) == []
    make_good(chain, stage, folder)


@every
@seeded
def test_a_full_disk(chain, tmp_path, stage, seed):
    folder = chain.copy(stage, tmp_path / "p")
    nth = drawn(seed + 200, chain.before[stage].calls.writes)
    ended = chain.machine.run(folder, *STAGES[stage][0], fault="full", nth=nth)
    assert "the disk is full" in one_line(ended)
    assert temporary(folder) == []
    make_good(chain, stage, folder)


@every
def test_a_folder_that_is_read_only(chain, tmp_path, stage):
    folder = chain.copy(stage, tmp_path / "p")
    ended = chain.machine.run(folder, *STAGES[stage][0], fault="read-only")
    assert "cannot be written" in one_line(ended)
    make_good(chain, stage, folder)


@every
@seeded
def test_a_disk_that_cannot_be_read_any_more(chain, tmp_path, stage, seed):
    """From some read on: the stage ends in a line, or leaves pieces out with the reason."""
    folder = chain.copy(stage, tmp_path / "p")
    nth = drawn(seed + 300, chain.before[stage].calls.reads)
    ended = chain.machine.run(folder, *STAGES[stage][0], fault="unreadable", nth=nth)
    if ended.code:
        one_line(ended)
    else:
        assert "skipped" in ended.err or leavings(folder, stage) == chain.before[stage].leaves
    make_good(chain, stage, folder)


@every
@seeded
def test_a_damaged_file_of_the_run_before(chain, tmp_path, stage, seed):
    """Cut off, or with other bytes in it: it is made again.

    Pieces that are kept are known by their recipe, and that their images can be read: of what is
    not noticed so, DVC tells, and whoever removes the piece has it made again.
    """
    folder = chain.copy(stage, tmp_path / "p")
    assert chain.machine.run(folder, *STAGES[stage][0]).code == 0
    dice = random.Random(seed + 400)
    victim = folder / dice.choice(sorted(chain.before[stage].leaves))
    content = bytearray(victim.read_bytes())
    at = dice.randrange(len(content))
    if dice.random() < 0.5:
        del content[at:]
    else:
        content[at : at + 16] = dice.randbytes(16)
    victim.write_bytes(content)
    if stage in ("engrave", "synthesize"):
        assert chain.machine.run(folder, *STAGES[stage][0]).code == 0
        if leavings(folder, stage) != chain.before[stage].leaves:
            shutil.rmtree(victim.parent)
    make_good(chain, stage, folder)


@every
def test_two_runs_at_once(chain, tmp_path, stage):
    folder = chain.copy(stage, tmp_path / "p")
    chain.machine.start(folder, *STAGES[stage][0])
    chain.machine.start(folder, *STAGES[stage][0])
    for ended in (chain.machine.wait(), chain.machine.wait()):
        if ended.code:
            one_line(ended)
    make_good(chain, stage, folder)
