"""Commands in the documentation: the fenced blocks of Markdown pages, as programs for bash."""

import re
from pathlib import Path

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.M | re.S)
RUN = ("bash", "console")
KNOWN = (*RUN, "text", "python", "yaml")


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block of a page."""
    return FENCE.findall(page.read_text("utf-8"))


def program(page: Path) -> str:
    """All commands of a page in their order, one script that stops at the first failure."""
    parts = ["set -euo pipefail"]
    for language, text in blocks(page):
        if language == "bash":
            # A test has its environment, and is one of those that `make test` runs.
            parts.append(re.sub(r"^make .*\n", "", text, flags=re.M))
        elif language == "console":
            parts += [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    return "\n".join(parts)


def names(page: Path) -> list[str]:
    """The sfpipe commands that a page mentions anywhere, in blocks of any kind or in the text."""
    return re.findall(r"(?:^|`)(?:\$ )?sfpipe ([a-z][a-z-]*)", page.read_text("utf-8"), re.M)
