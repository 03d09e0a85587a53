"""Files that people send: formats, and what is said of those that cannot be read."""

import cv2
import numpy as np
import pytest
from PIL import Image

from sfpipe.errors import SfpipeError
from sfpipe.pages.limits import Limits
from sfpipe.pages.read import read_pages
from tests.pages.music import musicxml
from tests.pages.printed import verovio_pages


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(verovio_pages(musicxml(12, staves=1), "Leland")[0].image(150))


def count(path) -> int:
    return len(read_pages(path).systems)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "pdf"])
def test_formats(suffix, picture, tmp_path):
    picture.save(tmp_path / "page.png")
    picture.save(tmp_path / f"page.{suffix}")
    assert count(tmp_path / f"page.{suffix}") == count(tmp_path / "page.png") > 1


def test_transparent_paper_is_white(picture, tmp_path):
    ink = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    ink.putalpha(Image.fromarray(255 - np.array(picture)))
    ink.save(tmp_path / "page.png")
    picture.save(tmp_path / "plain.png")
    assert count(tmp_path / "page.png") == count(tmp_path / "plain.png")


def test_a_phone_held_sideways(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture.rotate(90, expand=True).save(tmp_path / "page.jpg", exif=exif)
    picture.save(tmp_path / "plain.png")
    assert count(tmp_path / "page.jpg") == count(tmp_path / "plain.png")


def test_pages_of_a_tiff_and_one_without_music(picture, tmp_path):
    empty = Image.new("L", picture.size, 255)
    picture.save(tmp_path / "book.tif", save_all=True, append_images=[empty, picture])
    pages = read_pages(tmp_path / "book.tif")
    assert [page.number for page in pages.pages] == [1, 3]
    assert pages.notes == ("Page 2 has no staves and was left out.",)
    assert {system.page for system in pages.systems} == {0, 1}


def error(path, **limits) -> str:
    with pytest.raises(SfpipeError) as caught:
        read_pages(path, limits=Limits(**limits))
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text
    return text


def test_an_empty_page(tmp_path):
    Image.new("L", (1000, 1400), 255).save(tmp_path / "white.png")
    assert "no staff lines" in error(tmp_path / "white.png")


def test_too_coarse(picture, tmp_path):
    small = picture.resize((picture.width * 2 // 5, picture.height * 2 // 5), Image.Resampling.BOX)
    small.save(tmp_path / "small.png")
    assert "px apart" in error(tmp_path / "small.png")


def test_no_file_and_an_unknown_suffix(tmp_path):
    assert "no such file" in error(tmp_path / "gone.pdf")
    for suffix, content in ((".docx", b"PK"), (".svg", b"<svg><script>x()</script></svg>")):
        (tmp_path / f"notes{suffix}").write_bytes(content)
        assert f"'{suffix}' is not read" in error(tmp_path / f"notes{suffix}")


def test_a_truncated_pdf(picture, tmp_path):
    picture.save(tmp_path / "page.pdf")
    whole = (tmp_path / "page.pdf").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "cut.pdf").write_bytes(whole[: int(len(whole) * share)])
        assert "PDF" in error(tmp_path / "cut.pdf") or "staff" in error(tmp_path / "cut.pdf")


def test_an_encrypted_pdf(picture, tmp_path):
    """A file whose password is not the empty one: nothing that the keys say fits it."""
    picture.save(tmp_path / "page.pdf")
    plain = (tmp_path / "page.pdf").read_bytes()
    keys = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]"
    told = plain.replace(b"trailer\n<<", b"trailer\n<< " + keys % (b"41" * 32, b"42" * 32))
    assert told != plain
    (tmp_path / "secret.pdf").write_bytes(told)
    assert "is encrypted" in error(tmp_path / "secret.pdf")
    assert "password" in error(tmp_path / "secret.pdf")


def test_handwriting(tmp_path):
    """Wavy strokes of a pen, line below line."""
    page = np.full((1400, 1000), 255, np.uint8)
    x = np.linspace(80, 920, 400)
    for row in range(100, 1300, 60):
        y = row + 12 * np.sin(x / 9 + row) + 8 * np.sin(x / 23)
        cv2.polylines(page, [np.stack([x, y], 1).astype(np.int32)], False, 0, 2)
    Image.fromarray(page).save(tmp_path / "letter.png")
    assert "handwriting is not" in error(tmp_path / "letter.png")


def test_a_picture_of_a_phone_in_its_own_format(picture, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    picture.save(tmp_path / "page.png")
    picture.save(tmp_path / "page.heic", quality=90)
    assert count(tmp_path / "page.heic") == count(tmp_path / "page.png")


def test_names_are_no_paths_and_files_of_the_system_are_no_scores(picture, tmp_path):
    picture.save(tmp_path / "page.png")
    assert read_pages(tmp_path / "." / "page.png").source == "page.png"
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in error(tmp_path / "folder.png")


def test_zeros_and_text_that_say_that_they_are_pages(tmp_path):
    for name in ("page.pdf", "page.png", "page.jpg", "page.tif"):
        for content in (bytes(100_000), b"", b"%PDF-1.4\n", b"<svg onload='x()'/>"):
            (tmp_path / name).write_bytes(content)
            assert "not a readable" in error(tmp_path / name)


def test_a_bomb_of_a_picture_is_not_unpacked(tmp_path):
    """60,000 x 60,000 white pixels in a small file: the header is enough to refuse it."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        size, check = len(data).to_bytes(4, "big"), zlib.crc32(kind + data).to_bytes(4, "big")
        return size + kind + data + check

    side = (60_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + bytes([8, 0, 0, 0, 0]))
    body = chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    assert "pixels" in error(tmp_path / "bomb.png")


def test_limits_of_size_and_pages(picture, tmp_path):
    picture.save(tmp_path / "book.pdf", save_all=True, append_images=[picture] * 2)
    assert "has 3 pages, at most 2" in error(tmp_path / "book.pdf", pages=2)
    picture.save(tmp_path / "book.tif", save_all=True, append_images=[picture] * 2)
    assert "has 3 pages, at most 2" in error(tmp_path / "book.tif", pages=2)
    assert "MiB" in error(tmp_path / "book.tif", file_bytes=1000)
