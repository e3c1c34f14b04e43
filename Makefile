# The one task file. `make` lists the targets.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := templates/specs/demo.yaml
CODE := sloth providers distributions addons templates tests
export SLOTH_CHECKOUT := $(CURDIR)

.PHONY: help setup up down test check lint types imports unit coverage explore clouds deep lab e2e long distributions bench docs picture descriptors lock fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: pyproject.toml requirements/dev.txt requirements/dev-sdist.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes --only-binary :all: -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes --no-deps --no-build-isolation -r requirements/dev-sdist.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/ready ## virtual environment with everything pinned

up: setup ## set up this machine and bring the demo cluster up (1 control plane + 2 workers)
	$(BIN)/sloth doctor --fix --yes
	$(BIN)/sloth up --file $(DEMO)

down: setup ## delete the demo cluster
	$(BIN)/sloth down --file $(DEMO) --yes

test: setup ## checks, unit tests, the real Pulumi engine, real clusters (a quarter of an hour)
	$(BIN)/python -m tests.run all

check: lint types imports ## ruff, mypy, import contracts

lint: setup
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: setup
	$(BIN)/mypy sloth providers distributions addons

imports: setup
	$(BIN)/lint-imports

unit: setup ## unit tests only (about four minutes)
	$(BIN)/python -m tests.run unit

coverage: setup ## unit tests, measured: the coverage gate
	$(BIN)/python -m tests.run coverage

explore: setup ## property tests with new random examples (1,000 where a test sets no number)
	$(BIN)/python -m tests.run explore

clouds: setup ## tests with the real Pulumi engine and fake clouds
	$(BIN)/python -m tests.run clouds

deep: setup ## coverage, kills at every step, clouds and clusters hurt (half an hour; CI runs it too)
	$(BIN)/python -m tests.run deep

lab: setup ## tests with real containers, no Kubernetes
	$(BIN)/python -m tests.run lab

e2e: setup ## tests with real clusters
	$(BIN)/python -m tests.run e2e

long: setup ## upgrades, restores and rotations on real clusters (a quarter of an hour)
	$(BIN)/python -m tests.run long

distributions: setup ## one story over kubeadm, K3s and RKE2, with stand-ins (half an hour)
	$(BIN)/python -m tests.run distributions

bench: setup ## measure; results with history in docs/benchmarks/
	$(BIN)/python -m tests.bench

docs: setup ## regenerate the spec reference and the golden files
	$(BIN)/pytest -q tests/contract/test_spec_schema.py tests/unit --update-golden

descriptors: setup ## the messages of Kubernetes' built-in kinds anew (needs Go): make descriptors KUBERNETES=v0.36.0
	$(BIN)/python -m tests.descriptors $(KUBERNETES)

picture: setup ## record the README's terminal picture from the real program
	$(BIN)/python -m tests.picture

fmt: setup ## format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

UV := uv pip compile --quiet --no-strip-extras --no-header --universal --python-version 3.11 --generate-hashes
lock: ## pin all dependencies anew (needs uv)
	$(UV) --group dev --extra keyring pyproject.toml -o requirements/dev.txt
	$(UV) --group dev-sdist --no-deps --constraint requirements/dev.txt -o requirements/dev-sdist.txt
	$(UV) --constraint requirements/dev.txt pyproject.toml -o requirements/runtime.txt

clean: ## remove what the targets made in this folder
	rm -rf $(VENV) build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
