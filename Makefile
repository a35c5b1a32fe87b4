# Every target does its own set-up: an environment inside this folder, from uv.lock. Needs make and Python 3.11+.
# Runs the same in a checkout and in an unpacked sdist.

# The interpreter to build the environments with; empty looks for one.
PYTHON ?=
# More arguments for pytest, such as: make test PYTEST_ARGS="-x tests/gateway"; with -n 0 all runs in one process.
PYTEST_ARGS ?=
VENV ?= .venv
VENV_AIRFLOW2 ?= .venv-airflow2
VENV_BENCH ?= .venv-bench
VENV_CLUSTER ?= .venv-cluster
VENV_RELEASE ?= .venv-release
VENV_DOCS ?= .venv-docs

# Without compiled bytecode Airflow starts at half the speed; containers often forbid it.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON

# As in an activated environment: tests and DAGs call commands such as `airflow` by name. Recipes `exec` it, so that a
# signal to make reaches the command, not a shell in between.
in = env PATH="$(abspath $(1))/bin:$$PATH" $(1)/bin/python -m

# Two processes: the tests that need a real Airflow mostly wait for it (see tests/conftest.py).
SIDE_BY_SIDE = -n 2 --dist loadscope --no-loadscope-reorder

# Some tests need a browser. CI installs one; on a machine without, these tests are left out.
IN_A_BROWSER = tests/emulator/test_inbox.py tests/system/test_ui.py
WITHOUT_BROWSER = $(if $(shell command -v chromedriver),,$(IN_A_BROWSER:%=--ignore=%))

# What `make test-fast` leaves out: the tests that run Airflow or start many processes. Anything new is in, unless it is here.
SLOW = tests/system tests/emulator tests/airflow/sending tests/airflow/waiting \
    tests/airflow/alarms/test_notifier_storm.py tests/airflow/alarms/test_dag_processor.py
WITHOUT_SLOW = $(SLOW:%=--ignore=%) --ignore-glob='tests/airflow/test_*.py'

SET_UP = sh .ci/venv $(VENV) --extra emulator --group test --group lint --group airflow3

SET_UP_RELEASE = sh .ci/venv $(VENV_RELEASE) --no-install-project --group release
# With the newest Airflow: what an installation without constraints gets.
uv = $(call in,$(VENV_RELEASE)) uv --quiet $(1) --frozen --extra emulator --group airflow3

.DEFAULT_GOAL := help
.PHONY: help set-up demo test test-fast test-airflow2 test-contrary test-compat test-cluster lint docs pictures bench \
    contract-live dist audit sbom clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

set-up: ## Make the environment, or bring it up to date; all other targets do so by themselves
	@$(SET_UP)

demo: ## Send an SMS through a real Airflow to the emulator, in about two minutes
	@$(SET_UP)
	@exec $(call in,$(VENV)) tests.system.demo

test: ## Run all tests on Airflow 3
	@$(SET_UP)
	$(if $(WITHOUT_BROWSER),@echo "Without chromium and chromedriver the tests of the inbox page and of Airflow's UI are left out.")
	exec $(call in,$(VENV)) pytest $(SIDE_BY_SIDE) $(WITHOUT_BROWSER) $(PYTEST_ARGS)

test-fast: ## Run the tests that need no Airflow process, in under a minute: core, contract, alarms' core
	@$(SET_UP)
	exec $(call in,$(VENV)) pytest $(SIDE_BY_SIDE) $(WITHOUT_SLOW) $(PYTEST_ARGS)

test-airflow2: ## Run the tests of the core, the hook, the operators and the sensor on Airflow 2.11
	@PYTHON_BELOW=13 sh .ci/venv $(VENV_AIRFLOW2) --extra emulator --group test --group airflow2
	exec $(call in,$(VENV_AIRFLOW2)) pytest tests/gateway tests/airflow $(PYTEST_ARGS)

# Each switch of the emulator set to its other value: undocumented behaviour may also be like this.
CONTRARY = empty_put=refused repeats=merged list_order=oldest put_status=201 custom_echo=string envelope=present send_times=accepted

test-contrary: ## Run the provider's tests against a gateway whose undocumented behaviour is the opposite
	@$(SET_UP)
	exec $(call in,$(VENV)) pytest $(SIDE_BY_SIDE) tests/airflow $(CONTRARY:%=--messaggisms-personality=%) $(PYTEST_ARGS)

# Such as CELLS="2.11.2 3.3.2/3.13" and COLUMNS="provider examples"; without them all that tests/compat knows.
test-compat: ## Try the wheel beside each Airflow and Python that is supported, and print a table; takes long
	@$(SET_UP)
	exec $(call in,$(VENV)) tests.compat $(if $(CELLS),--cells "$(CELLS)") $(if $(COLUMNS),--columns "$(COLUMNS)")

# Such as SCENES="workers waits" and SENDS=40; without them all that tests/cluster knows, with 100 sends a scene.
test-cluster: ## Try the promises on a cluster (PostgreSQL, Redis, Celery) whose parts are killed; takes long
	@sh .ci/venv $(VENV_CLUSTER) --extra emulator --group test --group airflow3 --group cluster
	@exec $(call in,$(VENV_CLUSTER)) tests.cluster $(if $(SCENES),--scenes "$(SCENES)") $(if $(SENDS),--sends $(SENDS))

lint: ## Check style, format and types
	@$(SET_UP)
	$(call in,$(VENV)) ruff check; check=$$?; \
	$(call in,$(VENV)) ruff format --check; format=$$?; \
	$(call in,$(VENV)) mypy && [ $$check = 0 ] && [ $$format = 0 ]

docs: ## Build the pages in docs/ into build/docs
	@sh .ci/venv $(VENV_DOCS) --extra emulator --group docs --group airflow3
	exec $(call in,$(VENV_DOCS)) sphinx -W --keep-going -q -b html docs build/docs
	@echo "Built build/docs/index.html"

pictures: ## Take the pictures in docs/ anew, from a real Airflow and the emulator (needs chromium and chromedriver)
	@$(SET_UP)
	@exec $(call in,$(VENV)) tests.system.pictures

bench: ## Measure import, sending and waiting beside other providers
	@sh .ci/venv $(VENV_BENCH) --extra emulator --group test --group airflow3 --group benchmarks
	exec $(call in,$(VENV_BENCH)) tests.benchmarks

contract-live: ## Answer the open questions at the vendor's sandbox (needs a token; asks before it spends)
	@$(SET_UP)
	@exec $(call in,$(VENV)) tests.contract.live

dist: ## Build wheel and sdist, twice and the same, and check them
	@$(SET_UP_RELEASE)
	@exec env PATH="$(abspath $(VENV_RELEASE))/bin:$$PATH" sh .ci/dist

# --strict: what the index knows no answer about is an error, not "no known vulnerabilities".
audit: ## Check the workflows, and ask for known vulnerabilities in what is locked (asks the package index about each)
	@$(SET_UP_RELEASE)
	@mkdir -p build
	$(VENV_RELEASE)/bin/zizmor --offline .github/workflows
	$(call uv,export) --format requirements-txt --no-emit-project --no-annotate > build/locked.txt
	exec $(call in,$(VENV_RELEASE)) pip_audit --requirement build/locked.txt --require-hashes --disable-pip --strict

sbom: ## Write build/sbom.cdx.json: what the package is made of, as it is locked (CycloneDX)
	@$(SET_UP_RELEASE)
	@mkdir -p build
	$(call uv,export) --format cyclonedx1.5 > build/sbom.cdx.json

clean: ## Remove what the other targets made
	rm -rf .venv .venv-* .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
	find airflow_provider_messaggisms dags_examples tests -name __pycache__ -type d -prune -exec rm -rf {} +
