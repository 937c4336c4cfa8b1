#!/usr/bin/env bash
# Every check and every test, ending with the slowest tests and a count.
set -euo pipefail
cd "$(dirname "$0")/../.."
log=.tools/test.log
say() { printf '==> %s\n' "$*" >&2; }

say 'the layout: owners, circles, sizes, the map'
cargo test --quiet --locked --package tidy

say 'licences and sources of dependencies, spelling'
local/setup/lint.sh

if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
    say 'rustfmt and clippy'
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet --locked -- -D warnings
    say 'rustdoc: every link leads somewhere'
    RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --quiet --locked --workspace --no-deps \
        --document-private-items --exclude tests --exclude tidy --exclude wasm-tests
fi

say 'what JavaScript does around the wasm'
node_modules/node/bin/node --test --test-reporter=dot cloudflare/instance.test.js

say 'as wasm: what must hold where usize has 32 bits and memory ends'
(
    # shellcheck disable=SC1091
    source .tools/wasm.env
    # Beside the Workers, so that what they all need is compiled once.
    CARGO_TARGET_DIR=target/wasm cargo build --quiet --locked --profile quick --target wasm32-unknown-unknown \
        -p gateway -p consumers-worker -p wasm-tests
)
node_modules/node/bin/node --test --test-timeout=60000 --test-reporter=dot tests/wasm/wasm.test.js tests/wasm/ot.test.js

# Those that are deployed take minutes to build. These are larger, by a factor that is each Worker's own (measured in
# November 2026, without the names of functions: 1.33 and 1.30): what makes one outgrow the 4 MB of local/setup/size.sh
# is seen here, within a few percent.
say 'how large the Workers are'
size() { local/setup/size.sh "the $1 Worker, built in a hurry" cloudflare/"$1"/build/{bindings_bg.wasm,index.js} "$2"; }
size gateway 5320000
size consumers 5200000

say 'the deployed configuration: wrangler deploy --dry-run'
for environment in '' staging; do
    for configuration in wrangler.toml wrangler.consumers.toml; do
        node_modules/node/bin/node node_modules/wrangler/bin/wrangler.js deploy --dry-run --env "$environment" \
            --config "$configuration" --outdir .tools/dry-run >.tools/dry-run.log 2>&1 ||
            { cat .tools/dry-run.log; exit 1; }
    done
done

# The same packages every time: another choice of them would build dependencies with other features.
tests=(cargo test --locked --workspace --exclude gateway --exclude consumers-worker --exclude cloudflare
    --no-fail-fast --config "target.'cfg(all())'.runner = '$PWD/local/setup/timed.sh'")

say 'building the tests (a few minutes at first)'
"${tests[@]}" --quiet --no-run

# Writes all to a log and shows what says something.
show() { tee "$1" | grep -vE '^(running 0 tests|test result: ok\. 0 passed|$|     Running)' || true; }

# End to end much is waited for: eight at a time. What only computes runs beside them and yields to them; of that
# the longest, which take minutes each, begin at once: one that begins last is waited for alone.
longest=(simulation:: redelivery:: freeplan:: deploy:: outages::)
say 'tests: end to end on workerd, and all others beside them (about 5 minutes)'
status=0
others=(--lib --bins --test '[!e]*')
RUST_TEST_THREADS=3 nice -n 5 "${tests[@]}" "${others[@]}" -- "${longest[@]}" 2>&1 | show "$log.longest" &
beside=("$!")
# More threads than cores: some wait for programs that they start.
skipped=$(printf -- '--skip %s ' "${longest[@]}")
# shellcheck disable=SC2086
RUST_TEST_THREADS=3 nice -n 5 "${tests[@]}" "${others[@]}" -- $skipped 2>&1 | show "$log.native" &
beside+=("$!")
"${tests[@]}" --test end_to_end -- --test-threads 8 2>&1 | show "$log.end_to_end" || status=1
for process in "${beside[@]}"; do
    wait "$process" || status=1
done
cat "$log.native" "$log.longest" "$log.end_to_end" >"$log"

say 'the ten slowest'
sed -nE 's/^test (.*) \.\.\. (ok|FAILED) <([0-9.]+)s>$/\3 s  \1/p' "$log" | sort -rn | awk 'NR <= 10' >&2

passed=$(grep -E '^test result' "$log" | sed -E 's/.* ([0-9]+) passed.*/\1/' | awk '{sum += $1} END {print sum + 0}')
failed=$(grep -E '^test result' "$log" | sed -E 's/.* ([0-9]+) failed.*/\1/' | awk '{sum += $1} END {print sum + 0}')
# A program that did not end has no result to count.
grep -q '^error' "$log" && status=1
[ "$failed" = 0 ] || status=1
echo "$passed passed, $failed failed"
exit $status
