#!/usr/bin/env bash
# The long proofs, printed with their counts and durations.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '==> %s\n' "$*" >&2; }

say "T1 long: ${SEEDS:-30000} histories (about 20 minutes on two cores)"
SEEDS=${SEEDS:-30000} cargo test --quiet -p tests --test simulation ten_thousand -- --nocapture
say 'T5: ten thousand messages, one in a hundred of them poison (about 1 minute)'
cargo test --quiet -p tests --test poison -- --ignored --nocapture
say "T3 long: ${MESSAGES:-10000} messages while workerd is killed every five seconds (about 5 minutes)"
MESSAGES=${MESSAGES:-10000} cargo test --quiet -p tests --test kills -- --nocapture
