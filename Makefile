# make follow  sets up what following needs, and follows an example in the browser
# make demo    sets up, runs the pipeline on the embedded data set, prints the result table
# make test    sets up, runs the tests (SLOW=1: the minutes-long ones too)
# make bench   measures speed beside the 2019 way of doing it (ARGS="game latency": parts)
# make setup   only sets up; scripts/setup.sh says what PYTHON, TORCH_SPEC and EXTRAS change
# make lint    style and types
# make clean   removes what setup and the tests left behind, not your data or models

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup follow demo test bench lint clean
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON TORCH_SPEC EXTRAS
export DVC_NO_ANALYTICS := 1
# Setup leaves compiling to the first import, so that import must be allowed to keep the result.
unexport PYTHONDONTWRITEBYTECODE

# Runs a command and says how long it took: $(call timed,name,command)
timed = start=$$SECONDS; $(2); status=$$?; \
	echo "make: $(1) took $$((SECONDS - start)) s"; exit $$status

help:
	@grep '^# make' Makefile | cut -c3-

setup:
	@scripts/setup.sh

# An environment that can do this already is left as it is, whatever else was asked of setup.
follow:
	@.venv/bin/python -c "import sfpipe, pypdfium2, starlette, uvicorn, verovio, websockets" \
		2>/dev/null || EXTRAS=$${EXTRAS:-live} scripts/setup.sh
	@sfpipe serve --example --open

demo: setup
	@$(call timed,dvc repro,dvc repro)
	@sfpipe summary

# One thread per process: two test processes with a thread pool each would fight over the cores.
test: setup
	@$(call timed,pytest,OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadgroup -m "$(if $(SLOW),,not slow)")

bench: setup
	@python -m benchmarks.bench $(ARGS)

lint: setup
	@python -c "import mypy, ruff" 2>/dev/null || python -m pip install -q "ruff>=0.6" "mypy>=1.10"
	ruff check .
	ruff format --check .
	mypy sfpipe

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
