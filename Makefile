# Everything a developer does here. `make help` lists it; CI runs `check` and `test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# One target folder for the wheels, the tests, the lints and the documentation.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
CARGO := scripts/cargo.sh

# The tests run as two selections of packages. `tlog_tiles`, with which the tests of
# `merkle` compare, switches on features of `digest`, which lies under DataFusion:
# in one command with the rest, all of DataFusion would be compiled a second time
# beside the wheel's. `check-layers` sees that it stays so.
HEAVY := --workspace --exclude trailkeeper-merkle
LIGHT := --package trailkeeper-merkle

# What an installed wheel was built from. Folders stand for files that went away.
sources = Cargo.toml Cargo.lock $(shell find $(addprefix crates/,$(1)) \
	-type d -o -name '*.rs' -o -name '*.toml' -o -name '*.pyi')
ENGINE_SOURCES := $(call sources,bindings cli engine event merkle spool store)
APP_SOURCES := $(call sources,event recorder spool sql) python/pyproject.toml

.PHONY: help
help:
	@grep -E '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.* ## (.*)/  \1\t\2/' | expand -t 18

# The day prints for a person; its failure is make's failure.
.PHONY: demo
demo: setup ## A day of work in the example: from save() to a proven history
	@cd examples/invoicing && ../../.venv/bin/python day.py

.PHONY: test
test: test-rust test-python ## All tests

.PHONY: setup
setup: .venv/installed-engine .venv/installed-app ## Build both wheels and install them into .venv

.venv/installed-requirements: requirements/dev.txt requirements/test.txt
	@scripts/make_venv.sh .venv 3.11 --requirement requirements/dev.txt
	@touch $@

.venv/installed-engine: .venv/installed-requirements scripts/install_engine.sh $(ENGINE_SOURCES)
	@scripts/install_engine.sh
	@touch $@

# After the engine, which the app needs; but a new engine needs no new app.
.venv/installed-app: .venv/installed-requirements scripts/install_app.sh $(APP_SOURCES) \
		| .venv/installed-engine
	@scripts/install_app.sh
	@touch $@

.PHONY: fmt
fmt: .venv/installed-requirements ## Format Rust and Python
	@cargo fmt --all
	@.venv/bin/ruff check --quiet --select I --fix .
	@.venv/bin/ruff format --quiet .

.PHONY: lint
lint: setup ## rustfmt, clippy, ruff, mypy, shellcheck: all warnings are errors
	@echo '==> rustfmt'
	@cargo fmt --all --check
	@echo '==> clippy'
	@$(CARGO) clippy --quiet --locked $(HEAVY) --all-targets -- --deny warnings
	@$(CARGO) clippy --quiet --locked $(LIGHT) --all-targets -- --deny warnings
	@scripts/lint_python.sh

.PHONY: check-layers
check-layers: ## The dependencies match the picture, and nothing heavy is built twice
	@echo '==> layers'
	@scripts/check_layers.py
	@scripts/check_features.py $(HEAVY)

.PHONY: deny
deny: .venv/installed-requirements ## Licences, sources and advisories of the dependencies
	@scripts/deny.sh

.PHONY: test-rust
test-rust: .venv/installed-requirements ## Rust tests, and the examples in the documentation
	@scripts/test_rust.sh $(LIGHT)
	@scripts/test_rust.sh $(HEAVY)

.PHONY: test-python
test-python: setup ## Python tests on SQLite, PostgreSQL and MariaDB, Django 5.2 and 6; ARGS='-k name'
	@scripts/test_python.sh $(ARGS)

.PHONY: test-matrix
test-matrix: setup ## Python tests on every Python and Django; MATRIX='3.13-6.1-mariadb', ARGS='-k name'
	@scripts/test_matrix.sh $(ARGS)

.PHONY: bench
bench: setup ## Measure beside the peers
	@.venv/bin/python bench/run.py $(ARGS)

.PHONY: bench-store
bench-store: setup ## Look-ups in trails of growing size; ARGS='--events 10000000'
	@scripts/make_bench.sh
	@.venv/bin/python bench/look_up.py $(ARGS)

# Both the engine and its Python face compile to a library named trailkeeper_engine:
# the documentation is that of the crate which Rust code can use.
.PHONY: docs
docs: .venv/installed-requirements ## The documentation of our crates: broken links are errors
	@echo '==> cargo doc'
	@RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --quiet --locked --no-deps \
		--workspace --exclude trailkeeper-bindings

.PHONY: check
check: lint check-layers deny docs ## All that CI checks besides the tests

.PHONY: clean
clean: ## Remove what was built, the environments included
	@cargo clean --quiet
	@rm -rf .venv .venv-django6 .venv-matrix python/src/trailkeeper/_recorder*.so
	@rm -rf .mypy_cache .ruff_cache python/.mypy_cache python/.pytest_cache
