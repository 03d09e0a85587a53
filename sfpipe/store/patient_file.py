"""A file that HDF5 writes to, on a disk that may be full."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Any


class PatientFile(io.FileIO):
    """Takes every write, and raises the first error of the disk when it is closed.

    HDF5 2.0 ends the process with a segmentation fault when a write fails and the file is closed
    after that. So it is not told; what comes after an error is dropped. An interrupt that comes
    while HDF5 writes is such an error, too.

    Attributes
    ----------
    error:
        The first; None so far.
    """

    def __init__(self, path: Path):
        super().__init__(path, "w+")
        self.error: BaseException | None = None

    def write(self, content: Any) -> int:
        """Write all of it, or remember why not."""
        try:
            view = memoryview(content).cast("B")
            written = 0
            while self.error is None and written < len(view):
                written += super().write(view[written:])
        except BaseException as error:
            self.error = self.error or error
        return memoryview(content).nbytes

    def readinto(self, into: Any) -> int:
        """Read as much as there is, in one piece."""
        found = 0
        try:
            view = memoryview(into).cast("B")
            while found < len(view) and (n := super().readinto(view[found:])):
                found += n
        except BaseException as error:
            self.error = self.error or error
        return found

    def truncate(self, size: int | None = None) -> int:
        """Make it so long, or remember why not."""
        try:
            return super().truncate(size)
        except BaseException as error:
            self.error = self.error or error
            return size or 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, value, trace)
        if self.error is not None:
            raise self.error
