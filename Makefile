# Two commands for a newcomer: `make serve` and `make test`. `make help` lists the others.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: help setup serve test check bench format build images clean

# What `make serve` and `make bench` are to say to the program: make serve ARGS="--port 9000"
ARGS ?=
# The languages of contexts: python bash javascript typescript r. Empty: those of last time, at first python bash javascript.
export LANGUAGES ?=
# What `make images` looks at besides, see scripts/images.sh.
export PREBUILT PRELOAD TARGETS CERTIFICATES BUILD_ARGUMENTS

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, the Python environment, LANGUAGES="python bash javascript"
	@scripts/setup.sh

build: setup ## build the release binaries
	@scripts/build.sh release

serve: build ## build and run the server on port 8000
	@exec .build/release/code-interpreter serve $(ARGS)

test: setup ## run every test, Python and Swift
	@python3 scripts/test.py $(ARGS)

check: setup ## formatting, types, lengths, forbidden things: all that needs no running server
	@scripts/setup.sh --development
	@python3 scripts/check.py

bench: build ## measure, beside what else is on this machine; ARGS="--quick" for a short run
	@python3 Benchmarks/bench.py $(ARGS)

images: ## build the images of guest and server with Docker; PREBUILT=1, PRELOAD=1 and more: see scripts/images.sh
	@scripts/images.sh

format: setup ## format Swift and Python
	@scripts/setup.sh --development
	@swift format format --in-place --recursive Package.swift Sources Tests
	@.venv-development/bin/ruff format --quiet Runtime scripts Benchmarks Tests/ImageTests
	@.venv-development/bin/ruff check --quiet --fix Runtime scripts Benchmarks Tests/ImageTests

clean: ## remove everything that was built, the Python environments included
	@rm -rf .build .venv .venv-development .mypy_cache .ruff_cache
