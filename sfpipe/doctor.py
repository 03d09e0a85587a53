"""`sfpipe doctor`: what the pipeline needs from outside, what is there, the remedy for the rest."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfpipe.audio import binding
from sfpipe.audio.soundfonts import DECLARED, find_soundfont, resolve_soundfont
from sfpipe.engraving.lilypond.program import find_lilypond
from sfpipe.errors import PIPELINE, PIPELINE_EXTRA, SfpipeError, naming_extra
from sfpipe.omr.audiveris import find_audiveris
from sfpipe.sandbox.jail import can_confine, walls

DEFAULT_SOUNDFONTS = ("FluidR3_GM", "TimGM6mb")  # what params.yaml asks for
RYAN_TUNES = 1059
DISK_GB = 5.0


@dataclass(frozen=True)
class Check:
    """One external thing: its `version` (or what is wrong), whether it is `ok`, the `remedy`."""

    name: str
    version: str
    ok: bool
    remedy: str = ""
    required: bool = True


def checks() -> list[Check]:
    """Look at everything once; a thing that is missing or broken never raises."""
    table: list[tuple[str, bool, Callable[[], Check]]] = [
        ("Python", True, _python),
        ("PyTorch", True, _torch),
        ("FluidSynth", True, _fluidsynth),
        *(
            (f"sound font {name}", name in DEFAULT_SOUNDFONTS, lambda name=name: _soundfont(name))
            for name in DECLARED
        ),
        ("Verovio", True, _verovio),
        ("music21 corpus", True, _corpus),
        ("extra pipeline", True, _pipeline),
        ("DVC", True, _dvc),
        ("git", True, _git),
        ("ffmpeg", False, _ffmpeg),
        ("LilyPond", False, _lilypond),
        ("Audiveris", False, _audiveris),
        ("partitura", False, lambda: _extra("partitura")),
        ("pyroomacoustics", False, lambda: _extra("pyroomacoustics")),
        ("disk space", False, _disk),
        ("cores", False, _cores),
    ]
    return [_guarded(*row) for row in table]


def render(results: list[Check]) -> str:
    """The checks as a plain table, one line each, remedies below the lines they belong to."""
    width = max(len(check.name) for check in results)
    lines = []
    for check in results:
        mark = "ok  " if check.ok else ("MISS" if check.required else "-   ")
        lines.append(f"{mark}  {check.name:<{width}}  {check.version}")
        if check.remedy:
            lines.append(f"{'':<{width + 8}}-> {check.remedy}")
    missing = [check.name for check in results if check.required and not check.ok]
    lines.append(f"Missing: {', '.join(missing)}" if missing else "All that is required is there.")
    return "\n".join(lines)


def exit_code(results: list[Check]) -> int:
    """Return 1 if something required is missing, else 0."""
    return int(any(check.required and not check.ok for check in results))


def _guarded(name: str, required: bool, look: Callable[[], Check]) -> Check:
    try:
        check = look()
    except SfpipeError as error:
        check = Check(name, error.what, False, error.remedy or "")
    except Exception as error:
        # The point of the doctor is to survive whatever is broken.
        check = Check(name, f"{type(error).__name__}: {error}", False, "reinstall it: make setup")
    return Check(name, check.version, check.ok, check.remedy, required)


def _python() -> Check:
    return Check("", f"{platform.python_version()} ({sys.executable})", True)


def _torch() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("", "not installed", False, "pip install torch (see pytorch.org), make setup")
    torch = importlib.import_module("torch")
    cuda = "no CUDA device"
    if torch.cuda.is_available():
        cuda = f"CUDA {torch.version.cuda} on {torch.cuda.get_device_name(0)}"
    return Check("", f"{torch.__version__} ({cuda}, {torch.get_num_threads()} threads)", True)


def _fluidsynth() -> Check:
    version = f"{binding.version()} (pyfluidsynth {importlib.metadata.version('pyfluidsynth')})"
    try:
        other = importlib.metadata.version("fluidsynth")
    except importlib.metadata.PackageNotFoundError:
        return Check("", version, True)
    return Check("", f"{version}, and also fluidsynth {other}", False, binding.REPAIR_BINDING)


def _soundfont(name: str) -> Check:
    if name not in DEFAULT_SOUNDFONTS and find_soundfont(DECLARED[name]) is None:
        package = DECLARED[name].package
        return Check("", "not there (optional)", False, f"if wanted: apt-get install {package}")
    font = resolve_soundfont(name)
    return Check("", f"{font.path}, {font.licence}", True, font.warning or "")


def _verovio() -> Check:
    if importlib.util.find_spec("verovio") is None:
        return Check("", "not installed", False, f"{PIPELINE_EXTRA}, or make setup")
    return Check("", importlib.import_module("verovio").toolkit().getVersion(), True)


def _corpus() -> Check:
    spec = importlib.util.find_spec("music21")  # importing it takes seconds
    if spec is None or not spec.submodule_search_locations:
        return Check("", "music21 is not installed", False, f"{PIPELINE_EXTRA}, or make setup")
    folder = Path(next(iter(spec.submodule_search_locations))) / "corpus" / "ryansMammoth"
    tunes = len(list(folder.glob("*.abc")))
    text = f"music21 {importlib.metadata.version('music21')}, ryansMammoth: {tunes} tunes"
    if tunes < RYAN_TUNES:
        remedy = "pip install --force-reinstall --no-deps music21 (the full package, with corpus)"
        return Check("", text, False, remedy)
    return Check("", text, True)


def _pipeline() -> Check:
    absent = [module for module in PIPELINE if importlib.util.find_spec(module) is None]
    if absent:
        return Check("", f"lacks {', '.join(absent)}", False, f"{PIPELINE_EXTRA}, or make setup")
    return Check("", f"{len(PIPELINE)} packages", True)


def _dvc() -> Check:
    if importlib.util.find_spec("dvc") is None:
        return Check("", "not installed", False, "pip install dvc, or make setup")
    beside = Path(sys.executable).with_name("dvc")
    version = importlib.metadata.version("dvc")
    if shutil.which("dvc") is None:
        where = f"its command is not on PATH: source {beside.parent / 'activate'}"
        return Check("", version, True, where if beside.exists() else "")
    return Check("", version, True)


def _git() -> Check:
    version = _first_line("git", "--version")
    if version is None:
        return Check("", "not installed", False, "apt-get install git (DVC needs it)")
    inside = _first_line("git", "rev-parse", "--is-inside-work-tree") == "true"
    remedy = "" if inside else "this folder is no git repository; for DVC: git init"
    return Check("", version.removeprefix("git version "), True, remedy)


def _ffmpeg() -> Check:
    with naming_extra():
        import imageio_ffmpeg
    try:
        version = _first_line(imageio_ffmpeg.get_ffmpeg_exe(), "-version")
    except RuntimeError:
        version = None
    if version is None:
        remedy = "for sfpipe watch and page: install ffmpeg, or name one in IMAGEIO_FFMPEG_EXE"
        return Check("", "not there", False, remedy)
    return Check("", version.split(" Copyright")[0], True)


def _lilypond() -> Check:
    program = find_lilypond()
    held = ", ".join(walls()) or "nothing"
    refused = "unless engrave.allow_unconfined is true, it is given no source here"
    remedy = "" if can_confine() else refused
    return Check("", f"{program.version} ({program.lilypond}), confined by {held}", True, remedy)


def _extra(package: str) -> Check:
    if importlib.util.find_spec(package) is None:
        remedy = "only for human performances and rooms: pip install 'sfpipe[real]'"
        return Check("", "not there (optional)", False, remedy)
    return Check("", importlib.metadata.version(package), True)


def _audiveris() -> Check:
    try:
        return Check("", find_audiveris(), True)
    except SfpipeError:
        remedy = "only for omr-odtw with baselines.omr.reader: audiveris: see audiveris.github.io"
        return Check("", "not there (optional)", False, remedy)


def _disk() -> Check:
    free = shutil.disk_usage(".").free / 1e9
    few = free < DISK_GB
    remedy = f"the whole default pipeline wants about {DISK_GB:g} GB" if few else ""
    return Check("", f"{free:.1f} GB free in {Path.cwd()}", not few, remedy)


def _cores() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("", f"{usable} usable, {platform.machine()}", True)


def _first_line(*command: str) -> str | None:
    """First line that a command prints, or None if it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.splitlines() or [""])[0].strip()
