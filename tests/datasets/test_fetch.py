import hashlib
import http.server
import io
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sfpipe.datasets.catalogue import NOTTINGHAM
from sfpipe.datasets.fetch import compare, fetch_files, read_hashes, retrieve
from sfpipe.errors import SfpipeError

FILES = {"a.txt": b"one", "sub/b.txt": b"two" * 5000}
INDEX = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo("repo-1/" + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    pages: dict[str, bytes] = {}  # noqa: RUF012 - set anew for every server
    cut = False

    def do_GET(self):
        content = self.pages.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content:
            self.wfile.write(content[: len(content) // 2] if self.cut else content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    class Own(Handler):
        pages = {"/toy.tar.gz": archive(FILES)}  # noqa: RUF012 - one server, one table

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", Own
        httpd.shutdown()
        thread.join()


@pytest.fixture
def toy():
    """A data set of two files."""
    return replace(NOTTINGHAM, mirror_file="toy.tar.gz", prefix="repo-1/")


def test_files_come_verified_from_a_server_and_are_cached(server, toy, tmp_path):
    url, handler = server
    assert fetch_files(toy, mirror=url, cache=tmp_path, hashes=INDEX) == FILES
    handler.pages = {}
    assert fetch_files(toy, mirror=url, cache=tmp_path, hashes=INDEX) == FILES


def test_the_original_address_is_asked_without_a_mirror(server, toy, tmp_path):
    own = replace(toy, url=f"{server[0]}/toy.tar.gz")
    assert fetch_files(own, cache=tmp_path, hashes=INDEX) == FILES


def test_files_come_from_a_mirror_folder(toy, tmp_path):
    (tmp_path / "toy.tar.gz").write_bytes(archive({**FILES, "extra": b"not in the index"}))
    assert fetch_files(toy, mirror=str(tmp_path), hashes=INDEX) == FILES


def test_a_mirror_without_the_archive(toy, tmp_path):
    with pytest.raises(SfpipeError, match=r"toy\.tar\.gz: no such file in the mirror"):
        fetch_files(toy, mirror=str(tmp_path), hashes=INDEX)


def test_missing_and_changed_files_are_counted_apart_and_the_archive_is_dropped(
    server, toy, tmp_path
):
    url, handler = server
    handler.pages = {"/toy.tar.gz": archive({"a.txt": b"tampered"})}
    with pytest.raises(SfpipeError, match=r"1 files are missing and 1 have the wrong SHA-256"):
        fetch_files(toy, mirror=url, cache=tmp_path, hashes=INDEX)
    assert list(tmp_path.iterdir()) == []
    found = compare({"a.txt": b"tampered"}, INDEX)
    assert (found.missing, found.invalid, bool(found)) == (["sub/b.txt"], ["a.txt"], False)
    assert compare(FILES, INDEX)


def test_an_unknown_page(server, tmp_path):
    with pytest.raises(SfpipeError, match=r"HTTP status 404.*SFPIPE_MIRROR"):
        retrieve(f"{server[0]}/nothing", tmp_path, "x")
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server(tmp_path):
    with pytest.raises(SfpipeError, match="could not be downloaded"):
        retrieve("http://127.0.0.1:9/x", tmp_path, "x")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(server, tmp_path):
    url, handler = server
    handler.cut = True
    with pytest.raises(SfpipeError, match="could not be downloaded"):
        retrieve(f"{url}/toy.tar.gz", tmp_path, "toy.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_none_is_dropped(server, toy, tmp_path):
    url, handler = server
    handler.pages = {"/toy.tar.gz": b"<html>Please log in</html>"}
    with pytest.raises(SfpipeError, match="is not a whole tar archive"):
        fetch_files(toy, mirror=url, cache=tmp_path, hashes=INDEX)
    assert list(tmp_path.iterdir()) == []


def test_half_an_archive_is_no_archive(toy, tmp_path):
    (tmp_path / "toy.tar.gz").write_bytes(archive(FILES)[:-40])
    with pytest.raises(SfpipeError, match="is not a whole tar archive"):
        fetch_files(toy, mirror=str(tmp_path), hashes=INDEX)


def test_a_cache_that_cannot_be_written(server, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(SfpipeError, match="cannot be written"):
        retrieve(f"{server[0]}/toy.tar.gz", blocked / "cache", "toy.tar.gz")


def test_the_committed_index_lists_the_repository():
    index = read_hashes(NOTTINGHAM)
    assert len(index) == 1048 and all(len(digest) == 64 for digest in index.values())
    assert sum(Path(p).suffix == ".mid" for p in index) == 1034


def test_the_mirrors_archive_has_the_committed_hashes(mirror):
    assert len(fetch_files(NOTTINGHAM, mirror=str(mirror))) == 1048


def test_an_archive_with_a_damaged_middle_is_dropped(server, toy, tmp_path):
    url, handler = server
    whole = bytearray(archive({**FILES, "toy-1/big": bytes(range(256)) * 4000}))
    whole[len(whole) // 2 : len(whole) // 2 + 200] = b"\x55" * 200
    handler.pages = {"/toy.tar.gz": bytes(whole)}
    with pytest.raises(SfpipeError, match="is not a whole tar archive"):
        fetch_files(toy, mirror=url, cache=tmp_path, hashes=INDEX)
    assert list(tmp_path.iterdir()) == []
