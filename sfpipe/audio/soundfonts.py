"""Sound fonts: declared by name, licence and hash; found on disk, never fetched."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.files import sha256


@dataclass(frozen=True)
class Declared:
    """What is known of a sound font before it is looked for on this machine."""

    name: str
    files: tuple[str, ...]  # names it goes by, most likely first
    sha256: str  # of Debian's edition
    licence: str
    package: str  # Debian's


@dataclass(frozen=True)
class SoundFont:
    """A sound font on this machine; `warning` is set if it is not the edition declared."""

    name: str
    path: Path
    sha256: str
    licence: str
    warning: str | None = None


DECLARED = {
    font.name: font
    for font in (
        Declared(
            "FluidR3_GM",
            ("FluidR3_GM.sf2", "FluidR3_GM2-2.sf2", "FluidR3_GM2-2.SF2"),
            "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
            "MIT (Frank Wen)",
            "fluid-soundfont-gm",
        ),
        Declared(
            "TimGM6mb",
            ("TimGM6mb.sf2",),
            "c5378b62028c920cb11e4803327983fee2f2cdff5dc89c708e39da417e51c854",
            "GPL-2 (Tim Brechbill)",
            "timgm6mb-soundfont",
        ),
        Declared(
            "MuseScore_General_Full",
            ("MuseScore_General_Full.sf3",),
            "f9a37b36655f23e167c66ec91bef6097c8e99be29286219a54062919eb41aeae",
            "MIT (S. Christian Collins and others)",
            "musescore-general-soundfont",
        ),
        # Its piano (Splendid Grand) shares no samples with those of the training sound fonts.
        Declared(
            "MuseScore_General_Lite",
            ("MuseScore_General_Lite.sf3",),
            "916aaca6b0eb9f9083eb42399614acb2ff4ec72ce28dffff1814592a9696b479",
            "MIT (S. Christian Collins and others)",
            "musescore-general-soundfont-small",
        ),
        Declared(
            "FluidR3Mono_GM",
            ("FluidR3Mono_GM.sf3",),
            "cda013d8c370a48ae8dad271e761078d2e77455488dabdedbfbe5fc76a38c682",
            "MIT (Michael Cowgill, after Frank Wen)",
            "fluidr3mono-gm-soundfont",
        ),
    )
}

_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",
    "/usr/local/share/sounds/sf2",
    "/usr/local/share/soundfonts",
    "~/.local/share/sounds/sf2",
    "~/.local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
    "~/Library/Audio/Sounds/Banks",
    "/Library/Audio/Sounds/Banks",
)


def search_folders() -> list[Path]:
    """Where sound fonts are looked for: the folders in ``$SFPIPE_SOUNDFONTS``, then the usual."""
    own = [f for f in os.environ.get("SFPIPE_SOUNDFONTS", "").split(os.pathsep) if f]
    return [Path(folder).expanduser() for folder in (*own, *_FOLDERS)]


def find_soundfont(declared: Declared, folders: Sequence[Path] | None = None) -> Path | None:
    """The first file of a declared sound font in `folders` (default: `search_folders`)."""
    for folder in search_folders() if folders is None else folders:
        for name in declared.files:
            if (folder / name).is_file():
                return folder / name
    return None


def resolve_soundfont(
    name: str, *, strict: bool = False, folders: Sequence[Path] | None = None
) -> SoundFont:
    """Find a sound font by its declared name, or take a path to any ``.sf2`` or ``.sf3`` file.

    Parameters
    ----------
    strict:
        Refuse a file whose hash is not the declared one, instead of setting `warning`.

    Raises
    ------
    SfpipeError
        If it is not on this machine or its name is unknown (never a download), or, if `strict`,
        if it is another edition.
    """
    if name not in DECLARED:
        return _own(name)
    declared = DECLARED[name]
    path = find_soundfont(declared, folders)
    if path is None:
        raise SfpipeError(
            f"the sound font {name} ({declared.files[0]}) is not on this machine",
            remedy=f"install it: apt-get install {declared.package}; or name the folder that "
            "holds it in the environment variable SFPIPE_SOUNDFONTS",
        )
    digest = sha256(path)
    warning = None
    if digest != declared.sha256:
        warning = (
            f"{path} is not the edition of {name} that was declared (sha256 {digest[:12]}... "
            f"instead of {declared.sha256[:12]}...): audio may differ from published figures"
        )
        if strict:
            raise SfpipeError(
                warning, remedy=f"install Debian's package {declared.package}, or do not be strict"
            )
    return SoundFont(name, path, digest, declared.licence, warning)


def _own(name: str) -> SoundFont:
    path = Path(name).expanduser()
    if path.suffix.lower() not in (".sf2", ".sf3"):
        near = difflib.get_close_matches(name, DECLARED, n=1, cutoff=0)[0]
        raise SfpipeError(
            f"unknown sound font '{name}'",
            remedy=f"did you mean '{near}'? Known: {', '.join(DECLARED)}; or give an .sf2 file",
        )
    if not path.is_file():
        raise SfpipeError("no such sound font", file=path, remedy="correct the path in params.yaml")
    label = re.sub(r"[^A-Za-z0-9_.+-]+", "_", path.stem)
    return SoundFont(label, path, sha256(path), "unknown (your own file)")
