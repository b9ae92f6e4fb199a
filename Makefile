# The developer interface. Every target works in a fresh clone with Python 3.10 to 3.13 and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Without byte code: compiling it takes a minute, and Python compiles what is imported. It must be allowed to keep it:
# otherwise each of the hundreds of processes that the tests start would compile PyTorch and the toolkits again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

# Two workers with one thread each: on two cores, more would only wait for each other. Toolkits modify the process that
# imports them, so their tests run separately. Each toolkit has one worker, because NeMo alone takes half a minute to
# import. A worker that dies ends the run: with another in its place, pytest-xdist may wait for ever.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0
# The slowest comes first. These tests start trainings in separate processes, and each toolkit gets its own test process.
RECIPES := nemo coqui speechbrain

.PHONY: help demo speak install test test-recipes test-slow docs pages check format clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/core.stamp  ## install the core, run it on the shipped speech, write demo/report.html
	$(BIN)/vocos demo

speak: $(VENV)/opinion.stamp  ## say TEXT="..." with each toolkit's small model, and write speak/speak.html to listen to
	$(BIN)/python recipes/tts/speak.py "$${TEXT:-Mary had a little lamb, its fleece was white as snow.}"

# In the environment, so that the shell doesn't read what is in the text.
export TEXT

install: $(VENV)/dev.stamp  ## install everything that the tests need into .venv

# In parts: a process that has run thousands of tests, each with other libraries, is large and has many threads.
PARTS := tests/apps tests/training tests/adapters

# Which tests: not those of tests/slow.txt, which take ten seconds and more each.
CHOICE := not slow

define RUN_TESTS
$(PYTEST) -m '$(CHOICE)' $(PARTS:%=--ignore=%) $(RECIPES:%=--ignore=tests/recipes/%)
for part in $(PARTS); do $(PYTEST) -m '$(CHOICE)' $$part || exit 1; done
$(MAKE) test-recipes CHOICE='$(CHOICE)'
endef

test: $(VENV)/dev.stamp  ## install everything and run the test suite, without the tests of tests/slow.txt
	$(RUN_TESTS)
	@echo "Left out: the tests of tests/slow.txt, which 'make test-slow' runs."

test-slow: CHOICE := slow
test-slow: $(VENV)/dev.stamp  ## run the tests of tests/slow.txt; do this before a release and after changes to what they test
	$(RUN_TESTS)

test-recipes: $(VENV)/dev.stamp  ## run the tests of the toolkits' recipes, one process per toolkit
	$(MAKE) --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(RECIPES:%=test-recipe-%)

# A recipe that has none of the chosen tests makes pytest exit with 5.
test-recipe-%: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 -m '$(CHOICE)' tests/recipes/$* || [ $$? = 5 ]

docs: $(VENV)/dev.stamp  ## build the site into site/; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

pages: $(VENV)/dev.stamp  ## regenerate the pages of docs/ that come from the code; tests fail if they are out of date
	for script in cli_page licences_page pair_matrix evaluation_page pictures; do $(BIN)/python scripts/$$script.py || exit 1; done

check: $(VENV)/dev.stamp  ## run ruff, mypy, the site and the tests; do this before each commit
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(MAKE) docs
	$(MAKE) test

format: $(VENV)/dev.stamp  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove the environment and all build products
	rm -rf $(VENV) demo speak build dist site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# PESQ is compiled on installation; without a C compiler, the report omits it.
$(VENV)/core.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the core (PyTorch may be a large download) ..."
	$(PIP) --editable '.[demo]' || $(PIP) --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt scripts/mend_torchaudio.py | $(VENV)/bin/python
	@echo "Installing everything that the tests need ..."
	$(PIP) --editable '.[all,dev,docs]'
	$(BIN)/python scripts/mend_torchaudio.py
	touch $@ $(VENV)/core.stamp

# DistillMOS asks for a torchaudio that loads, which the registry's build may not; what it uses of it is mended above.
$(VENV)/opinion.stamp: $(VENV)/dev.stamp
	$(PIP) --no-deps distillmos xls-r-sqa
	touch $@
