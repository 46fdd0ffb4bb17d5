# `make` alone lists what there is to do.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# Overridable: make run PORT=9100 DATA_DIR=/tmp/tandem ONCE=1
PORT ?= 9000
DATA_DIR ?= .tandem
ONCE ?=
EXAMPLES ?= 40
SEED ?= 1

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
FUNCTIONS := --package tandem-mautic-sync --package tandem-mautic-webhook --package tandem-billing-webhook \
	--package tandem-scheduled-sync --package tandem-queue-worker

export SAM_CLI_TELEMETRY := 0

.PHONY: help run test api-check check fmt client build deploy prove bench clean tools

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and start everything on PORT, send the sample contacts, keep serving (ONCE=1: stop then)
	@echo "Building the tandem command; then it serves on port $(PORT), keeps its data in $(DATA_DIR) and sends the sample"
	cargo build --bin tandem
	"$(TARGET_DIR)/debug/tandem" demo --port "$(PORT)" --data-dir "$(DATA_DIR)" $(if $(ONCE),--once)

test: ## run all tests, and the proof suite at small size
	@echo "Building everything, then running the proof suite at small size and all tests"
	@.ci/test.sh

api-check: ## hold the HTTP interface against docs/openapi.yaml (EXAMPLES=1000 SEED=7)
	@echo "Building the tandem command, then running the client's tests and schemathesis against tandem dev"
	cargo build --bin tandem
	tests/api/run.sh $(EXAMPLES) $(SEED)

check: ## check format, lints, dependencies, template, client
	@echo "Checking format, dependencies, template and lints; missing tools go to .tools/"
	@.ci/check.sh

fmt: ## format the code
	@echo "Formatting all crates"
	cargo fmt --all

client: ## make the client's types and the examples in the documents anew
	@echo "Generating docs/client/schema.d.ts from docs/openapi.yaml, copying examples into docs/"
	@.ci/client.sh --write

build: ## build the zips of the functions for Lambda (arm64)
	@echo "Building the functions for Lambda into target/lambda; cargo-lambda goes to .tools/"
	@.ci/install-tools.sh build
	PATH="$(CURDIR)/.tools/venv/bin:$$PATH" cargo lambda build --release --arm64 $(FUNCTIONS) \
		--output-format zip --lambda-dir target/lambda

deploy: build ## deploy with SAM; the first time it asks for names and settings
	@echo "Deploying template.yaml. SAM asks whether routes without an authorizer are fine: yes, Tandem checks its API key itself"
	@.ci/install-tools.sh lint
	.tools/venv/bin/sam deploy --template-file template.yaml --capabilities CAPABILITY_IAM \
		$(if $(wildcard samconfig.toml),,--guided)

prove: prove-all ## run all proof scenarios at full size

# What is promised in seconds is measured as it is built for use, but for link-time optimisation, which takes minutes.
prove-%: ## run one proof scenario at full size, such as prove-race
	@echo "Building the proof suite, the command and the functions optimised, then running at full size: $*"
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo build --release --package tandem-tests --package tandem-local $(FUNCTIONS) --bins
	"$(TARGET_DIR)/release/prove" $*

bench: ## measure cold init, latency, calls, memory
	@echo "Building for release, then measuring; nothing else should run on this machine"
	cargo build --release $(FUNCTIONS)
	cargo build --release --package tandem-tests --bin bench --bin empty-function
	"$(TARGET_DIR)/release/bench"

clean: ## remove what was built and the tools (the data of `make run` stays)
	@echo "Removing build output and .tools/; delete $(DATA_DIR) by hand to forget the data of make run"
	cargo clean
	rm -rf .tools target/lambda docs/client/node_modules

tools: ## install all tools that the other tasks use into .tools/
	@echo "Installing cargo-lambda, SAM CLI, cfn-lint, cargo-deny, schemathesis and the client's tools, unless they are there"
	@.ci/install-tools.sh lint build cargo-deny api client
