"""sfpipe's followers side by side with pymatchmaker's, on the same recordings, in one run.

In a project with `sfpipe performances --dataset vienna4x22`:

    python -m benchmarks.peers                              # all of it: an hour of processor time
    python -m benchmarks.peers --pianists p03 --methods skf # less

An environment of its own is made for pymatchmaker (in `build/`, once). Ours are told when the music
begins; the peers are given the whole recording. What is printed, in Markdown, are shares of the
onsets within so many seconds of the position shown at the true onset (`sfpipe.evaluation.whole`),
lost or not; and the processor time of features and following by that of the music.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.files import load_audio
from sfpipe.audio.onset_files import score_onsets
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.baselines.odtw import OdtwFollower
from sfpipe.baselines.score_sound import ScoreSound, from_midi
from sfpipe.datasets.index import read_index
from sfpipe.engraving.files import read_description
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.timing import shown_time_errors
from sfpipe.files import sha256, write_json
from sfpipe.following.belief import BeliefFollower
from sfpipe.following.registry import load_follower
from sfpipe.following.sharp import SharpFollower
from sfpipe.following.sources import Sources
from sfpipe.game.follower import Follower, follow, judged
from sfpipe.game.play import PlayedGame
from sfpipe.params import load_params
from sfpipe.paths import Paths
from sfpipe.real_performances.conditions import CONDITIONS
from sfpipe.store.bank import merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.records import load_records
from sfpipe.store.schema import FPS, SAMPLE_RATE

DATASET = "vienna4x22"
WITHIN_S = (0.05, 0.1, 0.5, 1.0, 2.0)
# A frame's spectrum is taken around its time: it is known so much later (half of 2048 samples).
LOOKAHEAD_S = 1024 / SAMPLE_RATE
WORKER = Path(__file__).with_name("peers_worker.py")


class Timed:
    """A follower, and the processor time of its steps in `seconds`."""

    def __init__(self, follower: Follower):
        self.follower, self.seconds = follower, 0.0
        self.lead_frames = getattr(follower, "lead_frames", 0)

    def reset(self, score: ScoreRecord) -> None:
        """As `Follower.reset`."""
        self.follower.reset(score)

    def prime(self, frame: np.ndarray) -> None:
        """As `OdtwFollower.prime`."""
        getattr(self.follower, "prime", lambda _: None)(frame)

    def step(self, frame: np.ndarray) -> float:
        """As `Follower.step`."""
        began = time.process_time()
        position = self.follower.step(frame)
        self.seconds += time.process_time() - began
        return position


class Peers:
    """pymatchmaker in an environment of its own."""

    def __init__(self, version: str, folder: Path, soundfont: Path):
        self.python = folder / f"pymatchmaker-{version}" / "bin" / "python"
        home = self.python.parents[1]
        # pip installs what asked for the others last: an environment half made is completed.
        if not list(home.glob(f"lib/*/site-packages/pymatchmaker-{version}.dist-info")):
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            install = [str(self.python), "-m", "pip", "install", "-q"]
            subprocess.run([*install, f"pymatchmaker=={version}"], check=True)
        # Its import fetches a sound font by FTP unless one lies here.
        code = "import importlib.util as u; print(u.find_spec('partitura').origin)"
        found = subprocess.run(
            [str(self.python), "-c", code], capture_output=True, text=True, check=True
        )
        link = Path(found.stdout.strip()).parent / "assets" / "MuseScore_General.sf3"
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(soundfont)
        self._process: subprocess.Popen[str] | None = None

    def methods(self) -> list[str]:
        """What it has for audio."""
        methods: list[str] = self.ask({}, limit_s=600)
        return methods

    def ask(self, job: dict[str, Any], limit_s: float) -> Any:
        """The answer to a job of `peers_worker`.

        Raises
        ------
        SfpipeError
            If it takes too long or fails.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [str(self.python), str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], limit_s)
        line = process.stdout.readline() if ready else ""
        if not line:
            self.close()
            raise SfpipeError("it ended" if ready else f"it took more than {limit_s:g} s")
        answer = json.loads(line)
        if "error" in answer:
            raise SfpipeError(answer["error"])
        return answer

    def close(self) -> None:
        """End its process; the next job begins another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def game_of(
    answer: dict[str, Any], score: ScoreRecord, record: PerformanceRecord, window: Any
) -> PlayedGame:
    """The game in which a peer's positions were shown."""
    info = merge_onsets(score, record, window)
    first, last = int(info.onset_frames[0]), int(info.onset_frames[-1])
    heard = np.arange(first + 1, last + 1) / FPS + LOOKAHEAD_S
    seconds = np.asarray(answer["seconds"])
    newest = np.searchsorted(seconds, heard + 1e-9, side="right") - 1
    quarters = np.asarray(answer["quarters"])[np.maximum(newest, 0)]
    quarters = np.where(newest < 0, 0, quarters) + score.onset_quarter[0]
    x = np.interp(quarters, score.onset_quarter, score.onset_x_px)
    return judged(info, x.astype(np.float32), window)


def spectrogram_seconds(samples: np.ndarray) -> float:
    """Processor time of the streaming spectrogram."""
    began = time.process_time()
    stream = StreamingSpectrogram()
    for start in range(0, len(samples), 1102):
        stream.push(samples[start : start + 1102].astype(np.float32) / 32768)
    return time.process_time() - began


def quarters_a_minute(tempo: str, musicxml: Path) -> float | None:
    """A number; of ``file`` the first tempo that the score has for players, None without one."""
    if tempo != "file":
        return float(tempo)
    told = re.search(r'<sound[^>]* tempo="([\d.]+)"', musicxml.read_text("utf-8"))
    return float(told[1]) if told else None


def reference_sound(paths: Paths, params: Any, font: Path, tempo: str) -> Callable:
    """Gives the sound of a score for MIDI-ODTW, at such a tempo (`quarters_a_minute`)."""
    index = {piece.id: piece for piece in read_index(paths.raw).pieces}

    def sound_of(score: ScoreRecord) -> ScoreSound:
        folder = paths.engraved / score.piece
        own = read_description(folder)["tempo"]["quarters_per_minute"]
        told = quarters_a_minute(tempo, paths.raw / index[score.piece].source)
        if told is None:
            raise SfpipeError("has no tempo", file=index[score.piece].source)
        return from_midi(
            folder / "score.mid",
            score_onsets(folder / "noteheads.csv"),
            score.onset_x_px,
            font,
            gain=params.synthesize.gain,
            program=params.synthesize.program,
            tempo_factor=told / own,
        )

    return sound_of


def row(name: str, game: PlayedGame, real_time: float) -> dict[str, Any]:
    """Errors of the positions shown, s; null: no position, or one that is never played."""
    errors = np.abs(shown_time_errors(game)).tolist()
    told = [error if np.isfinite(error) else None for error in errors]
    return {"follower": name, "errors_s": told, "real_time": real_time}


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row per follower and recording: errors in s, and the share of real time."""
    params, paths = load_params(options.params), Paths(DATASET)
    sources = Sources.of(params, paths, paths.performances)
    window = sources.window
    scores, records = load_records(paths.scores, paths.performances, window)
    index = {piece.id: piece for piece in read_index(paths.raw).pieces}
    ours: dict[str, Follower] = {name: load_follower(name, sources).frames for name in options.ours}
    font = resolve_soundfont(options.reference).path
    for name, follower in list(ours.items()):
        if isinstance(follower, BeliefFollower):
            # In the game it moves by whole px, and says two frames ahead where it will be.
            ours[f"{name}, sharp"] = SharpFollower(follower)
    for tempo in options.tempi:
        sound_of = reference_sound(paths, params, font, tempo)
        ours[f"MIDI-ODTW, told {tempo}"] = OdtwFollower(sound_of, params.baselines.odtw)
    peers = None
    methods: list[str] = []
    if not options.without_peers:
        peers = Peers(options.version, options.environment, font)
        methods = options.methods or peers.methods()
    for record in records:
        pianist, _, condition = record.performance.rpartition("-")
        if pianist not in options.pianists or condition not in options.conditions:
            continue
        if options.pieces and record.piece not in options.pieces:
            continue
        score = scores[record.piece]
        flac = paths.real / record.piece / f"{record.performance}.flac"
        samples = load_audio(flac)
        length_s = len(samples) / SAMPLE_RATE
        shared_s = spectrogram_seconds(samples)
        described = {"piece": record.piece, "performance": pianist, "condition": condition}

        for name, follower in ours.items():
            timed = Timed(follower)
            try:
                game = follow(timed, score, record, window)
            except SfpipeError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            yield described | row(name, game, (shared_s + timed.seconds) / length_s)
        with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
            import soundfile

            soundfile.write(wav.name, samples, SAMPLE_RATE, subtype="PCM_16")
            for method in methods if peers else ():
                for tempo in options.tempi:
                    musicxml = paths.raw / index[record.piece].source
                    if (told := quarters_a_minute(tempo, musicxml)) is None:
                        continue
                    job = {
                        "score": str(musicxml),
                        "audio": wav.name,
                        "method": method,
                        "tempo": told,
                    }
                    name = f"`{method}`, told {tempo}"
                    try:
                        answer = peers.ask(job, options.limit_s)
                    except SfpipeError as error:
                        print(f"{name}: {record.piece}: {error}", file=sys.stderr)
                        continue
                    game = game_of(answer, score, record, window)
                    yield described | row(name, game, answer["follow_s"] / length_s)
    if peers:
        peers.close()


def table(results: list[dict[str, Any]], conditions: list[str]) -> str:
    """The shares of each follower in each condition, pieces and pianists pooled, in Markdown."""
    heads = ["follower", *conditions, "share of real time"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name in dict.fromkeys(row["follower"] for row in results):
        own = [row for row in results if row["follower"] == name]
        cells = []
        for condition in conditions:
            of = [row["errors_s"] for row in own if row["condition"] == condition]
            errors = np.array([np.inf if e is None else e for errors in of for e in errors])
            shares = [f"{(errors <= t + 1e-9).mean():.2f}" for t in WITHIN_S] if of else ["-"]
            cells.append(" / ".join(share.lstrip("0") or "0" for share in shares))
        speed = f"{np.mean([row['real_time'] for row in own]):.3f}"
        lines.append(f"| {' | '.join([name, *cells, speed])} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Run, print the table, and write all rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--version", default="0.3.0", help="of pymatchmaker")
    parser.add_argument("--environment", type=Path, default=Path("build"), help="folder for it")
    parser.add_argument("--methods", nargs="*", help="of pymatchmaker; default: all for audio")
    parser.add_argument("--without-peers", action="store_true", help="sfpipe's followers alone")
    parser.add_argument("--ours", nargs="*", default=["msmd-belief"])
    parser.add_argument("--tempi", nargs="*", default=["60"], help="quarters/minute, or 'file'")
    parser.add_argument("--reference", default="TimGM6mb", help="sound font of references")
    parser.add_argument("--pieces", nargs="*", help="default: all four")
    parser.add_argument("--pianists", nargs="*", default=["p03", "p14"])
    parser.add_argument("--conditions", nargs="*", default=list(CONDITIONS))
    parser.add_argument("--limit-s", type=float, default=600, help="of a method on a recording")
    parser.add_argument("--json", type=Path, help="file for all rows")
    options = parser.parse_args(arguments)
    results = []
    for row in rows(options):
        results.append(row)
        within = np.mean([e is not None and e <= 0.5 for e in row["errors_s"]])
        done = (row[key] for key in ("follower", "piece", "performance", "condition"))
        print(*done, f"{within:.2f} within 0.5 s", file=sys.stderr, flush=True)
        if options.json:
            write_json(options.json, {"worker": sha256(WORKER), "rows": results})
    print(table(results, options.conditions))


if __name__ == "__main__":
    main()
