# Every command sets up what it needs: .venv, uv inside it, and packages from the hash-pinned locks in requirements/.
# Needed beforehand: make, git, Python 3.11 or newer. `make help` lists the commands.

SHELL  := /bin/sh
PYTHON ?= python3.13 python3.12 python3.11 python3.14 python3 python
VENV   ?= .venv
COMPILED ?= .venv-compiled
ARGS   ?=
JOBS   ?= 2
SECONDS ?= 300
SEED    ?=
BIN    := $(VENV)/bin
UV     := $(BIN)/uv --quiet
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# uv trusts what the machine trusts, like git does; pyright is pinned and need not ask the network for a newer one.
export UV_SYSTEM_CERTS ?= 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all slice unit compiled check lint types layers fix bench counts chaos lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: $(VENV)/.ready-demo ## the main job on real data: a service without and with the cache (under a minute)
	@$(BIN)/pika-redis demo $(ARGS)

test: $(VENV)/.ready-test ## the tests, without the slow ones (at most 5 minutes; JOBS=0: one after another)
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/.ready-dev ## every test (at most 45 minutes)
	@$(PYTEST) $(ARGS)

slice: $(VENV)/.ready-dev ## the slow tests that .ci/run runs too
	@$(PYTEST) -m "slow and ci" $(ARGS)

unit: $(VENV)/.ready-test ## the fast tests that need no server
	@$(PYTEST) -m "not slow and not valkey and not redis" --ignore=tests/house $(ARGS)

compiled: ## build the package with compiled modules, and run the tests that they concern (needs a C compiler)
	@$(MAKE) --no-print-directory VENV=$(COMPILED) $(COMPILED)/.ready-compiled
	@rm -rf build/compiled
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(COMPILED)/bin/uv --quiet build --no-build-isolation --python $(COMPILED)/bin/python \
		--out-dir build/compiled
	@$(COMPILED)/bin/uv --quiet pip install --python $(COMPILED)/bin/python --no-deps --reinstall build/compiled/*.whl
	@$(COMPILED)/bin/python -c 'from pika_redis.codec import envelope as e, unpacker as u; print(e.__file__); \
		raise SystemExit(e.__file__.endswith(".py") or u.__file__.endswith(".py"))'
	@$(COMPILED)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not slow" tests/codec tests/conformance $(ARGS)

check: lint types layers ## lint, formatting, types, layers

lint: $(VENV)/.ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.ready-dev
	@$(BIN)/mypy
	@$(BIN)/python -m pyright --pythonpath $(BIN)/python

layers: $(VENV)/.ready-dev
	@$(BIN)/lint-imports --no-logo

fix: $(VENV)/.ready-dev ## let ruff repair and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.ready-dev ## the benchmarks, side by side with other libraries
	@$(BIN)/python -m benchmarks $(ARGS)

counts: $(VENV)/.ready-dev ## the instructions that the hot paths take, beside the record (needs valgrind)
	@$(BIN)/python -m benchmarks.instructions $(ARGS)

chaos: $(VENV)/.ready-test ## the soak: a fleet while servers and network fail (5 minutes; SECONDS=, SEED=, ARGS=)
	@$(BIN)/python -m pika_redis.testing.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean: ## remove environments, caches and build products
	rm -rf .venv .venv-* src/*.so src/pika_redis/*/*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments -----------------------------------------------------------------------------------------------------
# A stamp file says that a lock is installed. An environment that was copied or moved from elsewhere is made anew.

ifneq ($(shell cat $(VENV)/.checkout 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.ready-uv
endif

$(VENV)/.ready-uv: requirements/uv.txt
	@rm -rf $(VENV)
	@for python in $(PYTHON); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			found="$$python"; break; \
		fi; \
	done; \
	if [ -n "$$found" ]; then \
		echo "setting up $(VENV) with $$("$$found" -V)"; \
		"$$found" -m venv $(VENV) && \
		$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/uv.txt; \
	elif command -v uv >/dev/null 2>&1; then \
		echo "setting up $(VENV) with uv"; \
		uv --quiet venv --python '>=3.11' $(VENV) && \
		uv --quiet pip install --python $(BIN)/python --require-hashes -r requirements/uv.txt; \
	else \
		echo "No Python 3.11 or newer with its venv and ensurepip modules among: $(PYTHON)." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv. Or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@printf '%s' "$(CURDIR)" > $(VENV)/.checkout
	@touch $@

$(VENV)/.ready-%: requirements/%.txt pyproject.toml $(VENV)/.ready-uv
	@echo "installing requirements/$*.txt into $(VENV)"
	@$(UV) pip install --python $(BIN)/python --only-binary :all: --require-hashes -r requirements/$*.txt
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# --- locks ------------------------------------------------------------------------------------------------------------
# Pins stay while they satisfy pyproject.toml; `make lock UPGRADE=--upgrade` takes the newest. No address is written.

UPGRADE ?=
COMPILE  = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-header --no-annotate --no-emit-package pika-redis --no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: $(VENV)/.ready-uv ## write requirements/*.txt from pyproject.toml
	@$(COMPILE) --group build --extra demo --group test --group lint --group bench -o requirements/dev.txt >/dev/null
	@$(COMPILE) --group build --extra demo --group test -c requirements/dev.txt -o requirements/test.txt >/dev/null
	@$(COMPILE) --group build --extra demo --group test --group compiled -c requirements/dev.txt \
		-o requirements/compiled.txt >/dev/null
	@$(COMPILE) --group build --extra demo -c requirements/dev.txt -o requirements/demo.txt >/dev/null
	@$(UV) pip compile --group uv --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(UPGRADE) -o requirements/uv.txt >/dev/null
	@if grep -n '://' requirements/*.txt; then echo "a lock names an address" >&2; exit 1; fi
	@wc -l requirements/*.txt
