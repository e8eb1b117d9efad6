# Every target makes .venv itself, with python3's own venv and pip; `make` alone lists the targets.

PYTHON ?= python3
# Test processes at once, and more arguments for pytest: make test JOBS=4 ARGS="tests/lake -x"
JOBS ?= 2
ARGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-all test-ui chaos lint format bench constraints clean

VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo-installed
DEV := $(VENV)/.dev-installed
UI := $(VENV)/.ui-installed
DEV_EXTRAS := torch,vision,s3,postgres,serving,demo,dev
UI_EXTRAS := $(DEV_EXTRAS),ui

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO) ## train three models on the real flights of 2013, and predict a month
	@$(BIN)/nightshift demo

test: $(DEV) ## run the tests, but for the slow, the destructive and the browser's
	@$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not chaos and not slow and not ui" $(ARGS)

test-all: $(DEV) ## run every test there is, but for the browser's
	@$(BIN)/pytest -n $(JOBS) --dist loadfile --timeout 900 -m "not ui" $(ARGS)

test-ui: $(UI) ## start a night from Prefect's own pages, in a real browser
	$(browser)
	@$(BIN)/pytest -m ui tests/ui $(ARGS)

chaos: $(DEV) ## run the tests that kill processes and break storage in mid-run
	@$(BIN)/pytest --timeout 900 -m chaos $(ARGS)

lint: $(DEV) ## check style, format, types, the directions of imports and prefect.yaml
	@status=0; \
	for check in "ruff check --output-format concise" "ruff format --check --output-format concise" mypy "lint-imports --no-logo" "python -m deployments.prefect_yaml"; do \
	  echo "== $$check"; $(BIN)/$$check || status=1; \
	done; \
	exit $$status

format: $(DEV) ## put style and format right where that can be done by itself
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

bench: $(DEV) ## run every benchmark
	@status=0; \
	for script in $$(grep -l '^from harness import' benchmarks/*.py); do \
	  echo "== $$script"; $(BIN)/python "$$script" || status=1; \
	done; \
	exit $$status

constraints: ## resolve every dependency anew and write constraints.txt
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	echo "Resolving the newest versions that pyproject.toml allows (some minutes) ..."; \
	$(PYTHON) -m venv "$$scratch/venv"; \
	"$$scratch/venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input -e '.[$(UI_EXTRAS)]'; \
	{ echo "# Every version that a full install resolved to, so that each machine gets the same ones."; \
	  echo "# Regenerated with \`make constraints\`, which installs all extras into a fresh environment; never edited by hand."; \
	  "$$scratch/venv/bin/python" -m pip freeze --all --exclude-editable \
	    | grep -vE '^(pip|triton|nvidia-[^=]*|cuda-[^=]*)==' | sed 's/+.*//' | LC_ALL=C sort -f; \
	} > "$$scratch/constraints.txt"; \
	cp "$$scratch/constraints.txt" constraints.txt; \
	echo "constraints.txt now holds $$(grep -c == constraints.txt) versions."

clean: ## remove the environment, the caches and .nightshift (local data and models too)
	@if [ -x $(BIN)/nightshift ] && [ -d .nightshift ]; then \
	  NIGHTSHIFT_HOME="$(CURDIR)/.nightshift" $(BIN)/nightshift down > /dev/null 2>&1 \
	    || echo "could not stop the local stack; is one still running?" >&2; \
	fi
	@rm -rf $(VENV) .nightshift build dist ./*.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis benchmarks/out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are made last, so an install that failed or was stopped is run again.
$(DEMO): pyproject.toml constraints.txt
	$(call install,demo,1 to 3 minutes and 1.3 GB of disk the first time)
	@touch $@

$(DEV): pyproject.toml constraints.txt
	$(call install,$(DEV_EXTRAS),2 to 5 minutes and 2.5 GB of disk the first time)
	@touch $(DEMO) $@

$(UI): pyproject.toml constraints.txt
	$(call install,$(UI_EXTRAS),2 to 5 minutes and 2.6 GB of disk the first time)
	@touch $(DEMO) $(DEV) $@

# The same names as in tests/ui: the browser is the system's, since Playwright's own comes from outside the package registry.
define browser
@for name in chromium chromium-browser google-chrome; do \
  if command -v $$name > /dev/null; then exit 0; fi; \
done; \
if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
  echo "make test-ui needs a browser that is not here; as root: apt-get install chromium" >&2; exit 1; \
fi; \
echo "installing the system package chromium"; \
apt-get update -qq; \
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null
endef

define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Nightshift needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing Nightshift and its libraries into $(VENV): $(2) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
	    -c constraints.txt -e '.[$(1)]' > $(VENV)/install.log 2>&1 \
	  || { tail -n 20 $(VENV)/install.log; \
	       echo "The installation failed; the end of $(VENV)/install.log is above. Run the same command to try again."; \
	       exit 1; } >&2
endef
