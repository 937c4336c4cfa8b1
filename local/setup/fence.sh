#!/usr/bin/env bash
# The pure crates must not know the platform, neither by what they depend on nor by what they call.
set -euo pipefail
cd "$(dirname "$0")/../.."
for crate in pipeline retrieval producers consumers; do
    tree=$(cargo tree --package "$crate" --edges normal --prefix none --target x86_64-unknown-linux-gnu)
    for platform in worker worker-sys js-sys web-sys wasm-bindgen cloudflare; do
        if grep -qE "^$platform v" <<<"$tree"; then
            echo "$crate depends on $platform" >&2
            exit 1
        fi
    done
    above='^$'
    case $crate in
        pipeline) above='^(retrieval|producers|consumers) v' ;;
        retrieval) above='^(producers|consumers) v' ;;
        producers) above='^consumers v' ;;
        consumers) above='^producers v' ;;
    esac
    if grep -qE "$above" <<<"$tree"; then
        echo "$crate depends on what must not be known to it" >&2
        exit 1
    fi
done
if grep -nE 'SystemTime::now|Instant::now|std::time::Instant|rand::|OffsetDateTime::now' -r pipeline/src retrieval/src producers/src consumers/src; then
    echo 'a clock or randomness that is no port' >&2
    exit 1
fi
