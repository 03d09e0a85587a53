"""The one door to FluidSynth: import pyfluidsynth, or say what is missing."""

from __future__ import annotations

import contextlib
import io
from ctypes import byref, c_int
from types import ModuleType

from sfpipe.errors import SfpipeError

INSTALL_LIBRARY = (
    "install it: apt-get install libfluidsynth3 (Debian, Ubuntu), dnf install fluidsynth-libs "
    "(Fedora), brew install fluid-synth (macOS)"
)
INSTALL_BINDING = "pip install pyfluidsynth"
REPAIR_BINDING = (
    "the PyPI package 'fluidsynth' shadows it: pip uninstall -y fluidsynth && "
    "pip install --force-reinstall pyfluidsynth"
)


def load_fluidsynth() -> ModuleType:
    """Import pyfluidsynth, whose module is called ``fluidsynth``.

    Raises
    ------
    SfpipeError
        If pyfluidsynth or the FluidSynth library is missing, or if PyPI's unrelated package
        ``fluidsynth`` is imported in its place; the remedy tells which.
    """
    try:
        # It prints where the library is when the environment variable CI is set.
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth
    except ModuleNotFoundError as error:
        if error.name != "fluidsynth":
            raise SfpipeError(
                f"the imported package 'fluidsynth' is not pyfluidsynth ({error})",
                remedy=REPAIR_BINDING,
            ) from None
        raise SfpipeError("pyfluidsynth is not installed", remedy=INSTALL_BINDING) from None
    except (ImportError, OSError, AttributeError) as error:
        raise SfpipeError(
            f"the FluidSynth library cannot be loaded ({error})", remedy=INSTALL_LIBRARY
        ) from None
    if not (hasattr(fluidsynth, "Synth") and hasattr(fluidsynth, "fluid_version")):
        raise SfpipeError(
            f"the imported package 'fluidsynth' ({getattr(fluidsynth, '__file__', '?')}) is not "
            "pyfluidsynth",
            remedy=REPAIR_BINDING,
        )
    return fluidsynth


def version() -> str:
    """Version of the FluidSynth library, e.g. ``2.3.1``; errors as `load`."""
    parts = [c_int() for _ in range(3)]
    load_fluidsynth().fluid_version(*(byref(part) for part in parts))
    return ".".join(str(part.value) for part in parts)
