# Claude's Friend. `make help` lists what there is.
# Everything that is missing is installed into .tools/ (ignored), once, with a line on the screen.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build release dev check test trace demo eval eval-answers eval-memories bench freeplan fuzz-api soak \
	deploy smoke clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

build: ## install what is missing, build both Workers and the development kit
	@local/setup/build.sh

release: # the same with the Workers as they are deployed
	@PROFILE=release local/setup/build.sh

dev: build ## start the product on http://localhost:8787 (PORT=, STATE_DIR=); Ctrl-C stops it
	@exec target/debug/friend-dev serve

trace: ## replay one history of the simulation and print it (SEED=17)
	@SEED=$(or $(SEED),17) cargo test --quiet --locked -p tests --test native -- \
		--exact simulation::one_history_is_replayed --ignored --nocapture

demo: build ## index a folder and search it (DIR=…; by default this repository)
	@target/debug/friend-dev demo

check: ## format, clippy and the native tests of what changed, in under a minute
	@local/setup/check.sh

test: build ## run every test and end with a count
	@local/setup/test.sh

eval: build ## nDCG@10, R@10, costs on the sets of EVAL_DATA=../shared/data, against grep (SETS=scifact,cosqa JSON=1)
	@target/debug/friend-dev eval $(if $(JSON),--json)

eval-answers: build ## answers to known questions: right, refused, invented (EXCERPTS=1, EVERY=5, SET=folder)
	@target/debug/friend-dev eval-answers $(if $(EXCERPTS),--excerpts) $(if $(JSON),--json)

eval-memories: build ## recall of what was said and superseded since: R@5, stale answers (SETS=own,locomo_dev JSON=1)
	@target/debug/friend-dev eval-memories $(if $(JSON),--json)

bench: release ## CPU, speed, Free-plan cost (QUICK=1: fewer; CPU=1 ROWS=chat, UPLOADS=1, HOOKS=1: that alone; JSON=1)
	@target/debug/friend-dev bench $(if $(QUICK),--quick) $(if $(CPU),--cpu) $(if $(UPLOADS),--uploads) \
		$(if $(HOOKS),--hooks) $(if $(JSON),--json)

freeplan: build ## a day on the Free plan, simulated: which allowance runs out first
	@cargo run --quiet --locked -p tests --bin freeplan

fuzz-api: build ## try all that the API's description allows (EXAMPLES=500 of each operation, SEEDS="1 2")
	@cargo test --quiet --locked -p tests --test end_to_end -- --ignored --nocapture the_whole_description_at_length

soak: build ## the long proofs: more histories, poison, kills of workerd, outages, 100 MB (about 90 minutes)
	@local/setup/soak.sh

deploy: release ## create what is missing in your Cloudflare account, migrate, deploy both Workers (ENVIRONMENT=staging)
	@local/setup/deploy.sh

smoke: build ## use a deployment as people would, and check what only a real account can show (URL=, KEY=)
	@local/setup/smoke.sh

clean: ## remove what was built and the local state, keep what was installed
	@rm -rf target cloudflare/gateway/build cloudflare/consumers/build .state .tools/stamps/kit .tools/stamps/workers
