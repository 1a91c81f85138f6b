# `make` lists what can be done. Works with GNU make 3.81 (macOS) and later.
# DATASET=movielens|retailrocket|amazon|movies  DATA=folder with its files  ROWS=size of a synthetic stand-in

VERSION := 0.1.0
DATASET ?= movielens
DATA    ?=
ROWS    ?=

VENV   := .venv
BIN    := $(VENV)/bin
SARAN  := $(BIN)/saran
# Any Python can run the preflight; it finds the one to use.
ANY_PYTHON := $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(shell command -v $(name) 2>/dev/null)))
PREFLIGHT  := $(or $(ANY_PYTHON),python3) scripts/preflight.py
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV     := $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
PARTS  := libs/core libs/client libs/sql apps/producer apps/spark apps/api apps/dashboard apps/cli
SOURCES := libs apps tests bench scripts charts
DEMO   := --dataset "$(DATASET)" $(if $(DATA),--data "$(DATA)") $(if $(ROWS),--rows $(ROWS))

RUN_STAMP := $(VENV)/.ready-run
DEV_STAMP := $(VENV)/.ready-dev

# The demo counts its seconds from here, so that preflight and setup are in them.
export SARAN_STARTED_AT := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help preflight setup setup-dev jars demo demo-check up down status test check format generate lock lock-jars \
	bench-ingest bench-api bench-sse bench-train bench-retrieval bench-pages mlflow-ui images kind-preflight kind-up kind-down purge e2e clean clean-all

help: ## List the targets
	@if [ -t 1 ] && [ -z "$$NO_COLOR" ]; then on=$$(printf '\033[1m'); off=$$(printf '\033[0m'); fi; \
	awk -v on="$$on" -v off="$$off" 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %s%-16s%s %s\n", on, $$1, off, $$2}' $(MAKEFILE_LIST)

preflight: ## Check this machine, and say what will be fetched
	@$(PREFLIGHT)

setup: $(RUN_STAMP) ## Make the environment that the platform runs in

setup-dev: $(DEV_STAMP) ## The same with what tests and checks need

$(RUN_STAMP): requirements/run.txt requirements/java.txt $(addsuffix /pyproject.toml,$(PARTS))
	@$(PREFLIGHT) --venv $(VENV)
	$(PIP) install --require-hashes -r requirements/run.txt
	@if $(PREFLIGHT) --has-java; then :; else $(PIP) install --require-hashes -r requirements/java.txt; fi
	$(PIP) install --quiet --no-deps --no-build-isolation $(addprefix -e ,$(PARTS))
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

jars: $(RUN_STAMP) ## Fetch the Java libraries
	@$(SARAN) jars

demo: ## From a file of events to live recommendations, until Ctrl-C (DATASET=, DATA=)
	@$(PREFLIGHT)
	@$(MAKE) --no-print-directory setup
	@$(SARAN) demo $(DEMO)

demo-check: ## The same without staying; fails when a figure is wrong
	@$(PREFLIGHT)
	@$(MAKE) --no-print-directory setup
	@$(SARAN) demo --check $(DEMO)

up: $(RUN_STAMP) ## Start the platform in the background
	@$(SARAN) up --detach

down: $(RUN_STAMP) ## Stop the platform
	@$(SARAN) down

status: $(RUN_STAMP) ## Show what runs
	@$(SARAN) status

test: ## Install what tests need and run them all (ARGS= goes to pytest)
	@$(PREFLIGHT) --dev
	@$(MAKE) --no-print-directory setup-dev jars
	$(BIN)/python -m pytest $(ARGS)

check: $(DEV_STAMP) ## Lint, formatting, types, drift of generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python scripts/generate.py --check
	@if command -v helm >/dev/null; then $(BIN)/python -m charts.render --check; \
		else echo "no helm in PATH: whether the charts' generated files are current was not checked"; fi

format: $(DEV_STAMP) ## Put the source into its form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

generate: $(DEV_STAMP) ## Write the generated files
	$(BIN)/python scripts/generate.py
	@if command -v helm >/dev/null; then $(BIN)/python -m charts.render; fi

LOCKED_LIKE_RUN := dev bench api dashboard producer spark image-build
LOCK := pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock: $(RUN_STAMP) ## Lock the Python packages anew (UPGRADE=1 takes newer ones)
	@test -x "$(UV)" || $(PIP) install --quiet uv
	$(UV) $(LOCK) $(if $(UPGRADE),--upgrade) requirements/run.in -o requirements/run.txt
	@for one in $(LOCKED_LIKE_RUN); do echo "locking $$one"; \
		$(UV) $(LOCK) $(if $(UPGRADE),--upgrade) -c requirements/run.txt requirements/$$one.in -o requirements/$$one.txt || exit 1; done
	for one in java mlflow; do $(UV) $(LOCK) $(if $(UPGRADE),--upgrade) requirements/$$one.in -o requirements/$$one.txt || exit 1; done

lock-jars: $(RUN_STAMP) ## Lock the Java libraries anew
	@$(SARAN) jars --lock

bench-ingest: $(RUN_STAMP) ## Events a second of loading and ingesting, against Kafka's own tool and a plain copy
	@$(SARAN) jars kafka tools spark
	$(BIN)/python -m bench.ingest $(ARGS)

bench-api: $(RUN_STAMP) ## Requests a second of the hot endpoints, against a constant answer
	@$(SARAN) jars
	$(BIN)/python -m bench.api $(ARGS)

bench-sse: $(RUN_STAMP) ## From an event to the new list on a stream, with 500 streams on one worker
	@$(SARAN) jars
	$(BIN)/python -m bench.sse $(ARGS)

bench-train: $(RUN_STAMP) ## Seconds an iteration of the recommender's solver, against implicit and MLlib
	@$(SARAN) jars spark
	$(PIP) install --quiet --require-hashes -r requirements/bench.txt
	$(BIN)/python -m bench.train $(ARGS)

bench-retrieval: $(RUN_STAMP) ## Time, recall and memory of lists from 10,000 to 1.4 million items, exact and by the index
	$(BIN)/python -m bench.retrieval $(ARGS)

bench-pages: $(DEV_STAMP) ## Seconds until each page of the dashboard is there, in Chromium, over 2.7 M synthetic events
	@$(SARAN) jars
	$(BIN)/python -m bench.pages $(ARGS)

images: ## Build the container images (needs Docker; BASE_IMAGE= takes another Python)
	@for one in api dashboard mlflow producer spark; do echo "building saran/$$one"; \
		docker build --quiet $(if $(BASE_IMAGE),--build-arg BASE_IMAGE="$(BASE_IMAGE)") -f images/$$one/Dockerfile -t saran/$$one:$(VERSION) . || exit 1; \
		docker image inspect --format '{{.Size}}' saran/$$one:$(VERSION) \
			| awk -v name=saran/$$one '{ printf "%s has %.0f MB\n", name, $$1 / 1e6 }'; done

MLFLOW_VENV := $(VENV)-mlflow
MLFLOW_PORT ?= 5000

$(MLFLOW_VENV)/.ready: requirements/mlflow.txt
	@$(PREFLIGHT) --venv $(MLFLOW_VENV)
	$(MLFLOW_VENV)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r requirements/mlflow.txt
	@touch $@

mlflow-ui: $(MLFLOW_VENV)/.ready ## Show a laptop's model registry on 127.0.0.1 (installs MLflow's server once; MLFLOW_PORT=)
	@home="$${SARAN_HOME:-.saran}"; [ -f "$$home/mlflow/mlflow.db" ] || \
		{ echo "no registry in $$home yet: train first, with $(SARAN) train recommender"; exit 1; }; \
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(MLFLOW_VENV)/bin/mlflow server \
		--backend-store-uri "sqlite:///$$(cd "$$home" && pwd)/mlflow/mlflow.db" --host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1

CLUSTER := $(or $(ANY_PYTHON),python3) -m scripts.cluster --version $(VERSION)
export KIND_CLUSTER KIND_CONFIG OPERATORS WITHOUT IMAGES BASE_IMAGE NAMESPACE RELEASE YES KUBE_CONTEXT

kind-preflight: ## Check that a cluster can be made on this machine
	@$(CLUSTER) preflight

kind-up: ## Make a kind cluster with operators and images (KIND_CLUSTER=, OPERATORS=no, WITHOUT=traefik, IMAGES=no)
	@$(CLUSTER) up

kind-down: ## Delete that kind cluster, and nothing else
	@$(CLUSTER) down

purge: ## Delete an installation with all its data (NAMESPACE=shop, YES=1 does not ask)
	@$(CLUSTER) purge

e2e: $(DEV_STAMP) ## Test an installation on the kubeconfig's cluster (NAMESPACE=shop, RELEASE=, ARGS=)
	SARAN_E2E_NAMESPACE="$(or $(NAMESPACE),shop)" SARAN_E2E_RELEASE="$(or $(RELEASE),$(NAMESPACE),shop)" \
		$(BIN)/python -m pytest tests/e2e -m cluster -v $(ARGS)

clean: ## Remove what checks and tests leave behind
	@$(or $(ANY_PYTHON),python3) scripts/clean.py

clean-all: ## Stop the platform and remove everything it ever made
	@home="$${SARAN_HOME:-.saran}"; for one in "$$home" "$$home"/*; do \
		if [ -x $(SARAN) ] && [ -f "$$one/run/state.json" ]; then $(SARAN) down --home "$$one" || exit 1; fi; done
	@$(or $(ANY_PYTHON),python3) scripts/clean.py --all
