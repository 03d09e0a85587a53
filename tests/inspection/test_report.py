"""The report of a real evaluation on small stores."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import resvg_py

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.report import write_evaluation
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.inspection.charts import rank_correlation
from sfpipe.inspection.report import place_lost, polyphony, write_report
from sfpipe.store.bank import load_bank
from sfpipe.store.window import WINDOWS
from tests.projects import write_stores
from tests.tunes import engrave_toy


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """Results of an 'agent' that moves at a constant speed, too fast."""
    root = tmp_path_factory.mktemp("report")
    write_stores(root)
    stores = root / "data/scores/toy.h5", root / "data/spectrograms/toy.h5"
    bank = load_bank(*stores, WINDOWS["nottingham"])
    games = {
        "agent": play_games(bank, ConstantSpeed(bank, 8.0)),
        "optimal": play_games(bank, Expert(bank)),
    }
    meta = {"split": "test", "algo": "ppo", "window": "nottingham", "policy": "argmax"}
    write_evaluation(games, out_dir=root / "metrics", meta=meta, seed=1)
    played = load_evaluation_set(*stores, WINDOWS["nottingham"])
    write_closeup(games["agent"], played, root / "metrics/plots")
    curves = root / "metrics/train/plots/metrics"
    curves.mkdir(parents=True)
    (curves / "validation_r_on.tsv").write_text("step\tvalidation_r_on\n0\t0.1\n500\t0.7\n")
    return root / "metrics"


class Page(HTMLParser):
    """Headings, table cells and links of a page; complains about unbalanced elements."""

    VOID = frozenset(("meta", "img", "br"))

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href") and v]

    def handle_startendtag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href") and v]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_has_everything_and_needs_nothing(metrics, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("tune0-plain.html", "tune0.html", "tune01.html", "tune2_agent.html"):
        (pages / name).write_text("x")
    out = write_report(
        metrics, tmp_path / "out/report.html", pages=pages, pretrained=tmp_path / "pretrained"
    )
    text = out.read_text("utf-8")
    page = Page(text)
    titles = (
        "Results",
        "Learning curves",
        "Errors at reached onsets",
        "Against difficulty",
        "The worst pieces",
        "The paper's tables",
        "Table 3: synthesised performances",
        "Table 4: performances by pianists",
    )
    assert [text for text in page.text if text in titles] == list(titles)
    assert text.count("<svg") == 1 + 3 + 2
    outside = [link for link in page.links if not link.startswith(("data:", "#"))]
    assert outside == [
        "../pages/tune0-plain.html",
        "../pages/tune0.html",
        "../pages/tune2_agent.html",
    ]
    # Names of XML are no resources.
    assert not re.findall(r"https?://(?!www\.w3\.org/)", text)
    # In both tables of results, and in the paper's beside the paper's own figures.
    assert page.text.count("optimal") == 3
    assert page.text[page.text.index("A2C and PPO, the better") :].count("0.58") == 1
    assert "1.00\n[1.00-1.00]" in page.text


def test_parts_without_files_say_what_makes_them(metrics, tmp_path):
    (tmp_path / "eval.json").write_bytes((metrics / "eval.json").read_bytes())
    text = write_report(
        tmp_path, tmp_path / "r.html", pages=tmp_path, pretrained=tmp_path
    ).read_text()
    assert text.count("none yet") == 4
    assert "<svg" not in text


def test_no_results(tmp_path):
    with pytest.raises(SfpipeError, match=r"eval\.json: no such file -> run 'sfpipe evaluate'"):
        write_report(tmp_path, tmp_path / "r.html", pages=tmp_path, pretrained=tmp_path)
    (tmp_path / "eval.json").write_text('{"meta": {}}')
    with pytest.raises(SfpipeError, match="is not what sfpipe writes"):
        write_report(tmp_path, tmp_path / "r.html", pages=tmp_path, pretrained=tmp_path)


def test_polyphony(tmp_path):
    _, engraved = engrave_toy(tmp_path)
    chords, plain, absent = polyphony(engraved, ["chords", "plain", "absent"])
    assert plain == 1
    assert 1 < chords < 2
    assert np.isnan(absent)


def test_rank_correlation():
    x = np.arange(9.0)
    assert rank_correlation(x, x**3) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert np.isnan(rank_correlation(x, np.ones(9)))
    assert np.isnan(rank_correlation(x[:2], x[:2]))


def test_a_lost_place_is_the_engraver_s_drawing(tmp_path):
    """Drawn by resvg: ink where the engraved image has ink, and two lines at their columns."""
    _, engraved = engrave_toy(tmp_path)
    folder = engraved / "waltz"
    row = {"piece": "waltz", "performance": "p", "position_px": "90", "target_px": "110"}
    (folder / "system-001.svg").unlink()
    assert place_lost(row, engraved) is None  # without vectors
    size = 'viewBox="0 0 400 37"'
    ink = '<rect x="120" y="0" width="2" height="37" fill="black"/>'
    svg = f'<svg {size} xmlns="http://www.w3.org/2000/svg">{ink}</svg>'
    head = "system,file,x_px,width_px,height_px,staff_top_px,staff_bottom_px"
    (folder / "systems.csv").write_text(f"{head}\n1,system-001.png,0,400,37,10,24\n")
    (folder / "system-001.svg").write_text(svg)
    name, picture = place_lost(row, engraved)
    assert name == "waltz p"
    png = resvg_py.svg_to_bytes(svg_string=base64.b64decode(picture).decode(), background="white")
    drawn = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert drawn.shape == (111, 900, 3)
    left = 100 - 150  # the picture's first column, px of the system

    def at(x):
        return tuple(drawn[50, round(3 * (x - left))].tolist())

    assert at(90) == (0x1F, 0x5F, 0xA8) and at(110) == (0xDE, 0x6E, 0x12)
    assert at(121) == (0, 0, 0) and at(100) == at(140) == (255, 255, 255)
