"""`sfpipe follow`: the table and the page that it writes."""

import base64
import csv
import json
import re
import sys

import pytest
import soundfile

from sfpipe.cli import main
from sfpipe.live.replay import STATES, write_replay
from sfpipe.store.schema import SAMPLE_RATE
from tests.live.test_engine import push_all


@pytest.fixture(scope="module")
def followed(tune, performed, tmp_path_factory):
    """A folder in which a recording of six seconds was followed."""
    folder = tmp_path_factory.mktemp("followed")
    soundfile.write(folder / "take.wav", performed.samples[: 6 * SAMPLE_RATE], SAMPLE_RATE)
    out = ["--out", str(folder / "take.csv"), "--page", str(folder / "take.html")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["sfpipe", "follow", str(tune), "--audio", str(folder / "take.wav"), *out]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder


def embedded(path):
    text = path.read_text("utf-8")
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1])


def test_the_page_holds_the_score_the_sound_and_every_position(followed):
    data = embedded(followed / "take.html")
    rows = list(csv.DictReader((followed / "take.csv").read_text("utf-8").splitlines()))
    assert len(data["positions"]) == len(rows) == pytest.approx(6 * 20, abs=2)
    for (time_s, strip_x, page, system, *_, state), row in zip(
        data["positions"], rows, strict=True
    ):
        assert time_s == pytest.approx(float(row["time_s"]), abs=0.006)
        assert strip_x == pytest.approx(float(row["strip_x"]), abs=0.006)
        assert (page, system) == (int(row["page"]), int(row["system"]))
        assert data["states"][state] == row["state"]
    words = [words for _, words in data["pitches"]]
    assert words[0] == "finding the pitch" and len(words) < 8
    assert re.fullmatch(r"finding the pitch: A4 = 44\d Hz, as written\?", words[-1])
    picture = data["score"]["pages"][0]["url"].removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(picture).startswith(b"<svg")
    assert base64.b64decode(data["sound"])[4:8] == b"ftyp"  # an MP4 file
    text = (followed / "take.html").read_text("utf-8")
    assert not re.search(r'(src|href)="', text)  # nothing is loaded


def test_without_a_recording_a_clock_runs(engine, performed, tmp_path):
    positions = push_all(engine, performed.samples[:SAMPLE_RATE])
    write_replay(tmp_path / "take.html", performed.page_set, positions, None)
    data = embedded(tmp_path / "take.html")
    assert data["sound"] is None and tuple(data["states"]) == STATES
    assert len(data["positions"]) == len(positions)
