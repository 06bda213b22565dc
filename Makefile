# The doors to Keyrack's tools: each target is a line or two, the work is in tools/.
.DEFAULT_GOAL := help
.PHONY: help run dev demo test check e2e bench drill openapi deny

help: ## List the targets
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: ## Install what is missing, build, start Keyrack on http://127.0.0.1:3000 with its data in ./data
	@tools/setup.sh build
	@tools/serve.sh run

dev: ## The same as a debug build that follows every change of the source
	@tools/setup.sh build
	@tools/serve.sh dev

demo: ## Start Keyrack with made-up people, credentials and usage in ./data/demo
	@tools/setup.sh build
	@tools/serve.sh demo

test: ## Everything: formatting, clippy, all tests on SQLite and PostgreSQL, journeys in a browser
	@tools/test.sh

check: ## The quick part of the tests: formatting and clippy, native and WASM
	@tools/setup.sh build
	@tools/test.sh formatting clippy clippy_wasm

e2e: ## The journeys in a browser alone
	@tools/test.sh setup app browser

bench: ## Measure speed and memory, as ratios to a bare server on the same machine; COUNT=, IN_USE=, URL=
	@tools/setup.sh bench
	@bench/run.sh

drill: ## Break what Keyrack stands on while it runs: kill -9, full disk, failover, stall, read-only; ROUNDS=
	@tools/setup.sh test
	@tools/drill.sh

openapi: ## Draft a catalogue from each of npm's 2,600 real OpenAPI documents and count what is left out
	@tools/setup.sh build
	@tools/openapi.sh

deny: ## Check licences, sources and advisories of all dependencies (needs cargo-deny and the internet)
	@tools/deny.sh
