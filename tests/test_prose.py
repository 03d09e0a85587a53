"""README and docs as prose: short, in plain English, without dead links or words of our own."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LONGEST = 30  # words of a sentence
# Words and keys of earlier versions; params.py answers old keys by the new ones.
PRIVATE = re.compile(
    r"\b(stud(?:y|ied|ies)|passages?|yardsticks?|entrants?|examinees?|contestants?|programmes?"
    r"|closeups?|var(?:y_?midi|ied performances?)|(?:regret|match|localise|read|value|pace)_loss"
    r"|hears?|heard|sees|seen|wanted|found out"  # programs do not
    r"|n_games|t_max|warm_up|mixture_frames|scattered_share|varied_weight|train\.schedules?)\b"
)


def prose(page: Path) -> list[str]:
    """The paragraphs, list items and headings of a page, without code, tables and pictures."""
    text = re.sub(r"^```.*?^```\s*$", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"^:::.*\n(?:    .*\n|\n)*", "", text, flags=re.M)
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "X", text)
    lines = ["" if re.match(r"\s*(\||#)", line) else line for line in text.splitlines()]
    lines = [re.sub(r"^(\s*)(?:[-*]|\d+\.) ", r"\n\1", re.sub(r"^> ?", "", x)) for x in lines]
    blocks = re.split(r"\n\s*\n", "\n".join(lines))
    return [" ".join(block.split()) for block in blocks if block.strip()]


def sentences(page: Path) -> list[str]:
    return [s for block in prose(page) for s in re.split(r"(?<=[.!?])[)*\"]* +", block)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sentences_are_short(page):
    """Numbers, dashes and signs are no words."""
    long = [s for s in sentences(page) if len(re.findall(r"[A-Za-z][\w'-]*", s)) > LONGEST]
    assert long == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_words_are_the_fields_own(page):
    text = page.read_text("utf-8")
    assert sorted({match[0] for match in PRIVATE.finditer(text)}) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```\s*$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and GitHub make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_readme_is_read_in_one_go():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150


def test_the_film_is_small_and_at_the_top():
    film = ROOT / "docs/film.webp"
    assert film.read_bytes()[:4] == b"RIFF" and film.stat().st_size <= 2 * 2**20
    assert "docs/film.webp" in "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:8])


def test_the_figures_of_the_readme_are_those_of_the_cards():
    """Share of tunes, share of onsets, cm: as `eval.json` of each has them."""
    import json

    rows = {
        "Nottingham": ("nottingham", "nottingham-belief"),
        "MSMD": ("msmd", "msmd-belief"),
    }
    text = (ROOT / "README.md").read_text("utf-8")
    for row, (dataset, best) in rows.items():
        cells = next(x for x in text.splitlines() if x.startswith(f"| {row}")).split("|")[3:-1]
        files = [
            f"models/pretrained/{dataset}-ppo/eval.json",
            f"models/pretrained/{best}/eval.json",
            f"metrics/baselines/{dataset}/midi-odtw.json",
            f"metrics/baselines/{dataset}/omr-odtw.json",
        ]
        for cell, file in zip(cells, files, strict=True):
            found = json.loads((ROOT / file).read_text())
            figures = (found["r_tue"], found["r_on"], found["abs_dx_cm"]["mean"])
            assert cell.strip() == " / ".join(f"{x:.2f}" for x in figures), file
