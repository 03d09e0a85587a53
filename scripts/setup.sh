#!/usr/bin/env bash
# Sets sfpipe up: system libraries (apt, when root), a virtual environment in .venv, PyTorch, sfpipe.
# Run it again at any time: what is there already is kept, and nothing is fetched twice.
#
#   PYTHON=python3.12   interpreter to build .venv from (default: python3)
#   TORCH_SPEC=...      what to ask pip for when there is no PyTorch yet. PyPI's Linux wheel brings
#                       CUDA along; see pytorch.org for the CPU-only wheel of your platform and
#                       install it first (into .venv or your own environment): it will be kept.
#   EXTRAS=test         extras of pyproject.toml to install beside `pipeline`
#
# A PyTorch that is already installed is kept: an activated virtual environment that has one becomes
# .venv (a link to it), and an interpreter that has one is shared through --system-site-packages.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
TORCH_SPEC=${TORCH_SPEC:-torch==2.13.0}
EXTRAS=${EXTRAS:-test}
# Byte code is made when a module is first imported: most of what pip would compile never is.
PIP_FLAGS=(-qq --disable-pip-version-check --prefer-binary --no-compile --no-input)
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
STAMP=.venv/.sfpipe-setup
export DEBIAN_FRONTEND=noninteractive

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }
has_torch() { "$1" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' 2>/dev/null; }
fingerprint() { { cat pyproject.toml scripts/setup.sh; echo "$TORCH_SPEC $EXTRAS $PWD"; } | cksum; }

have_fluidsynth() {
  # ldconfig may be outside a user's PATH; Python's own search is what pyfluidsynth uses.
  "$PYTHON" -c 'import sys; from ctypes.util import find_library as f
sys.exit(not any(map(f, ("fluidsynth", "fluidsynth-3", "libfluidsynth", "libfluidsynth-3"))))'
}
have_soundfont() {
  local folder folders name
  IFS=: read -ra folders <<<"${SFPIPE_SOUNDFONTS:-}"
  for folder in "${folders[@]}" /usr/share/sounds/sf2 /usr/share/soundfonts \
    /usr/local/share/soundfonts "$HOME/.local/share/soundfonts"; do
    for name in "$@"; do [ -e "$folder/$name" ] && return 0; done
  done
  return 1
}
missing_packages() {
  have_fluidsynth || echo libfluidsynth3
  have_soundfont FluidR3_GM.sf2 FluidR3_GM2-2.sf2 || echo fluid-soundfont-gm
  have_soundfont TimGM6mb.sf2 || echo timgm6mb-soundfont
  # Where PyPI has no wheel of LilyPond (pyproject.toml); Debian 12 has the version that is needed.
  [ "$(uname -m)" = x86_64 ] || command -v lilypond >/dev/null || echo lilypond
}
install_packages() { # prints nothing unless it fails; its output goes to the log
  local start=$SECONDS
  { apt-get -qq update || true; apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"; } \
    >>"$LOG" 2>&1 || return 1
  say "system packages: $((SECONDS - start)) s ($*)"
}
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

make_environment() {
  [ -e .venv/bin/python ] && return
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "$PYTHON is not Python 3.10 or newer; name one: make PYTHON=/path/to/python3.11"
  local active
  active=$("$PYTHON" -c 'import sys; print(sys.prefix if sys.prefix != sys.base_prefix else "")')
  if [ -n "$active" ] && has_torch "$PYTHON"; then
    say "using the virtual environment $active, which has PyTorch"
    ln -sfn "$active" .venv
    return
  fi
  if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    can_apt || fail "$PYTHON has no venv module; install it, e.g. apt-get install python3-venv"
    install_packages python3-venv || { cat "$LOG" >&2; fail "could not install python3-venv"; }
  fi
  if has_torch "$PYTHON"; then
    say "keeping the PyTorch of $PYTHON"
    "$PYTHON" -m venv --system-site-packages .venv
  else
    "$PYTHON" -m venv .venv
  fi
}

install_python_packages() {
  local start=$SECONDS wanted=(-e ".[pipeline,$EXTRAS]")
  if has_torch .venv/bin/python; then
    say "PyTorch is there: kept"
  else
    wanted+=("$TORCH_SPEC")
  fi
  # Python 3.11 comes with pip 23.2, which takes three times as long to resolve our dependencies.
  .venv/bin/python -m pip install "${PIP_FLAGS[@]}" "pip>=25" || true
  .venv/bin/python -m pip install "${PIP_FLAGS[@]}" "${wanted[@]}" ||
    fail "pip could not install ${wanted[*]}; is the package index reachable?"
  say "Python packages: $((SECONDS - start)) s"
}

exec 9<scripts/setup.sh # two makes at once: the second waits, then finds the stamp
command -v flock >/dev/null && flock 9
if [ -e "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ]; then exit 0; fi

start=$SECONDS
command -v "$PYTHON" >/dev/null || fail "no $PYTHON found; name one: make PYTHON=/path/to/python3.11"
mapfile -t missing < <(missing_packages)
make_environment
apt_job=
if [ ${#missing[@]} -gt 0 ]; then
  if can_apt; then
    install_packages "${missing[@]}" & # while pip downloads
    apt_job=$!
  else
    say "these system packages are missing; install them with"
    say "    sudo apt-get install ${missing[*]}"
    say "or the like (Fedora: fluidsynth-libs fluid-soundfont-gm; macOS: brew install fluid-synth"
    say "and any .sf2 in a folder named by SFPIPE_SOUNDFONTS), then check with: sfpipe doctor"
  fi
fi
install_python_packages
if [ -n "$apt_job" ] && ! wait "$apt_job"; then
  cat "$LOG" >&2
  fail "apt-get could not install ${missing[*]}"
fi
fingerprint >"$STAMP"
say "done in $((SECONDS - start)) s"
