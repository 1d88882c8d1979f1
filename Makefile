# What you need: Python 3.11 or newer with its venv module, and make. `make run` does the rest.
#
#   make run [ARGS="--host 0.0.0.0 --port 9000"]    make test [ARGS="-k handshake"]

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo test test-browser faults lint format types bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Installs a lock file when it differs from the one that was installed last (its copy in the environment).
define install_lock
	@$(find_python); \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		echo "Creating $(VENV) with $$("$$python" --version)"; \
		rm -rf $(VENV) && "$$python" -m venv $(VENV) || exit 1; \
	fi; \
	if ! cmp -s $(1) $(VENV)/$(1); then \
		echo "Installing $(1) (about a minute)"; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r $(1) \
			|| { echo "The packages could not be installed: see the message above." >&2; exit 1; }; \
		cp $(1) $(VENV)/$(1); \
	fi
endef

# Sets $python: $PYTHON, else the newest suitable one on PATH; not looked for when the environment works.
define find_python
	python=; seen=; \
	if $(BIN)/python -c 'import pip' 2>/dev/null; then python=$(BIN)/python; fi; \
	for name in "$(PYTHON)" python3 python3.11 python3.12 python3.13 python3.14 python; do \
		[ -z "$$python" ] && [ -n "$$name" ] || continue; \
		version=$$("$$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then python=$$name; \
		else seen="$$seen $$name is $$version;"; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed and was not found.$$seen Install it, or name one: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null && [ "$$python" != $(BIN)/python ]; then \
		echo "$$python has no venv module. On Debian or Ubuntu: apt install python3-venv" >&2; \
		exit 1; \
	fi
endef

install: ## Create .venv and install the locked packages
	$(call install_lock,requirements.lock)

install-dev:
	$(call install_lock,requirements-dev.lock)

run: install ## Migrate, create the first admin and serve
	@exec $(BIN)/python manage.py up $(ARGS)

demo: install ## The same with a demo tenant and simulated chargers
	@exec $(BIN)/python manage.py up --demo $(ARGS)

test: install-dev ## Run the tests on SQLite, or on TEST_DATABASE_URL and TEST_REDIS_URL
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not browser and not faults" $(ARGS)

test-browser: install-dev ## Run the tests that drive a browser (needs Chromium)
	$(BIN)/python -m pytest -m browser $(ARGS)

faults: install-dev ## Break things for up to 20 minutes (needs PostgreSQL and Redis); FAULTS=short takes four
	FAULTS=$${FAULTS:-long} $(BIN)/python -m pytest -m faults $(ARGS)

lint: install-dev ## Style, import contracts, migrations and system checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run

format: install-dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install-dev ## mypy --strict
	$(BIN)/mypy

bench: install ## Measure everything on a throw-away PostgreSQL (docs/performance.md)
	$(BIN)/python -m tests.bench $(ARGS)

clean: ## Remove the environment and all caches; the data in var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
