# Two commands do all the set-up: `make demo` and `make test`. `make help` tells the rest.

VENV  ?= .venv
BIN   := $(VENV)/bin
ARGS  ?=
JOBS  ?= 2
# The first Python that is new enough; `make PYTHON=/path/to/python3.12 demo` chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Tests make and throw away thousands of databases: in memory, where 4 GB of it are free.
SCRATCH = $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null && echo /dev/shm)
# Where Python is forbidden to keep what it compiled, each of the many commands that tests start would compile it anew.
KEEP_COMPILED = PYTHONDONTWRITEBYTECODE=
EXTRAS := sync worker backend onebox trainer

.DEFAULT_GOAL := help
.PHONY: help demo up test web gpu sure format lint types contracts lock extras clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.onebox  ## the whole loop on this machine; ARGS="--photos DIR --limit 100 --exit"
	@$(BIN)/python -m deploy.web || true
	@$(BIN)/pallor demo $(ARGS)

up: $(VENV)/.onebox  ## the same parts with a data folder that stays; ARGS="--data DIR"
	@$(BIN)/python -m deploy.web || true
	@$(BIN)/pallor up $(ARGS)

test: $(VENV)/.test  ## every test, two files at once; ARGS="tests/kernel -k altitude", JOBS=4
	@$(BIN)/python -m deploy.web || true
	@$(KEEP_COMPILED) PYTEST_DEBUG_TEMPROOT=$(SCRATCH) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

web: $(VENV)/.test  ## build the phone's app (backend/web/dist), which demo, up and test do by themselves
	@$(BIN)/python -m deploy.web

gpu: $(VENV)/.test  ## what only an NVIDIA GPU can show: build, self-test, parity, latency
	@$(BIN)/python -m pytest -m gpu -s tests/gpu $(ARGS)

sure: format lint types contracts test  ## all that a change must pass

format: $(VENV)/.test
	@$(BIN)/ruff format .

lint: $(VENV)/.test
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.test
	@$(BIN)/mypy

contracts: $(VENV)/.test
	@$(BIN)/lint-imports

lock: $(VENV)/.test  ## pin anew what is installed, after a change of dependencies
	@$(BIN)/python -m deploy.lock

extras: $(VENV)/.test  ## prove that each component runs with its own extra alone, in a clean environment
	@$(BIN)/python -m deploy.extras $(EXTRAS)

clean:  ## remove the environment
	rm -rf $(VENV)

# torch is large (several GB with its CUDA libraries) and comes with the tests only; the demo does without.
$(VENV)/.onebox $(VENV)/.test: $(VENV)/.%: lock/%.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Pallor needs Python 3.11 or newer; none was found. Install it, or name it: make PYTHON=/path/to/python3.11 $*" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what lock/$*.txt pins into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r lock/$*.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
