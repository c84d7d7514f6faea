# Everything one does with this repository. `make help` lists the targets with their time limits.
# Needed on the machine: Python 3.11 or newer with pip, make and bash. The rest is fetched on first use.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-slow check bench docs

ARGS ?=
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv

# Each target fetches only what it needs. A stamp is older than the lock: fetch again. Without bytecode every start of
# a command would take seconds.
LOCK := pyproject.toml uv.lock
FOR_RUN := .venv/for-run
FOR_TEST := .venv/for-test
FOR_DEV := .venv/for-dev
FETCH := echo 'Fetching packages into .venv/ ...' >&2; tools/uv sync --quiet --frozen --inexact --compile-bytecode
COMPILE := .venv/bin/python -m compileall -q src

# within SECONDS: the time limit, where the machine has `timeout`
TIMEOUT := $(shell command -v timeout)
within = $(if $(TIMEOUT),$(TIMEOUT) --kill-after=10 $(1))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Options for a command go into ARGS: make demo ARGS=--once, make test ARGS='-k refresh'."
	@echo "  The first run of a target also fetches packages: seconds to minutes, as the network allows."

setup: $(FOR_DEV) ## everything a contributor needs, into .venv (limit: the network's)

demo: $(FOR_RUN) ## the whole story on this machine, with a practice provider (no limit; with --once: 60 s)
	@.venv/bin/tieline demo $(ARGS)

serve: $(FOR_RUN) ## server and worker at http://127.0.0.1:8400, data in ./tieline-data (no limit)
	@.venv/bin/tieline serve $(ARGS)

test: $(FOR_TEST) ## all tests but the slow ones (limit: 10 min)
	@$(call within,600) .venv/bin/pytest -n 2 -m "not slow" $(ARGS)

test-slow: $(FOR_TEST) ## the slow tests: kill -9, many processes, long generation (limit: 40 min)
	@$(call within,2400) .venv/bin/pytest -n 2 -m slow $(ARGS)

check: $(FOR_DEV) ## lint, format, types, order of imports, generated pages up to date (limit: 5 min)
	@$(call within,60) .venv/bin/ruff check
	@$(call within,60) .venv/bin/ruff format --check
	@$(call within,180) .venv/bin/lint-imports --no-logo
	@$(call within,60) .venv/bin/python tools/reference.py --check
	@$(call within,60) .venv/bin/python tools/sizes.py
	@$(call within,300) .venv/bin/basedpyright

bench: $(FOR_TEST) ## speed beside a bare server in the same run, and of the hot parts (limit: 10 min)
	@$(call within,600) .venv/bin/python -m bench.run $(ARGS)

docs: $(FOR_DEV) ## write docs/reference/ again from the code (limit: 1 min)
	@$(call within,60) .venv/bin/python tools/reference.py

$(FOR_RUN): $(LOCK)
	@$(FETCH) --no-dev --extra server
	@$(COMPILE)
	@touch $@

$(FOR_TEST): $(LOCK)
	@$(FETCH) --no-dev --group test --all-extras
	@$(COMPILE)
	@touch $(FOR_RUN) $@

$(FOR_DEV): $(LOCK)
	@$(FETCH) --all-extras
	@$(COMPILE)
	@touch $(FOR_RUN) $(FOR_TEST) $@
