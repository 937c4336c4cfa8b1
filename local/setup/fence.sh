#!/usr/bin/env bash
# The pure crates must not know the platform, neither by what they depend on nor by what they call.
set -euo pipefail
cd "$(dirname "$0")/../.."
for crate in pipeline producers consumers; do
    tree=$(cargo tree --package "$crate" --edges normal --prefix none --target x86_64-unknown-linux-gnu)
    for platform in worker worker-sys js-sys web-sys wasm-bindgen cloudflare; do
        if grep -qE "^$platform v" <<<"$tree"; then
            echo "$crate depends on $platform" >&2
            exit 1
        fi
    done
    if [ "$crate" = pipeline ] && grep -qE '^(producers|consumers) v' <<<"$tree"; then
        echo 'pipeline depends on who depends on it' >&2
        exit 1
    fi
done
if grep -nE 'SystemTime::now|Instant::now|std::time::Instant|rand::|OffsetDateTime::now' -r pipeline/src producers/src consumers/src; then
    echo 'a clock or randomness that is no port' >&2
    exit 1
fi
