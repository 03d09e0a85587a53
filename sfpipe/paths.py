"""Where each stage keeps its files: the one place that knows the folder names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.params import DATASET_NAME


@dataclass(frozen=True)
class Paths:
    """Files and folders of one data set, relative to the project.

    Raises
    ------
    SfpipeError
        If the data set's name cannot be a folder's.
    """

    dataset: str
    root: Path = Path("data")

    def __post_init__(self) -> None:
        if not re.fullmatch(DATASET_NAME, self.dataset):
            raise SfpipeError(
                f"'{self.dataset}' is no name of a data set",
                remedy="use letters, digits, '_', '-' and '.'",
            )

    @property
    def raw(self) -> Path:
        """Source files and `index.json`."""
        return self.root / "raw" / self.dataset

    @property
    def engraved(self) -> Path:
        """One folder per piece: images, note heads, MIDI."""
        return self.root / "engraved" / self.dataset

    @property
    def clean(self) -> Path:
        """Accepted and rejected pieces."""
        return self.root / "clean" / f"{self.dataset}.json"

    @property
    def audio(self) -> Path:
        """One folder per piece: performances as FLAC."""
        return self.root / "audio" / self.dataset

    @property
    def spectrograms(self) -> Path:
        """Spectrogram store."""
        return self.root / "spectrograms" / f"{self.dataset}.h5"

    @property
    def real(self) -> Path:
        """Human performances: recordings by piece, a report, `performances.h5`."""
        return self.root / "real" / self.dataset

    @property
    def performances(self) -> Path:
        """Store of the human performances."""
        return self.real / "performances.h5"  # `sfpipe.store.schema.HUMAN`

    @property
    def scores(self) -> Path:
        """Score store."""
        return self.root / "scores" / f"{self.dataset}.h5"

    @property
    def packed(self) -> Path:
        """Both stores in one small file."""
        return self.root / "packed" / f"{self.dataset}.h5"
