# The front door of the repository. `make help` lists the targets.
SHELL := /bin/sh
NODE := bin/node

.PHONY: help up down clean-state deps check types lint fmt proto test test-unit test-images

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

up: deps ## start a cloud of three nodes on this machine; Ctrl-C saves the guests and stops it
	@exec bin/cumulet all

down: deps ## stop the cloud from another terminal; its guests are saved
	@bin/cumulet down

clean-state: deps ## end every guest and forget everything
	@bin/cumulet clean-state

deps: ## install the npm packages (when the lock file has changed), bundle what guests start from (when it has)
	@deploy/deps.sh && $(NODE) deploy/bundle.ts

check: types lint test-unit ## types, lint and unit tests

types: deps ## type-check everything
	@node_modules/.bin/tsc --noEmit

lint: deps ## lint and check the format
	@node_modules/.bin/biome check --error-on-warnings .

fmt: deps ## format and apply safe fixes
	@node_modules/.bin/biome check --write .

proto: deps ## regenerate services/gen from proto/
	@deploy/proto.sh

test-unit: deps ## unit tests only: no processes, under a minute
	@$(NODE) node_modules/vitest/vitest.mjs run --project unit

test: deps ## everything that CI runs; installs the programs it needs
	@eval "$$(deploy/tools.sh)" && $(NODE) node_modules/vitest/vitest.mjs run

test-images: deps ## a full Debian on 1 and on 4 harts and in the cloud; builds its image first (minutes)
	@eval "$$(deploy/tools.sh)" && CUMULET_TEST_IMAGES=1 $(NODE) node_modules/vitest/vitest.mjs run --project system test/images
