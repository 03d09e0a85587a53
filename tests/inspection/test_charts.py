"""Columns of small files."""

import math

from sfpipe.inspection.charts import read_numbers, read_rows


def test_numbers_and_what_is_none(tmp_path):
    (tmp_path / "x.tsv").write_text("step\ty\n1\t0.5\n2\t\n3\tabc\n")
    rows = read_rows(tmp_path / "x.tsv")
    assert read_numbers(rows, "step") == [1, 2, 3]
    assert read_numbers(rows, "y")[0] == 0.5
    assert all(math.isnan(y) for y in read_numbers(rows, "y")[1:])
    assert read_rows(tmp_path / "none.csv") == []
