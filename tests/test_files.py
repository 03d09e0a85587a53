"""Outputs are complete or not there: whatever interrupts the writing, whatever the disk does."""

import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sfpipe.errors import SfpipeError, StorageError
from sfpipe.files import read_json, replacing, sha256, write_json


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def run(code: str, *arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1200,
        **options,
    )


def test_writes_a_file_and_makes_its_folder(tmp_path):
    with replacing(tmp_path / "a" / "b" / "x.txt") as temporary:
        assert temporary.suffix == ".txt"
        assert temporary.parent == tmp_path / "a" / "b"
        temporary.write_text("new")
        assert not (tmp_path / "a" / "b" / "x.txt").exists()
    assert (tmp_path / "a" / "b" / "x.txt").read_text() == "new"
    assert names(tmp_path / "a" / "b") == ["x.txt"]


def test_replaces_a_folder(tmp_path):
    out = tmp_path / "out"
    (out / "old").mkdir(parents=True)
    with replacing(out) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("")
        assert names(out) == ["old"]
    assert names(out) == ["new"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SfpipeError, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half")
        raise error("stop")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_an_exception_leaves_the_old_folder_and_nothing_else(tmp_path):
    (tmp_path / "out" / "old").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "out") as temporary:
        temporary.mkdir()
        (temporary / "half").write_text("")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["old"]


SLOW_WRITER = """
import signal, sys, time
from sfpipe.files import replacing
# Who is started in the background of a script inherits that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with replacing(sys.argv[1]) as temporary, open(temporary, "w") as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def interrupt(path: Path, number: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(number)
    writer.communicate(timeout=1200)
    assert writer.returncode


def test_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    interrupt(path, signal.SIGKILL)
    assert read_json(path, remedy="", schema=dict) == {"old": 1}
    assert len(names(tmp_path)) == 2
    # The next writer clears away what the dead one left, and nothing else.
    others = [".x.1.tmp.json", ".x.y.tmp.json", ".xx.99999999.tmp.json", ".x.99999999.tmp.txt"]
    for name in others:
        (tmp_path / name).touch()
    write_json(path, {"new": 1})
    assert read_json(path, remedy="", schema=dict) == {"new": 1}
    assert names(tmp_path) == sorted([*others, "x.json"])


def test_interrupt_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    interrupt(path, signal.SIGINT)
    assert read_json(path, remedy="", schema=dict) == {"old": 1}
    assert names(tmp_path) == ["x.json"]


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "x.json"
    value = {"x": list(range(2000))}
    write_json(path, value)
    code = """
import sys
from sfpipe.files import write_json
print("go", flush=True)
while True:
    write_json(sys.argv[1], {"x": list(range(2000))})
"""
    command = [sys.executable, "-c", code, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "go\n"
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert read_json(path, remedy="", schema=dict) == value
    finally:
        writer.kill()
        writer.communicate()


@pytest.mark.parametrize("deep", [False, True])
def test_parent_is_a_file(tmp_path, deep):
    (tmp_path / "file").write_text("keep")
    path = tmp_path / "file" / ("deep/x.json" if deep else "x.json")
    with pytest.raises(StorageError, match="cannot be written") as caught:
        write_json(path, 1)
    assert str(path) in str(caught.value)
    assert (tmp_path / "file").read_text() == "keep"


def test_a_folder_in_the_place_of_a_file_is_not_removed(tmp_path):
    (tmp_path / "x.json" / "precious").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        write_json(tmp_path / "x.json", 1)
    assert names(tmp_path) == ["x.json"]
    assert names(tmp_path / "x.json") == ["precious"]


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be written \(File name too long\)"):
        write_json(tmp_path / ("x" * 250 + ".json"), 1)
    assert names(tmp_path) == []


def test_folder_that_may_not_be_written():
    """As an ordinary user: root may write everywhere."""
    code = """
import os, sys
from sfpipe.errors import SfpipeError
from sfpipe.files import write_json
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    write_json(sys.argv[1], 1)
except SfpipeError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        os.chmod(folder, 0o555)
        path = Path(folder) / "x.json"
        done = run(code, path)
        assert done.stdout.startswith(f"{path}: cannot be written"), done.stderr
        assert "Permission denied" in done.stdout
        assert names(Path(folder)) == []
        os.chmod(folder, 0o755)


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_output(tmp_path):
    (tmp_path / "input").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "out.txt") as temporary:
        temporary.write_bytes((tmp_path / "input").read_bytes())
    assert names(tmp_path) == ["input"]


def test_full_device(tmp_path):
    """The temporary file is /dev/full, a device on which every write fails."""
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(StorageError, match="disk is full"), replacing(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("more")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


WRITERS = """
import sys
from pathlib import Path
import numpy as np
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing

kind, path = sys.argv[1], Path(sys.argv[2])
big = np.random.default_rng(0).random(400_000)
try:
    with replacing(path) as temporary:
        if kind == "text":
            temporary.write_bytes(big.tobytes())
        elif kind == "hdf5":
            import h5py
            with h5py.File(temporary, "w", libver="latest") as file:
                file.create_dataset("x", data=big)
        elif kind == "safetensors":
            from safetensors.numpy import save_file
            save_file({"x": big}, str(temporary))
        elif kind == "torch":
            import torch
            torch.save({"x": torch.tensor(big)}, temporary)
        elif kind == "flac":
            import soundfile
            soundfile.write(temporary, (big * 30_000).astype(np.int16), 22_050)
except SfpipeError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["text", "hdf5", "safetensors"])
def test_file_size_limit(tmp_path, kind):
    path = tmp_path / "x.dat"
    path.write_text("old")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = run(WRITERS, kind, path, preexec_fn=limit)
    assert f"{path}: the disk is full -> " in done.stdout, done.stderr
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.dat"]


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("kind", ["hdf5", "safetensors", "torch", "flac"])
def test_full_disk(tmp_path, kind):
    """A real file system of 256 KiB, which disappears with the process."""
    if not may_mount():
        pytest.skip("this machine does not let a test mount a small file system of its own")
    disk = tmp_path / "disk"
    disk.mkdir()
    name = "x.flac" if kind == "flac" else "x.dat"
    shell = (
        'mount -t tmpfs -o size=256k tmpfs "$4" && echo old > "$4/$5" && '
        '"$1" -c "$2" "$3" "$4/$5" && ls -A "$4" && cat "$4/$5"'
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", shell, "-", sys.executable, WRITERS, kind, disk, name],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    assert lines[0].startswith(f"{disk / name}: the disk is full -> free some space")
    assert lines[1:] == [name, "old"]


def test_read_json_says_what_is_wrong(tmp_path):
    with pytest.raises(SfpipeError) as caught:
        read_json(tmp_path / "x.json", remedy="run it", schema=dict)
    assert str(caught.value) == f"{tmp_path / 'x.json'}: no such file -> run it"
    (tmp_path / "x.json").write_text('{"a": 1')
    with pytest.raises(SfpipeError, match=r"x\.json: is not valid JSON .* -> run it"):
        read_json(tmp_path / "x.json", remedy="run it", schema=dict)
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SfpipeError, match="is not valid JSON"):
        read_json(tmp_path / "x.json", remedy="run it", schema=dict)
    with pytest.raises(SfpipeError, match="cannot be read"):
        read_json(tmp_path, remedy="run it", schema=dict)


def test_json_keeps_what_it_is_given(tmp_path):
    value = {"ä": [1, 2.5, None], "b": {"c": "d"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json", remedy="", schema=dict) == value
    assert (tmp_path / "x.json").read_text("utf-8").endswith("}\n")


def test_half_of_a_pair_is_no_reason_to_fail(tmp_path):
    write_json(tmp_path / "x.json", {"a": "\ud800"})
    assert read_json(tmp_path / "x.json", remedy="", schema=dict) == {"a": "?"}


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "x") == expected


@pytest.mark.parametrize("kind", [SfpipeError, StorageError])
def test_errors_survive_the_way_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("two\n lines", file="f.txt", remedy="do\nthis")))
    assert type(error) is kind
    assert str(error) == "f.txt: two lines -> do this"
