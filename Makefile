# Every target does its own set-up: Python 3.11 or newer and make are all that a machine needs.
# Packages come pinned and checked against the hashes in requirements*.txt; nothing is built from
# source but Tierline itself.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINNED := $(PIP) --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-long test-sdk lint bench bench-delivery bench-cluster fuzz cluster-rounds contract lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.runtime  ## the seeds' customers walk the tiers, webhooks arrive (ARGS=--json)
	@$(BIN)/tierline demo $(ARGS)

serve: $(VENV)/.runtime  ## a server on 127.0.0.1:8080 that may send to this machine (ARGS=…)
	@$(BIN)/tierline serve --allow-address 127.0.0.0/8 --allow-address ::1/128 $(ARGS)

test: lint  ## lint, strict types and the suite but for what takes long (ARGS=-x)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

test-long: $(VENV)/.dev  ## browsers, kills, restarts, commands in processes of their own
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal \
	  -m 'long and not node and not programs and not slow and not sdk and not contract' $(ARGS)

test-sdk: $(VENV)/.dev $(VENV)/.sdk  ## vendors' own SDKs and clients run a program's life; needs Node.js
	$(BIN)/python -m pytest -m sdk $(ARGS)

lint: $(VENV)/.dev  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev  ## ingest, import, sweep and preview beside their floors (BIG=1)
	BIG=$(BIG) $(BIN)/python -m benchmarks $(ARGS)

bench-delivery: $(VENV)/.dev  ## webhook delivery beside its floor
	$(BIN)/python -m benchmarks.delivery $(ARGS)

bench-cluster: $(VENV)/.dev  ## a Citus cluster beside one PostgreSQL (CITUS_BIN=… ARGS=…)
	$(BIN)/python -m benchmarks.bench_cluster $(if $(CITUS_BIN),--citus-bin $(CITUS_BIN)) $(ARGS)

fuzz: $(VENV)/.dev  ## random histories against the slow reference evaluator (ARGS=…)
	$(BIN)/python -m tests.fuzz $(ARGS)

cluster-rounds: $(VENV)/.dev  ## kill the nodes of a Citus cluster under load, and count (CITUS_BIN=…)
	$(BIN)/python -m tests.cluster_rounds $(if $(CITUS_BIN),--citus-bin $(CITUS_BIN)) $(ARGS)

contract: $(VENV)/.dev $(VENV)/.contract  ## other people's tools against a live server (CASES=1000000)
	$(BIN)/python -m tests.contract $(if $(CASES),--cases $(CASES)) $(ARGS)

lock: $(VENV)/.dev  ## renew requirements*.txt within the ranges of pyproject.toml
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	.ci/lock $(VENV)/lock/bin/uv $(ARGS)

clean:  ## remove what the other targets made, but no data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.runtime: requirements.txt requirements-build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Tierline needs Python 3.11 or newer; name one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo 'This Python cannot make a venv; on Debian: apt-get install python3-venv' >&2; exit 1; }
	$(PINNED) -r requirements.txt -r requirements-build.txt
	$(PIP) --no-deps --no-index --no-build-isolation -e .
	@touch $@

# The Python SDK has no wheel, so it is built; its environment is its own.
SDK := tests/vendors/voucherify_api/sdk
LION := tests/vendors/loyaltylion_api/clients
$(VENV)/.sdk: requirements-sdk.txt $(SDK)/package-lock.json $(LION)/package-lock.json
	@$(PYTHON) -m venv $(VENV)/sdk
	$(VENV)/sdk/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	npm ci --prefix $(SDK) --ignore-scripts --no-audit --no-fund --silent
	npm ci --prefix $(LION) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(PINNED) -r requirements-dev.txt
	@touch $@

$(VENV)/.contract: $(VENV)/.runtime requirements-contract.txt
	$(PYTHON) -m venv $(VENV)/contract
	$(VENV)/contract/bin/python -m pip --disable-pip-version-check install --quiet \
	  --require-hashes --only-binary :all: -r requirements-contract.txt
	@touch $@
