"""The one table of what an HDF5 store holds: names, shapes, dtypes, units, version."""

from __future__ import annotations

import math

SCHEMA_VERSION = 1

# Geometry of time, fixed by the paper (section 4.1).
SAMPLE_RATE = 22_050  # Hz
FPS = 20  # frames per second
HOP = SAMPLE_RATE / FPS  # 1102.5 samples
BINS = 78  # log-frequency bins
EXCERPT = 40  # frames of spectrogram the agent sees

# In the names of performances that `synthesize.augment` made, now and in earlier versions.
AUGMENTED = "-augmented"
_AUGMENTED = (AUGMENTED, "-varied")
HUMAN = "performances.h5"  # store of human performances, in a folder named after its data set
PACKED = "packed"  # kind of a file that holds both stores: see sfpipe/store/pack.py

# Attributes of every file.
FILE_ATTRS = {
    "kind": "'scores', 'spectrograms' or 'packed'",
    "schema_version": "int, SCHEMA_VERSION of the writer",
    "dataset": "str",
    "params": "JSON of the parameters that made the file",
    "tools": "JSON: name -> version of the tools that made it",
    "skipped": "JSON: piece -> reason it is not in the file",
}

# /<piece>/... of a score store. Attributes of the group: split, title, staff_space_px, px_per_cm.
SCORE_DATASETS = {
    "strip": ("(height, width)", "uint8", "grey value, paper 255, ink 0"),
    "onset_x_px": ("(n_onsets,)", "float32", "px, note-head centre in the strip, per score onset"),
    "onset_y_px": ("(n_onsets,)", "float32", "px, from the strip's top"),
    "onset_quarter": ("(n_onsets,)", "float64", "quarter notes from the start of the score"),
}

# Beside them, where it is known: every note head that is struck, sorted by its onset.
HEAD_DATASETS = {
    "head_onset": ("(n_heads,)", "int32", "index of each head's onset into onset_x_px"),
    "head_y_px": ("(n_heads,)", "float32", "px, from the strip's top, to a quarter of a px"),
    "head_pitch": ("(n_heads,)", "int32", "MIDI pitch"),
}

# /<piece>/<performance>/... of a spectrogram store. Attributes of the group: tempo_factor,
# soundfont, duration_s; of human performances also condition, simulated, aligned, and where the
# onsets are estimated from the sound, estimated and confidence. Of /<piece>: split.
SPECTROGRAM_DATASETS = {
    "spectrogram": ("(78, n_frames)", "float32", "log10(1 + filtered magnitude)"),
    "onset_s": ("(n_played,)", "float64", "s, performed onsets, increasing"),
    "score_onset": ("(n_played,)", "int32", "index of each performed onset into onset_x_px"),
}


def is_augmented(performance: str) -> bool:
    """Whether `synthesize.augment` made the performance of this name: it is not as written."""
    return any(mark in performance for mark in _AUGMENTED)


def plainness(performance: str, tempo_factor: float) -> tuple[bool, float, str]:
    """A key that sorts a piece's performances: plain ones first, then by the ratio of their tempo.

    Half the tempo is as far from the score's as twice the tempo.
    """
    return is_augmented(performance), abs(math.log(tempo_factor)), performance
