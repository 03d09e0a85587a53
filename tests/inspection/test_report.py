"""The report of a real evaluation on small stores."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.report import write_evaluation
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.inspection.charts import rank_correlation
from sfpipe.inspection.report import polyphony, write_report
from sfpipe.store.bank import load_bank
from sfpipe.store.reader import read_scores
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
    write_closeup(games["agent"], bank, read_scores(stores[0]), root / "metrics/plots")
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
    # In the results, and in the paper's tables beside the paper's own figures.
    assert page.text.count("optimal") == 2
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
    with pytest.raises(SfpipeError, match=r"eval\.json: no such file -> run 'dvc repro evaluate'"):
        write_report(tmp_path, tmp_path / "r.html", pages=tmp_path, pretrained=tmp_path)
    (tmp_path / "eval.json").write_text('{"meta": {}}')
    with pytest.raises(SfpipeError, match="is not the result of an evaluation"):
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
