import pytest

from sfpipe.notation.abc_text import decode, header, split_tunes


def test_a_tune_book_is_split_at_its_x_lines_and_shares_what_precedes_them():
    book = "% my book\r\nM:6/8\r\nX:1\r\nT:One\r\nK:C\r\nCDE|\r\nX:7\nT:Two\nM:4/4\nK:G\nGAB|\n"
    one, two = split_tunes(book)
    assert header(one) == {"X": "1", "M": "6/8", "T": "One", "K": "C"}
    assert header(two)["T"] == "Two" and "GAB" in two and "CDE" not in two


def test_text_without_an_x_line_holds_no_tune():
    assert split_tunes("just words\n") == []


def test_comments_and_continued_fields_of_a_header():
    tune = "X:1 % one\nT:100\\% sure\nN:bad % no\n+:more\n%%text edge\nK:C % key\nT:later\n"
    assert header(tune) == {"X": "1", "T": "100\\% sure", "N": "bad more", "K": "C"}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_old_encodings_are_read(encoding):
    assert decode("T:Café".encode(encoding)) == "T:Café"
