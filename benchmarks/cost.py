"""What data cost: processor time, bytes, hours of sound and frames of each stage, by pieces.

``python -m benchmarks.cost 24 96 240`` makes data sets of these sizes in a temporary folder, one
process per stage. ``--made FOLDER --dataset NAME`` adds one that is there, without times.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from ruamel.yaml import YAML

from sfpipe.paths import Paths
from sfpipe.store.schema import FPS

PARAMS = Path(__file__).parent.parent / "params.yaml"
STAGES = ("download", "engrave", "clean", "synthesize", "spectrograms", "scores")
MILLION = 1_000_000


@dataclass
class Cost:
    """Of one data set.

    Attributes
    ----------
    pieces, performances, frames:
        Accepted pieces; their performances and the frames of these.
    cpu_s, peak_mib, written:
        By stage: processor time and most memory of a process; bytes of what it leaves.
    """

    pieces: int = 0
    performances: int = 0
    frames: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """Of sound."""
        return self.frames / FPS / 3600


def make(root: Path, dataset: str, pieces: int) -> Cost:
    """Make a data set in `root`, stage by stage, and measure it."""
    yaml = YAML()
    params = yaml.load(PARAMS.read_text("utf-8"))
    params["dataset"], params["download"]["max_pieces"] = dataset, pieces
    with open(root / "params.yaml", "w", encoding="utf-8") as file:
        yaml.dump(params, file)
    used: dict[str, tuple[float, float]] = {}
    for stage in STAGES:
        used[stage] = run(root, stage)
        print(f"{pieces} pieces, {stage}: {used[stage][0]:.1f} s", file=sys.stderr, flush=True)
    cost = measure(root, dataset)
    cost.cpu_s = {stage: seconds for stage, (seconds, _) in used.items()}
    cost.peak_mib = {stage: mib for stage, (_, mib) in used.items()}
    return cost


def run(root: Path, stage: str) -> tuple[float, float]:
    """Processor time in s and most memory in MiB of a stage as a process of its own."""
    code = "from sfpipe.cli import main; main()"
    jobs = [] if stage in ("download", "clean", "scores") else ["--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(PARAMS.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, stage, *jobs]
    process = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage} ended with {process.returncode}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale


def measure(root: Path, dataset: str) -> Cost:
    """What is there of a data set."""
    paths, cost = Paths(dataset), Cost()
    places = {
        "download": paths.raw,
        "engrave": paths.engraved,
        "clean": paths.clean,
        "synthesize": paths.audio,
        "spectrograms": paths.spectrograms,
        "scores": paths.scores,
    }
    cost.written = {stage: size(root / place) for stage, place in places.items()}
    with h5py.File(root / paths.scores) as store:
        cost.pieces = len(store)
    with h5py.File(root / paths.spectrograms) as store:
        for piece in store.values():
            cost.performances += len(piece)
            cost.frames += sum(p["spectrogram"].shape[1] for p in piece.values())
    return cost


def size(path: Path) -> int:
    """Bytes of a file or of all files in a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def straight(pieces: list[int], values: list[float]) -> tuple[float, float]:
    """Least squares: what a run costs at all, and what each piece adds."""
    if len(pieces) == 1:
        return 0.0, values[0] / pieces[0]
    slope, intercept = np.polyfit(pieces, values, 1)
    return float(max(intercept, 0)), float(slope)


def table(costs: list[Cost]) -> str:
    """A row per size, the costs of a piece, and what a million pieces would take."""
    lines = [
        "| pieces | performances | hours of sound | frames | MiB | processor hours |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for cost in costs:
        mib = sum(cost.written.values()) / 2**20
        hours = f"{sum(cost.cpu_s.values()) / 3600:.3f}" if cost.cpu_s else ""
        lines.append(
            f"| {cost.pieces:,} | {cost.performances:,} | {cost.hours:.2f} | {cost.frames:,} "
            f"| {mib:,.0f} | {hours} |"
        )
    timed = [cost for cost in costs if cost.cpu_s]
    if not timed:
        return "\n".join(lines)
    lines += [
        "",
        "| stage | s at all | s a piece | peak MiB, least to most pieces | KiB a piece "
        "| core hours, 10^6 pieces | GiB, 10^6 pieces |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    pieces = [cost.pieces for cost in timed]
    for stage in STAGES:
        at_all, each = straight(pieces, [cost.cpu_s[stage] for cost in timed])
        written = timed[-1].written[stage] / timed[-1].pieces
        peaks = f"{timed[0].peak_mib[stage]:.0f} to {timed[-1].peak_mib[stage]:.0f}"
        lines.append(
            f"| {stage} | {at_all:.1f} | {each:.4f} | {peaks} | {written / 2**10:.1f} "
            f"| {each * MILLION / 3600:,.0f} | {written * MILLION / 2**30:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pieces", type=int, nargs="*", default=[24])
    parser.add_argument("--dataset", default="ryan")
    parser.add_argument("--made", type=Path, help="project folder of a data set that is there")
    options = parser.parse_args()
    if options.made:
        print(table([measure(options.made, options.dataset)]))
        return
    costs = []
    for pieces in options.pieces:
        with tempfile.TemporaryDirectory() as folder:
            costs.append(make(Path(folder), options.dataset, pieces))
    print(table(costs))


if __name__ == "__main__":
    main()
