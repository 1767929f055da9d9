# The commands of a working day. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
DEV := .cache/env/dev/bin
ML := .cache/env/ml/bin

# SECONDS is bash's own clock too: it reaches the recipes under another name, or the shell would count on it.
DEMO_SECONDS := $(SECONDS)
DEMO_RATE := $(or $(RATE),1000)
unexport SECONDS

PACKAGES := contracts domain producer programs spark_jobs serving local postgres benchmarks ml
GROUPS := dev dbt objectstore ml rival-mlserver rival-bentoml
IMAGE_GROUPS := producer stream serving migrations
UV_LOCK := uv pip compile --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras \
	--python-version 3.11 --universal --quiet

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: install ## Run everything here as processes until Ctrl-C; SECONDS=60 ends by itself, RATE=1000 purchases/s
	@exec $(DEV)/python -m local demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS)) --rate $(DEMO_RATE) $(if $(KEEP),--keep)

.PHONY: up
up: env ## Run everything in Docker
	docker compose up -d --build

.PHONY: down
down: ## End what `make up` started; the data stays
	docker compose down

.PHONY: env
env: ## Write .env from .env.example with fresh secrets; what is set already stays
	@$(PYTHON) -m local.credentials .env.example .env

.PHONY: install
install: ## Make the Python environments from the locked requirements
	@$(PYTHON) -m local.environments dev dbt ml

.PHONY: lock
lock: ## Resolve pyproject.toml into requirements/*.txt again (needs uv)
	@for group in $(GROUPS); do $(UV_LOCK) --group $$group -o requirements/$$group.txt; done
	@for group in $(IMAGE_GROUPS); do $(UV_LOCK) --group $$group -c requirements/dev.txt -o requirements/$$group.txt; done

.PHONY: test
test: install ## Unit, integration and end-to-end tests, and those of training
	$(DEV)/pytest tests/unit tests/integration tests/e2e
	$(ML)/pytest tests/ml

.PHONY: test-unit
test-unit: install ## Pure tests, in seconds
	$(DEV)/pytest tests/unit

.PHONY: test-integration
test-integration: install ## Tests on real Kafka, registry, Spark, Delta and Postgres
	$(DEV)/pytest tests/integration

.PHONY: test-api-fuzz
test-api-fuzz: install ## Ten minutes of requests made of the OpenAPI document; API_FUZZ_SECONDS=60 for one
	API_FUZZ_SECONDS=$(or $(API_FUZZ_SECONDS),600) $(DEV)/pytest -v -o faulthandler_timeout=3600 \
		tests/integration/serving/test_conformance.py

.PHONY: test-e2e
test-e2e: install ## One run of the whole platform
	$(DEV)/pytest tests/e2e

.PHONY: test-chaos
test-chaos: install ## Kill each process under load and count every event afterwards
	$(DEV)/pytest -v -o faulthandler_timeout=900 tests/chaos

.PHONY: test-cluster
test-cluster: install ## The stream on a cluster, in several processes, and two writers of one table
	@$(PYTHON) -m local.environments objectstore
	$(DEV)/pytest -v -o faulthandler_timeout=900 tests/cluster

.PHONY: test-compose
test-compose: install ## The whole platform in containers: build, start, kill the stream, delete
	$(DEV)/pytest tests/compose

.PHONY: lint
lint: install ## Style and types
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy $(addprefix -p ,$(PACKAGES))

.PHONY: format
format: install ## Put the code into its style
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

.PHONY: check
check: lint test ## What CI runs

.PHONY: train
train: install ## Train all models and show what they are worth; LAKE=var/lake for your own data, else a simulated month
	$(if $(LAKE),,$(ML)/python -m ml month --lake var/ml/month --if-missing)
	$(ML)/python -m ml train all --lake $(or $(LAKE),var/ml/month) --results ml/results

.PHONY: test-ml
test-ml: install ## Tests of training and registry, in their own environment
	$(ML)/pytest tests/ml

.PHONY: bench-latency
bench-latency: install ## Seconds from an event's creation to the KPI it changes
	$(DEV)/python -m benchmarks.latency

.PHONY: bench-throughput
bench-throughput: install ## Events per second through Bronze, Silver and Postgres
	$(DEV)/python -m benchmarks.throughput

.PHONY: bench-commit
bench-commit: install ## Milliseconds of one append to a Delta table, by writer
	$(DEV)/python -m benchmarks.commit

.PHONY: bench-gold
bench-gold: install ## Views and API over 86 million payments, alone and by 200 readers at once
	$(DEV)/python -m benchmarks.gold

.PHONY: bench-serving
bench-serving: install ## One decision after the other: this API, a bare server, MLflow's, MLServer, BentoML
	@$(PYTHON) -m local.environments ml
	$(DEV)/python -m benchmarks.serving

.PHONY: eval-anomalies
eval-anomalies: install ## How soon each incident is found, and how often a calm day raises an alarm
	$(DEV)/python -m benchmarks.anomalies

.PHONY: eval-experiments
eval-experiments: install ## How often the tests of experiments find what is not there, and what is
	$(DEV)/python -m benchmarks.experiments

.PHONY: eval-text
eval-text: install ## How right the analysis of messages is, per language
	$(DEV)/python -m benchmarks.text

.PHONY: bench-realtime
bench-realtime: install ## Spark's real-time mode beside micro-batches, Kafka to Kafka
	$(DEV)/python -m benchmarks.realtime

.PHONY: bench-soak
bench-soak: install ## An hour of everything at once: memory, batches, files, and every figure checked
	$(DEV)/python -m benchmarks.soak

.PHONY: clean
clean: ## Delete the state of demos and the caches of tools; downloads and environments stay
	rm -rf var .pytest_cache .mypy_cache .ruff_cache .hypothesis
