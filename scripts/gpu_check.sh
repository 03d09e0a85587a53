#!/usr/bin/env bash
# All that a borrowed GPU is needed for, in one command: tests, throughput, a training from nothing.
#
#   scripts/gpu_check.sh MSMD.h5 [NOTTINGHAM.h5]
#
# Both are files of `sfpipe pack`. Nothing is installed: the machine's own Python (PYTHON=python3)
# must have PyTorch, h5py, numba, pydantic, safetensors and pytest.
#   OUT=metrics/gpu   curve, weights and table
#   MINUTES=12        for all of it; what is left of them trains
#   DEVICE=cuda       or cpu, which tries the script out
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} out=${OUT:-metrics/gpu} minutes=${MINUTES:-12} device=${DEVICE:-cuda}
started=$SECONDS
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }

bytes=0
for file in "$@"; do
    [ -f "$file" ] || { echo "gpu_check: $file: not there; make it with 'sfpipe pack'" >&2; exit 2; }
    bytes=$((bytes + $(wc -c < "$file")))
done
if [ "$bytes" -gt $((64 << 20)) ]; then
    echo "gpu_check: $((bytes >> 20)) MiB to carry, more than 64;" \
        "pack fewer performances: sfpipe pack --performances 1" >&2
    exit 2
fi

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" SFPIPE_TEST_DEVICE=$device
mkdir -p "$out"
status=0
timeout 150 "$python" -m pytest -q -p no:cacheprovider tests/training/test_device.py \
    2>&1 | tee "$out/tests.txt" || status=$?
left=$((minutes * 60 - (SECONDS - started)))
"$python" scripts/gpu_check.py "$@" --out "$out" --seconds "$left" --device "$device"
exit $status
