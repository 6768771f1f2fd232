# The commands of the house. CI runs these words and no others. Each makes .venv by itself.
define HELP
make demo            all three packages on real data; a table, and pictures in out/
make test            the whole test suite
make lint            every gate: format, lint, types, floors, docstrings, duplicates
make format          mend what ruff can mend
make bench           ours beside the peers; writes benchmarks/RESULTS.md
make upstream        the hosts' own tests with our classes in place of theirs (ten minutes)
make upstream-quick  the part of it that CI runs
make docs            the user guide and the API pages, in docs/_build/html
make clean           remove everything that these commands made

make PYTHON=python3.12 ...   another interpreter;   make WORKERS=4 test   more processes
endef
export HELP

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench upstream upstream-quick docs clean

help:
	@echo "$$HELP"

# The stamp is written last: an interrupted install is done again, never mistaken for a finished one.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"make: mlextras needs Python 3.11 or newer, got {v.major}.{v.minor}. Run: make PYTHON=python3.11 ...")'
	@rm -f $(READY)
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[all,dev]"
	@touch $(READY)

demo: $(READY)
	$(BIN)/python -m examples.demo

test: $(READY)
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal --quiet

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(git ls-files 'skextras/*.py' 'rlextras/*.py' 'genextras/*.py')
	$(BIN)/python .ci/duplicate_bodies.py skextras rlextras genextras tests benchmarks examples .ci

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The peers of the benchmarks are large and nothing else needs them.
.venv/.bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[bench]"
	@touch .venv/.bench

bench: .venv/.bench
	$(BIN)/python -m benchmarks

upstream: $(READY)
	$(BIN)/python -m tests.upstream

upstream-quick: $(READY)
	$(BIN)/python -m tests.upstream --quick

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf .venv out docs/_build docs/api .upstream
