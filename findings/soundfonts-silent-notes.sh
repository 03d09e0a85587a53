#!/bin/bash
# General MIDI sound fonts under FluidSynth: notes without sound, a modulation wheel without effect.
#
# Guess beforehand: a General MIDI program plays every key, as of a piano, and the modulation wheel
# makes vibrato on all of them, since the standard's default modulators bend by up to 50 cents.
# Seen: FluidR3 (Debian 3.1) has no alto saxophone above key 84 and no contrabass above 57: the note
# is silent, without an error or a log line. In TimGM6mb (Debian 1.3) the oboe at full modulation is
# the oboe without, sample for sample, while its flute swings. Pitch bend works on all of them.
# Needs libfluidsynth3, fluid-soundfont-gm and timgm6mb-soundfont.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet pyfluidsynth==1.4.0 numpy==2.2.6
env/bin/python - <<'PY'
import ctypes

import fluidsynth
import numpy as np

FLUID, TIM = ("/usr/share/sounds/sf2/" + name for name in ("FluidR3_GM.sf2", "TimGM6mb.sf2"))
version = [ctypes.c_int() for _ in range(3)]
fluidsynth.fluid_version(*(ctypes.byref(part) for part in version))
print("FluidSynth", ".".join(str(part.value) for part in version))


def play(font, program, key, wheel=0):
    off = {"synth.reverb.active": 0, "synth.chorus.active": 0}
    synth = fluidsynth.Synth(gain=0.2, samplerate=44100.0, **off)
    synth.program_select(0, synth.sfload(font), 0, program)
    synth.cc(0, 1, wheel)
    synth.noteon(0, key, 90)
    samples = synth.get_samples(44100).astype(int)
    synth.delete()
    return samples


for name, program, key in (("alto saxophone", 65, 84), ("contrabass", 43, 57)):
    peaks = [int(np.abs(play(FLUID, program, k)).max()) for k in (key, key + 1)]
    print(f"FluidR3, {name}: greatest sample {peaks[0]} at key {key}, {peaks[1]} at key {key + 1}")
    assert peaks[0] > 100 and peaks[1] <= 2
for name, program, moved in (("oboe", 68, False), ("flute", 73, True)):
    change = int(np.abs(play(TIM, program, 69, 127) - play(TIM, program, 69)).max())
    print(f"TimGM6mb, {name}: full modulation changes samples by up to {change}")
    assert (change > 100) == moved
PY
