# The control plane: every task a person or a machine does here, one target each. `make help` lists them.
# The work is in scripts/ and CMake; a target is a line or two.
SHELL := /bin/bash
# scripts/setup puts a Node here when the distribution's is too old.
export PATH := $(CURDIR)/.cache/node/bin:$(PATH)

PREFIX ?= /usr/local
PACK ?= adtech
CHECK ?=
type ?=
args ?=
RELEASE := build/release

.DEFAULT_GOAL := help
.PHONY: help setup build programs demo test bench start stop restart status logs fmt lint install clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Debian and npm packages (quiet when nothing is to do)
	@scripts/setup

build: setup ## build/release/tidemark, with tidemark-clickhouse beside it
	@mkdir -p build && cmake --preset release >$(RELEASE).configure.log 2>&1 || { cat $(RELEASE).configure.log; exit 1; }
	@cmake --build --preset release

programs: setup # the two programs without the tests: what a demo needs
	@mkdir -p build && cmake --preset release >$(RELEASE).configure.log 2>&1 || { cat $(RELEASE).configure.log; exit 1; }
	@cmake --build --preset release --target tidemark tidemark-clickhouse

demo: programs ## everything at http://127.0.0.1:8088 until Ctrl-C; CHECK=1 proves the numbers and ends; PACK=adtech
	@$(if $(CHECK),rm -rf build/demo-check)
	@exec $(RELEASE)/tidemark demo $(PACK) $(if $(CHECK),--check --dir build/demo-check,--dir build/demo)

test: build ## all tests, or type=unit|property|integration|schema|streaming|web|torture
	@scripts/test $(type)

bench: build ## Tidemark against its peers and limits (docs/BENCHMARKS.md); args="--only stream --write"
	@node bench/run.mjs $(args)

start: build ## the demo in the background
	@PACK=$(PACK) scripts/service start
stop: ## ends it
	@scripts/service stop
restart: build ## stop, start
	@scripts/service stop && PACK=$(PACK) scripts/service start
status: ## is it running, and how far behind
	@scripts/service status
logs: ## follows its log
	@scripts/service logs

fmt: ## clang-format over src/
	@git ls-files 'src/*.h' 'src/*.cc' | xargs -r clang-format -i

lint: build ## clang-format, clang-tidy, shellcheck, layering, svelte-check; args="--changed" looks at changed files only
	@scripts/lint $(args)

install: build ## PREFIX=/usr/local: bin/tidemark, bin/tidemark-clickhouse, lib/tidemark/libchdb.so
	@install -D -m 755 $(RELEASE)/tidemark $(DESTDIR)$(PREFIX)/bin/tidemark
	@install -D -m 755 $(RELEASE)/tidemark-clickhouse $(DESTDIR)$(PREFIX)/bin/tidemark-clickhouse
	@install -D -m 644 node_modules/@chdb/lib-linux-x64-gnu/libchdb.so $(DESTDIR)$(PREFIX)/lib/tidemark/libchdb.so
	@echo "installed to $(DESTDIR)$(PREFIX)"

clean: ## removes build/ (refused while the demo runs from it)
	@scripts/service is-running && { echo "the demo is running: make stop first" >&2; exit 1; } || true
	@rm -rf build
