# Everything runs from .venv, which holds exactly what requirements.txt locks.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SLURM_READY := .venv/.ready-slurm

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Some tools keep caches in the home directory; give them one where there is none.
ifeq ($(HOME),)
export HOME := $(CURDIR)/.venv
endif

.DEFAULT_GOAL := help
.PHONY: help env env-slurm demo pictures verify-installation bench bench-memory bench-scale lint test test-cosmics test-pages test-slurm test-faults test-solver test-tools lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

env: $(READY)  ## build .venv from the lock file

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "Darkroom needs Python 3.11 or later; '$(PYTHON)' is not. Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# A few locked packages have no wheel. Their build tools come from the lock as well, and
# first, so that nothing unpinned is fetched to build them.
$(READY): requirements.txt pyproject.toml | $(BIN)/python
	awk '/^[a-z]/ { keep = /^(packaging|setuptools|wheel)==/ } keep' requirements.txt > .venv/build.txt
	$(BIN)/python -m pip install -q --require-hashes -r .venv/build.txt
	$(BIN)/python -m pip install -q --require-hashes --no-build-isolation --use-pep517 -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

env-slurm: $(SLURM_READY)  ## add Snakemake's plugin for Slurm to .venv

$(SLURM_READY): requirements-slurm.txt $(READY)
	$(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements-slurm.txt
	@touch $@

demo: env  ## simulate a night, develop it and check the outcome; a page tells how it went
	rm -rf demo
	$(BIN)/python -m tests.simulator demo/raw --eventful
	$(BIN)/snakemake --cores all --config raw=demo/raw results=demo/results 'stacks={use: true}'
	$(BIN)/python -m tests.check_demo demo/raw demo/results

pictures: demo  ## take the pictures of the documentation from the demo (needs chromium and its driver)
	$(BIN)/python -m tests.take_pictures demo docs/images

verify-installation: env  ## reduce a simulated night and hold it against the truth
	$(BIN)/python -m tests.verify_installation

# make bench BENCH="--night long --rounds 5"; docs/speed.md has all of it.
bench: env  ## time the workflow beside other ways to calibrate a night
	$(BIN)/python -m tests.bench $(BENCH)

bench-memory: env  ## measure the peak memory of 100 and of 200 flats of 4096 x 4096 (minutes, 8 GB of disk)
	$(BIN)/python -m tests.bench.memory

# make bench-scale SCALE="--frames 100000"; docs/scale.md has all of it.
bench-scale: env  ## measure what many frames cost, of the plan and of Snakemake
	$(BIN)/python -m tests.scale $(SCALE)

lint: env  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy workflow/darkroom

test: lint  ## lint, then run the tests
	$(BIN)/pytest -n 2

test-cosmics: env  ## search for cosmic rays on every kind of simulated exposure (minutes)
	$(BIN)/pytest -n 2 -m extra tests/unit/test_cosmic_rays.py

test-pages: env  ## open pages in Chromium, of real nights too; screenshots in demo/pages, to be looked at
	DARKROOM_SCREENSHOTS=$(CURDIR)/demo/pages $(BIN)/pytest -n 2 -m '' tests/browser

test-slurm: env-slurm  ## submit nights to a real Slurm on this machine, and let it fail (minutes; root installs it)
	$(BIN)/python -m tests.slurm

# make test-tools TOOLS="-rP tests/tools/test_astromatic.py" shows what was measured; docs/tools.md has all of it.
test-tools: env  ## SExtractor, SCAMP, SWarp, Siril, DS9 and photutils on files as they are (root installs them)
	$(BIN)/python -m tests.tools $(TOOLS)

# make test-faults FAULTS="--rounds 200 --seed 7 tests/faults/test_kills.py"
test-faults: env  ## kill runs at random moments, fill disks, spoil files: the same bytes in the end (half an hour)
	$(BIN)/python -m tests.faults $(FAULTS)

# make test-solver SOLVER="-k mirrored -s"; what solving needs is told in docs/solving.md.
test-solver: env  ## solve simulated and real skies with solve-field and ASTAP (minutes; root installs them, 300 MB)
	$(BIN)/python -m tests.solver $(SOLVER)

# Keeps every pin that still fits; make lock UPGRADE=--upgrade takes the newest. One version
# of each package for all Pythons, so that all of them calculate alike.
lock: | $(BIN)/python  ## renew the lock files from pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" \
	    --extra test --group build $(UPGRADE) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" \
	    --group pyproject.toml:slurm -c requirements.txt $(UPGRADE) -o requirements-slurm.txt

clean:  ## remove .venv, the demo and the caches
	rm -rf .venv demo .pytest_cache .ruff_cache .mypy_cache .hypothesis workflow/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
