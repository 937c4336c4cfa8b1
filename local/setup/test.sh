#!/usr/bin/env bash
# Every check and every test, ending with a count.
set -euo pipefail
cd "$(dirname "$0")/../.."
log=.tools/test.log
say() { printf '==> %s\n' "$*" >&2; }

say 'the fence: pure crates know no platform'
cargo test --quiet --package tidy

if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
    say 'rustfmt and clippy'
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
fi

say 'what JavaScript does around the wasm'
node_modules/node/bin/node --test --test-reporter=dot cloudflare/instance.test.js

say 'the deployed configuration: wrangler deploy --dry-run'
for environment in '' staging; do
    for configuration in wrangler.toml wrangler.consumers.toml; do
        node_modules/node/bin/node node_modules/wrangler/bin/wrangler.js deploy --dry-run --env "$environment" \
            --config "$configuration" --outdir .tools/dry-run >.tools/dry-run.log 2>&1 || { cat .tools/dry-run.log; exit 1; }
    done
done

say 'tests: native, then end to end on workerd (about 10 minutes at first, 3 after)'
status=0
cargo test --workspace --exclude gateway --exclude consumers-worker --exclude cloudflare --no-fail-fast 2>&1 | tee "$log" | grep -vE '^(running 0 tests|test result: ok\. 0 passed|$|   Doc-tests)' || true
[ "${PIPESTATUS[0]}" = 0 ] || status=1

passed=$(grep -E '^test result' "$log" | sed -E 's/.* ([0-9]+) passed.*/\1/' | awk '{sum += $1} END {print sum + 0}')
failed=$(grep -E '^test result' "$log" | sed -E 's/.* ([0-9]+) failed.*/\1/' | awk '{sum += $1} END {print sum + 0}')
grep -q '^error' "$log" && status=1
[ "$failed" = 0 ] || status=1
echo "$passed passed, $failed failed"
exit $status
