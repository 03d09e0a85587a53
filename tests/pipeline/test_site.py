"""The documentation: it is built without a dead link, and every command in it works.

Commands run in the small project of the pipeline tests, with its nine tunes in place of Ryan's and
its parameters in place of the demo's; what test_dvc.py has made there is not made again. (The
file's name puts it behind that one.)
"""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sfpipe import cli
from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from tests.pipeline.closure import ROOT
from tests.pipeline.commands import KNOWN, RUN, blocks, names, program

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = ROOT / "README.md"
WITH_COMMANDS = [page for page in [*PAGES, README] if {lang for lang, _ in blocks(page)} & set(RUN)]
# The tutorial first, as a reader would.
WITH_COMMANDS.sort(key=lambda page: (page.stem != "tutorial", page.stem))


def command_names() -> set[str]:
    return {(c.name or c.callback.__name__).replace("_", "-") for c in cli.app.registered_commands}


def test_the_tutorial_and_most_pages_have_commands():
    stems = {page.stem for page in WITH_COMMANDS}
    assert {"tutorial", "pipeline", "inspection", "metrics", "paper", "faq"} <= stems


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda p: p.stem)
def test_only_commands_that_exist_are_named(page):
    assert set(names(page)) - command_names() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_blocks_say_what_they_are_and_why_they_are_not_run(page):
    text = page.read_text("utf-8")
    for language, body in blocks(page):
        assert language in KNOWN, f"{page.name}: ```{language}"
        if language == "text":
            before, after = text.split(body, 1)
            around = before[-400:] + after[:400]
            assert re.search(r"as\s+text", around), f"{page.name}: why is this not run?\n{body}"


@pytest.fixture(scope="module")
def reader(project):
    """The small project, as one who reads the pages has it."""
    if find_soundfont(DECLARED["FluidR3_GM"]) is None:
        pytest.skip("the sound font FluidR3_GM is not on this machine: see `sfpipe doctor`")
    project.dvc("repro")  # makes nothing that test_dvc.py has made, and all where it did not run
    agents = project.root / "models/pretrained"
    if not agents.exists():
        agents.parent.mkdir(exist_ok=True)
        agents.symlink_to(ROOT / "models/pretrained")
    activate = project.root / ".venv/bin/activate"
    activate.parent.mkdir(parents=True, exist_ok=True)
    activate.write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    return project


@pytest.mark.slow  # two minutes on an idle core
@pytest.mark.xdist_group("dvc")
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda p: p.stem)
def test_commands(reader, page):
    pytest.importorskip("captum", reason="pip install 'sfpipe[inspect]'")
    # The project's own data set, and its nine tunes instead of a hundred.
    script = re.sub(r"\bryan\b(?!-)", "toy", program(page))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=reader.root,
        env=reader.environment() | {"PAGER": "cat"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-999:]}\n{done.stderr[-2000:]}"
    for left in LEAVES.get(page.stem, ()):
        assert list(reader.root.glob(left)), left


@pytest.mark.slow
@pytest.mark.xdist_group("dvc")
def test_python_of_the_readme(reader):
    """The environment, Stable-Baselines3, a follower: one program, block after block."""
    pytest.importorskip("stable_baselines3")
    text = "\n".join(body for language, body in blocks(README) if language == "python")
    script = re.sub(r"\bryan\b(?!-)", "toy", text)
    reader.run(sys.executable, "-c", script)


LEAVES = {
    "README": ("pages/*.html",),
    "tutorial": (
        "report.html",
        "follow.html",
        "mine/report.html",
        "alignment/*.png",
        "inspection/tempo.png",
    ),
    "inspection": ("inspection/embedding.html", "inspection/policy.png", "inspection/tempo.csv"),
    "pipeline": ("metrics/plots/lost.png",),
}


class Links(HTMLParser):
    """Where a page points to, what it loads, and its anchors."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {v for k, v in attrs if k in ("id", "name") and v}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("script", "img") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("href") and "canonical" not in values.get("rel", ""):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocstrings", reason="pip install 'sfpipe[docs]'")
    out = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_in_the_site(site):
    nav = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = {next(iter(entry.values())) for entry in nav}
    assert listed == {page.name for page in PAGES}
    for page in PAGES:
        folder = site if page.stem == "index" else site / page.stem
        assert (folder / "index.html").is_file()


def test_no_dead_links_and_nothing_from_elsewhere(site):
    pages = {p: Links(p.read_text("utf-8")) for p in site.rglob("index.html")}
    for page, found in pages.items():
        for link in found.loaded:
            assert not re.match(r"(https?:)?//", link), f"{page}: loads {link}"
        for link in [*found.links, *found.loaded]:
            if re.match(r"(https?|mailto|data):", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page}: {link}"
            if anchor and target in pages:
                assert anchor in pages[target].anchors, f"{page}: {link}"


def test_the_game_is_its_docstring(site):
    text = (site / "game/index.html").read_text("utf-8")
    for part in ("Observation space", "(b - |d|) / b", "Termination"):
        assert part in text
    for heading in ("description", "action-space", "reward", "end", "version-history"):
        assert re.search(rf'id="[^"]*{heading}"', text), heading


def test_the_api_has_what_it_promises(site):
    text = (site / "api/index.html").read_text("utf-8")
    for name in (
        "explain_states",
        "AgentFollower",
        "load_bank",
        "PlayedGame",
        "StreamingSpectrogram",
    ):
        assert name in text
