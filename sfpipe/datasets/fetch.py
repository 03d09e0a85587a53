"""Archives from the internet or a mirror, opened only if every file has its SHA-256."""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import tarfile
import zlib
from importlib import resources
from pathlib import Path

from sfpipe.datasets.dataset import Dataset
from sfpipe.datasets.index import Validation
from sfpipe.errors import SfpipeError

TIMEOUT_S = 30
REMEDY = "check the network; or set SFPIPE_MIRROR to a folder or URL that holds {name}"


def fetch_files(
    dataset: Dataset,
    *,
    mirror: str | None = None,
    cache: Path | None = None,
    hashes: dict[str, str] | None = None,
) -> dict[str, bytes]:
    """Path -> content of every file in the data set's index, downloaded and verified.

    GitHub re-compresses its archives from time to time, so the archive's own hash says nothing;
    each file's does.

    Parameters
    ----------
    mirror:
        Folder or URL that holds `dataset.mirror_file`, asked instead of `dataset.url`.
    cache:
        Folder that keeps downloaded archives; default: the user's cache folder.
    hashes:
        Path -> SHA-256 of the files to take; default: the index committed with sfpipe.

    Raises
    ------
    SfpipeError
        If the source is unreachable, the archive cannot be opened, or files are missing or
        differ from the index.
    """
    index = read_hashes(dataset) if hashes is None else hashes
    archive, downloaded = _archive(dataset, mirror, cache)
    try:
        files = _read_archive(archive, dataset.prefix, index)
        verify(files, index, archive)
    except SfpipeError:
        if downloaded:
            archive.unlink(missing_ok=True)  # the next run downloads it again
        raise
    return files


def read_hashes(dataset: Dataset) -> dict[str, str]:
    """Path -> SHA-256 from the committed index of the data set."""
    text = resources.files("sfpipe.datasets").joinpath(str(dataset.index)).read_text("utf-8")
    return {row["path"]: row["sha256"] for row in csv.DictReader(io.StringIO(text))}


def compare(files: dict[str, bytes], index: dict[str, str]) -> Validation:
    """Files of `index` that are missing from `files`, and those whose content differs."""
    result = Validation()
    for path, digest in index.items():
        if path not in files:
            result.missing.append(path)
        elif hashlib.sha256(files[path]).hexdigest() != digest:
            result.invalid.append(path)
    return result


def verify(files: dict[str, bytes], index: dict[str, str], archive: Path) -> None:
    """Raise SfpipeError unless `files` has every file of `index` with its SHA-256."""
    differences = compare(files, index)
    if differences:
        return
    first = (differences.missing + differences.invalid)[0]
    raise SfpipeError(
        f"{len(differences.missing)} files are missing and {len(differences.invalid)} have the "
        f"wrong SHA-256 of {len(index)} expected (the first: {first})",
        file=archive,
        remedy="run: sfpipe download again; if it stays, the source has changed: open an issue",
    )


def retrieve(url: str, folder: Path, name: str) -> Path:
    """Download `url` to ``folder/name`` with pooch; an interrupted download leaves no file.

    Raises
    ------
    SfpipeError
        If the address cannot be reached or answers with an error, or the folder is read-only.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    loader = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT_S)
    try:
        path = pooch.retrieve(url, known_hash=None, fname=name, path=folder, downloader=loader)
    except requests.exceptions.RequestException as error:
        raise SfpipeError(
            f"could not be downloaded ({_cause(error)})",
            file=url,
            remedy=REMEDY.format(name=name),
        ) from None
    except OSError as error:
        raise SfpipeError(
            f"cannot be written ({error.strerror or error})",
            file=folder,
            remedy="free some space or check the folder's permissions (XDG_CACHE_HOME moves it)",
        ) from None
    return Path(path)


def _archive(dataset: Dataset, mirror: str | None, cache: Path | None) -> tuple[Path, bool]:
    import pooch

    name = str(dataset.mirror_file)
    if mirror and "://" not in mirror:
        path = Path(mirror) / name
        if not path.is_file():
            raise SfpipeError(
                "no such file in the mirror", file=path, remedy="correct or unset SFPIPE_MIRROR"
            )
        return path, False
    url = f"{mirror.rstrip('/')}/{name}" if mirror else str(dataset.url)
    folder = cache or Path(pooch.os_cache("sfpipe"))
    return retrieve(url, folder, name), True


def _read_archive(archive: Path, prefix: str, index: dict[str, str]) -> dict[str, bytes]:
    """Contents of the indexed members; nothing is unpacked to the disk."""
    files = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = member.name.removeprefix(prefix)
                if path in index and member.isfile():
                    stream = tar.extractfile(member)
                    files[path] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise SfpipeError(
            f"is not a whole tar archive ({error})", file=archive, remedy="download it again"
        ) from None
    return files


def _cause(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return f"{type(error).__name__}: {str(error)[:200]}"
