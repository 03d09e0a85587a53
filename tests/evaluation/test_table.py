"""One table in four forms, each checked by hand or by another program."""

import xml.etree.ElementTree as ElementTree

import pytest
from markupsafe import Markup

from sfpipe.evaluation.table import (
    Table,
    format_interval,
    format_number,
    format_spread,
    format_within,
)

TABLE = Table(("follower", "R_on\n(2019)"), [("PPO", "0.5\n[0.4-0.6]"), ("a|b <i>", "-")])


def test_on_a_terminal_numbers_are_to_the_right():
    assert TABLE.to_text().splitlines() == [
        "               R_on",
        "follower     (2019)",
        "───────────────────",
        "PPO             0.5",
        "          [0.4-0.6]",
        "a|b <i>           -",
    ]
    assert "[bold]" in Table(("[bold]",), [("x",)]).to_text()  # text, and no markup


def test_markdown_is_read_as_the_same_cells():
    markdown = pytest.importorskip("markdown")  # what the documentation is made with
    assert TABLE.to_markdown().splitlines() == [
        "| follower | R_on (2019) |",
        "|---|---|",
        "| PPO | 0.5 [0.4-0.6] |",
        "| a\\|b <i> | - |",
    ]
    assert Table(("", ""), [("seed", "1")]).to_markdown() == "| | |\n|---|---|\n| seed | 1 |"
    plain = Table(TABLE.columns, TABLE.rows[:1]).to_markdown()
    page = ElementTree.fromstring(markdown.markdown(plain, extensions=["tables"]))
    cells = [cell.text for cell in page.iter() if cell.tag in ("th", "td")]
    assert cells == ["follower", "R_on (2019)", "PPO", "0.5 [0.4-0.6]"]


def test_latex_has_the_rows_alone():
    rows = Table(("who", "R_tue", "R_on"), [("PPO", "0.81", "0.80")]).to_latex()
    assert rows == "PPO                & 0.81 & 0.80 \\\\"


def test_cells_of_html_are_text_but_for_markup():
    page = ElementTree.fromstring(TABLE.to_html())
    assert [c.text for c in page.iter("th")] == ["follower", "R_on\n(2019)"]
    assert [c.text for c in page.iter("td")] == ["PPO", "0.5\n[0.4-0.6]", "a|b <i>", "-"]
    link = Table(("a",), [(Markup("<b>x</b>"),), ("<b>y</b>",)]).to_html()
    assert "<td><b>x</b></td>" in link and "<td>&lt;b&gt;y&lt;/b&gt;</td>" in link


def test_figures_and_what_does_not_exist():
    assert (format_number(0.125, 2), format_number(2, 1)) == ("0.12", "2.0")
    assert format_number(None) == format_number(float("nan")) == "-"
    assert format_spread({"mean": 1.5, "std": None}, 1) == "1.5 ± -"
    interval = {"low": 0.25, "high": 0.75}
    assert format_interval(interval, 1) == "[0.2-0.8]"
    assert format_within({"r_on": 0.5, "ci95": {"r_on": interval}}, "r_on") == "0.50\n[0.25-0.75]"
