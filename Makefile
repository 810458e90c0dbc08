# What people and continuous integration call. `make help` lists it.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --use-pep517 --constraint constraints.txt

# Where the suite may not fall below, in per cent of lines and branches.
COVERAGE ?= 95
# Processes that share the tests, and whatever else pytest should be told: make test PYTEST_ARGS='-k outbox'
JOBS ?= 3
PYTEST_ARGS ?=

# What may be starved on a machine that others use, too: CI tries a test that failed once more, by itself, and shows both.
AGAIN := $(if $(CI),$(PY) -m coverage run -m pytest --numprocesses=0 --last-failed --last-failed-no-failures=none,false)

# The Debian releases that there are packages for, and the one that is to be built. This machine's is in build/deb.
SUITES ?= bookworm trixie
OWN_SUITE := $(shell . /etc/os-release && echo $$VERSION_CODENAME)
SUITE ?= $(OWN_SUITE)
DEB = build/deb$(addprefix -,$(filter-out $(OWN_SUITE),$(1)))

# A stamp is younger than all that decides what the virtual environment holds.
# The one of the environment itself also names the Python: after an upgrade of Debian all is made anew.
MADE := $(VENV)/.made-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
RUN_READY := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
DOCS_READY := $(VENV)/.docs-ready
PAGES := $(wildcard *.rst docs/*.rst docs/systems/*.rst)
MANUALS := $(wildcard docs/man/*.rst)
REQUIREMENTS := setup.py pyproject.toml constraints.txt importer/__init__.py

export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test lint format bench docs written constraints servers deb test-deb clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(RUN_READY) ## set up what is needed and import the embedded example, showing its numbers
	@$(VENV)/bin/metrics-importer demo

test: $(TEST_READY) servers ## set up what is needed and run all tests, under coverage
	@$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest --numprocesses=$(JOBS) --dist=worksteal $(PYTEST_ARGS) || $(AGAIN)
	@$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --fail-under=$(COVERAGE)

lint: $(TEST_READY) ## check style, types and spelling
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/codespell

format: $(TEST_READY) ## put the code into shape, and mend what can be mended without thinking
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

bench: $(TEST_READY) ## measure what docs/performance.md tells, and write it there
	@$(PIP_INSTALL) --editable '.[test,bench]'
	@$(PY) -m benchmarks

docs: written $(PAGES:%.rst=build/docs/%.html) $(MANUALS:docs/man/%.rst=build/man/%) ## write the marked blocks anew, render pages and manuals into build/; a fault in one is an error

deb: ## build the Debian package for this release into build/deb (SUITE=trixie: for that one), and look it over with lintian
	@tools/make-deb $(call DEB,$(SUITE)) $(SUITE)

test-deb: $(TEST_READY) servers ## try the package of each of SUITES in a container: install, run, upgrade, purge; for root
	@set -e; $(foreach suite,$(SUITES),tools/test-deb $(call DEB,$(suite)) $(suite) $(PYTEST_ARGS);)

constraints: ## pin the newest version of everything that lint, test and docs use
	@tools/make-venv build/pins $(PYTHON)
	@build/pins/bin/python -m pip install --quiet --upgrade --editable '.[test,bench]' docutils
	@{ sed '/^[^#]/,$$d' constraints.txt; build/pins/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt
	@rm -rf build/pins

clean: ## take away everything that these targets made
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The Debian packages whose servers the tests talk to. Says which tests have to do without, if any.
servers: $(TEST_READY)
	@$(PY) -m tests.servers.install </dev/null
	@$(PY) -m tests.servers.kafka_jars </dev/null

$(MADE):
	@tools/make-venv $(VENV) $(PYTHON)
	@touch $@

$(RUN_READY): $(MADE) $(REQUIREMENTS)
	@$(PIP_INSTALL) --editable .
	@touch $@

$(TEST_READY): $(RUN_READY)
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@

$(DOCS_READY): $(RUN_READY)
	@$(PIP_INSTALL) docutils Pygments
	@touch $@

written: $(RUN_READY)
	@$(PY) tools/write-docs

build/docs/%.html: %.rst $(DOCS_READY)
	@mkdir -p $(@D)
	@$(PY) -m docutils --halt=warning $< $@

build/man/%: docs/man/%.rst $(DOCS_READY)
	@mkdir -p $(@D)
	@$(PY) -m docutils --writer=manpage --halt=warning $< $@
	@sed -i 's/^\.SH Name$$/.SH NAME/' $@
