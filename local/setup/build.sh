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

# What a Worker is built from: shared sources without those for tests, its own crate, the lock file and the tools.
fingerprint() {
    { cat Cargo.lock Cargo.toml .cargo/config.toml "$tools/stamps/wasm_tools"
      find pipeline retrieval producers consumers cloudflare/src cloudflare/Cargo.toml "cloudflare/$1" -path '*/build' -prune -o -type f -print | LC_ALL=C sort | xargs cat
    } | sha256sum | cut -d' ' -f1
}

for worker in gateway consumers; do
    stamp=$tools/stamps/build-$worker
    wanted=$(fingerprint "$worker")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -f "cloudflare/$worker/build/index.js" ]; then
        continue
    fi
    printf '==> building the Worker %s to wasm (about 2 minutes at first, less after)\n' "$worker" >&2
    (cd "cloudflare/$worker" && "$tools/bin/worker-build" --release) >"$tools/build-$worker.log" 2>&1 ||
        { tail -n 40 "$tools/build-$worker.log" >&2; exit 1; }
    printf '%s' "$wanted" >"$stamp"
done
