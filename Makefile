# The whole developer interface. Every target works from a fresh clone with Python 3.10 to 3.13 and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Two workers of one thread each: more would only wait for each other on two cores. Toolkits change the process that they
# are imported into, so their tests come in a second run, each toolkit's in one worker, as NeMo alone takes half a minute
# to import.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup
# The slowest first. They start trainings as processes of their own, and don't share one among themselves.
RECIPES := nemo coqui speechbrain

.PHONY: help demo install test test-recipes docs pages check format clean
.DEFAULT_GOAL := help

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/core.stamp  ## install the core, vocode the shipped speech, write demo/report.html
	$(BIN)/vocos demo

install: $(VENV)/dev.stamp  ## install everything that the tests need into .venv

test: $(VENV)/dev.stamp  ## install everything and run the whole test suite
	$(PYTEST) --ignore=tests/adapters $(RECIPES:%=--ignore=tests/recipes/%)
	$(PYTEST) tests/adapters
	$(MAKE) test-recipes

test-recipes: $(VENV)/dev.stamp  ## run the tests of the toolkits' recipes, each toolkit's in a process of its own
	$(MAKE) --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(RECIPES:%=test-recipe-%)

test-recipe-%: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 tests/recipes/$*

docs: $(VENV)/dev.stamp  ## build the site into site/, every warning an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

pages: $(VENV)/dev.stamp  ## write the pages of docs/ that come from the code; tests tell when they are out of date
	for script in cli_page licences_page pair_matrix evaluation_page pictures; do $(BIN)/python scripts/$$script.py || exit 1; done

check: $(VENV)/dev.stamp  ## what runs before each commit: ruff, mypy, the site, tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(MAKE) docs
	$(MAKE) test

format: $(VENV)/dev.stamp  ## put the code into its layout
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) demo build dist site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The measures (PESQ) are compiled on installation; without a C compiler the report goes without them.
$(VENV)/core.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the core (PyTorch may be a large download) ..."
	$(PIP) --editable '.[demo]' || $(PIP) --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt scripts/mend_torchaudio.py | $(VENV)/bin/python
	@echo "Installing everything that the tests need ..."
	$(PIP) --editable '.[all,dev,docs]'
	$(BIN)/python scripts/mend_torchaudio.py
	touch $@ $(VENV)/core.stamp
