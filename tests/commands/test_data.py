"""Stores packed, inspected, and refused where they are read."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.commands.conftest import SCORES, SPECTROGRAMS


def edit(path: Path, name: str, value) -> None:
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = value


@pytest.mark.parametrize("command", ["train", "evaluate", "show-alignment"])
@pytest.mark.parametrize("store", [SCORES, SPECTROGRAMS])
def test_stores_missing_foreign_or_damaged(project, refuses, command, store):
    if command == "show-alignment" and store == SPECTROGRAMS:
        pytest.skip("it reads the scores only")
    path = project / store
    whole = path.read_bytes()
    path.unlink()
    refuses(command, file=store, says="no such file")
    path.write_bytes(whole[: len(whole) // 2])
    refuses(command, file=store, says="is not a readable HDF5 file")
    with h5py.File(path, "w") as file:
        file["x"] = 1
    refuses(command, file=store, says="is HDF5 but not an sfpipe store")
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 0
    refuses(command, file=store, says="has schema version 0")


def test_inspect_of_what_is_no_store(project, refuses):
    refuses("inspect", "nothing.h5", file="nothing.h5", says="no such file")
    refuses("inspect", "params.yaml", file="params.yaml", says="is not a readable HDF5 file")


def test_inspect(project, sfpipe):
    code, out, err = sfpipe("inspect", SCORES)
    assert (code, err) == (0, "")
    assert out.startswith(f"{SCORES}: scores of 'toy', schema version 1\n")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_nan_in_a_store(project, refuses, command):
    spectrogram = np.zeros((78, 30), np.float32)
    spectrogram[3, 4] = np.nan
    for i in range(3):
        edit(project / SPECTROGRAMS, f"tune{i}/plain/spectrogram", spectrogram)
    refuses(command, file=SPECTROGRAMS, says="holds NaN")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_stores_that_do_not_belong_together(project, refuses, command):
    for i in range(3):
        edit(project / SPECTROGRAMS, f"tune{i}/plain/score_onset", np.array([0, 1, 7]))
    refuses(command, file=SPECTROGRAMS, says="an onset points outside the score")


def test_a_split_without_pieces(project, refuses):
    with h5py.File(project / SPECTROGRAMS, "a") as file:
        for i in range(3):
            file[f"tune{i}"].attrs["split"] = "train"
    refuses("train", file=SPECTROGRAMS, says="no performance has a strip in split valid")
    refuses("evaluate", file=SPECTROGRAMS, says="no performance has a strip in split test")


def test_strip_lower_than_the_window(project, refuses):
    for i in range(3):
        edit(project / SCORES, f"tune{i}/strip", np.zeros((30, 200), np.uint8))
    refuses("train", file=SCORES, says="the strip is 30 px high, the window needs 40")


def test_pack_trains_evaluates_and_unpacks(project, sfpipe):
    code, out, err = sfpipe("pack", "--split", "train", "--split", "valid", "--split", "test")
    assert (code, out.startswith("Packed(pieces=3, performances=3")) == (0, True), err
    packed = "data/packed/toy.h5"
    whole = {name: (project / name).read_bytes() for name in (SCORES, SPECTROGRAMS)}
    for name in whole:
        (project / name).unlink()
    assert sfpipe("train", "--packed", packed)[0] == 0
    code, out, err = sfpipe("evaluate", "--packed", packed)
    assert code == 0, err
    assert "constant speed" in out
    code, out, _ = sfpipe("unpack", packed)
    assert (code, out) == (0, f"{SCORES}\n{SPECTROGRAMS}\n")
    assert sfpipe("evaluate")[0] == 0
