# Every target is one line here; what it does lives in tested modules (tests/gate, controller/cli).
PYTHON ?= python3
VENV := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help packages setup setup-run demo run test unit fmt lint types imports crds generate verify faults bench image lock clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: packages ## Make .venv from the pinned requirements, and bring kubectl and Prometheus for the tests
	@$(PYTHON) -m tests.gate.environment dev cli-client
	@$(VENV) -m tests.gate.kubectl
	@$(VENV) -m tests.gate.prometheus

setup-run: ## Make .venv with only what the program needs
	@$(PYTHON) -m tests.gate.environment run

demo: setup-run ## Show the main job in the terminal: push, and it runs
	@$(VENV) -m examples.demo

run: setup-run ## Run everything on this machine (ptd local), in .cache/local
	@$(VENV) -m controller local --data .cache/local

test: setup ## Everything that must pass before a change lands
	@$(VENV) -m tests.gate.checks

packages: ## Install the Debian packages that the tests need (as root), or name them
	@.ci/packages

unit: setup ## The fast tests only
	@$(VENV) -m pytest -q tests/unit tests/repo

fmt: setup ## Format the code, and mend what the linter can
	@$(VENV) -m ruff check --fix-only --quiet .
	@$(VENV) -m ruff format .

lint: setup ## Lint and format check
	@$(VENV) -m tests.gate.checks format lint

types: setup ## Types
	@$(VENV) -m tests.gate.checks types

imports: setup ## The architecture's import contracts
	@$(VENV) -m tests.gate.checks imports

crds: setup ## Write the custom resource definitions to manifests/crds
	@$(VENV) -m tests.gate.generated crds

generate: setup ## Write every generated file
	@$(VENV) -m tests.gate.generated

verify: setup ## Fail if a generated file differs from what would be written
	@$(VENV) -m tests.gate.checks generated

faults: setup ## Crashes, lost answers, stale views, rivals, bad input: all of it (two hours)
	@$(VENV) -m tests.faults

bench: setup ## How fast the parts are, against a budget each
	@$(VENV) -m tests.bench
	@$(VENV) -m tests.bench.waiters
	@$(VENV) -m tests.bench.polling
	@$(VENV) -m tests.bench.deployments --large
	@$(VENV) -m tests.bench.rest

image: ## Build the container image of what is committed
	@$(PYTHON) -m tests.gate.image

lock: setup ## Pin the requirements anew, with hashes
	@$(VENV) -m tests.gate.locks

clean: ## Remove what set-up and tests left behind
	@rm -rf .venv .tools .cache build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
