# Two commands from a bare clone: `make demo` and `make test`. The first run installs; later runs do not.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ_ARGS ?= --mutants 100
DEMO_ARGS ?= --out runs/demo
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
COVERAGE := --cov --cov-report=
FAULTS := tests/test_killed_writes.py $(addprefix tests/data/test_, kills.py resume.py power_cuts.py full_disks.py \
    two_writers.py readers.py stuck_items.py batch_encoding.py) $(addprefix tests/journeys/test_, full_disks.py \
    interruptions.py damaged_files.py one_bad_file.py killed_encodes.py encode_sources.py watch.py)

.PHONY: help demo test test-fast test-faults coverage fuzz lint format docs docs-serve wheel-check lock install-locked clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: $(VENV)/.demo-ready  ## build the test bed, encode, fit, search and report: runs/demo/report.html
	$(BIN)/unibind demo $(DEMO_ARGS)

test: $(VENV)/.test-ready  ## every test, then lint
	$(PYTEST)
	$(MAKE) --no-print-directory lint

test-fast: $(VENV)/.test-ready  ## the tests that take well under a second each
	$(PYTEST) -m "not slow"

test-faults: $(VENV)/.test-ready  ## killed runs, full disks, power cuts, broken and stuck items: within five minutes
	$(PYTEST) $(FAULTS)

coverage: $(VENV)/.test-ready  ## every test, and the share of lines and branches they run
	$(PYTEST) $(COVERAGE)
	@echo "coverage: $$($(BIN)/coverage report --format=total) %"

fuzz: $(VENV)/.test-ready  ## read damaged files, of a new seed each time; runs/fuzz keeps those that fail
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(FUZZ_ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.artifacts 3000

lint: $(VENV)/.test-ready  ## ruff, import-linter and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy

format: $(VENV)/.test-ready  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.test-ready  ## build the docs into site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/.test-ready  ## show the docs at a local address while you edit them
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

wheel-check: $(VENV)/.test-ready  ## build the wheel and use it away from the repository
	PYTHON=$(BIN)/python .ci/wheel-check

# torch comes first: the pinned version is the CPU build where the index offers one, and nothing later may replace it
$(VENV)/.demo-ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable '.[all]'
	touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready
	$(INSTALL) --editable '.[dev]'
	touch $@

lock: $(VENV)/.test-ready  ## write requirements/: every package, with the hashes of its files
	$(BIN)/python .ci/lock

# torch comes first, as above, from a folder: by hash, pip would take any other build that matches before the CPU build.
# `pip check` misses the CUDA libraries of a torch that is no CPU build. Nothing is built, so no package runs code here.
install-locked:  ## make the environment anew from requirements/, each file checked by its hash
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	    --constraint constraints.txt --dest $(VENV)/torch torch
	$(LOCKED) --no-index --find-links $(VENV)/torch --requirement requirements/torch.lock
	$(LOCKED) --requirement requirements/packages.lock
	$(BIN)/python -m pip check || $(LOCKED) --requirement requirements/cuda.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	rm -r $(VENV)/torch
	touch $(VENV)/.demo-ready $(VENV)/.test-ready

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) runs site dist build .coverage .coverage.*
