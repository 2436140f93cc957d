# Two commands from a bare clone: `make demo` and `make test`. Second runs skip the install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?= --out runs/demo
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo-ready
	$(BIN)/unibind demo $(DEMO_ARGS)

test: $(VENV)/.test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	$(MAKE) --no-print-directory lint

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch comes first: the pinned version is the CPU build where one is offered, and nothing later may replace it
$(VENV)/.demo-ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable '.[mini,thermal]'
	touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready
	$(INSTALL) --editable '.[mini,thermal,dev]'
	touch $@

clean:
	rm -rf $(VENV) runs
