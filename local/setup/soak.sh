#!/usr/bin/env bash
# The long proofs, printed with their counts and durations.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '==> %s\n' "$*" >&2; }
# The same packages as in local/setup/test.sh: another choice of them would build dependencies with other features.
tests=(cargo test --locked --quiet --workspace --exclude gateway --exclude consumers-worker --exclude cloudflare)
native() { "${tests[@]}" --test native -- --nocapture "$@"; }
end_to_end() { "${tests[@]}" --test end_to_end -- --nocapture "$@"; }

"${tests[@]}" --no-run
export OUTAGE_SECONDS=${OUTAGE_SECONDS:-300}
say "T6 long: each of eight services out for $OUTAGE_SECONDS seconds on workerd (about 45 minutes, of waiting,"
say 'most of them, while what follows computes)'
set -m # in a group of its own, so that it ends with this script
end_to_end outages:: >.tools/soak.outages.log 2>&1 &
outages=$!
set +m
trap 'kill -- "-$outages" 2>/dev/null || true' EXIT

say "T1 long: ${SEEDS:-30000} histories (about 15 minutes on two cores)"
SEEDS=${SEEDS:-30000} native --exact simulation::fresh_histories_keep_every_promise
say "T2 long: each use of each rule is taken out of ${MUTATION_SEEDS:-2000} histories where no kept seed misses it"
MUTATION_SEEDS=${MUTATION_SEEDS:-2000} native mutations::
say 'T5: ten thousand messages, one in a hundred of them poison (about 1 minute)'
native --exact poison::poison_among_ten_thousand --ignored
say 'own words: nothing of what one finds depends on 50,000 chunks of strangers (about 10 seconds)'
native --exact own_words::fifty_thousand_chunks_of_strangers_change_nothing --ignored
say "tokens: ${CASES:-1000000} texts are tokenized as tiktoken does (about 2 minutes)"
CASES=${CASES:-1000000} "${tests[@]}" --test oracle -- any_text
say 'memories: a hundred paraphrases and two hundred that differ in a word, with the real model (about 3 minutes)'
end_to_end memories:: --ignored
say "T3 long: ${MESSAGES:-10000} messages while workerd is killed every five seconds (about 5 minutes)"
MESSAGES=${MESSAGES:-10000} end_to_end kills::

say 'T6 long, once it has ended'
status=0
wait "$outages" || status=$?
cat .tools/soak.outages.log
[ "$status" = 0 ] || { say 'T6 long failed'; exit 1; }

# Alone: what it measures is memory and time.
say "T7: 100 MB of documents and a folder of 60 MB, plain and compressed, each in one request, workerd killed twice"
target/debug/friend-dev bench --uploads ${QUICK:+--quick}
