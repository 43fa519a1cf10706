# The front door of the repository. `make help` lists the targets.
SHELL := /bin/sh
NODE := node_modules/.bin/node
# node_modules/.stamp is newer than the lock file exactly when the packages of that lock file are installed.
STAMP := node_modules/.stamp

.PHONY: help deps check types lint fmt proto test test-unit

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

deps: $(STAMP) ## install the npm packages (once; again only when the lock file changes)

$(STAMP): package-lock.json
	@echo "Installing npm packages (Node 26 among them: 211 MB unpacked) ..."
	@npm ci --loglevel=error
	@touch $@

check: types lint test-unit ## types, lint and unit tests

types: $(STAMP) ## type-check everything
	@node_modules/.bin/tsc --noEmit

lint: $(STAMP) ## lint and check the format
	@node_modules/.bin/biome check --error-on-warnings .

fmt: $(STAMP) ## format and apply safe fixes
	@node_modules/.bin/biome check --write .

proto: $(STAMP) ## regenerate services/gen from proto/
	@deploy/proto.sh

test-unit: $(STAMP) ## unit tests only: no processes, under a minute
	@$(NODE) node_modules/vitest/vitest.mjs run --project unit

test: $(STAMP) ## everything that CI runs
	@$(NODE) node_modules/vitest/vitest.mjs run
