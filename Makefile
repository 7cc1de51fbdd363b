PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
INSTALLED := .venv/.installed
E2E := tests/e2e

# Keys for settings that are checked but never served.
PRODUCTION := DATABASE_URL=postgres://tessera@localhost/tessera SIGNING_KEY_FILES=/dev/null EMBEDDED=0 \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')

.DEFAULT_GOAL := help
.PHONY: help install run test sqlite postgres check e2e bench lock clean

help: ## Tell what make can do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv from requirements.lock

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Tessera needs Python 3.11 or newer; PYTHON= names one" if sys.version_info < (3, 11) else 0)'
	@echo "Installing requirements.lock into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# A database of one's own is for trying out too: it gets generated keys in .data.
ifdef DATABASE_URL
run: export EMBEDDED ?= 1
endif
run: export REBILLY_MOUNT ?= /
run: export TICKETING_MOUNT ?= /
run: install ## Serve a demo on 127.0.0.1 (PORT=8000); data stays in .data, or in DATABASE_URL
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)))' 2>/dev/null || \
		{ echo "Port $(PORT) is taken; PORT= names another"; exit 1; }
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo --port $(PORT)
	@exec $(BIN)/granian --interface wsgi --no-ws --blocking-threads 4 --port $(PORT) config.wsgi:application

test: $(if $(T),,check) sqlite postgres ## Check everything and run the tests on both databases (T=path: only these)

check: install ## Lint, types, import directions, migrations, settings
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy .
	@told=$$($(BIN)/lint-imports --no-logo) || { echo "$$told"; exit 1; }
	@DATABASE_URL=sqlite://:memory: EMBEDDED=1 $(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

PYTEST := $(BIN)/pytest $(or $(T),-n logical --dist loadgroup)
# What no database has a say in need not run with a second one.
PURE := $(if $(T),,$(addprefix --ignore=tests/,promotions/engine commerce/test_outgoing.py test_newcomer.py test_project.py))

# Migrations run on PostgreSQL here, and on SQLite before every server that the tests start.
sqlite: install
	@echo "On SQLite"
	@env -u DATABASE_URL $(PYTEST) --no-migrations

postgres: install
	@echo "On PostgreSQL"
	@$(BIN)/python -m tests.postgres $(PYTEST) $(PURE)

e2e: install ## Run the official SDK and a browser against a running server (needs Node and Chromium)
	@for tool in node npm chromium; do command -v $$tool >/dev/null || \
		{ echo "make e2e needs $$tool (Debian: apt-get install nodejs npm chromium)"; exit 1; }; done
	@env -u DATABASE_URL $(BIN)/pytest $(or $(T),$(E2E)) -m e2e

bench: install ## Measure speed on PostgreSQL with a million coupons
	@$(BIN)/python -m tests.bench

lock: ## Resolve pyproject.toml into requirements.lock (delete it first to upgrade everything)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder"; "$$folder/bin/pip" install -qq --disable-pip-version-check uv; \
	"$$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--group dev pyproject.toml --output-file requirements.lock

clean: ## Remove what can be made again; the data in .data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(E2E)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
