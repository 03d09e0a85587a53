"""The engine with a real agent on a real performance."""

import csv
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from sfpipe.audio.files import resample
from sfpipe.audio.pitch import NOTHING_TOLD, PitchOffset, ToldPitch
from sfpipe.live.bars import find_clefs
from sfpipe.live.engine import LiveEngine
from sfpipe.live.follow import describe, follow_sound, write_positions
from sfpipe.live.sources import NewestSound, microphone, recording
from sfpipe.store.schema import SAMPLE_RATE

HEAD_PX = 1.3 * 3.5  # a note head's width in the strip
RNG = np.random.default_rng(0)


def push_all(engine, samples, size=1102, rate=SAMPLE_RATE):
    engine.open(rate)
    parts = [engine.push(samples[i : i + size]) for i in range(0, len(samples), size)]
    return [p for part in parts for p in part] + engine.flush()


def errors_px(performed, positions, later_s=0.0):
    """How far from each note head the position is when it sounds."""
    times = np.array([p.time_s for p in positions])
    x = np.array([p.strip_x for p in positions])
    return np.abs(np.interp(performed.onset_s + later_s, times, x) - performed.onset_x)


def test_it_follows_from_the_first_note_to_the_last(engine, performed):
    positions = push_all(engine, np.pad(performed.samples, (0, 5 * SAMPLE_RATE)))
    error = errors_px(performed, positions)
    assert np.mean(error < 2 * HEAD_PX) > 0.95
    assert np.mean(error < HEAD_PX) > 0.85
    # Half a second is listened to for noise.
    assert positions[0].state == "waiting" and positions[10].state == "following"
    assert positions[-1].state == "finished"
    assert {p.system for p in positions} == {0, 1, 2}
    middle = positions[len(positions) // 2]
    assert middle.confidence > 0.6 and middle.tempo == pytest.approx(120, rel=0.2)
    for p in positions[::20]:  # on the page it is where the map says
        assert performed.page_set.to_strip(p.page, p.x, p.y_top) == pytest.approx(p.strip_x, abs=1)


def test_the_clock_counts_every_loss_however_short(engine):
    engine.open(SAMPLE_RATE)
    for _ in range(100):
        engine.skip(0.0107)
    last = engine.push(np.zeros(SAMPLE_RATE, np.float32))[-1]
    assert last.time_s == pytest.approx(1.07 + 1, abs=0.11)


def pause(seconds, kind):
    n = round(seconds * SAMPLE_RATE)
    if kind == "silence":
        return np.zeros(n, np.float32)
    if kind == "room":  # 40 dB below the music's peaks
        return RNG.normal(0, 0.003, n).astype(np.float32)
    if kind == "knock":
        return RNG.normal(0, 0.1, n).astype(np.float32) * (np.arange(n) < n // 50)
    # Talk: vowels of four a second, gliding in pitch, with rests, as loud as the music.
    t = np.arange(n) / SAMPLE_RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t) + 15 * np.sin(2 * np.pi * 3.1 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k * (1 + np.sin(0.9 * k + 9 * t)) for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1) * (np.sin(2 * np.pi * 0.4 * t) > -0.5)
    return (0.05 * voice * syllables).astype(np.float32)


@pytest.mark.parametrize("kind", ["silence", "room", "talk", "knock"])
def test_what_sounds_before_the_music_does_no_harm(engine, performed, kind):
    before = pause(5, kind)
    if kind == "talk":
        before = np.concatenate([before, np.zeros(3 * SAMPLE_RATE // 10, np.float32)])
    positions = push_all(engine, np.concatenate([before, performed.samples]))
    error = errors_px(performed, positions, len(before) / SAMPLE_RATE)
    assert np.mean(error < 50) > 0.95  # the game's limit
    if kind == "room":  # noise is not music
        assert {p.state for p in positions if p.time_s < 4.9} == {"waiting"}
    if kind == "silence":
        states = [p.state for p in positions if p.time_s < 4.9]
        assert set(states) == {"waiting"}
        assert {p.strip_x for p in positions if p.time_s < 4.9} == {performed.onset_x[0]}


def test_blocks_of_any_size_give_the_same_positions(engine, performed):
    sound = performed.samples[: 6 * SAMPLE_RATE]
    expected = push_all(engine, sound)
    for size in (17, 4096, len(sound)):
        assert push_all(engine, sound, size) == expected


def test_file_and_queue_give_the_same_positions(engine, performed, tmp_path):
    sound = performed.samples[: 8 * SAMPLE_RATE]
    expected = push_all(engine, sound)
    soundfile.write(tmp_path / "a.wav", sound, SAMPLE_RATE, subtype="FLOAT")
    with recording(tmp_path / "a.wav") as source:
        assert list(follow_sound(engine, source)) == expected
    queue = NewestSound(SAMPLE_RATE, most_s=10)
    queue.rate, queue.channels = SAMPLE_RATE, 1  # as a microphone's
    for block in np.array_split(sound, 100):
        queue.put(block)
    queue.end()
    assert list(follow_sound(engine, queue)) == expected


class SoundCard:
    """Stands in for the library that records: this machine may have no microphone.

    The microphone's callback is called from another thread, in blocks that are used again.
    """

    class PortAudioError(Exception):
        pass

    def __init__(self, sound, pause_s):
        self.sound, self.rate, self.pause_s = sound, SAMPLE_RATE, pause_s
        self.played = threading.Event()

    def query_devices(self, kind):
        return {"default_samplerate": float(self.rate)}

    def InputStream(self, rate, channels, dtype, callback):
        assert (rate, channels, dtype) == (self.rate, 1, "float32")
        return self._recording(callback)

    @contextmanager
    def _recording(self, callback):
        def play():
            block = np.empty((441, 1), np.float32)
            for start in range(0, len(self.sound) - 440, 441):
                block[:, 0] = self.sound[start : start + 441]
                callback(block, 441, None, None)
                time.sleep(self.pause_s)
            self.played.set()

        thread = threading.Thread(target=play)
        thread.start()
        yield
        thread.join()


def test_a_microphone_gives_the_same_positions_as_a_file(engine, performed, monkeypatch):
    sound = performed.samples[: 2 * SAMPLE_RATE]
    expected = push_all(engine, sound)[:-3]
    monkeypatch.setitem(sys.modules, "sounddevice", SoundCard(sound, 0.02))
    found = []
    with microphone() as source:
        for position in follow_sound(engine, source):
            found.append(position)
            if len(found) == len(expected):
                break
    assert found == expected


def test_of_a_microphone_that_is_too_fast_the_newest_sound_is_followed(
    engine, performed, monkeypatch
):
    """Nobody takes its blocks for a while: what is lost is counted, and the clock goes on."""
    sound = performed.samples[: 4 * SAMPLE_RATE]
    card = SoundCard(sound, 0)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    with microphone() as source:
        assert card.played.wait(30)
        positions = follow_sound(engine, source)
        found = [next(positions) for _ in range(15)]
    # Of the last second, but for what the first frame holds.
    assert found[0].time_s == pytest.approx(3.0 + 0.0875, abs=0.07)
    assert np.allclose(np.diff([p.time_s for p in found]), 0.05)


def test_a_click_puts_it_right(engine, performed):
    """It is told the music is at bar 9, where the music is: it goes on from there."""
    at = int(np.searchsorted(performed.onset_s, 16.0))
    begin = performed.onset_s[at]
    engine.open(SAMPLE_RATE)
    sound = performed.samples[int((begin - 1) * SAMPLE_RATE) :]
    engine.push(sound[:SAMPLE_RATE])
    placed = engine.place(performed.onset_x[at])
    assert (placed.strip_x, placed.state) == (performed.onset_x[at], "following")
    positions = engine.push(sound[SAMPLE_RATE:])
    times = np.array([p.time_s for p in positions]) + begin - 1
    x = np.interp(performed.onset_s[at:-1], times, [p.strip_x for p in positions])
    assert np.mean(np.abs(x - performed.onset_x[at:-1]) < 2 * HEAD_PX) > 0.9
    assert engine.restart().state == "waiting"


def played_in_spans(performed, spans):
    """The performance as its player might practise it.

    Parameters
    ----------
    spans:
        From which second of the music to which.

    Returns
    -------
    The sound, with 10 ms of crossfade, and for each span the second in which it begins.
    """
    fade = round(0.01 * SAMPLE_RATE)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    sound, starts = np.zeros(fade, np.float32), []
    for begin, end in spans:
        a, b = (round((performed.onset_s[0] + s - 0.02) * SAMPLE_RATE) for s in (begin, end))
        part = performed.samples[max(a, 0) : b + fade].copy()
        part[:fade] = part[:fade] * ramp + sound[-fade:] * ramp[::-1]
        starts.append((len(sound) - fade) / SAMPLE_RATE)
        sound = np.concatenate([sound[:-fade], part])
    return sound, starts


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([(0, 16), (12, 32)], id="two bars twice"),
        pytest.param([(0, 24), (4, 20)], id="back to bar 3"),
        pytest.param([(0, 8), (16, 32)], id="on to bar 9"),
        pytest.param([(20, 32)], id="beginning with bar 11"),
    ],
)
def test_it_goes_where_the_player_goes(engine, performed, spans):
    sound, starts = played_in_spans(performed, spans)
    positions = push_all(engine, sound)
    times = np.array([p.time_s for p in positions])
    x = np.array([p.strip_x for p in positions])
    music = performed.onset_s - performed.onset_s[0]
    for (begin, end), start in zip(spans, starts, strict=True):
        # Within four seconds, and from then on until the player goes elsewhere.
        settled = (music >= begin + 4) & (music < end - 0.1)
        shown = np.interp(music[settled] - begin + 0.02 + start, times, x)
        assert np.mean(np.abs(shown - performed.onset_x[settled]) < 50) > 0.95
    moved = spans[0][0] > 0 or len(spans) > 1
    assert ("relocated" in {p.state for p in positions}) == moved


def test_after_a_rest_it_goes_on(engine, performed):
    """Five seconds of nothing within bar 6."""
    at = round((performed.onset_s[0] + 10.98) * SAMPLE_RATE)
    fading = performed.samples[at : at + SAMPLE_RATE] * np.linspace(1, 0, SAMPLE_RATE) ** 8
    rest = np.pad(fading.astype(np.float32), (0, 4 * SAMPLE_RATE))
    sound = np.concatenate([performed.samples[:at], rest, performed.samples[at:]])
    positions = push_all(engine, sound)
    later = np.where(performed.onset_s < at / SAMPLE_RATE, 0, 5.0)
    assert np.mean(errors_px(performed, positions, later) < 50) > 0.9


def test_in_order_it_goes_nowhere_else(performed):
    engine = LiveEngine(performed.page_set, anywhere=False)
    sound, _ = played_in_spans(performed, [(20, 32)])
    positions = push_all(engine, sound)
    assert "relocated" not in {p.state for p in positions}
    assert positions[-1].strip_x < performed.onset_x[-1] / 2


def other_music():
    t = np.arange(15 * SAMPLE_RATE) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 440 * 2 ** (k / 12) * t) for k in (1.5, 6.2, 13.4))
    return 0.1 * tones * (np.sin(20 * t) > 0)


def test_other_music_is_lost(performed):
    engine = LiveEngine(performed.page_set, anywhere=False)
    engine.push(performed.samples[: 8 * SAMPLE_RATE])
    assert "lost" in [p.state for p in engine.push(other_music())]


def test_of_other_music_it_is_not_sure_wherever_it_looks(engine, performed):
    engine.open(SAMPLE_RATE)
    engine.push(performed.samples[: 8 * SAMPLE_RATE])
    states = [p.state for p in engine.push(other_music())]
    assert {"lost", "unsure", "relocated"} & set(states)


def test_sound_that_was_lost_moves_the_clock(engine, performed):
    engine.open(SAMPLE_RATE)
    last = engine.push(performed.samples[:SAMPLE_RATE])[-1]
    engine.skip(1.5)
    after = engine.push(performed.samples[SAMPLE_RATE : 2 * SAMPLE_RATE])[0]
    assert after.time_s == pytest.approx(last.time_s + 1.55)


def test_the_first_blocks_are_as_quick_as_the_others(performed):
    from sfpipe.live.engine import LiveEngine

    engine = LiveEngine(performed.page_set)
    engine.open(48_000)
    sound = RNG.normal(0, 0.1, 48_000).astype(np.float32)
    took = []
    for i in range(0, len(sound), 2400):
        began = time.perf_counter()
        engine.push(sound[i : i + 2400])
        took.append(time.perf_counter() - began)
    assert max(took[:5]) < 0.1  # 0.6 s to load and 9 s to compile, if done here


def test_positions_as_a_table_and_as_lines(engine, performed, tmp_path):
    positions = push_all(engine, performed.samples[:SAMPLE_RATE])
    write_positions(tmp_path / "positions.csv", positions)
    rows = list(csv.DictReader((tmp_path / "positions.csv").read_text("utf-8").splitlines()))
    assert len(rows) == len(positions) == 20
    # Three frames before it, and the belief is shown 1.75 frames ahead: (3 + 1.75) / 20 s.
    assert float(rows[3]["time_s"]) == pytest.approx(0.2375, abs=6e-4)
    assert rows[3]["state"] == "waiting" and rows[3]["page"] == "0"
    line = describe(positions[15], 4)
    assert line.startswith("0:00.8  following  page 1, system 1 of 4  ")


def test_an_agent_of_the_paper_follows_too(performed):
    from sfpipe.following.registry import load_follower
    from sfpipe.live.engine import LiveEngine

    engine = LiveEngine(performed.page_set, load_follower("nottingham-ppo", deterministic=True))
    positions = push_all(engine, np.pad(performed.samples[: 9 * SAMPLE_RATE], (22050, 0)))
    assert positions[5].state == "waiting" and positions[-1].state == "following"
    assert positions[-1].confidence is None
    aim = np.interp(9, performed.onset_s, performed.onset_x)
    assert positions[-1].strip_x == pytest.approx(aim, abs=50)


@pytest.mark.parametrize("offset", [PitchOffset(-2), PitchOffset.at(415), PitchOffset(-12)])
def test_it_follows_what_sounds_higher_or_lower_than_it_is_written(engine, performed, offset):
    """Played on slower or faster, as an old tape machine does, so that pitch and time change."""
    samples = resample(performed.samples, round(SAMPLE_RATE * offset.factor), SAMPLE_RATE)
    slower = performed._replace(samples=samples, onset_s=performed.onset_s / offset.factor)
    engine.tell(ToldPitch(offset.a4_hz, offset.semitones))
    try:
        error = errors_px(slower, push_all(engine, samples))
    finally:
        engine.tell(NOTHING_TOLD)
    assert np.mean(error < 2 * HEAD_PX) > 0.9


@pytest.mark.parametrize(("first_px", "wide"), [(20, 4.5), (33.6, 6.1), (60, 6.5)])
def test_clefs_are_at_the_left_end_of_systems(performed, first_px, wide):
    """Before the first note, of 3.5 px a staff space, less 3.5 spaces for the time signature."""
    pages = replace(performed.page_set, start_px=first_px)
    starts = [system.strip_start for system in pages.systems]
    expected = [(start, pytest.approx(start + 3.5 * wide)) for start in starts[1:]]
    assert find_clefs(pages) == expected and len(expected) == 2


@pytest.fixture(scope="module")
def listener(performed):
    """An engine on the same page as a picture, which says nothing of transposition."""
    return LiveEngine(replace(performed.page_set, transposition=None), told=ToldPitch(find=True))


@pytest.mark.parametrize("semitones, a4_hz", [(0, 440), (-2, 440), (0, 415), (-12, 443), (5, 430)])
def test_the_pitch_of_what_is_played_from_a_picture_is_found(listener, performed, semitones, a4_hz):
    offset = PitchOffset.at(a4_hz, semitones)
    samples = resample(performed.samples, round(SAMPLE_RATE * offset.factor), SAMPLE_RATE)
    slower = performed._replace(samples=samples, onset_s=performed.onset_s / offset.factor)
    positions = push_all(listener, samples)
    blocks = push_all(listener, samples, size=4001)  # whatever the size of the blocks
    assert [p.strip_x for p in blocks] == [p.strip_x for p in positions]
    after = [p for p in positions if p.time_s > 12]
    assert after[-1].pitch == "found"
    cents = [100 * (p.semitones - semitones) + p.cents - offset.cents for p in after]
    assert np.abs(cents).max() < 12
    late = slower.onset_s > 12
    assert np.mean(errors_px(slower, positions)[late] < 2 * HEAD_PX) > 0.9


@pytest.mark.parametrize("semitones", [0, -2, -12])
def test_talk_before_the_music_does_not_mislead(listener, performed, semitones):
    offset = PitchOffset(semitones)
    samples = resample(performed.samples, round(SAMPLE_RATE * offset.factor), SAMPLE_RATE)
    slower = performed._replace(samples=samples, onset_s=performed.onset_s / offset.factor)
    rest = np.zeros(3 * SAMPLE_RATE // 10, np.float32)
    before = np.concatenate([pause(5, "talk"), rest])
    positions = push_all(listener, np.concatenate([before, samples]))
    after = [p for p in positions if p.time_s > 5.3 + 12]
    assert {p.semitones for p in after} == {semitones}
    late = slower.onset_s > 12
    error = errors_px(slower, positions, len(before) / SAMPLE_RATE)
    assert np.mean(error[late] < 2 * HEAD_PX) > 0.9


def test_a_tuning_is_found_without_being_asked_for(engine, performed):
    offset = PitchOffset(0, -35)
    samples = resample(performed.samples, round(SAMPLE_RATE * offset.factor), SAMPLE_RATE)
    positions = push_all(engine, samples)
    assert {p.semitones for p in positions} == {0}
    assert positions[0].pitch == "finding" and positions[-1].pitch == "found"
    late = [p.cents for p in positions if p.time_s > 3]
    assert np.abs(np.array(late) + 35).max() < 8


def test_a_pitch_that_is_told_is_not_looked_for(engine, performed):
    engine.tell(ToldPitch(440, 0))
    try:
        assert {p.pitch for p in push_all(engine, performed.samples[: 5 * SAMPLE_RATE])} == {"told"}
    finally:
        engine.tell(NOTHING_TOLD)
