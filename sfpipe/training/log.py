"""Learning curves for DVC (DVCLive) and TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.files import writing

CURVES = (
    "validation_r_on",
    "validation_error_px",
    "best_r_on",
    "reward",
    "policy_loss",
    "value_loss",
    "minutes",
)


class TrainingLog:
    """Writes one point per evaluation; with folder None it does nothing.

    Parameters
    ----------
    folder:
        DVCLive's folder (`plots/metrics/*.tsv`, `metrics.json`); TensorBoard events go to
        `events` beside it, out of `dvc`'s way.
    events:
        TensorBoard's folder; None writes none.

    Raises
    ------
    StorageError
        Here and below, if the disk is full or a folder cannot be written.
    SfpipeError
        Below, if another training writes into the folder at the same moment.
    """

    def __init__(self, folder: Path | None, events: Path | None = None):
        self._live: Any = None
        self._board: Any = None
        self.folder, self.events = folder, events
        if folder is not None:
            with writing(folder):
                self._open()

    def _open(self) -> None:
        from dvclive import Live

        self._live = Live(
            str(self.folder), dvcyaml=None, save_dvc_exp=False, report=None, cache_images=False
        )
        if self.events is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.events))

    def write(self, frames: int, row: dict[str, float]) -> None:
        """Add the figures of one evaluation at `frames`."""
        if self.folder is not None:
            with _writing_alone(self.folder):
                self._write(frames, row)

    def _write(self, frames: int, row: dict[str, float]) -> None:
        self._live.step = frames
        for name in CURVES:
            if name in row:
                self._live.log_metric(name, row[name], timestamp=False)
        self._live.sync()
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, frames)
            self._board.flush()

    def rewind(self, evaluations: list[dict[str, float]]) -> None:
        """Start the curves again and write the points a resumed training already has."""
        if self.folder is None:
            return
        with writing(self.folder):
            self._open()
        for row in evaluations:
            self.write(int(row["frames"]), {k: v for k, v in row.items() if k != "frames"})

    def close(self) -> None:
        """Finish both logs."""
        if self.folder is None:
            return
        with _writing_alone(self.folder):
            self._live.end()
            if self._board is not None:
                self._board.close()


@contextmanager
def _writing_alone(folder: Path) -> Iterator[None]:
    """As `writing`; DVCLive reads what it has written, and may meet what another one writes."""
    try:
        with writing(folder):
            yield
    except JSONDecodeError:
        raise SfpipeError(
            "another training writes its curves here at the same time",
            file=folder,
            remedy="wait for it, and run the same command again: it goes on at its checkpoint",
        ) from None
