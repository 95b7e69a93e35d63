# `make demo` and `make test` set everything up by themselves: they need Python 3.11+, a C compiler and the network for pip.
# PYTHON=... chooses the interpreter for .venv, CC=... the compiler, ARGS=... is handed to the command a target runs.

VENV    := .venv
PY      := $(VENV)/bin/python
PIP     := $(PY) -m pip --disable-pip-version-check --quiet
STAMPS  := $(VENV)/stamps
ARGS    ?=

# What the compiled modules are made of; a change of Python code alone needs no build, as the installation is editable.
SOURCES := setup.py pyproject.toml $(shell find minidl -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.in' -o -name '*.h' -o -name '*.c' 2>/dev/null)

# Make's own default for CC is not a choice of the user's.
GIVEN_CC := $(if $(filter default,$(origin CC)),,$(CC))

export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo examples test lint bench bench-peers test-learning test-peers stress asan wheel build clean

help: ## say what can be made
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: $(STAMPS)/demo ## train LeNet-5 on handwritten digits; results in runs/lenet
	@$(PY) -m minidl demo lenet --out runs/lenet $(ARGS)

examples: $(STAMPS)/demo ## run every example at full size (some minutes); pictures in runs/
	@set -e; for file in examples/*.py; do echo "$$file"; $(PY) "$$file" $(ARGS); done

test: $(STAMPS)/test ## run the test suite (without the comparison with PyTorch)
	@$(PY) -m pytest tests --ignore-glob='*test_peers_*' $(ARGS)

lint: $(STAMPS)/dev ## ruff, mypy and cython-lint
	@echo "ruff";        $(PY) -m ruff check .
	@echo "mypy";        $(PY) -m mypy minidl
	@echo "cython-lint"; find minidl -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' | sort | PATH="$(CURDIR)/$(VENV)/bin:$$PATH" xargs -r $(PY) -m cython_lint.cython_lint

bench: $(STAMPS)/dev ## every asv benchmark once, quickly
	@$(PY) -m asv --config benchmarks/asv.conf.json machine --yes >/dev/null
	@$(PY) -m asv --config benchmarks/asv.conf.json run --quick --python=same --show-stderr $(ARGS)

bench-peers: $(STAMPS)/test ## minidl against PyTorch in paired rounds (ARGS="--rows conv --threads 2")
	@$(PY) -m benchmarks.peers $(ARGS)

test-learning: $(STAMPS)/test $(STAMPS)/demo ## the sequence examples at full size against their known answers (some minutes)
	@$(PY) -m pytest tests/long_sequences.py $(ARGS)

test-peers: $(STAMPS)/test ## compare values with PyTorch, when it is installed in .venv
	@if $(PY) -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'; then $(PY) -m pytest tests/test_peers_*.py $(ARGS); \
	else echo "PyTorch is not installed in $(VENV), so nothing was compared. To compare: $(PY) -m pip install torch==2.13.0"; fi

stress: $(STAMPS)/test ## threads, forks and views at once, against the serial bits
	@$(PY) -m benchmarks.stress $(ARGS)

# The sanitized modules are built in a copy of the sources, so that they never mix with the ordinary ones.
ASAN := build/asan
ASAN_TESTS ?= tests
asan: $(STAMPS)/test ## build with the address sanitizer and run the tests on it
	@mkdir -p $(ASAN) && rm -rf $(ASAN)/tests
	@tar -cf - --exclude='*.so' --exclude=__pycache__ $(wildcard *.py *.toml *.md *.in LICENSE Makefile .ci minidl tests tools benchmarks examples) | tar -xf - -C $(ASAN)
	@echo "Building the sanitized kernels in $(ASAN)"
	@cd $(ASAN) && MINIDL_SANITIZE=address "$(CURDIR)/$(PY)" setup.py --quiet build_ext --inplace
	@cd $(ASAN) && LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	  MINIDL_POOL=0 PYTHONMALLOC=malloc PYTHONPATH="$(CURDIR)/$(ASAN)" \
	  "$(CURDIR)/$(PY)" -m pytest $(ASAN_TESTS) -p no:cacheprovider --ignore-glob='*test_peers_*' --ignore=tests/test_pool.py $(ARGS)

wheel: $(STAMPS)/base ## a wheel in dist/
	@$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .
	@ls -l dist/*.whl

build: $(STAMPS)/base ## .venv with the compiled package, no extras

clean: ## remove everything that make, the build and the runs made
	rm -rf $(VENV) build dist runs *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache benchmarks/.asv
	find minidl tests benchmarks -name '*.so' -delete
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- set-up -----------------------------------------------------------------------------------------------------------

$(VENV)/ready: tools/bootstrap.sh
	@CC="$(GIVEN_CC)" PYTHON="$(PYTHON)" sh tools/bootstrap.sh $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# The build requirements come from pyproject.toml and are installed once, which lets later builds reuse their objects.
$(STAMPS)/requirements: $(VENV)/ready pyproject.toml
	@echo "Installing the build requirements"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $(VENV)/build-requirements.txt
	@$(PIP) install -r $(VENV)/build-requirements.txt
	@touch $@

$(STAMPS)/base: $(STAMPS)/requirements $(SOURCES)
	@echo "Building minidl (about a minute the first time)"
	@compiler="$$(cat $(VENV)/compiler)"; if [ -n "$$compiler" ]; then export CC="$$compiler"; fi; \
	$(PIP) install --no-build-isolation --editable .
	@touch $@

# minidl itself is satisfied already, so this installs only what its extra named like the stamp asks for.
$(STAMPS)/demo $(STAMPS)/test $(STAMPS)/dev: $(STAMPS)/base
	@echo "Installing what 'minidl[$(@F)]' names"
	@$(PIP) install 'minidl[$(@F)]'
	@touch $@
