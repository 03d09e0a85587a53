"""Stores are read by other versions of HDF5: by its own h5dump, and by the oldest h5py allowed."""

import json
import re
import shutil
import subprocess
import venv
from pathlib import Path

import h5py
import numpy as np
import pytest

from sfpipe.store.pack import pack
from sfpipe.store.reader import read_performances, read_scores
from tests.store.test_stores import performance, score, scores_file, spectrograms_file

ROOT = Path(__file__).parents[2]
OLDER = ("3.9.0", "3.12.1")  # of h5py: the oldest that pyproject.toml allows, and one of 2024

# Runs with an h5py of its own, and with no package of sfpipe's but NumPy.
READ = """
import json, sys
import h5py
from sfpipe.errors import SfpipeError
from sfpipe.store.reader import read_performances, read_scores
folder, newer = sys.argv[1:]
sums = {}
for name in ("scores.h5", "packed.h5"):
    for piece, record in read_scores(f"{folder}/{name}").items():
        sums[f"{name} {piece}"] = [float(record.strip.sum()), float(record.onset_quarter.sum())]
for name in ("spectrograms.h5", "packed.h5"):
    for record in read_performances(f"{folder}/{name}"):
        sums[f"{name} {record.piece}/"] = [float(record.spectrogram.astype("f8").sum())]
try:
    read_scores(newer)
except SfpipeError as error:
    told = str(error)
print(json.dumps([h5py.version.hdf5_version, sums, told]))
"""
WRITE = """
import sys
import numpy as np
from sfpipe.store.writer import write_scores
with write_scores(sys.argv[1], dataset="toy", params={}, tools={}) as store:
    strip = np.arange(12000, dtype=np.uint32).reshape(40, 300).astype(np.uint8)
    store.add("a", split="train", strip=strip, onset_x_px=[1.0], onset_y_px=[1.0],
              onset_quarter=[0.0], staff_space_px=3.5, px_per_cm=28.0)
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Path:
    """A folder with scores.h5, spectrograms.h5 and packed.h5 of two pieces."""
    folder = tmp_path_factory.mktemp("stores")
    scores = scores_file(folder, {"a": score(), "b": score(1)})
    played = spectrograms_file(folder, {"a": {"p": performance()}, "b": {"q": performance(1)}})
    pack(scores, played, folder / "packed.h5")
    return folder


def test_every_array_has_a_checksum(stores):
    found = []

    def look(name: str, node: h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found.append(node.fletcher32)

    for path in stores.iterdir():
        with h5py.File(path) as file:
            file.visititems(look)
    assert len(found) == 8 + 6 + 14 and all(found)


def test_h5dump_reads_them(stores):
    """Debian's hdf5-tools are of HDF5 1.10; another installation may have a later one."""
    if (program := shutil.which("h5dump")) is None:
        pytest.skip("there is no h5dump on this machine (Debian's package hdf5-tools)")
    for path in stores.iterdir():
        subprocess.run([program, "-o", "/dev/null", path], check=True, stdout=subprocess.DEVNULL)
        head = subprocess.run([program, "-p", "-H", path], check=True, capture_output=True)
        assert head.stdout.count(b"FLETCHER32") == head.stdout.count(b"DATASET ")
    path = stores / "scores.h5"
    done = subprocess.run(
        [program, "-d", "/a/onset_x_px", "-y", path], check=True, capture_output=True, text=True
    )
    numbers = re.findall(r"[\d.]+", done.stdout.partition("DATA {")[2])
    assert list(map(float, numbers)) == [10.5, 20, 299.5]


@pytest.mark.slow
@pytest.mark.parametrize("version", OLDER)
def test_older_h5py(version, stores, tmp_path):
    """Our reader and writer with it: values agree, and what is too new is told as that."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = ["-m", "pip", "install", "-q", "--only-binary=:all:", f"h5py=={version}", "numpy<2"]
    done = subprocess.run([python, *install], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"h5py {version} cannot be installed here: {done.stderr.strip()[-200:]}")
    newer = tmp_path / "newer.h5"
    with h5py.File(stores / "scores.h5") as old, h5py.File(newer, "w", libver="latest") as file:
        file.attrs.update(old.attrs)
        for name, group in old.items():
            file.create_group(name).attrs.update(group.attrs)
            for own, node in group.items():
                file[name].create_dataset(own, data=node[()], fletcher32=True)
    assert read_scores(newer).keys() == {"a", "b"}, "the h5py of these tests reads it"
    where = {"PYTHONPATH": str(ROOT), "PATH": ""}

    def run(code: str, *arguments: Path) -> str:
        command = [python, "-c", code, *arguments]
        done = subprocess.run(command, env=where, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    hdf5, sums, told = json.loads(run(READ, stores, newer))
    assert hdf5 != h5py.version.hdf5_version
    for name in ("scores.h5", "packed.h5"):
        for piece, record in read_scores(stores / name).items():
            assert sums.pop(f"{name} {piece}") == [record.strip.sum(), record.onset_quarter.sum()]
    for name in ("spectrograms.h5", "packed.h5"):
        for played in read_performances(stores / name):
            total = played.spectrogram.astype("f8").sum()
            assert sums.pop(f"{name} {played.piece}/") == [pytest.approx(total)]
    assert not sums
    assert told.startswith(f"{newer}: has a newer format than HDF5 {hdf5} reads"), told
    assert "-> pip install --upgrade h5py" in told and "damaged" not in told
    run(WRITE, tmp_path / "back.h5")
    strip = read_scores(tmp_path / "back.h5")["a"].strip
    np.testing.assert_array_equal(strip.ravel(), np.arange(12000) % 256)
