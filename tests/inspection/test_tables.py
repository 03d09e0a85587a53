"""Markdown and CSV for the report."""

import math

from sfpipe.inspection.tables import markdown, numbers, read_rows, table


def test_markdown_tables_headings_and_text():
    text = """# Table 3

| follower | R_on |
|---|---:|
| **A2C** *paper* | 0.58 \\| x |
| `odtw` <b> |  |

One line
and another.

- a
- b
"""
    made = markdown(text)
    assert "<h3>Table 3</h3>" in made
    assert "<th>follower</th><th>R_on</th>" in made
    assert "<td><b>A2C</b> <i>paper</i></td><td>0.58 | x</td>" in made
    assert "<td><code>odtw</code> &lt;b&gt;</td><td></td>" in made
    assert "<p>One line and another.</p>" in made
    assert "<ul><li>a</li><li>b</li></ul>" in made


def test_cells_are_text():
    assert "<td>&lt;script&gt;</td>" in table(["a"], [["<script>"]])


def test_numbers(tmp_path):
    (tmp_path / "x.tsv").write_text("step\ty\n1\t0.5\n2\t\n3\tabc\n")
    rows = read_rows(tmp_path / "x.tsv")
    assert numbers(rows, "step") == [1, 2, 3]
    assert numbers(rows, "y")[0] == 0.5
    assert all(math.isnan(y) for y in numbers(rows, "y")[1:])
    assert read_rows(tmp_path / "none.csv") == []
