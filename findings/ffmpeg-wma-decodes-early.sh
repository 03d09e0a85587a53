#!/bin/bash
# ffmpeg 7 (imageio-ffmpeg 0.6.0 brings it): WMA comes back 46.44 ms early, AC-3 and MP2 late.
#
# Guess beforehand: what ffmpeg encodes and decodes again lies where it lay, or late by the
# encoder's delay. Seen, at 44,100 Hz: WMA 2,048 samples early and 31 ms shorter than the five
# seconds that went in, so its beginning is lost; AC-3 256 and MP2 481 samples late; AAC in .m4a
# in place, since the container tells the delay. Onsets of such files are wrong by that much.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet imageio-ffmpeg==0.6.0 numpy==2.3.4
env/bin/python - <<'PY'
import subprocess
import wave

import imageio_ffmpeg
import numpy as np

RATE = 44100
ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("ffmpeg", imageio_ffmpeg.get_ffmpeg_version())
rng = np.random.default_rng(0)
clicks = np.zeros(5 * RATE)
for second in range(5):
    at = int((second + 0.5) * RATE)
    clicks[at : at + 2000] += rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300) * 8000
with wave.open("clicks.wav", "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(RATE)
    file.writeframes(clicks.astype("<i2").tobytes())
late = {}
for name in ("clicks.wma", "clicks.ac3", "clicks.mp2", "clicks.m4a"):
    quiet = [ffmpeg, "-y", "-loglevel", "error", "-i"]
    subprocess.run([*quiet, "clicks.wav", name], check=True)
    decoded = subprocess.run(
        [*quiet, name, "-f", "s16le", "-ac", "1", "-ar", str(RATE), "-"],
        check=True,
        capture_output=True,
    ).stdout
    samples = np.frombuffer(decoded, "<i2").astype(float)
    n = 1 << 19
    both = np.fft.rfft(samples, n) * np.conj(np.fft.rfft(clicks, n))
    shift = int(np.argmax(np.fft.irfft(both)))
    late[name] = shift - n if shift > n // 2 else shift
    print(f"{name}: late by {late[name]} samples, longer by {len(samples) / RATE - 5:.4f} s")
assert late == {"clicks.wma": -2048, "clicks.ac3": 256, "clicks.mp2": 481, "clicks.m4a": 0}
PY
