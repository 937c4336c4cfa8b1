#!/usr/bin/env bash
# What is worth knowing after every edit: format, clippy, the layout, and the unit tests of the crates that
# changed since main (BASE=… for another commit) and of those that depend on them. `make test` runs everything.
set -euo pipefail
cd "$(dirname "$0")/../.."
began=$SECONDS
say() { printf '==> %s\n' "$*" >&2; }

# What is checked needs no Workers: only a new checkout has something to install first.
[ -x target/debug/friend-dev ] || local/setup/build.sh

base=${BASE:-$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || echo HEAD)}
changed=$({ git diff --name-only "$base"; git ls-files --others --exclude-standard; } | sort -u)
if [ -z "$changed" ]; then
    say "nothing changed since $base"
    exit
fi

# The crates to test, a line each: not the Workers, which are wasm, nor the product's own tests, which take minutes.
crates=$(cargo metadata --format-version 1 --no-deps --offline --locked | python3 -c '
import json, os, sys

metadata = json.load(sys.stdin)
root = metadata["workspace_root"]
packages = metadata["packages"]
folders = {package["name"]: os.path.relpath(os.path.dirname(package["manifest_path"]), root) for package in packages}

def owner(path):
    """The crate in whose folder a file lies, the innermost if there are several."""
    owners = [name for name, folder in folders.items() if path.startswith(folder + "/")]
    return max(owners, key=lambda name: len(folders[name]), default=None)

found = {owner(path) for path in sys.argv[1].split("\n")} - {None}
# A test that depends on its own crate makes a circle, so this goes on until nothing is added.
grown = True
while grown:
    dependents = {
        package["name"] for package in packages
        if any(dependency.get("path") and dependency["name"] in found for dependency in package["dependencies"])
    }
    grown = not dependents <= found
    found |= dependents
has_library = {package["name"] for package in packages if any("lib" in target["kind"] for target in package["targets"])}
print("\n".join(sorted(found & has_library - {"cloudflare", "tests", "tidy"})))
' "$changed")

say 'format'
cargo fmt --all --check
say 'clippy'
cargo clippy --workspace --all-targets --quiet --locked -- -D warnings
say 'the layout'
cargo test --quiet --locked -p tidy
if [ -n "$crates" ]; then
    say "unit tests: $(tr '\n' ' ' <<<"$crates")"
    # Compiling is what takes time here, so the product's own crates are compiled as they come.
    plain=()
    for crate in pipeline retrieval uploads producers consumers test-platform local-models; do
        plain+=(--config "profile.dev.package.$crate.opt-level=0")
    done
    # shellcheck disable=SC2046,SC2001
    cargo test --quiet --locked --lib "${plain[@]}" $(sed 's/^/-p /' <<<"$crates")
fi
say "all well, after $((SECONDS - began)) seconds"
