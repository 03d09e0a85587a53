"""A cluster of two hosts with other disks and networks, as a program: ENGRAVED PROJECT.

Run it in namespaces of its own (``unshare --user --map-root-user --net --mount``). Each host is a
network namespace, joined to the first by a cable, in which the project's folder is empty.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sfpipe.cleaning.stage import clean
from sfpipe.errors import SfpipeError
from sfpipe.parallel import Files, cluster, map_pieces
from sfpipe.params import CleanParams, ScoresParams
from sfpipe.score.stage import scores
from sfpipe.store.reader import read_scores

SCHEDULER = "tcp://127.0.0.1:8786"
HOST = """
mount -t tmpfs none {project} || exit 1
read go
ip link set lo up && ip addr add 10.9.{i}.2/24 dev w{i} && ip link set w{i} up || exit 1
cd /
exec {python} -m distributed.cli.dask_worker tcp://10.9.{i}.1:8786 --nthreads 1 --no-dashboard
"""


def start_scheduler() -> subprocess.Popen:
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    return subprocess.Popen([*command, "--port", "8786"])


def start_host(i: int, project: Path) -> subprocess.Popen:
    script = HOST.format(i=i, project=project, python=sys.executable)
    command = ["unshare", "--net", "--mount", "sh", "-c", script]
    host = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{host.pid}/ns/net") == own:
        time.sleep(0.01)
    for words in (
        f"link add v{i} type veth peer name w{i}",
        f"link set w{i} netns {host.pid}",
        f"addr add 10.9.{i}.1/24 dev v{i}",
        f"link set v{i} up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    assert host.stdin is not None
    host.stdin.write("\n")
    host.stdin.flush()
    return host


def shout(name: str) -> str:
    """Write a file from another; ``dies`` ends its worker, ``once`` the first time."""
    text = (Path("raw") / f"{name}.txt").read_text()
    mark = Path(os.environ["MARK"])
    if name == "dies" or (name == "once" and not mark.exists()):
        mark.touch()
        os._exit(1)
    if name == "slow":
        time.sleep(3)
    Path("made", name).mkdir(parents=True, exist_ok=True)
    Path("made", name, "loud.txt").write_text(text.upper())
    return os.getcwd()


def sleep(name: str) -> None:
    time.sleep(1000)


SHOUTED = Files[str](
    needed=lambda name: [Path("raw") / f"{name}.txt"], made=lambda name: [Path("made") / name]
)


def main(engraved: Path, project: Path) -> None:
    os.chdir(project)
    os.environ["MARK"] = str(project.with_name("mark"))
    shutil.copytree(engraved, "engraved")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    local = clean(CleanParams(min_onsets=8), Path("engraved"), Path("local.json"), jobs=1)
    scores(ScoresParams(), Path("local.json"), Path("engraved"), Path("l.h5"), dataset="t", jobs=1)
    scheduler = start_scheduler()
    hosts = [start_host(i, project) for i in (1, 2)]
    out: dict = {}
    try:
        with cluster(SCHEDULER) as client:
            client.wait_for_workers(2, timeout=120)
            seen = client.run(os.listdir, str(project))
            out["hosts_see"] = sorted({len(names) for names in seen.values()})
            there = clean(CleanParams(min_onsets=8), Path("engraved"), Path("there.json"))
            out["clean"] = there == local and len(there["accepted"]["train"]) > 0
            scores(ScoresParams(), Path("there.json"), Path("engraved"), Path("t.h5"), dataset="t")
            ours, theirs = (read_scores(name) for name in ("t.h5", "l.h5"))
            same = [(ours[p].strip == theirs[p].strip).all() for p in theirs]
            out["scores"] = bool(ours.keys() == theirs.keys() and all(same) and same)
            names = ["a", "once", "slow", "b", "dies", "absent"]
            Path("raw").mkdir()
            for name in names[:-1]:
                Path("raw", f"{name}.txt").write_text(name)
            done = map_pieces(shout, names[:-1], label="shout", files=SHOUTED)
            out["shouted"] = {o.item: o.error for o in done}
            out["elsewhere"] = sorted({str(project) == o.value for o in done if o.value})
            out["made"] = sorted(p.read_text() for p in Path("made").rglob("*.txt"))
            scheduler_dies(scheduler)
            try:
                map_pieces(sleep, ["x", "y", "z"], label="sleep")
            except SfpipeError as error:
                out["gone"] = str(error)
    finally:
        print(json.dumps(out), flush=True)
        for process in (*hosts, scheduler):
            process.kill()
        os._exit(0)  # what Dask still waits for has gone


def scheduler_dies(scheduler: subprocess.Popen) -> None:
    """In three seconds."""
    subprocess.Popen(["sh", "-c", f"sleep 3; kill -9 {scheduler.pid}"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
