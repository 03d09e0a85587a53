"""A real server: scores sent to it, sound in, positions out, and what it refuses."""

import http.client
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sfpipe.errors import SfpipeError
from sfpipe.live.scores import describe_score
from sfpipe.live.server import bind
from sfpipe.pages.read import read_pages
from sfpipe.store.schema import SAMPLE_RATE
from tests.live.conftest import ROOT
from tests.live.test_engine import push_all

BLOCK = 1102


def post(address, path, content, **headers):
    """(status, JSON, headers) of what is sent."""
    request = urllib.request.Request(address + path, content, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, _json(error.read()), error.headers


def _json(content):
    return json.loads(content) if content.startswith(b"{") else content.decode()


def get(address, path, **headers):
    request = urllib.request.Request(address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


@pytest.fixture(scope="module")
def sent(served, tune):
    """The server's address, and the tune as it describes it."""
    status, score, _ = post(served[0], "scores?name=tune.abc", tune.read_bytes())
    assert status == 200
    return served[0], score


def follow(address, key, **options):
    socket = connect(f"{address.replace('http', 'ws')}follow/{key}", **options)
    ready = json.loads(socket.recv(60))
    assert ready["type"] == "ready" and ready["instruments"]["guitar"] == -12
    return socket


def test_pages_and_scripts_are_sent_and_load_nothing_from_elsewhere(sent):
    address, score = sent
    for path, kind in (("", "text/html"), ("app.js", "text/javascript"), ("style.css", "text/css")):
        status, content, headers = get(address, path)
        assert status == 200 and headers.get_content_type() == kind
        assert "default-src 'none'" in headers["content-security-policy"]
        assert b"http://" not in content.replace(b'"http://www.w3.org/2000/svg"', b"")
        assert b"https://" not in content
    status, picture, headers = get(address, score["pages"][0]["url"][1:])
    assert (status, headers.get_content_type()) == (200, "image/svg+xml")
    assert re.match(rb"<svg [^>]*><style>[^<]*crispEdges[^<]*</style>", picture)
    assert headers["content-security-policy"].endswith("sandbox")
    assert get(address, "scores/none/pages/0")[0] == 404
    assert get(address, f"scores/{score['key']}/pages/9")[0] == 404


def test_a_score_is_described_in_px_of_its_pages(sent, tune):
    pages = read_pages(tune)
    expected = describe_score(pages, sent[1]["key"], "tune.abc")
    assert sent[1] == json.loads(json.dumps(expected))
    assert len(sent[1]["systems"]) == len(pages.systems)
    assert len(sent[1]["bars"]) == pytest.approx(16, abs=1)  # of the tune


def test_the_example_is_there(served):
    status, score, _ = post(served[0], "scores/example", b"")
    assert (status, score["name"], len(score["bars"])) == (200, "minuet.musicxml", 32)
    status, sound, _ = get(served[0], "example.mp3")
    assert status == 200 and len(sound) > 100_000


def positions_of(socket, samples, size=BLOCK, **where):
    """Positions of a stream: as much is sent as is answered, so that nothing is lost."""
    socket.send(json.dumps({"type": "open", "rate": SAMPLE_RATE, "channels": 1, **where}))
    found, frames = [], 0
    for start in range(0, len(samples), size):
        socket.send(samples[start : start + size].astype("<f4").tobytes())
        frames = max(int((start - 4 * BLOCK) / 1102.5), 0)
        while len(found) < frames:
            found.append(json.loads(socket.recv(60)))
    socket.send(json.dumps({"type": "end"}))
    while (message := json.loads(socket.recv(60)))["type"] != "done":
        found.append(message)
    return found


def test_a_socket_gives_the_same_positions_as_a_file(sent, tune, performed):
    from sfpipe.live.engine import LiveEngine

    sound = performed.samples[: 8 * SAMPLE_RATE]
    expected = push_all(LiveEngine(read_pages(tune)), sound)
    with follow(sent[0], sent[1]["key"]) as socket:
        for size in (BLOCK, 700):  # and a second stream on the same connection
            found = positions_of(socket, sound, size)
            assert {m.pop("type") for m in found} == {"at"}
            assert {m.pop("lost_s") for m in found} == {0}
            assert [m.pop("pitch_words") for m in found] == [p.pitch_words for p in expected]
            assert found == [p.rounded() for p in expected]


def test_a_click_moves_the_cursor(sent):
    address, score = sent
    system = score["systems"][1]
    x, y = (system["left"] + system["right"]) / 2, (system["top"] + system["bottom"]) / 2
    with follow(address, score["key"]) as socket:
        socket.send(json.dumps({"type": "place", "page": system["page"], "x": x, "y": y}))
        at = json.loads(socket.recv(20))
        assert (at["system"], at["x"], at["state"]) == (1, pytest.approx(x, abs=1), "following")
        socket.send(json.dumps({"type": "restart"}))
        assert json.loads(socket.recv(20))["state"] == "waiting"


def test_another_connection_goes_on_at_the_place(sent, performed):
    """With the clock of the first one, and what was lost in between."""
    address, score = sent
    sound, rate = performed.samples, SAMPLE_RATE
    with follow(address, score["key"]) as socket:
        before = positions_of(socket, sound[: 6 * rate])[-1]
    assert before["state"] == "following"
    with follow(address, score["key"]) as socket:  # and the sound of half a second is lost
        where = {"time_s": before["time_s"] + 0.5, "lost_s": 0.5, "strip_x": before["strip_x"] + 9}
        found = positions_of(socket, sound[round(6.5 * rate) : 10 * rate], **where)
    assert found[0]["strip_x"] == before["strip_x"] + 9 and found[0]["state"] == "following"
    assert {at["lost_s"] for at in found} == {0.5}
    assert found[0]["time_s"] == pytest.approx(before["time_s"] + 0.5, abs=0.1)
    assert found[-1]["time_s"] == pytest.approx(10, abs=0.2)
    truth = np.interp(10, performed.onset_s, performed.onset_x)
    assert found[-1]["strip_x"] == pytest.approx(truth, abs=12)


def test_a_pitch_is_told_and_corrected(sent):
    address, score = sent
    with follow(address, score["key"]) as socket:

        def say(a4, semitones):
            socket.send(json.dumps({"type": "pitch", "a4": a4, "semitones": semitones}))
            return json.loads(socket.recv(60))

        assert say(415, -2)["pitch_words"] == "A4 = 415 Hz, sounds 2 semitones lower (told)"
        assert say(None, None)["pitch_words"] == "finding the pitch"
        refused = say(4000, 0)
        assert refused["type"] == "refused" and "4000 Hz is not supported" in refused["text"]
        told = say(443, 12)
        assert (told["pitch"], told["semitones"]) == ("told", 12)
        assert told["cents"] == pytest.approx(11.76, abs=0.01)  # 1200 log2(443 / 440)


def test_sound_that_comes_too_fast_is_lost_and_counted(sent, performed):
    with follow(sent[0], sent[1]["key"]) as socket:
        socket.send(json.dumps({"type": "open", "rate": SAMPLE_RATE}))
        sound = np.resize(performed.samples, 200_000).astype("<f4").tobytes()  # 9 s at once
        socket.send(sound)
        socket.send(json.dumps({"type": "end"}))
        found = []
        while (message := json.loads(socket.recv(60)))["type"] != "done":
            found.append(message)
    assert 18 <= len(found) <= 22  # of the last second
    assert found[-1]["lost_s"] == pytest.approx(200_000 / SAMPLE_RATE - 1, abs=0.01)
    assert found[-1]["time_s"] == pytest.approx(200_000 / SAMPLE_RATE, abs=0.15)


def test_sound_that_the_page_left_out_is_counted(sent):
    with follow(sent[0], sent[1]["key"]) as socket:
        socket.send(json.dumps({"type": "open", "rate": SAMPLE_RATE}))
        socket.send(json.dumps({"type": "skip", "seconds": 7}))
        socket.send(np.zeros(SAMPLE_RATE, "<f4").tobytes())
        first = next(
            m for m in iter(lambda: json.loads(socket.recv(20)), None) if m["type"] == "at"
        )
    assert first["lost_s"] == 7 and 7 < first["time_s"] < 8.2


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"1234", "sound came before 'open'"),
        ("{", "was not understood"),
        ("[]", "was not understood"),
        ('{"type": "open", "rate": 1e999}', "was not understood"),
        ('{"type": "open", "rate": 4000}', "4000 Hz"),
        ('{"type": "open", "rate": 48000, "channels": 99}', "99 channels"),
        ('{"type": "place", "page": NaN, "x": 1, "y": 1}', "was not understood"),
        ('{"type": "open", "rate": 48000, "strip_x": 9}', "was not understood"),
        (
            '{"type": "open", "rate": 48000, "strip_x": NaN, "time_s": 9, "lost_s": 1}',
            "was not understood",
        ),
        (
            '{"type": "open", "rate": 48000, "strip_x": 9, "time_s": 1e9, "lost_s": 1}',
            "was not understood",
        ),
        ('{"type": "skip", "seconds": 1}', "was not understood"),  # before there is a stream
        ('{"type": "pitch", "a4": 440}', "was not understood"),
        ('{"type": "pitch", "a4": "x", "semitones": 0}', "was not understood"),
        ("[" * 1900, "was not understood"),
        ("x" * 3000, "was not understood"),
    ],
)
def test_messages_that_are_not_understood_end_the_connection(sent, message, said):
    with follow(sent[0], sent[1]["key"]) as socket:
        socket.send(message)
        assert said in json.loads(socket.recv(20))["text"]
        with pytest.raises(ConnectionClosed):
            socket.recv(20)


def test_noise_of_no_number_is_silence(sent):
    with follow(sent[0], sent[1]["key"]) as socket:
        found = positions_of(socket, np.full(SAMPLE_RATE, np.nan))
    assert {m["state"] for m in found} == {"waiting"} and len(found) == 20


def test_two_servers_at_once_listen_on_two_ports():
    with bind("127.0.0.1", None) as one, bind("127.0.0.1", None) as other:
        ports = one.getsockname()[1], other.getsockname()[1]
        assert ports[0] != ports[1]
        with pytest.raises(SfpipeError, match=r"cannot listen .* -> name another --port"):
            bind("127.0.0.1", ports[1])


def test_an_interrupt_ends_it_quietly(tmp_path):
    """Control-C reaches the process that reads scores, too."""
    code = (
        "import sys; sys.argv[1:] = ['serve', '--port', '0']\nfrom sfpipe.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; main()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    address = process.stdout.readline().strip()
    assert post(address, "scores/example", b"")[0] == 200  # the reader is there
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 130) and errors.strip() in ("", "sfpipe: interrupted"), errors


# ---- Hostile


def png(width, height):
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000)))


def mxl(megabytes):
    """A compressed score whose document is so many MiB of spaces: a thousandth of it as a file."""
    container = '<container><rootfiles><rootfile full-path="a.musicxml"/></rootfiles></container>'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a.musicxml", b" " * (megabytes << 20))
    return content.getvalue()


# Ten entities that each are ten of the one before: 10 GB, if they were written out.
ENTITIES = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(10))
LAUGHS = f'<!DOCTYPE score-partwise [<!ENTITY e0 "ha">{ENTITIES}]><score-partwise>&e10;'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bomb.mxl", mxl(400), "bomb.mxl"),
        ("laughs.musicxml", f"{LAUGHS}</score-partwise>".encode(), "laughs.musicxml"),
        ("deep.musicxml", b"<a>" * 200_000, "deep.musicxml"),
        ("deep.mei", b"<mei>" * 200_000, "deep.mei"),
        ("long.abc", b"X:1\nK:C\n" + b"[C" * 400_000, "long.abc"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>', "svg"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj << /Type /Catalog", "cut.pdf"),
        ("large.png", png(60_000, 60_000), "large.png"),
        ("zeros.pdf", bytes(1 << 20), "zeros.pdf"),
        ("none", b"x", "no suffix"),
        ("", b"x", "no suffix"),
        ("../../../etc/shadow.pdf", b"x", "shadow.pdf: "),
        ("..\\..\\boot.pdf", b"x", "boot.pdf: "),
        ("a.pdf/../../b", b"x", "no suffix"),
        ("x.py", b"import os", "x.py"),
    ],
)
def test_what_is_no_score_is_refused_in_a_line(served, name, content, said):
    address, temporary, _ = served
    began = time.monotonic()
    status, answer, _ = post(address, "scores?name=" + quote(name), content)
    assert status == 422 and said in answer["error"] and "\n" not in answer["error"]
    assert ".." not in answer["error"] and str(temporary) not in answer["error"]
    assert time.monotonic() - began < 20
    assert list(temporary.rglob("upload-*")) == []


def test_an_upload_that_breaks_off_leaves_nothing(served):
    address, temporary, _ = served
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.putrequest("POST", "/scores?name=half.pdf")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"%PDF-1.7 half of it")
    connection.close()
    time.sleep(0.5)
    assert list(temporary.rglob("upload-*")) == []
    assert post(address, "scores/example", b"")[0] == 200  # and others are served


def test_a_gigabyte_is_refused_before_it_is_sent(served):
    place = urlsplit(served[0])
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.putrequest("POST", "/scores?name=zeros.pdf")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and b"64 MiB" in answer.read()
    connection.close()


def test_a_gigabyte_without_a_length_is_refused_early(served):
    place = urlsplit(served[0])
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    connection.putrequest("POST", "/scores?name=zeros.pdf")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sent, part = 0, b"%x\r\n%s\r\n" % (1 << 20, bytes(1 << 20))
    try:
        while sent < 1 << 10:
            connection.send(part)
            sent += 1
    except OSError:
        pass
    assert 60 < sent < 200  # MiB
    assert list(served[1].rglob("upload-*")) == []


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://x"]
)
def test_pages_of_other_sites_are_refused(sent, origin):
    address, score = sent
    assert post(address, "scores/example", b"", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus):
        follow(address, score["key"], origin=origin)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "[", "", "10.0.0.1"])
def test_other_hosts_are_refused(served, host):
    assert get(served[0], "", Host=host)[0] in (400, 403)


def test_our_own_page_is_let_in(sent):
    address, score = sent
    own = address.rstrip("/")
    assert post(address, "scores/example", b"", Origin=own)[0] == 200
    follow(address, score["key"], origin=own).close()


def test_fifty_connections_at_once(sent):
    """Forty follow, the others are told to come later; afterwards there is room again."""
    address, score = sent
    url = f"{address.replace('http', 'ws')}follow/{score['key']}"
    sockets = [connect(url) for _ in range(50)]
    codes = []
    for socket in sockets:
        try:
            codes.append(json.loads(socket.recv(120))["type"])
        except ConnectionClosed as closed:
            codes.append(closed.rcvd.code)
    assert codes.count("ready") == 40 and codes.count(1013) == 10
    for socket in sockets:
        socket.close()
    time.sleep(0.5)
    follow(address, score["key"]).close()


def test_a_message_that_is_too_long_ends_its_connection_alone(sent):
    address, score = sent
    with follow(address, score["key"]) as other, follow(address, score["key"]) as socket:
        socket.send(json.dumps({"type": "open", "rate": SAMPLE_RATE}))
        try:
            socket.send(bytes(8 << 20))
            with pytest.raises(ConnectionClosed):
                socket.recv(20)
        except ConnectionClosed:
            pass
        other.send(json.dumps({"type": "restart"}))
        assert json.loads(other.recv(20))["type"] == "at"


@pytest.mark.parametrize("key", ["x", "%00", "..%2F..%2Fetc", "A" * 22])
def test_a_score_that_is_gone(served, key):
    socket = connect(f"{served[0].replace('http', 'ws')}follow/{quote(key, safe='')}")
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert closed.value.rcvd.code == 4404
