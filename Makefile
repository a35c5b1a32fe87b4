# Every target does its own set-up: an environment inside the checkout, from uv.lock. Needs git, make and Python 3.11+.

# The interpreter to build the environments with; empty looks for one.
PYTHON ?=
# More words for pytest, such as: make test PYTEST_ARGS="-x tests/gateway"
PYTEST_ARGS ?=
VENV ?= .venv
VENV_AIRFLOW2 ?= .venv-airflow2
VENV_BENCH ?= .venv-bench

# Without compiled bytecode Airflow starts at half the speed; containers often forbid it.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON

SET_UP = @sh .ci/venv $(VENV) --extra emulator --group test --group lint --group airflow3

.DEFAULT_GOAL := help
.PHONY: help demo test test-airflow2 lint bench contract-live clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See an SMS travel through a real Airflow to the emulator, in about two minutes
	$(SET_UP)
	@$(VENV)/bin/python -m tests.system.demo

test: ## Run all tests on Airflow 3
	$(SET_UP)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

test-airflow2: ## Run the tests of the core, the hook, the operators and the sensor on Airflow 2.11
	@PYTHON_BELOW=13 sh .ci/venv $(VENV_AIRFLOW2) --extra emulator --group test --group airflow2
	$(VENV_AIRFLOW2)/bin/python -m pytest tests/gateway tests/airflow $(PYTEST_ARGS)

lint: ## Check style, format and types
	$(SET_UP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

bench: ## Measure import, sending and waiting beside other providers
	@sh .ci/venv $(VENV_BENCH) --extra emulator --group test --group airflow3 --group benchmarks
	$(VENV_BENCH)/bin/python -m pytest tests/benchmarks $(PYTEST_ARGS)

contract-live: ## Compare the emulator's contract with the vendor's sandbox (needs a token; may cost money)
	$(SET_UP)
	@: $${MESSAGGISMS_SANDBOX_TOKEN:?set it to a token of the sandbox} $${MESSAGGISMS_SANDBOX_RECIPIENT:?set it to your own number}
	$(VENV)/bin/python -m pytest -s tests/contract $(PYTEST_ARGS)

clean: ## Remove what the other targets made
	rm -rf .venv .venv-* .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
	find airflow_provider_messaggisms dags_examples tests -name __pycache__ -type d -prune -exec rm -rf {} +
