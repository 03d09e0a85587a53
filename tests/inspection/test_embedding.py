"""The map of states, its figures, and the page that shows the states."""

import base64
import json
import re

import cv2
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.inspection.embedding import embed, project
from sfpipe.inspection.embedding_page import write_hover
from sfpipe.inspection.state_classes import kinds_of
from sfpipe.inspection.states import evaluate_states, visit
from sfpipe.store.writer import write_scores

pytest.importorskip("sklearn", reason="pip install 'sfpipe[inspect]'")


def test_two_clouds_stay_apart():
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(80, 256)).astype(np.float32)
    cloud[40:] += 3
    found = project(cloud, seed=1)
    assert found.points.shape == (80, 2)
    assert found.reduced.shape == (80, 50)
    near, far = found.points[:40], found.points[40:]
    between = np.linalg.norm(near.mean(0) - far.mean(0))
    assert between > 2 * max(near.std(), far.std())
    assert 0 < found.explained <= 1
    np.testing.assert_array_equal(project(cloud, seed=1).points, found.points)


def test_too_few_states():
    with pytest.raises(SfpipeError, match="a map needs 10 states, found 3"):
        project(np.zeros((3, 256)), seed=0)


def page_data(path) -> dict:
    text = path.read_text("utf-8")
    assert not re.search(r"(src|href)=['\"]?http", text)
    return json.loads(re.search(r"const data = (.*);\n", text)[1])


def column(data: dict, name: str) -> np.ndarray:
    kinds = {"Uint8Array": "u1", "Uint16Array": "<u2", "Uint32Array": "<u4", "Float32Array": "<f4"}
    kind, text = data["columns"][name]
    return np.frombuffer(base64.b64decode(text), kinds[kind])


def picture(uri: str) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    return cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("name", ["trained", "random_msmd"])
def test_the_page_cuts_what_the_network_saw(name, request, tmp_path):
    played = request.getfixturevalue(name)
    bank = played.bank
    states, _ = visit(played, deterministic=True)
    some = dynamics.select(states, (states.frame - states.frame.min()) % 4 == 0)
    outputs = evaluate_states(played, some)
    points = np.random.default_rng(0).random((len(outputs.value), 2)).astype(np.float32)
    path = tmp_path / "page.html"
    write_hover(bank, some, outputs, points, kinds_of(bank, some), path)
    data = page_data(path)
    np.testing.assert_allclose(column(data, "value"), outputs.value)
    observed = dynamics.observe(bank, dynamics.observation_index(bank, some))
    height, width = bank.window.image_shape
    for i in range(len(outputs.value)):
        source = data["pictures"][column(data, "picture")[i]]
        left, frame = column(data, "left")[i], column(data, "frame")[i]
        strip = picture(source["strip"])[:, left : left + width]
        ink = 1 - strip / 255
        # Sixteen greys; at half size, windows at odd columns are drawn one px to the left.
        odd = bank.window.shrink == 2 and int(some.position[i]) % 2
        if not odd:
            assert np.abs(ink - observed.score[i, 0].numpy()).max() < 0.04
        sound = picture(source["sound"])[::-1, frame - 40 : frame]
        level = (1 - sound / 255) ** 2
        assert np.abs(level - observed.spectrogram[i, 0].numpy().clip(0, 1)).max() < 0.08
    assert strip.shape == (height, width)


def test_states_without_room_are_counted(trained, tmp_path):
    states, _ = visit(trained, deterministic=True)
    outputs = evaluate_states(trained, states)
    points = np.zeros((len(outputs.value), 2), np.float32)
    path = write_hover(trained.bank, states, outputs, points, {}, tmp_path / "p.html", most_bytes=1)
    data = page_data(path)
    first = int((states.performance == 0).sum())
    assert len(data["pictures"]) == 1
    assert len(column(data, "value")) == first
    assert data["left_out"] == len(outputs.value) - first


def test_embed(trained, tmp_path):
    store = tmp_path / "scores.h5"
    with write_scores(store, dataset="toy", params={}, tools={}) as scores:
        for name in ("a", "b"):
            scores.add(
                name,
                split="test",
                strip=np.zeros((40, 160), np.uint8),
                onset_x_px=[1, 2],
                onset_y_px=[1, 1],
                onset_quarter=[0, 1],
                staff_space_px=3.5,
                px_per_cm=28.0,
            )
    places = {"scores": store, "engraved": tmp_path / "none"}
    files = embed(trained, tmp_path / "out", **places, seed=1, max_states=30)
    assert [f.name for f in files] == ["embedding.png", "embedding.html", "embedding.json"]
    facts = json.loads(files[2].read_text())
    assert facts["states_mapped"] <= 30
    assert facts["states_visited"] >= facts["states_mapped"]
    assert facts["dimensions"] == 256
    assert facts["pieces"] == 2
    assert set(facts["clusters"]["piece start"]["map"]) == {
        "states",
        "share",
        "among_neighbours",
        "lift",
    }
    assert cv2.imread(str(files[0])).std() > 5
