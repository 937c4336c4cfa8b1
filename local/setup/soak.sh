#!/usr/bin/env bash
# The long proofs, printed with their counts and durations.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '==> %s\n' "$*" >&2; }
native() { cargo test --quiet -p tests --test native -- --nocapture "$@"; }

say "T1 long: ${SEEDS:-30000} histories (about 15 minutes on two cores)"
SEEDS=${SEEDS:-30000} native --exact simulation::fresh_histories_keep_every_promise
say "T2 long: each use of each rule is taken out of ${MUTATION_SEEDS:-2000} histories where no kept seed misses it"
MUTATION_SEEDS=${MUTATION_SEEDS:-2000} native mutations::
say 'T5: ten thousand messages, one in a hundred of them poison (about 1 minute)'
native --exact poison::poison_among_ten_thousand --ignored
say "tokens: ${CASES:-1000000} texts are tokenized as tiktoken does (about 2 minutes)"
CASES=${CASES:-1000000} cargo test --quiet -p tokenizer --test oracle -- any_text
say "T3 long: ${MESSAGES:-10000} messages while workerd is killed every five seconds (about 5 minutes)"
MESSAGES=${MESSAGES:-10000} cargo test --quiet -p tests --test end_to_end -- --nocapture kills::
say "T6 long: each of seven services out for ${OUTAGE_SECONDS:-60} seconds on workerd (about 10 minutes)"
OUTAGE_SECONDS=${OUTAGE_SECONDS:-60} cargo test --quiet -p tests --test end_to_end -- --nocapture outages::
