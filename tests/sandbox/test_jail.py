import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sfpipe.engraving.lilypond.program import require_walls
from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import (
    LIMITS,
    plain_file,
    private_folder,
    read_made,
    run_confined,
    walls,
)

# A source that tries what a source must not be able to do, and tells in a file of its own.
HOSTILE = r"""\version "2.24.0"
#(define (try what thunk)
   (format #t "~a: ~a\n" what
           (catch #t thunk (lambda (key . arguments) (format #f "failed ~a" key)))))
#(define (fill port) (display 1 port))
#(try "write" (lambda () (call-with-output-file "OUTSIDE/written" fill) "done"))
#(try "remove" (lambda () (delete-file "OUTSIDE/secret") "done"))
#(try "read" (lambda () (call-with-input-file "OUTSIDE/secret" (lambda (p) (read p)))))
#(try "link" (lambda () (symlink "OUTSIDE/secret" "score-00.json") "done"))
#(try "see" (lambda () (kill PID 0) "done"))
#(try "environment" (lambda () (getenv "SFPIPE_TEST_SECRET")))
#(try "inside" (lambda () (call-with-output-file "own" fill) "done"))
#(try "user" (lambda () (getuid)))
#(force-output)
"""
FOREVER = '\\version "2.24.0"\n#(let loop () (loop))\n'
FORKS = (
    '\\version "2.24.0"\n#(let loop () (false-if-exception (primitive-fork)) (sleep 1) (loop))\n'
)
GREEDY = (
    '\\version "2.24.0"\n#(define l (let loop ((l (list))) (loop (cons (make-vector 999999) l))))\n'
)
FILLS = (
    '\\version "2.24.0"\n#(call-with-output-file "big" (lambda (p) '
    "(let loop () (display (make-string 9999999 #\\a) p) (loop))))\n"
)


def processes_in(folder) -> list[str]:
    """Processes that work in a folder, even if it has been removed."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if str(folder) in os.readlink(f"/proc/{number}/cwd"):
                found.append(number)
    return found


def typeset(lilypond, text, seconds=60.0):
    with private_folder() as folder:
        (folder / "a.ly").write_text(text)
        ended = run_confined(
            [str(lilypond.lilypond), "--loglevel=ERROR", "a.ly"],
            folder,
            readable=[lilypond.prefix],
            seconds=seconds,
        )
        sizes = {p.name: p.lstat().st_size for p in folder.iterdir()}
    return ended, sizes, folder


def test_a_hostile_source_gets_nowhere(lilypond, tmp_path, monkeypatch):
    monkeypatch.setenv("SFPIPE_TEST_SECRET", "hunter2")
    tmp_path.chmod(0o777)
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "secret").chmod(0o666)
    text = HOSTILE.replace("OUTSIDE", str(tmp_path)).replace("PID", str(os.getpid()))
    ended, sizes, _ = typeset(lilypond, text)
    said = dict(line.split(": ", 1) for line in ended.log.splitlines() if ": " in line)
    assert said["inside"] == "done" and sizes["own"] == 1
    assert said["environment"] == "#f"
    assert "hunter2" not in ended.log or "landlock" not in walls()
    if "landlock" in walls():
        for what in ("write", "remove", "read", "link"):
            assert said[what].startswith("failed"), what
        assert os.listdir(tmp_path) == ["secret"]
    if "namespaces" in walls():
        assert said["see"].startswith("failed")
    if "nobody" in walls():
        assert said["user"] == "65534"


# Not Scheme: LilyPond's has no sockets everywhere.
CONNECTS = """
import os, socket
print("up")
try:
    print("made", os.mkdir("/var/tmp/sfpipe-was-here"))
except OSError as error:
    print("failed", error)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try:
        with socket.socket(socket.AF_INET, kind) as s:
            s.connect(("127.0.0.1", {port}))
            s.send(b"hello")
            print("sent")
    except OSError as error:
        print("failed", error)
"""


def test_there_is_no_network_and_even_root_is_powerless():
    if "namespaces" not in walls():
        pytest.skip("this system has no namespaces for us")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = CONNECTS.format(port=server.getsockname()[1])
        with private_folder() as folder:
            ended = run_confined(
                [sys.executable, "-I", "-S", "-c", code],
                folder,
                readable=[Path(sys.prefix), Path(sys.base_prefix)],
                seconds=30,
            )
    assert ended.log.startswith("up"), ended.log
    assert ended.log.count("failed") == 2 + ("landlock" in walls()) and "sent" not in ended.log


# A shell, since the user nobody may not be allowed to run this Python.
def starts(number, seconds):
    """A command that starts so many processes at once, and counts them."""
    code = f"i=0; while [ $i -lt {number} ]; do sleep {seconds} & i=$((i+1)); echo $i; done; wait"
    return ["/bin/sh", "-c", code]


def test_what_else_the_user_runs_leaves_room_for_some_processes_but_not_for_many(monkeypatch):
    monkeypatch.setitem(LIMITS, "NPROC", 20)
    user = 65534 if "nobody" in walls() else None
    other = subprocess.Popen(
        starts(60, 60), user=user, cwd="/", stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert b"60\n" in iter(other.stdout.readline, b"")
        started = []
        for number in (15, 1000):
            with private_folder() as folder:
                ended = run_confined(starts(number, 1), folder, readable=[], seconds=30)
            started.append(sum(line.isdecimal() for line in ended.log.splitlines()))
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.communicate()
    assert started[0] == 15 and started[1] < 300


def test_a_system_without_walls_is_refused_unless_the_user_wants_it(monkeypatch):
    for offered in (("landlock", "limits"), ("namespaces", "nobody", "limits")):
        monkeypatch.setattr("sfpipe.sandbox.jail.walls", lambda offered=offered: offered)
        require_walls(unconfined=False)
    # Without Landlock a user's process may write wherever the user may.
    for offered in (("nobody", "limits"), ("namespaces", "limits")):
        monkeypatch.setattr("sfpipe.sandbox.jail.walls", lambda offered=offered: offered)
        require_walls(unconfined=True)
        with pytest.raises(SfpipeError, match=r"does not offer Landlock .*allow_unconfined: true"):
            require_walls(unconfined=False)


def test_one_that_never_ends_is_ended_with_all_that_it_started(lilypond):
    for text in (FOREVER, FORKS):
        start = time.monotonic()
        ended, _, folder = typeset(lilypond, text, seconds=4)
        assert ended.timed_out and time.monotonic() - start < 10
        if os.path.isdir("/proc"):
            time.sleep(0.2)
            assert processes_in(folder) == []


@pytest.mark.slow  # it takes its time to fill 4 GiB
def test_memory_is_limited(lilypond):
    ended, _, _ = typeset(lilypond, GREEDY)
    assert ended.status != 0 and not ended.timed_out


def test_files_are_limited(lilypond):
    ended, sizes, _ = typeset(lilypond, FILLS)
    assert ended.status != 0 and sizes["big"] <= 256 << 20


def test_what_ended_a_program_is_told():
    with private_folder() as folder:
        for code, status, signal in (("exit 3", 3, 0), ("sh -c 'kill -11 $$'; exit $?", 139, 11)):
            ended = run_confined(["/bin/sh", "-c", code], folder, readable=[], seconds=20)
            assert ended.signal == signal and not ended.timed_out
            assert ended.status == status


def test_the_folder_is_private_and_gone_at_the_end():
    with private_folder() as folder:
        assert folder.parent.stat().st_mode & 0o077 == 0o011
        (folder / "x").write_text("x")
    assert not folder.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no links and pipes")
def test_links_and_pipes_are_not_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert read_made(tmp_path / "file") == b"12345"
    for name in ("link", "pipe", "none"):
        assert not plain_file(tmp_path / name)
        with pytest.raises(SfpipeError, match=f"{name} was not made"):
            read_made(tmp_path / name)
    with pytest.raises(SfpipeError, match="file has more than 0 MiB"):
        read_made(tmp_path / "file", limit=4)
