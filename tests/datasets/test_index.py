import json

import pytest

from sfpipe.datasets.index import read_index, validate
from sfpipe.errors import SfpipeError
from tests.tunes import TUNES, write_raw


def test_an_index_is_read_as_it_was_written(tmp_path):
    raw = write_raw(tmp_path / "toy", TUNES)
    index = read_index(raw)
    assert [p.id for p in index.pieces] == list(TUNES)
    assert index.pieces[0].split == "train" and index.pieces[0].header is None


def test_missing_and_invalid_files_are_told_apart(tmp_path):
    raw = write_raw(tmp_path / "toy", TUNES)
    assert validate(raw)
    (raw / "plain.abc").unlink()
    (raw / "waltz.abc").write_text("changed")
    found = validate(raw)
    assert (found.missing, found.invalid) == (["plain.abc"], ["waltz.abc"])
    assert not found


def test_no_index(tmp_path):
    with pytest.raises(SfpipeError, match=r"index\.json: no such file -> run: sfpipe download"):
        read_index(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pieces": [{"id": "x"}]}'])
def test_a_damaged_index(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(SfpipeError, match=r"index\.json"):
        read_index(tmp_path)


def test_the_file_is_what_the_contract_says(tmp_path):
    raw = write_raw(tmp_path / "toy", TUNES)
    data = json.loads((raw / "index.json").read_text())
    assert {"dataset", "licence", "citation", "pieces"} <= set(data)
    assert {"id", "title", "split", "source", "sha256", "licence"} == set(data["pieces"][0])
