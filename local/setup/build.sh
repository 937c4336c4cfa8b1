#!/usr/bin/env bash
# Builds the two Workers to wasm. A first build takes about 3 minutes, an unchanged one a second.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$PWD/.tools
# shellcheck disable=SC1091
source "$tools/wasm.env"
export WASM_BINDGEN_BIN=$tools/bin/wasm-bindgen
export ESBUILD_BIN=$PWD/node_modules/.bin/esbuild
export WASM_OPT_BIN=$PWD/node_modules/binaryen/bin/wasm-opt
export CARGO_TARGET_DIR=$PWD/target/wasm
export PATH=$PWD/node_modules/node/bin:$PATH

# The sources, their lock file and the tools decide what is built.
fingerprint() {
    { cat Cargo.lock Cargo.toml .cargo/config.toml "$tools/stamps/wasm_tools"
      find pipeline producers consumers cloudflare -path '*/build' -prune -o -type f -print | LC_ALL=C sort | xargs cat
    } | sha256sum | cut -d' ' -f1
}

wanted=$(fingerprint)
if [ "$(cat "$tools/stamps/build" 2>/dev/null)" = "$wanted" ] && [ -f cloudflare/gateway/build/index.js ] && [ -f cloudflare/consumers/build/index.js ]; then
    exit 0
fi
printf '==> building the Workers to wasm (about 3 minutes at first, less after)\n' >&2
for worker in gateway consumers; do
    (cd "cloudflare/$worker" && "$tools/bin/worker-build" --release) >"$tools/build-$worker.log" 2>&1 ||
        { tail -n 40 "$tools/build-$worker.log" >&2; exit 1; }
done
printf '%s' "$wanted" >"$tools/stamps/build"
