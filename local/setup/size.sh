#!/usr/bin/env bash
# size.sh WORKER WASM SCRIPT [BYTES]: how large a Worker is as it is deployed; fails if that is too much, or more wasm
# than so many bytes, function names apart.
#
# Cloudflare takes 64 MB. What is larger than this takes longer to start, and an isolate has 128 MB for everything:
# 4 MB of wasm is the project's own bound. 3 MB compressed, script and all, is what the Free plan took until
# September 2026: an account that is still held to it can deploy this, too.
set -euo pipefail
worker=$1 wasm=$2 script=$3
most_wasm=${4:-4000000} most_compressed=3000000

# A Worker that was built in a hurry has the names of its functions, which one that is deployed has not.
names=$(node_modules/node/bin/node -e '
    const module = new WebAssembly.Module(require("fs").readFileSync(process.argv[1]));
    const names = WebAssembly.Module.customSections(module, "name");
    console.log(names.reduce((sum, section) => sum + section.byteLength, 0))' "$wasm")
bytes=$(($(wc -c <"$wasm") - names))
compressed=$(cat "$wasm" "$script" | gzip -9 | wc -c)
printf '==> %s: %d bytes of wasm, of %d; %d bytes compressed, of %d\n' \
    "$worker" "$bytes" "$most_wasm" "$compressed" "$most_compressed" >&2
[ "$bytes" -le "$most_wasm" ] && [ "$compressed" -le "$most_compressed" ]
