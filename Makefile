# `make` alone lists what can be done here. Every target sets up what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The demo's own settings; `make demo PORT=9000 SANDBOX_PORT=9001 DATA_DIR=/tmp/demo` changes them.
export PORT SANDBOX_PORT DATA_DIR
PORT ?= 8000
SANDBOX_PORT ?= 12111
DATA_DIR ?= var
# The year's: which one, how many of them, and among how many readers.
SEED ?= 1
SEEDS ?= 1
READERS ?= 200

.PHONY: help demo test test-postgresql year check bench format lock clean

help:  ## List what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## The whole house on this machine: site, worker, beat and an offline Stripe
	@exec $(BIN)/python -m config.demo

test: $(READY)  ## All tests on SQLite, in parallel
	$(BIN)/python -m pytest -n auto --dist loadgroup --durations=10

# The offline Stripe has no database, and the demo brings its own; what pages do in a browser, what headers say, and what
# stands in documents and sources is the same above each.
NO_DATABASE := $(foreach place,sandbox widget journeys/test_demo.py journeys/test_reminders_in_the_demo.py \
	config/test_headers.py config/test_cors.py test_documents.py test_exact_money.py test_one_clock.py,--ignore=tests/$(place)) \
	--ignore-glob='tests/*/test_*in_a_browser.py'

test-postgresql: $(READY)  ## The tests on PostgreSQL and Redis (TEST_DATABASE_URL, TEST_BROKER_URL)
	DATABASE_URL="$${TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/sustainer}" \
	CELERY_BROKER_URL="$${TEST_BROKER_URL:-redis://127.0.0.1:6379/15}" \
	$(BIN)/python -m pytest -n auto --dist loadgroup --durations=10 $(NO_DATABASE)

year: $(READY)  ## Play a year of gifts and compare Stripe's books with ours (SEED=n READERS=n SEEDS=n)
	@$(BIN)/python -m tests.year --seed $(SEED) --seeds $(SEEDS) --readers $(READERS)

check: $(READY)  ## Format, lint, types, import contracts, migrations, deploy checks, API schema, translations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	DEBUG=True $(BIN)/python manage.py makemigrations --check --dry-run
	@sh docs/deploy-check.sh $(BIN)/python
	DEBUG=True $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.new.yaml
	@cmp -s docs/openapi.yaml docs/openapi.new.yaml || { echo "docs/openapi.yaml is out of date: make schema"; rm docs/openapi.new.yaml; exit 1; }
	@rm -f docs/openapi.new.yaml

schema: $(READY)  ## Write the API's description to docs/openapi.yaml
	DEBUG=True $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

bench: $(READY)  ## Measure, beside the limits of this machine, on PostgreSQL (BENCH_DATABASE_URL)
	$(BIN)/python -m benchmarks

format: $(READY)  ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)  ## Compile requirements/*.in into pinned requirements, with hashes
	@for name in bootstrap runtime development; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:  ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) var staticfiles .mypy_cache .ruff_cache .hypothesis

# pip brings uv, and uv brings the rest within seconds; where uv cannot be had, pip does it alone.
$(READY): requirements/development.txt requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Sustainer needs Python 3.11 or newer; set PYTHON=/path/to/it."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what is pinned in requirements/ ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt \
	  && $(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/development.txt \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $(READY)
