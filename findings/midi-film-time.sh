#!/bin/bash
# A MIDI file that counts film frames (SMPTE division) in five Python readers: none reads it.
#
# Guess beforehand: a tick is 1 / (frames a second x ticks a frame), tempo marks or not, as the
# standard says and FluidSynth plays it; at 25 frames of 40 ticks a tick is a millisecond.
# Seen: mido 1.3.3 takes the two bytes for one negative number of ticks a quarter and says, without
# an error, that the file lasts -0.118 s; miditoolkit 1.0.1 maps ticks to negative times likewise.
# pretty_midi 0.2.11 and partitura 1.9.0, which read with mido, end in errors about note ends and
# note values. symusic 0.6.0 refuses the file by name of the reason.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet mido==1.3.3 pretty_midi==0.2.11 partitura==1.9.0 symusic==0.6.0 \
    miditoolkit==1.0.1 setuptools==80.9.0
env/bin/python -W ignore - <<'PY'
import struct
import sys

sys.modules["fluidsynth"] = None  # else partitura fetches a sound font when it is imported
import mido
import miditoolkit
import partitura
import pretty_midi
import symusic

events = b""
for ticks, message in ((1000, b"\x90\x45\x50"), (500, b"\x80\x45\x00"), (0, b"\xff\x2f\x00")):
    events += bytes([128 | ticks >> 7, ticks & 127]) + message
head = b"MThd" + struct.pack(">IHHbB", 6, 0, 1, -25, 40)
with open("film.mid", "wb") as file:
    file.write(head + b"MTrk" + struct.pack(">I", len(events)) + events)

midi = mido.MidiFile("film.mid")
print("true length 1.5 s; mido:", midi.ticks_per_beat, "ticks a beat,", midi.length, "s")
assert midi.ticks_per_beat == -6360 and midi.length < 0
times = miditoolkit.MidiFile("film.mid").get_tick_to_time_mapping()
print("miditoolkit: note on at", times[1000], "s")
assert times[1000] < 0
for name, read in (
    ("pretty_midi", pretty_midi.PrettyMIDI),
    ("partitura", partitura.load_performance_midi),
    ("symusic", symusic.Score),
):
    try:
        read("film.mid")
    except (ValueError, RuntimeError) as error:
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        raise SystemExit(f"{name} reads it now")
PY
