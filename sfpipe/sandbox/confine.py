"""Stand-alone program: give up all rights that a batch program does not need, then run it.

    python -I -S confine.py SPECIFICATION      (JSON, see `Specification` in jail.py)

It imports nothing but the standard library, since it runs outside of sfpipe's process. What the
system does not offer is left out; ``--probe`` prints what it offers.
"""

import ctypes
import functools
import json
import os
import signal
import sys

NOBODY = 65534
SIGNALLED = 128  # added to the number of the signal that ended the command, as shells do

# <linux/sched.h>
NEW_USER, NEW_PID, NEW_NET, NEW_IPC, NEW_UTS = (
    0x10000000,
    0x20000000,
    0x40000000,
    0x08000000,
    0x04000000,
)
# <linux/prctl.h>
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522  # <linux/capability.h>
MOST_TASKS = 1 << 22  # of a system, on 64 bits
# <linux/landlock.h>: system calls (the same on all architectures) and rights
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR = 1, 2, 4, 8
FS_TRUNCATE, FS_IOCTL = 1 << 14, 1 << 15
FS_MAKE_SYMLINK, FS_MAKE_SPECIAL = 1 << 12, (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)
ON_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL
READ_ONLY = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR


@functools.lru_cache(maxsize=1)
def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Confine this process and replace it by the command; its exit status is ours."""
    if sys.argv[1] == "--probe":
        print(json.dumps(probe()))
        return 0
    specification = json.loads(sys.argv[1])
    os.chdir(specification["folder"])
    if separate():
        # Only a child is inside the new process namespace; with its first process all others die.
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code
    room = specification["limits"].pop("NPROC")
    limit(specification["limits"])
    libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    close_files(specification["read"])
    os.chdir(specification["inside"])
    drop_root(specification["command"][0])
    limit_tasks(room)
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user would clear it
    os.execve(specification["command"][0], specification["command"], specification["environment"])


def probe() -> list:
    """Names of the walls that this system offers, each tried in a child."""
    confinements = []
    for name, attempt in (
        ("namespaces", separate),
        ("landlock", lambda: landlock_version() > 0),
        ("nobody", lambda: os.geteuid() == 0),
    ):
        child = os.fork()
        if not child:
            os._exit(0 if attempt() else 1)
        if os.waitpid(child, 0)[1] == 0:
            confinements.append(name)
    return [*confinements, "limits"]


def separate() -> bool:
    """Enter namespaces without network and without the other processes."""
    flags = NEW_PID | NEW_NET | NEW_IPC | NEW_UTS
    if os.geteuid() == 0 and libc().unshare(flags) == 0:
        return True
    user, group = os.geteuid(), os.getegid()
    if not hasattr(libc(), "unshare") or libc().unshare(flags | NEW_USER) != 0:
        return False
    try:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError:
        pass  # unmapped, it is nobody: fine, too
    return True


def limit(limits: dict) -> None:
    """Lower the resource limits, by their names in `resource` without ``RLIMIT_``."""
    import resource  # Unix only, as all of this

    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):
            continue  # macOS refuses some


def limit_tasks(room: int) -> None:
    """Let the command start about `room` processes and threads beside those of its user.

    RLIMIT_NPROC counts all that run as this user, also those that /proc does not show, such as
    another container's. So it is tried out how many the kernel counts, up to a factor of two.
    """
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = MOST_TASKS if hard == resource.RLIM_INFINITY else min(hard, MOST_TASKS)
    try:
        child = os.fork()
    except BlockingIOError:
        return  # no room for even one: the command will say so
    if not child:
        os._exit(_doublings(most, hard))
    running = 1 << os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    value = min(running + room, most)
    resource.setrlimit(resource.RLIMIT_NPROC, (value, value))


def _doublings(most: int, hard: int) -> int:
    """How often a limit of 1 must be doubled until this user may start one more process."""
    import resource

    # The kernel does not count for those who have capabilities; the command will have none.
    header, none = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    libc().capset(header, none)
    doublings = 0
    while 1 << doublings < most:
        resource.setrlimit(resource.RLIMIT_NPROC, (1 << doublings, hard))
        try:
            child = os.fork()
        except BlockingIOError:
            doublings += 1
            continue
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        break
    return doublings


def drop_root(program: str) -> None:
    """If this is root: lose all capabilities, and become nobody if nobody can run `program`."""
    if os.geteuid() != 0:
        return
    for capability in range(LAST_CAPABILITY + 1):
        libc().prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    child = os.fork()
    if not child:
        become_nobody()
        os._exit(0 if os.access(program, os.X_OK) else 1)
    if os.waitpid(child, 0)[1] == 0:
        become_nobody()


def become_nobody() -> None:
    """Change user and group for good."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def landlock_version() -> int:
    """Version of the kernel's Landlock interface; 0 if it has none."""
    return max(0, libc().syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))


def close_files(readable: list) -> bool:
    """Leave `readable` readable, this folder writable, and nothing else open; also forbid TCP."""
    version = landlock_version()
    if version == 0:
        return False
    every = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1
    attributes = [every]
    if version >= 4:
        attributes.append(0b11)  # bind and connect
    if version >= 6:
        attributes.append(0b11)  # abstract sockets and signals
    packed = (ctypes.c_uint64 * len(attributes))(*attributes)
    rules = libc().syscall(LANDLOCK_CREATE, packed, ctypes.c_size_t(8 * len(attributes)), 0)
    if rules < 0:
        return False
    for path in readable:
        _allow(rules, path, READ_ONLY)
    for path in ("/dev/null", "/dev/zero", "/dev/urandom"):
        _allow(rules, path, FS_READ_FILE | FS_WRITE_FILE)
    _allow(rules, ".", every & ~FS_MAKE_SYMLINK & ~FS_MAKE_SPECIAL & ~FS_IOCTL)
    return libc().syscall(LANDLOCK_RESTRICT, rules, 0) == 0


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    rights = rights if os.path.isdir(path) else rights & ON_FILES
    rule = _Beneath(rights, opened)
    libc().syscall(LANDLOCK_ADD, rules, 1, ctypes.byref(rule), 0)
    os.close(opened)


if __name__ == "__main__":
    sys.exit(main())
