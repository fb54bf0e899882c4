# Spillway. `make help` lists what there is.
PYTHON = .venv/bin/python
PYTEST = $(PYTHON) -m pytest
export PYTHONPATH = $(CURDIR)

.DEFAULT_GOAL = help
.PHONY: help setup up down status logs demo test test-quick test-long test-unit test-crash test-dags test-stack test-browser test-compose torture mutants lint types lock dag-docs config-docs event-docs bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

setup:  ## install everything: apt, Python packages, Kafka's jars (safe to run again)
	@./stack/setup.sh

up: setup  ## start the whole stack; what runs is left alone
	@$(PYTHON) -m stack up

down:  ## stop the stack
	@$(PYTHON) -m stack down

status:  ## what runs, on which ports, and where the passwords are
	@$(PYTHON) -m stack status

logs:  ## logs of the stack: make logs s=kafka
	@$(PYTHON) -m stack logs $(s)

demo: setup  ## the main job: events through a killed Kafka, counted at the end
	@$(PYTHON) -m stack.demo

# Workers of a run of all tests. They wait more than they compute, so there are more than this project's two cores.
WORKERS = 4
# Of tests that compute: each worker more collects all tests once more.
QUICK_WORKERS = 2

test: setup  ## everything that CI checks
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types
	$(PYTEST) -q -n $(WORKERS)

test-quick: setup  ## what needs no services: under 90 s
	$(PYTEST) -q -n $(QUICK_WORKERS) tests/unit tests/architecture tests/crash -m "not stack"

test-long: setup  ## every series whole, of which `make test` plays a third; writes docs/test-long.md
	$(PYTHON) -m tests.long_series --workers $(QUICK_WORKERS)

test-unit: setup  ## unit tests and architecture, no services
	$(PYTEST) -q tests/unit tests/architecture

test-crash: setup  ## kills, cuts, simulated power loss
	$(PYTEST) -q tests/crash

test-dags: setup  ## DAG policies and plugins
	$(PYTEST) -q tests/dags tests/plugins

test-stack: setup  ## with real Kafka, S3, databases, sshd
	$(PYTEST) -q tests/stack tests/contract

torture: setup  ## 200 randomised SIGKILLs under load on real Kafka and S3
	$(PYTHON) -m tests.torture --kills 200 --publish

mutants: setup  ## take each rule of safety out of the code and see a test fail; writes docs/mutants.md
	$(PYTHON) -m tests.mutants

test-browser: setup  ## every DAG's form in a real browser, as operator, viewer and administrator, on a whole stack
	@command -v chromium > /dev/null || apt-get install -y --no-install-recommends chromium
	$(PYTEST) -q tests/browser

test-compose: setup  ## the compose file in a real Docker engine: driven, killed, taken down (needs root, go 1.24, npm)
	@command -v dockerd debootstrap > /dev/null || apt-get install -y docker.io debootstrap
	$(PYTHON) -m tests.compose --folder .tools/engine --publish

lint: setup  ## style, layers, dependencies, generated files
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/deptry . --config pyproject.toml
	$(PYTHON) -m stack.locks
	$(PYTHON) -m plugins.dag_docs --check
	$(PYTHON) -m include.config_reference --check
	$(PYTHON) -m plugins.event_docs --check

types: setup  ## mypy, strict for spool/ and include/
	.venv/bin/mypy

lock: setup  ## compile requirements.in and requirements-dev.in into their locks
	.venv-uv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url requirements.in -o requirements.txt
	.venv-uv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.txt requirements-dev.in -o requirements-dev.txt

dag-docs: setup  ## write docs/DAGs.md from the DAGs
	$(PYTHON) -m plugins.dag_docs

config-docs: setup  ## write docs/settings.md and config/schemas/ from the descriptions of config/*.yml
	$(PYTHON) -m include.config_reference

event-docs: setup  ## write docs/events.md and docs/events.json from the types of all events.py
	$(PYTHON) -m plugins.event_docs

bench: setup  ## all benchmarks; results go to docs/benchmarks/
	$(PYTHON) -m benchmarks

clean: down  ## stop the stack and remove its data; tools and packages stay
	rm -rf .stack .pytest_cache .mypy_cache .ruff_cache .hypothesis
