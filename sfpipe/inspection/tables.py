"""Small files read for the report: tables of numbers, and tables in Markdown."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Sequence
from pathlib import Path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV or TSV file by column; [] if there is no such file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def numbers(rows: Sequence[dict[str, str]], column: str) -> list[float]:
    """A column as numbers; NaN where a cell is empty or no number."""
    return [_number(row.get(column) or "nan") for row in rows]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of plain text cells."""
    body = "".join(_row(row, "td") for row in rows)
    return f"<table><thead>{_row(head, 'th')}</thead><tbody>{body}</tbody></table>"


def _row(cells: Sequence[str], tag: str) -> str:
    inside = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"


def markdown(text: str) -> str:
    """HTML of Markdown made of headings, paragraphs, lists and tables."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        while lines and lines[0].startswith("#"):
            heading = lines.pop(0)
            level = min(len(heading) - len(heading.lstrip("#")) + 2, 6)
            out.append(f"<h{level}>{_inline(heading.lstrip('# '))}</h{level}>")
        if len(lines) > 1 and re.fullmatch(r"[|:\s-]+", lines[1]) and "-" in lines[1]:
            head, rows = _cells(lines[0]), [_cells(line) for line in lines[2:]]
            body = "".join(f"<tr>{_marked(row, 'td')}</tr>" for row in rows)
            out.append(
                f"<table><thead><tr>{_marked(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
            )
        elif lines and all(re.match(r"[-*] ", line) for line in lines):
            items = "".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
            out.append(f"<ul>{items}</ul>")
        elif lines:
            out.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "\n".join(out)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _marked(cells: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells)


def _inline(text: str) -> str:
    """Bold, emphasis and code; everything else is text."""
    text = html.escape(text.replace("\\|", "|"), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
    return re.sub(r"(?<!\*)\*([^*]+)\*(?!\*)", r"<i>\1</i>", text)
