#!/bin/bash
# FluidSynth 2.3.1: what it renders depends on who called the C library's rand() before it.
#
# Guess beforehand: the same MIDI events on the same sound font give the same 16-bit samples; if
# anything is random in them, it is seeded by FluidSynth itself. Seen: the dither comes from rand(),
# drawn once in a process, when its first synthesizer is made. One call of rand() before that, by
# any library, changes half of the samples, by one or two; srand(1) brings the samples of a new process
# back. A synthesizer made earlier in the process decides for all later ones.
# Needs libfluidsynth3 and timgm6mb-soundfont.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet pyfluidsynth==1.4.0 numpy==2.2.6
cat > play.py <<'PY'
import ctypes
import sys

import fluidsynth
import numpy as np

version = [ctypes.c_int() for _ in range(3)]
fluidsynth.fluid_version(*(ctypes.byref(part) for part in version))
print("FluidSynth", ".".join(str(part.value) for part in version), *sys.argv[1:])
libc = ctypes.CDLL(None)
for call in sys.argv[2:]:
    libc.rand() if call == "rand" else libc.srand(1)
synth = fluidsynth.Synth(gain=0.2, samplerate=44100.0)
synth.program_select(0, synth.sfload("/usr/share/sounds/sf2/TimGM6mb.sf2"), 0, 0)
synth.noteon(0, 60, 90)
np.save(sys.argv[1], synth.get_samples(44100))
synth.delete()
PY
for calls in "" "rand" "rand srand"; do
    env/bin/python play.py "after-${calls// /-}.npy" $calls
done
env/bin/python - <<'PY'
import numpy as np

new, one, again = (np.load(f"after-{calls}.npy").astype(int) for calls in ("", "rand", "rand-srand"))
off = np.abs(new - one)
print(f"after one rand(): {np.mean(off > 0):.2f} of the samples differ, by at most {off.max()}")
print("after srand(1): equal:", np.array_equal(new, again))
assert 0.05 < np.mean(off > 0) and off.max() <= 2 and np.array_equal(new, again)
PY
