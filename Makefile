# Two commands are all a fresh Debian machine needs: `make matrix` and `make test`.
# EXPERIMENT=name picks an experiment of matrix.yaml, ARGS="…" reaches the command behind.

PYTHON ?= python3
EXPERIMENT ?=
ARGS ?=
# Held while a command runs, so that no other `make` replaces the environment under it.
HELD = flock --shared --no-fork .venv.lock
MATRIX = $(HELD) .venv/bin/python -m runner
# Without cached bytecode every command would compile its libraries again.
unexport PYTHONDONTWRITEBYTECODE
# What set-up takes is counted from here.
export MONKEY_MATRIX_STARTED := $(shell date +%s.%N)

# Two bootstraps at the same time would remove the environment under each other.
.NOTPARALLEL:
.PHONY: help matrix smoke plan merge table publish test examples engines chaos fuzz lint bench doctor clean docs lock setup setup-run setup-dev setup-tests

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

matrix: setup-run ## measure the default experiment (or EXPERIMENT=…) and print its table
	@$(MATRIX) run --install $(EXPERIMENT) $(ARGS)

smoke: setup-run ## the same cells with 200 requests of 0.2 s each
	@$(MATRIX) run --install smoke $(ARGS)

plan: setup ## what would run, how long it takes, what cannot be built and why
	@$(MATRIX) plan $(EXPERIMENT) $(ARGS)

merge: setup ## join the runs of several machines or shards, ARGS="DIR…"
	@$(MATRIX) merge $(ARGS)

table: setup ## the newest run's table again
	@$(MATRIX) table $(ARGS)

publish: setup ## the newest run as a page, README, tables and charts in results/published
	@$(MATRIX) publish $(ARGS)

doctor: setup ## what this machine offers, what is missing, and how to fix it
	@$(MATRIX) doctor $(ARGS)

clean: setup ## remove this project's containers and images, nobody else's
	@$(MATRIX) clean $(ARGS)

lint: setup-dev ## ruff, mypy and import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

test: setup-tests lint ## lint, unit tests and the page in Chromium, then integration tests on a real engine
	@# Without root it goes on without what is missing: tests that need root are left out.
	@$(MATRIX) doctor --install >&2 || [ "$$(id -u)" != 0 ]
	@$(HELD) .venv/bin/python -m pytest tests/unit tests/packages tests/browser --numprocesses auto \
		--cov --cov-report= --cov-fail-under=0 $(ARGS)
	@# Those that have the engine to themselves come first: they make the images that all use.
	@$(HELD) .venv/bin/python -m pytest tests/integration -m alone \
		--cov --cov-append --cov-report= --cov-fail-under=0 $(ARGS)
	@# The others mostly wait, for containers and loads.
	@$(HELD) .venv/bin/python -m pytest tests/integration -m "not alone" --numprocesses 3 \
		--dist loadfile --no-loadscope-reorder \
		--cov --cov-append --cov-report=term-missing:skip-covered $(ARGS)

examples: setup-tests ## measure the applications of examples/ as a user would (one: ARGS="-k NAME")
	@$(MATRIX) doctor --install >&2
	@$(HELD) .venv/bin/python -m pytest tests/examples $(ARGS)

engines: setup-tests ## a run from end to end on each Docker and Podman that Debian has, as root
	@$(MATRIX) doctor --install >&2
	@$(HELD) .venv/bin/python -m pytest tests/engines $(ARGS)

chaos: setup-dev ## runs that things happen to at random moments, as root, ARGS="--faults N --seed S --hours H"
	@$(HELD) .venv/bin/python -m tests.chaos $(ARGS)

fuzz: setup-dev ## inputs that nobody would write, ARGS="--inputs N --seed S --hours H"
	@$(HELD) .venv/bin/python -m tests.fuzz $(ARGS)

bench: setup-dev ## figures of the runner itself, measured side by side
	@$(HELD) .venv/bin/python -m bench $(ARGS)

docs: setup-dev ## bring what README and docs quote of published runs in step with them
	@.venv/bin/python -m tools.quote

lock: setup ## renew the locked requirements
	@for group in "" -dev; do .venv/bin/uv pip compile pyproject.toml --group build $${group:+--group dev} --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -q -o requirements$$group.lock; done
	@.venv/bin/uv pip compile tests/otava.in --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade -q -o tests/otava.lock

setup:
	@$(PYTHON) bootstrap.py

setup-run:
	@$(PYTHON) bootstrap.py --for run

setup-dev:
	@$(PYTHON) bootstrap.py --dev

setup-tests:
	@$(PYTHON) bootstrap.py --dev --for tests
